#!/bin/sh
# Makes .venv from constraints.txt: `sh infra/setup.sh pipeline,serve,cpu,dev`. Called by `make setup`.
#
# PYTHON          interpreter to build from (the first of python3.11, python3, python3.12, python3.13 that will do)
# PIP_FIND_LINKS  folder or page with wheels, passed on to uv, which does not read pip's settings
set -eu

extras=$1
cd "$(dirname "$0")/.."
venv=.venv
stamp=$venv/.installed

say() { printf '%s\n' "$*" >&2; }

trap '[ $? -eq 0 ] || say "setup: did not finish, see above. It needs a package index that pip reaches, or a folder of" \
    "wheels in PIP_FIND_LINKS, and 4 GB of disk. Nothing has to be cleaned up: run the same command again."' EXIT

# 3.11 first: constraints.txt is resolved for it, and the tests run on it.
python=
for candidate in ${PYTHON:-python3.11 python3 python3.12 python3.13}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    say "setup: needs Python 3.11 or newer; found $("${PYTHON:-python3}" --version 2>/dev/null || echo none)."
    say "       Install one and name it: make setup PYTHON=/path/to/python3.11"
    exit 1
fi

# Other extras mean another environment: xgboost and xgboost-cpu own the same files, so neither can replace
# the other in place. A virtual environment whose interpreter is gone cannot be repaired either.
if [ -d "$venv" ]; then
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" != "$extras" ]; then
        say "setup: was '$(cat "$stamp")', building anew for '$extras'"
        rm -rf "$venv"
    elif ! "$venv/bin/python" -c '' 2>/dev/null; then
        rm -rf "$venv"
    fi
fi
if [ ! -d "$venv" ] && ! "$python" -m venv "$venv"; then
    rm -rf "$venv"
    say "setup: '$python -m venv' failed; on Debian and Ubuntu install the package python3-venv"
    exit 1
fi

say "setup: installing '$extras' into $venv"
# pip only brings uv: resolving this set takes pip minutes, and pip 23 does not finish.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade pip
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt uv

uv() {
    command=$1
    shift
    VIRTUAL_ENV=$PWD/$venv "$venv/bin/uv" pip "$command" ${PIP_FIND_LINKS:+--find-links "$PIP_FIND_LINKS"} "$@"
}

# torch from the package index is the CUDA build, with 2.5 GB of libraries that a CPU machine never loads. So the CPU
# build goes in first: from a local folder where one is configured, else from PyTorch's own index.
case ",$extras," in
*,cpu,*)
    torch=$(grep '^torch==' constraints.txt)
    "$venv/bin/python" -m pip install --quiet --no-index --no-deps "$torch" 2>/dev/null ||
        uv install --quiet --no-deps --torch-backend=cpu "$torch" ||
        say "setup: no CPU build of $torch found; continuing with the one of the package index"
    ;;
esac

uv install --quiet -c constraints.txt -e ".[$extras]"

# uv leaves byte code to the first import. Then every process of the first run would compile what it imports, and where
# PYTHONDONTWRITEBYTECODE is set, every process for ever (Dagster alone: 4.6 s instead of 2). So everything that the
# project's processes import is imported once; compiling all packages instead would take five times as long.
imported_once() {
    PYTHONDONTWRITEBYTECODE='' "$venv/bin/python" - "$@" >/dev/null 2>&1 <<'PYTHON' || true
import contextlib, importlib, sys
for name in sys.argv[1:]:
    with contextlib.suppress(Exception):
        importlib.import_module(name)
PYTHON
}
say "setup: compiling"
imported_once dagster._cli dagster_webserver.cli dagster_webserver.webserver dagster._daemon.cli dagster._grpc.server \
    dagster_graphql dagster_mlflow mlflow mlflow.tracking mlflow.store.tracking.sqlalchemy_store litestar &
imported_once pandas pyarrow sklearn.ensemble scipy.stats rdkit.Chem xgboost catboost onnxmltools onnxruntime \
    torch onnxscript optuna matplotlib.pyplot granian pytest hypothesis boto3 dvc.repo playwright.sync_api
wait
printf '%s' "$extras" >"$stamp"
