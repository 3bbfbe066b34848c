#!/bin/bash
# What a CPE does when it starts: reads its files and starts its daemons. With "again", everything ends before; with
# "stop" that is all.
set -eu

if [ "$1" != first ]; then
    start-stop-daemon --stop --quiet --oknodo --pidfile /run/cpe-manager.pid >&2 || true
    # Under watchfrr a daemon that ends is started again.
    [ -e /run/frr/watchfrr.pid ] && service frr stop >&2
    for daemon in bgpd staticd zebra; do
        pid=$(cat "/run/frr/$daemon.pid" 2>/dev/null) || continue
        kill "$pid" 2>/dev/null
        while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
    done
    service dnsmasq stop >&2
    service snmpd stop >&2
    ifdown --force eth0 >&2
    nft flush ruleset
    for link in eth0 br-lan; do ip address flush dev $link; done
    ip route flush proto static
    ip -6 route flush proto static
    rm -rf /run/frr /run/cpe-manager*
    if [ "$1" = stop ]; then exit; fi
fi

hostname "$(cat /etc/hostname)"
echo 1 >/proc/sys/net/ipv4/ip_forward
nft -f /etc/nftables.conf
mkdir -p /run/frr
chown frr:frrvty /run/frr
for daemon in zebra staticd bgpd; do
    /usr/lib/frr/$daemon --daemon --log file:/var/log/$daemon.log -A 127.0.0.1 >&2
    tries=400
    until vtysh -d $daemon -c 'show version' >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { echo "$daemon did not come up" >&2; exit 1; }
        sleep 0.05
    done
done
vtysh -b >&2
ifup eth0 >&2
service dnsmasq start >&2
service snmpd start >&2

# What cron does when it starts. No line here has a time of day, so there is nothing for it to do later.
echo $$ >/run/crond.pid
cat /etc/cron.d/* 2>/dev/null | sed -n 's/^@reboot root //p' | while read -r line; do sh -c "$line"; done
