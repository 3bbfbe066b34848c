# The operator's edge: it routes each customer's fixed addresses over the line or over mobile.

LAB_AGENTX=yes

prepare() {
    name_link "$LAB_MANAGER_EDGE" mgr0
    name_link "$LAB_INTERNET_EDGE" inet0
    name_link "$LAB_APN_EDGE" apn0
    local n routing bfd as edge cpe rest
    while read -r n routing bfd as edge cpe rest; do name_link "$edge/29" "line$n"; done <<<"$LAB_CPES"
    [ "$LAB_BACKEND" != netns ] || printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s\n' "$LAB_NODE" >/etc/hosts
    # The routing daemons have to get at the agent's socket.
    prepare_snmpd 'master agentx' 'agentXSocket /var/agentx/master' 'agentXPerms 0777 0755'
    prepare_sshd
    # Who logs in as vtysh is put straight into the router.
    grep -q '^vtysh:' /etc/passwd || echo 'vtysh:x:4243:4243::/:/usr/bin/vtysh' >>/etc/passwd
    grep -q '^vtysh:' /etc/group || echo 'vtysh:x:4243:' >>/etc/group
    grep -q '^vtysh:' /etc/shadow || echo 'vtysh:*:20000::::::' >>/etc/shadow
    sed -i 's/^\(frrvty:.*\):\([^:]*\)$/\1:\2,vtysh/; s/^\(frrvty:.*\):,/\1:/' /etc/group
    mkdir -p /etc/ssh/keys
    printf '%s\n' "$LAB_KEY" >/etc/ssh/keys/vtysh
    printf 'Match User vtysh\n    AuthorizedKeysFile /etc/ssh/keys/vtysh\n' >>/etc/ssh/sshd_config
    frr_conf | prepare_frr staticd bgpd bfdd
}

frr_conf() {
    local n routing bfd as edge cpe apn sim managed fixed edge6 cpe6 apn6 sim6 fixed6
    cat <<FILE
frr defaults traditional
hostname $LAB_NODE
log syslog informational
bgp route-map delay-timer 0
agentx
interface lo
 ip address $LAB_LOOPBACK/32
 ip address $LAB_BGP_LOOPBACK/32
exit
ip route 100.96.0.0/16 ${LAB_APN_MOBILE%/*}
ipv6 route fd96::/16 fd96:ffff::2
FILE
    while read -r n routing bfd as edge cpe apn sim managed fixed edge6 cpe6 apn6 sim6 fixed6; do
        if [ "$routing" = static ]; then
            # Room for a route that goes before both. FRR takes the same next hop with another distance for the same
            # route, so the floating one names the operator's router and not the SIM.
            printf 'ip route %s/32 %s 10\nip route %s/32 %s 200\n' "$fixed" "$cpe" "$fixed" "${LAB_APN_MOBILE%/*}"
            # Over mobile the operator of that network says whether the box is there (BGP, distance 20).
            printf 'ip route %s/32 %s 200\n' "$managed" "$cpe"
        fi
        printf 'ipv6 route %s %s 10\nipv6 route %s fd96:ffff::2 200\n' "$fixed6" "$cpe6" "$fixed6"
    done <<<"$LAB_CPES"
    printf 'bfd\n profile line\n  receive-interval 100\n  transmit-interval 100\n exit\n'
    while read -r n routing bfd as edge cpe rest; do
        [ "$routing $bfd" != "static bfd" ] || printf ' peer %s interface line%s\n  profile line\n exit\n' "$cpe" "$n"
    done <<<"$LAB_CPES"
    cat <<FILE
exit
route-map NOTHING deny 10
exit
route-map FIXED permit 10
 set local-preference 200
exit
route-map MOBILE permit 10
 set local-preference 50
exit
router bgp $LAB_EDGE_AS
 bgp router-id $LAB_LOOPBACK
 no bgp ebgp-requires-policy
 timers bgp 3 9
 neighbor ${LAB_APN_MOBILE%/*} remote-as $LAB_MOBILE_AS
 neighbor ${LAB_APN_MOBILE%/*} timers connect 1
FILE
    while read -r n routing bfd as edge cpe apn sim rest; do
        [ "$routing" = bgp ] || continue
        printf ' neighbor %s remote-as %s\n neighbor %s timers connect 1\n' "$cpe" "$as" "$cpe"
        [ "$bfd" != bfd ] || printf ' neighbor %s bfd profile line\n' "$cpe"
        printf ' neighbor %s remote-as %s\n neighbor %s timers connect 1\n' "$sim" "$as" "$sim"
        printf ' neighbor %s ebgp-multihop 5\n neighbor %s update-source %s\n' "$sim" "$sim" "$LAB_BGP_LOOPBACK"
    done <<<"$LAB_CPES"
    printf ' address-family ipv4 unicast\n  neighbor %s route-map NOTHING out\n' "${LAB_APN_MOBILE%/*}"
    while read -r n routing bfd as edge cpe apn sim rest; do
        [ "$routing" = bgp ] || continue
        printf '  neighbor %s default-originate\n  neighbor %s route-map NOTHING out\n' "$cpe" "$cpe"
        printf '  neighbor %s default-originate\n  neighbor %s route-map NOTHING out\n' "$sim" "$sim"
        printf '  neighbor %s route-map FIXED in\n  neighbor %s route-map MOBILE in\n' "$cpe" "$sim"
    done <<<"$LAB_CPES"
    cat <<FILE
 exit-address-family
exit
FILE
}

boot() {
    mkdir -p /var/agentx
    chown Debian-snmp: /var/agentx
    start_snmpd
    until_true 'the SNMP agent' test -S /var/agentx/master
    {
        printf 'address replace %s dev mgr0\naddress replace %s dev inet0\naddress replace %s dev apn0\n' \
            "$LAB_MANAGER_EDGE" "$LAB_INTERNET_EDGE" "$LAB_APN_EDGE"
        printf 'address replace %s dev inet0\naddress replace fd96:ffff::1/64 dev apn0\n' "$LAB_INTERNET_EDGE6"
        printf 'link set mgr0 up\nlink set inet0 up\nlink set apn0 up\n'
        local n routing bfd as edge cpe apn sim managed fixed edge6 rest
        while read -r n routing bfd as edge cpe apn sim managed fixed edge6 rest; do
            printf 'address replace %s/29 dev line%s\naddress replace %s/64 dev line%s\nlink set line%s up\n' \
                "$edge" "$n" "$edge6" "$n" "$n"
        done <<<"$LAB_CPES"
    } | ip -batch -
    forwarding
    counters line
    start_frr staticd bgpd bfdd
    start_sshd
}
