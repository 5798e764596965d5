# Two images from one file:
#   docker build --target pipeline --build-arg GIT_SHA="$(git rev-parse HEAD)" .   Dagster code location, web server, daemon
#   docker build --target serving  --build-arg GIT_SHA="$(git rev-parse HEAD)" .   the inference service, nothing else
#
# PYTHON_IMAGE     base image; a deployment may pin it by digest
# TORCH_INDEX_URL  package index with torch's CPU builds; when empty, torch comes from the default index (CUDA, +2.5 GB)
# GIT_SHA          revision the image is built from; the git-SHA sensor compares it
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# ---- The environment without our code: it changes only when the dependencies do. ----
FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_SYSTEM_CERTS=1 \
    VIRTUAL_ENV=/opt/venv
WORKDIR /app
COPY constraints.txt pyproject.toml ./
# uv lives beside the environment, not in it: the images do not carry it.
RUN python -m venv /opt/uv \
    && /opt/uv/bin/pip install --constraint constraints.txt uv \
    && python -m venv --without-pip "${VIRTUAL_ENV}"
ENV PATH=/opt/venv/bin:/opt/uv/bin:${PATH}

FROM build AS build-serving
RUN uv pip install --constraint constraints.txt --requirement pyproject.toml --extra serve
COPY README.md LICENSE ./
COPY model_zoo model_zoo
COPY serving serving
# Editable: the code that runs is the code in /app.
RUN mkdir ai_drug_assets && uv pip install --no-deps --editable . && rmdir ai_drug_assets

FROM build AS build-pipeline
ARG TORCH_INDEX_URL=
RUN if [ -n "${TORCH_INDEX_URL}" ]; then \
        uv pip install --no-deps --index-url "${TORCH_INDEX_URL}" "$(grep '^torch==' constraints.txt)"; \
    fi \
    && uv pip install --constraint constraints.txt --requirement pyproject.toml --extra pipeline --extra cpu
COPY README.md LICENSE ./
COPY ai_drug_assets ai_drug_assets
COPY model_zoo model_zoo
COPY serving serving
RUN uv pip install --no-deps --editable .

# ---- What runs: no compiler, no installer, not root. ----
FROM ${PYTHON_IMAGE} AS runtime
ENV AIDRUG_HOME=/var/lib/aidrug \
    PATH=/opt/venv/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
RUN groupadd --system --gid 10001 aidrug \
    && useradd --system --uid 10001 --gid aidrug --home-dir /var/lib/aidrug --no-log-init aidrug \
    && install --directory --owner aidrug --group aidrug /var/lib/aidrug
WORKDIR /app
VOLUME ["/var/lib/aidrug"]

FROM runtime AS serving
COPY --from=build-serving /opt/venv /opt/venv
COPY --from=build-serving /app /app
ENV AIDRUG_SERVICE_HOST=0.0.0.0
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ.get('AIDRUG_SERVICE_PORT', '8000')}/health/live\", timeout=4)"]
CMD ["python", "-m", "serving"]
ARG GIT_SHA=unknown
ENV AIDRUG_GIT_SHA=${GIT_SHA}
LABEL org.opencontainers.image.title="aidrug serving" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${GIT_SHA}"

FROM runtime AS pipeline
# `dvc` and the git-SHA sensor call git. Debian keeps one version per release: a pin would only break the build.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build-pipeline /opt/venv /opt/venv
COPY --from=build-pipeline /app /app
COPY configs configs
COPY workspace.yaml dagster.yaml ./
USER 10001:10001
EXPOSE 3000
CMD ["dagster-webserver", "--host", "0.0.0.0", "--port", "3000", "--workspace", "workspace.yaml"]
ARG GIT_SHA=unknown
ENV AIDRUG_GIT_SHA=${GIT_SHA}
LABEL org.opencontainers.image.title="aidrug pipeline" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${GIT_SHA}"
