#!/bin/sh
# Makes .venv from the locked, hash-checked dependencies, with the project itself installed editable.
set -eu
cd "$(dirname "$0")/.."

python=$(sh scripts/find-python.sh)
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    sh scripts/debian-packages.sh venv
fi
if ! .venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "setup: creating .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
fi
echo "setup: installing the locked dependencies"
.venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.lock
.venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
