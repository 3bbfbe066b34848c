#!/bin/bash
# What makes a router of box.sh an edge: BFD, a line to a CPE (fix0, 10.1.0.0/16), a way to it over mobile (mob0,
# 10.2.0.0/16), and the CPE in a namespace of that name. Its FRR speaks BGP and BFD over the line.
set -eu
in_cpe() { ip netns exec cpe "$@"; }

/usr/lib/frr/bfdd --daemon --log file:/var/log/bfdd.log -A 127.0.0.1 2>/dev/null
ip netns add cpe
for way in fix:1 mob:2; do
    link=${way%:*} net=${way#*:}
    ip link add "${link}0" type veth peer name "${link}1" netns cpe
    ip address add "10.$net.0.1/16" dev "${link}0"
    ip -6 address add "fd0$net::1/64" dev "${link}0" nodad
    ip link set "${link}0" up
    in_cpe ip address add "10.$net.0.2/16" dev "${link}1"
    in_cpe ip -6 address add "fd0$net::2/64" dev "${link}1" nodad
    in_cpe ip link set "${link}1" up
done
in_cpe ip link set lo up
in_cpe ip address add 203.0.113.10/32 dev lo
in_cpe ip -6 address add 2001:db8:10::1/128 dev lo nodad
in_cpe ip route add default via 10.1.0.1
in_cpe ip -6 route add default via fd01::1
# An answer leaves over the way that the question came by, as a CPE's policy rules have it after a switch.
in_cpe sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.fix1.rp_filter=0 net.ipv4.conf.mob1.rp_filter=0

mkdir -p /etc/frr/cpe /run/frr/cpe
cat >/etc/frr/cpe/frr.conf <<'FILE'
router bgp 65010
 bgp router-id 10.1.0.2
 no bgp ebgp-requires-policy
 neighbor 10.1.0.1 remote-as 65000
 neighbor 10.1.0.1 bfd
 timers bgp 1 3
 neighbor 10.1.0.1 timers connect 1
 address-family ipv4 unicast
  network 203.0.113.10/32
FILE
chown -R frr:frr /etc/frr/cpe
chown -R frr:frrvty /run/frr/cpe
for daemon in zebra bfdd bgpd; do
    in_cpe /usr/lib/frr/$daemon -N cpe --daemon --log file:/var/log/cpe-$daemon.log -A 127.0.0.1 2>/dev/null
done
tries=200
until in_cpe vtysh -N cpe -f /etc/frr/cpe/frr.conf >/dev/null 2>&1 && vtysh -d bfdd -c 'show version' >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { echo "the CPE's FRR did not come up" >&2; exit 1; }
    sleep 0.05
done
