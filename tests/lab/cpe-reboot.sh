#!/bin/bash
# What `reboot` is on this CPE, which is a set of namespaces: there is no kernel of its own to start anew. Sessions and
# daemons end, what was in memory is gone, the files are read again, and the time since the start counts from here. Who
# asks for it meanwhile finds nobody at the port.
# cpe-reboot.sh SECONDS: how long it stays away.
set -u
here=$(dirname "$(readlink -f "$0")")
exec </dev/null >>/var/log/reboot.log 2>&1

listener=$(cat /run/sshd.pid)
sessions=$(pgrep -P "$listener")
# shellcheck disable=SC2086
kill "$listener" $sessions
rm -f /run/sshd.pid
bash "$here/cpe-boot.sh" stop
sleep "$1"

grep -q ' /proc/uptime ' /proc/mounts || { echo 0 >/run/uptime; mount --bind /run/uptime /proc/uptime; }
echo '1.00 1.00' >/run/uptime
echo "$(cat /run/boots 2>/dev/null)x" >/run/boots
bash "$here/cpe-boot.sh" first
/usr/sbin/sshd -E /var/log/sshd.log
