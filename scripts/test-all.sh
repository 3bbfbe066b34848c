#!/usr/bin/env bash
# Every step runs, also after a failure; the summary at the end says what held.
set -uo pipefail
cd "$(dirname "$0")/.."

failed=0
summary=""
for step in check test-fast test-rest; do
    printf '\n== %s ==\n' "$step"
    started=$SECONDS
    if make --no-print-directory "$step"; then verdict=passed; else verdict=FAILED failed=1; fi
    summary+=$(printf '%-10s %-7s %4d s' "$step" "$verdict" "$((SECONDS - started))")$'\n'
done
printf '\n== summary ==\n%s' "$summary"
exit "$failed"
