#!/bin/bash
# First process of a CPE's namespaces: private files, a host behind and the internet before, all daemons, then "ready".
# Ends, taking every process of the box along, when its standard input closes.
# cpe.sh STATE NAME ADDRESS, where STATE holds the files that RealBox wrote.
set -eu
state=$1
name=$2
address=$3
here=$(dirname "$0")

# The box's /etc and /var are layers over the machine's; what it writes is in memory, and gone with it.
mount -t tmpfs -o mode=755 box /run
for folder in etc var; do
    mkdir -p "/run/layers/$folder" "/run/layers/$folder.work"
    mount -t overlay -o "lowerdir=/$folder,upperdir=/run/layers/$folder,workdir=/run/layers/$folder.work" "$folder" "/$folder"
done
mount -t tmpfs -o mode=700 box /root
rm -f /var/log/*.log /var/lib/misc/dnsmasq.leases

digest=$(sed -n 's/^admin:\([^:]*\):.*/\1/p' "$state/shadow")
cp /etc/shadow /run/shadow
sed "s|^root:[^:]*:|root:$digest:|" /run/shadow >/etc/shadow
sed -i 's|^\(root:.*:\)[^:]*$|\1/bin/bash|' /etc/passwd
mkdir -p /root/.ssh
cp "$state/authorized_keys" /root/.ssh/
chmod 700 /root/.ssh

rm -rf /etc/frr /etc/nftables* /etc/dnsmasq* /etc/hostapd/*.conf /etc/ppp/peers /etc/snmp /etc/sysctl.d/* /etc/network/interfaces*
mkdir -p /etc/frr /etc/nftables.d /etc/dnsmasq.d /etc/hostapd /etc/ppp/peers /etc/snmp
echo "$name" >/etc/hostname
printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s\n' "$name" >/etc/hosts
printf 'auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet manual\n' >/etc/network/interfaces
cat >/etc/frr/frr.conf <<'FILE'
frr defaults traditional
log syslog informational
ip prefix-list OFFICE seq 5 permit 192.168.0.0/16 le 24
interface br-lan
 description customer LAN
 ip address 192.168.40.1/24
exit
interface eth0
 description fixed line
 ip address 80.1.2.6/29
exit
ip route 0.0.0.0/0 80.1.2.1
ip route 10.0.0.0/8 blackhole 254
FILE
echo 'service integrated-vtysh-config' >/etc/frr/vtysh.conf
chown -R frr:frr /etc/frr
chgrp frrvty /etc/frr/vtysh.conf
printf '#!/usr/sbin/nft -f\nflush ruleset\ntable ip voice {\n\tchain calls {\n\t}\n}\n' >/etc/nftables.conf
printf '# the office\ninterface=br-lan\nbind-dynamic\ndhcp-authoritative\ncache-size=1000\nport=53\n' >/etc/dnsmasq.conf
printf 'dhcp-range=192.168.40.100,192.168.40.199,12h\ndomain=lan\nserver=198.18.0.53\n' >/etc/dnsmasq.d/office.conf
printf 'agentaddress udp:161\nmaster agentx\nsysServices 76\nrocommunity first-word\n' >/etc/snmp/snmpd.conf
chmod 600 /etc/snmp/snmpd.conf
for radio in wlan0:g:6 wlan1:a:36; do
    IFS=: read -r wlan mode channel <<<"$radio"
    printf 'interface=%s\ndriver=nl80211\nhw_mode=%s\nchannel=%s\nssid=office\nwpa=2\n' "$wlan" "$mode" "$channel" \
        >"/etc/hostapd/$wlan.conf"
    printf 'wpa_key_mgmt=WPA-PSK\nrsn_pairwise=CCMP\nwpa_passphrase=a-first-key\ncountry_code=BE\n' \
        >>"/etc/hostapd/$wlan.conf"
done
# There is no radio here: its daemon has files, and is not started.
echo 'DAEMON_CONF=""' >/etc/default/hostapd
# Debian's options for snmpd switch parts of the agent off.
echo "SNMPDOPTS='-Lf /var/log/snmpd.log -u Debian-snmp -g Debian-snmp'" >/etc/default/snmpd
sed -e 's/^AllowUsers.*/AllowUsers root\nPermitRootLogin yes/' "$state/sshd_config" >/etc/ssh/sshd_config

ip link set lo up
tries=200
until ip link show mgmt0 >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { echo "the line did not come up" >&2; exit 1; }
    sleep 0.05
done
ip address add "$address" dev mgmt0
ip link set mgmt0 up
for place in host inet; do
    ip netns add $place
    ip netns exec $place ip link set lo up
done
ip link add br-lan type bridge forward_delay 0
ip link add lan1 type veth peer name lan0 netns host
ip link add eth0 type veth peer name line netns inet
ip link set lan1 master br-lan
for link in br-lan lan1 eth0; do ip link set $link up; done
ip netns exec host ip link set lan0 address 02:00:5e:00:00:0a up
ip netns exec inet ip link set line up

# Who asks for an address in the internet, is given one.
ip netns exec inet ip address add 80.9.2.1/30 dev line
ip netns exec inet dnsmasq --conf-file=/dev/null --interface=line --bind-dynamic --port=0 --pid-file=/run/provider.pid \
    --dhcp-range=80.9.2.2,80.9.2.2,1h --dhcp-authoritative --dhcp-leasefile=/run/provider.leases

mkdir -p /run/sshd
bash "$here/cpe-boot.sh" first
/usr/sbin/sshd -E /var/log/sshd.log
tries=200
until test -s /run/sshd.pid; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { echo "sshd did not come up" >&2; exit 1; }
    sleep 0.05
done

echo ready
read -r || true
