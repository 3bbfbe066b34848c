#!/bin/bash
# First process of a box's namespaces: makes the files private, starts the router and the SSH server, says "ready",
# and ends, taking every process of the box along, when its standard input closes.
# box.sh STATE NAME ADDRESS, where STATE holds the files that RealBox wrote.
set -eu
state=$1
name=$2
address=$3

say() { echo "box $name: $*" >&2; }
wait_for() {  # wait_for SECONDS WHAT COMMAND...
    local tries=$(($1 * 20)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { say "$what did not come up"; exit 1; }
        sleep 0.05
    done
}

for folder in /run /home /var/log /etc/frr; do
    mount -t tmpfs -o mode=755 box "$folder"
done
for file in passwd group shadow; do
    mount --bind "$state/$file" "/etc/$file"
done
hostname "$name"

mkdir -p /run/sshd /run/frr /home/admin/.ssh
cp "$state/authorized_keys" /home/admin/.ssh/
cp "$state/frr.conf" /etc/frr/frr.conf
echo 'service integrated-vtysh-config' >/etc/frr/vtysh.conf
chown -R admin: /home/admin
chown -R frr:frr /etc/frr
chown frr:frrvty /run/frr
chmod 640 /etc/frr/frr.conf /etc/frr/vtysh.conf
chgrp frrvty /etc/frr/vtysh.conf

ip link set lo up
wait_for 10 "the line" ip link show wan0
ip address add "$address" dev wan0
ip link set wan0 up
echo 1 >/proc/sys/net/ipv4/ip_forward

for daemon in zebra staticd bgpd; do
    /usr/lib/frr/$daemon --daemon --log file:/var/log/$daemon.log -A 127.0.0.1 >&2
    wait_for 20 "$daemon" vtysh -d $daemon -c 'show version'
done
vtysh -b >&2
/usr/sbin/sshd -f "$state/sshd_config" -E /var/log/sshd.log
wait_for 10 "sshd" test -s /run/sshd.pid

echo ready
# bash, as process 1, also collects the sessions that end; an orphan here has nobody else.
read -r || true
