#!/bin/bash
# First process of a node. What it is, LAB_... variables tell (simulators/lab/plan.py); it says "ready" when it is.
#
# LAB_BACKEND=netns: its files are made private first, it says "unshared", waits for its wires ("go" on its standard
# input), and ends, taking every process of the node along, when its standard input closes.
# LAB_BACKEND=container: it finds its wires by their addresses, and runs until it is told to stop.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
. "$here/$LAB_ROLE.sh"

if [ "$LAB_BACKEND" = netns ]; then
    case $LAB_ROLE in
        cpe | edge | mobile) private_files ;;
        lan) mount -t tmpfs -o mode=755 node /run ;;
    esac
    hostname "$LAB_NODE"
    echo unshared
    read -r || exit 0
else
    mount -o remount,rw /proc/sys 2>/dev/null || true
    rm -f /run/lab.*
    while ip route del default 2>/dev/null; do :; done
fi

ip link set lo up
forwarding
[ "$LAB_ROLE" != cpe ] || export -p | grep ' LAB_' >/run/lab.env
prepare
boot
[ "$LAB_BACKEND" = netns ] || : >/run/lab.ready
echo ready

if [ "$LAB_BACKEND" = netns ]; then
    # bash, as process 1, also collects the processes that end; an orphan here has nobody else.
    read -r || true
else
    trap 'exit 0' TERM INT
    while :; do sleep 3600 & wait $! || true; done
fi
