#!/bin/sh
# The two images: `images.sh build|check|push PREFIX`, as PREFIX/pipeline and PREFIX/serving, tagged by revision.
# Called by the workflows and by `make test-images`.
#
# GITHUB_SHA       revision, the checkout's when unset
# PYTHON_IMAGE     base image, pinned by digest; the Dockerfile's own when unset
# TORCH_INDEX_URL  another index for torch's CPU build
# BUILD_OPTIONS    more options for docker build
set -eu

action=$1
prefix=$2
cd "$(dirname "$0")/../.."
sha=${GITHUB_SHA:-$(git rev-parse HEAD)}

# A revision that a later reader can find again: what is not committed is not in it.
case $action in
build)
    for image in serving pipeline; do
        # shellcheck disable=SC2086 # options are several words
        DOCKER_BUILDKIT=1 docker build --target "$image" --tag "$prefix/$image:$sha" --build-arg "GIT_SHA=$sha" \
            ${PYTHON_IMAGE:+--build-arg "PYTHON_IMAGE=$PYTHON_IMAGE"} \
            ${TORCH_INDEX_URL:+--build-arg "TORCH_INDEX_URL=$TORCH_INDEX_URL"} ${BUILD_OPTIONS:-} .
    done
    ;;
check)
    for image in serving pipeline; do
        name=$prefix/$image:$sha
        bytes=$(docker image inspect --format '{{.Size}}' "$name")
        echo "$name: $((bytes / 1000000)) MB"
        user=$(docker image inspect --format '{{.Config.User}}' "$name")
        [ "$user" = 10001:10001 ] || { echo "$name runs as '$user', expected 10001:10001" >&2; exit 1; }
        built=$(docker run --rm --network none --entrypoint printenv "$name" AIDRUG_GIT_SHA)
        [ "$built" = "$sha" ] || { echo "$name says it is $built, expected $sha" >&2; exit 1; }
        docker run --rm --network none --read-only --entrypoint cat "$name" /app/sbom.cdx.json >"$image.cdx.json"
        # Everything it will load can be loaded: a missing system library shows here and not on the host.
        docker run --rm --network none --read-only --tmpfs /tmp --interactive --entrypoint python "$name" - \
            "$image" <.github/scripts/inside_image.py
    done
    ;;
push)
    for image in serving pipeline; do docker push "$prefix/$image:$sha"; done
    ;;
*)
    echo "images.sh: expected build, check or push, got '$action'" >&2
    exit 2
    ;;
esac
