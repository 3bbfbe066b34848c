#!/bin/sh
# Makes .venv from the locked, hash-checked dependencies, with the project itself installed editable.
# .venv/.ready says that it was finished: what was interrupted half-way is made anew, and of two that are started at the
# same time one waits for the other.
set -eu
cd "$(dirname "$0")/.."

ready=.venv/.ready
if command -v flock >/dev/null; then
    exec 9<scripts/setup.sh
    flock 9
fi
if [ -e "$ready" ] && [ -z "$(find requirements-dev.lock pyproject.toml scripts/setup.sh -newer "$ready")" ]; then
    exit 0
fi

python=$(sh scripts/find-python.sh)
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    sh scripts/debian-packages.sh venv 9<&-
fi
if ! [ -e "$ready" ] || ! .venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "setup: creating .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
fi
rm -f "$ready"
# The stamp is as old as the start, so that a lock changed meanwhile is seen.
: >.venv/.making
echo "setup: installing the locked dependencies"
.venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.lock
.venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
mv .venv/.making "$ready"
