#!/bin/sh
# Makes .venv-client, in which the generator of API clients lives: it needs other versions than the project itself does.
# Locked and hash-checked like .venv (scripts/setup.sh); .venv-client/.ready says that it was finished.
set -eu
cd "$(dirname "$0")/.."

ready=.venv-client/.ready
if command -v flock >/dev/null; then
    exec 9<scripts/setup-client.sh
    flock 9
fi
if [ -e "$ready" ] && [ -z "$(find requirements-client.lock scripts/setup-client.sh -newer "$ready")" ]; then
    exit 0
fi

python=$(sh scripts/find-python.sh)
echo "setup: creating .venv-client with $("$python" --version)"
"$python" -m venv --clear .venv-client
: >.venv-client/.making
.venv-client/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-client.lock
mv .venv-client/.making "$ready"
