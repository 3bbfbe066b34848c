#!/bin/sh
# Prints the first Python 3.11 or newer: $PYTHON, then python3, then the versioned names.
set -eu
for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        echo "$candidate"
        exit 0
    fi
done
echo "cpe-manager needs Python 3.11 or newer: none was found (set PYTHON=/path/to/python3)" >&2
exit 1
