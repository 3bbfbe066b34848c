#!/bin/bash
# power.sh off|on, inside a running CPE: what a plug does to it. What is in files stays.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. /run/lab.env
. "$here/common.sh"
. "$here/cpe.sh"
case $1 in
    off) halt ;;
    on) boot </dev/null >/run/lab.boot 2>&1 ;;
    *) echo "power.sh off|on" >&2; exit 2 ;;
esac
