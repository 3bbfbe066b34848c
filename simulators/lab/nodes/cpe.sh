# A customer's CPE: FRR, nftables, dnsmasq, snmpd and sshd, with a fixed line (eth0) and a mobile one (wwan0).

daemons() {
    echo staticd
    [ "$LAB_ROUTING" = static ] || echo bgpd
    [ "$LAB_BFD" != bfd ] || echo bfdd
}

# A container engine has called it something; most often eth0 as well.
fixed_port() {
    PORT=eth0
    [ "$LAB_BACKEND" = netns ] || PORT=$(ip -o -4 address show | awk -v own="$LAB_LINE/29" '$4 == own { print $2; exit }')
    [ -n "$PORT" ] || { echo "$LAB_NODE: no interface with address $LAB_LINE" >&2; exit 1; }
    # The plug may be pulled later, and then there is no address to find it by.
    echo "declare -x PORT=$PORT" >>/run/lab.env
}

# Once, as in the workshop: what is on flash. The box is managed from these files.
prepare() {
    fixed_port
    name_link "$LAB_MOBILE/29" wwan0
    name_link "$LAB_LAN_ADDRESS" lan1
    rm -rf /etc/nftables* /etc/dnsmasq* /etc/hostapd/*.conf /etc/ppp/peers /etc/sysctl.d/* /etc/network/interfaces*
    mkdir -p /etc/nftables.d /etc/dnsmasq.d /etc/ppp/peers /etc/network/interfaces.d /etc/sysctl.d
    if [ "$LAB_BACKEND" = netns ]; then
        echo "$LAB_NODE" >/etc/hostname
        printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s\n' "$LAB_NODE" >/etc/hosts
    fi
    printf 'net.ipv4.ip_forward = 1\n' >/etc/sysctl.d/60-router.conf
    files_of_links
    files_of_rules
    printf '# the office\ninterface=br-lan\nbind-dynamic\ndhcp-authoritative\nno-resolv\ncache-size=1000\n' \
        >/etc/dnsmasq.conf
    printf 'dhcp-range=%s,%s,12h\ndomain=lan\nserver=%s\n' "$LAB_LAN_FIRST" "$LAB_LAN_LAST" 198.51.100.2 \
        >/etc/dnsmasq.d/office.conf
    prepare_snmpd "$LINK_TRAPS"
    prepare_sshd
    # shellcheck disable=SC2046
    frr_conf | prepare_frr $(daemons)
}

# Probes of an address of a line have to be answered over that line, whatever the default route says; and where the
# routes are static, the operator reaches the box over mobile first, for nothing tells it of a silent loss.
files_of_links() {
    local managed=""
    [ "$LAB_ROUTING" = bgp ] || managed="
    up ip rule add from $LAB_MANAGEMENT lookup 103
    up ip route add default via $LAB_MOBILE_GATEWAY dev wwan0 onlink table 103 metric 10
    up ip route add default via $LAB_LINE_GATEWAY dev $PORT onlink table 103 metric 20"
    cat >/etc/network/interfaces <<FILE
auto lo
iface lo inet loopback

auto $PORT
iface $PORT inet manual

source /etc/network/interfaces.d/*
FILE
    cat >/etc/network/interfaces.d/ways <<FILE
# Each way answers what came over it.
auto wwan0
iface wwan0 inet manual
    up ip rule add from $LAB_LINE lookup 101
    up ip route add default via $LAB_LINE_GATEWAY dev $PORT onlink table 101
    up ip rule add from $LAB_MOBILE lookup 102
    up ip route add default via $LAB_MOBILE_GATEWAY dev wwan0 onlink table 102
    up ip -6 rule add from $LAB_LINE6 lookup 101
    up ip -6 route add default via $LAB_LINE6_GATEWAY dev $PORT onlink table 101
    up ip -6 rule add from $LAB_MOBILE6 lookup 102
    up ip -6 route add default via $LAB_MOBILE6_GATEWAY dev wwan0 onlink table 102$managed
FILE
    # The modem is a network interface of its own, as QMI and MBIM make it; the access point is a private one.
    echo 'APN=business.example' >/etc/qmi-network.conf
}

files_of_rules() {
    printf '#!/usr/sbin/nft -f\nflush ruleset\ninclude "/etc/nftables.d/*.nft"\n' >/etc/nftables.conf
    # Both ways wear the fixed address, so that a session survives the move from one to the other. This comes before
    # whatever else would translate.
    cat >/etc/nftables.d/fixed-address.nft <<FILE
table ip fixed_address
delete table ip fixed_address
table ip fixed_address {
	chain postrouting {
		type nat hook postrouting priority srcnat - 10; policy accept;
		oifname { "$PORT", "wwan0" } ip saddr $LAB_LAN_NET snat to $LAB_FIXED
	}
}
FILE
    cat >/etc/nftables.d/operator.nft <<FILE
table inet operator
delete table inet operator
table inet operator {
	chain input {
		type filter hook input priority filter; policy accept;
		iifname != { "$PORT", "wwan0" } accept
		ct state established,related accept
		meta l4proto ipv6-icmp accept
		jump management
		jump inbound
		drop
	}
	chain forward {
		type filter hook forward priority filter; policy accept;
		oifname { "$PORT", "wwan0" } tcp flags syn tcp option maxseg size set rt mtu
		iifname != { "$PORT", "wwan0" } accept
		ct state established,related accept
		jump inbound
		ct status dnat accept
		drop
	}
	chain management {
		ip saddr $LAB_OPERATOR tcp dport 22 accept
		tcp dport 22 drop
		ip saddr $LAB_OPERATOR udp dport 161 accept
		udp dport 161 drop
	}
	chain inbound {
		meta l4proto icmp accept
		ip saddr $LAB_LINE_NET udp dport 3784 accept
		ip saddr $LAB_LINE_NET tcp dport 179 accept
		ip saddr $LAB_OPERATOR tcp dport 179 accept
	}
}
FILE
}

frr_conf() {
    cat <<FILE
frr defaults traditional
hostname $LAB_NODE
log syslog informational
FILE
    # A box that moves by itself keeps static routes for the time when no session tells it better.
    local fixed="" mobile=200
    [ "$LAB_ROUTING" = static ] || { fixed=" 210"; mobile=220; }
    cat <<FILE
ip route 0.0.0.0/0 $LAB_LINE_GATEWAY$fixed
ip route 0.0.0.0/0 $LAB_MOBILE_GATEWAY wwan0 $mobile
ipv6 route ::/0 $LAB_LINE6_GATEWAY
ipv6 route ::/0 $LAB_MOBILE6_GATEWAY wwan0 200
interface lo
 description management and the fixed address
 ip address $LAB_MANAGEMENT/32
 ip address $LAB_FIXED/32
exit
interface $PORT
 description fixed line
 ip address $LAB_LINE/29
 ipv6 address $LAB_LINE6/64
exit
interface wwan0
 description mobile line
 ip address $LAB_MOBILE/29
 ipv6 address $LAB_MOBILE6/64
exit
interface br-lan
 description customer LAN
 ip address $LAB_LAN_ADDRESS
 ipv6 address $LAB_LAN6
 ipv6 nd prefix $LAB_LAN6_NET
 no ipv6 nd suppress-ra
exit
FILE
    [ "$LAB_BFD" != bfd ] || bfd_conf
    [ "$LAB_ROUTING" = static ] || bgp_conf
}

bfd_conf() {
    cat <<FILE
bfd
 profile line
  receive-interval 100
  transmit-interval 100
 exit
FILE
    [ "$LAB_ROUTING" = bgp ] || printf ' peer %s interface %s\n  profile line\n exit\n' "$LAB_LINE_GATEWAY" "$PORT"
    echo exit
}

bgp_conf() {
    cat <<FILE
ip route $LAB_EDGE_BGP/32 $LAB_MOBILE_GATEWAY
ip prefix-list OWN seq 5 permit $LAB_FIXED/32
ip prefix-list OWN seq 10 permit $LAB_MANAGEMENT/32
ip prefix-list DEFAULT seq 5 permit 0.0.0.0/0
route-map FIXED permit 10
 match ip address prefix-list DEFAULT
 set local-preference 200
exit
route-map MOBILE permit 10
 match ip address prefix-list DEFAULT
 set local-preference 50
exit
bgp route-map delay-timer 0
router bgp $LAB_AS
 bgp router-id $LAB_MANAGEMENT
 no bgp ebgp-requires-policy
 timers bgp 3 9
 neighbor $LAB_LINE_GATEWAY remote-as $LAB_EDGE_AS
 neighbor $LAB_LINE_GATEWAY timers connect 1
 neighbor $LAB_EDGE_BGP remote-as $LAB_EDGE_AS
 neighbor $LAB_EDGE_BGP timers connect 1
 neighbor $LAB_EDGE_BGP ebgp-multihop 5
 neighbor $LAB_EDGE_BGP update-source $LAB_MOBILE
FILE
    [ "$LAB_BFD" != bfd ] || echo " neighbor $LAB_LINE_GATEWAY bfd profile line"
    cat <<FILE
 address-family ipv4 unicast
  network $LAB_FIXED/32
  network $LAB_MANAGEMENT/32
  neighbor $LAB_LINE_GATEWAY route-map FIXED in
  neighbor $LAB_LINE_GATEWAY prefix-list OWN out
  neighbor $LAB_EDGE_BGP route-map MOBILE in
  neighbor $LAB_EDGE_BGP prefix-list OWN out
 exit-address-family
exit
FILE
}

# What the box does when it starts: reads its files and starts its daemons.
boot() {
    if [ "$LAB_BACKEND" = netns ]; then hostname "$(cat /etc/hostname)"; fi
    nft -f /etc/nftables.conf
    ip -batch - <<FILE
link add name br-lan type bridge forward_delay 0
address flush dev lan1
link set lan1 master br-lan
link set lan1 up
link set br-lan up
link set $PORT up
link set wwan0 up
FILE
    forwarding
    grep -h '^ *up ip -6 ' /etc/network/interfaces.d/ways | sed 's/^ *up ip -6 //' | ip -6 -batch -
    grep -h '^ *up ip r' /etc/network/interfaces.d/ways | sed 's/^ *up ip //' | ip -batch -
    tc qdisc replace dev wwan0 root tbf rate "$LAB_MOBILE_UP" burst 32k latency 300ms
    # shellcheck disable=SC2046
    start_frr $(daemons)
    mkdir -p /run/dnsmasq
    dnsmasq -x /run/dnsmasq/dnsmasq.pid -u dnsmasq -7 /etc/dnsmasq.d,.dpkg-dist,.dpkg-old,.dpkg-new
    start_snmpd
    start_sshd
    # What cron does when it starts. No line here has a time of day, so there is nothing for it to do later.
    echo 1 >/run/crond.pid
    cat /etc/cron.d/* 2>/dev/null | sed -n 's/^@reboot root //p' | while read -r line; do sh -c "$line"; done
}

# The plug is pulled: no process says good-bye, the lines lose their carrier, and only what is in files is left.
halt() {
    kill -9 -1 || true
    nft flush ruleset
    local link
    for link in $PORT wwan0 lan1; do ip link set $link down; done
    for link in lo $PORT wwan0; do
        ip address flush dev $link scope global
    done
    ip link delete br-lan 2>/dev/null || true
    ip rule flush
    ip rule add from all lookup main priority 32766
    ip -6 rule flush
    ip -6 rule add from all lookup main priority 32766
    local table
    for table in main 101 102 103; do
        ip route flush table $table 2>/dev/null || true
        ip -6 route flush table $table 2>/dev/null || true
    done
    tc qdisc del dev wwan0 root 2>/dev/null || true
    find /run -mindepth 1 -maxdepth 1 ! -name 'lab.*' ! -name layers -exec rm -rf {} + 2>/dev/null || true
}
