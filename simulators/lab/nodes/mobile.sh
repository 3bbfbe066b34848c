# The mobile operator's router: a private APN, in which each customer's addresses are routed to his SIM (framed routes).

prepare() {
    name_link "$LAB_APN_MOBILE" edge0
    local n routing bfd as edge cpe apn rest
    while read -r n routing bfd as edge cpe apn rest; do name_link "$apn/29" "sim$n"; done <<<"$LAB_CPES"
    frr_conf | prepare_frr staticd bgpd
}

frr_conf() {
    local n routing bfd as edge cpe apn sim managed fixed edge6 cpe6 apn6 sim6 fixed6
    cat <<FILE
frr defaults traditional
hostname $LAB_NODE
log syslog informational
bgp route-map delay-timer 0
ip route 0.0.0.0/0 ${LAB_APN_EDGE%/*}
ipv6 route ::/0 fd96:ffff::1
FILE
    while read -r n routing bfd as edge cpe apn sim managed fixed edge6 cpe6 apn6 sim6 fixed6; do
        printf 'ip route %s/32 %s\nipv6 route %s %s\n' "$fixed" "$sim" "$fixed6" "$sim6"
        # The operator is told of boxes that have no BGP of their own.
        if [ "$routing" = static ]; then
            printf 'ip route %s/32 %s tag 100\n' "$managed" "$sim"
        else
            printf 'ip route %s/32 %s\n' "$managed" "$sim"
        fi
    done <<<"$LAB_CPES"
    cat <<FILE
route-map MANAGED permit 10
 match tag 100
exit
router bgp $LAB_MOBILE_AS
 bgp router-id ${LAB_APN_MOBILE%/*}
 no bgp ebgp-requires-policy
 timers bgp 3 9
 neighbor ${LAB_APN_EDGE%/*} remote-as $LAB_EDGE_AS
 neighbor ${LAB_APN_EDGE%/*} timers connect 1
 address-family ipv4 unicast
  redistribute static route-map MANAGED
 exit-address-family
exit
FILE
}

boot() {
    local n routing bfd as edge cpe apn sim managed fixed edge6 cpe6 apn6 rest
    {
        printf 'address replace %s dev edge0\naddress replace fd96:ffff::2/64 dev edge0\nlink set edge0 up\n' \
            "$LAB_APN_MOBILE"
        while read -r n routing bfd as edge cpe apn sim managed fixed edge6 cpe6 apn6 rest; do
            printf 'address replace %s/29 dev sim%s\naddress replace %s/64 dev sim%s\nlink set sim%s up\n' \
                "$apn" "$n" "$apn6" "$n" "$n"
        done <<<"$LAB_CPES"
    } | ip -batch -
    forwarding
    while read -r n rest; do
        # A box whose route over the modem has no next hop asks for every address: the network answers for all.
        put 1 "/proc/sys/net/ipv4/conf/sim$n/proxy_arp"
        put 0 "/proc/sys/net/ipv4/neigh/sim$n/proxy_delay"
        tc qdisc replace dev "sim$n" root tbf rate "$LAB_MOBILE_DOWN" burst 32k latency 300ms
    done <<<"$LAB_CPES"
    counters sim
    start_frr staticd bgpd
}
