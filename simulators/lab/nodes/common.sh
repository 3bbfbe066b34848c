# What several nodes do; read by node.sh and power.sh.

# The node's /etc and /var are layers over the machine's; what it writes is in memory, and gone with it.
private_files() {
    mount -t tmpfs -o mode=755 node /run
    local folder
    for folder in etc var; do
        mkdir -p "/run/layers/$folder" "/run/layers/$folder.work"
        mount -t overlay -o "lowerdir=/$folder,upperdir=/run/layers/$folder,workdir=/run/layers/$folder.work" \
            "$folder" "/$folder"
    done
    mount -t tmpfs -o mode=700 node /root
}

until_true() {  # until_true WHAT COMMAND...: up to 30 s
    local tries=3000 what=$1
    shift
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { echo "$LAB_NODE: $what did not come up" >&2; exit 1; }
        sleep 0.01
    done
}

# A router that answers over the way a packet did not come by is no martian here; a route without carrier is none; an
# IPv6 address is good at once, and stays when its link goes down.
forwarding() {
    local file
    put 1 /proc/sys/net/ipv4/ip_forward
    for file in /proc/sys/net/ipv4/conf/*/rp_filter; do put 0 "$file"; done
    for file in /proc/sys/net/ipv4/conf/*/send_redirects; do put 0 "$file"; done
    for file in /proc/sys/net/ipv4/conf/*/ignore_routes_with_linkdown; do put 1 "$file"; done
    for file in /proc/sys/net/ipv6/conf/*/disable_ipv6; do put 0 "$file"; done
    for file in /proc/sys/net/ipv6/conf/*/ignore_routes_with_linkdown; do put 1 "$file"; done
    for file in /proc/sys/net/ipv6/conf/*/accept_dad; do put 0 "$file"; done
    for file in /proc/sys/net/ipv6/conf/*/keep_addr_on_down; do put 1 "$file"; done
    put 1 /proc/sys/net/ipv6/conf/all/forwarding
}

# In a container the engine may keep settings from us; what is needed is in the compose file then.
put() {
    { echo "$1" >"$2"; } 2>/dev/null || [ "$LAB_BACKEND" = container ]
}

# A container engine names interfaces as it likes: find one by its address. The old name stays as another one, since
# the engine looks for it when it takes the network down.
name_link() {  # name_link ADDRESS/LENGTH NAME
    [ "$LAB_BACKEND" = container ] || return 0
    local old
    old=$(ip -o -4 address show | awk -v wanted="$1" '$4 == wanted { print $2; exit }')
    [ -n "$old" ] || { echo "$LAB_NODE: no interface with address $1" >&2; exit 1; }
    case $old in "$2") return 0 ;; esac
    ip link set dev "$old" down
    ip link set dev "$old" name "$2"
    ip link property add dev "$2" altname "$old"
    ip link set dev "$2" up
}

# zebra first: the others wait ten seconds before they look for it again.
start_frr() {  # start_frr DAEMON...; the module for SNMP where LAB_AGENTX is set
    local daemon module
    mkdir -p /run/frr
    chown frr:frrvty /run/frr
    chown -R frr:frr /etc/frr
    chgrp frrvty /etc/frr/vtysh.conf
    module=${LAB_AGENTX:+-M snmp}
    # shellcheck disable=SC2086
    /usr/lib/frr/zebra -d -A 127.0.0.1 --log file:/var/log/zebra.log $module >&2
    until_true zebra test -S /run/frr/zserv.api
    for daemon in "$@"; do
        case $daemon in bgpd) module=${LAB_AGENTX:+-M snmp} ;; *) module="" ;; esac
        # shellcheck disable=SC2086
        /usr/lib/frr/$daemon -d -A 127.0.0.1 --log "file:/var/log/$daemon.log" $module >&2 &
    done
    wait
    for daemon in "$@"; do until_true "$daemon" test -S "/run/frr/$daemon.vty"; done
    vtysh -b >&2
    # Each line of a neighbour's configuration has put its first attempt off for longer.
    case "$*" in *bgpd*) vtysh -c 'clear bgp *' >&2 ;; esac
    # As Debian's service has it: a restart of the service needs it, and a daemon that falls is started again.
    /usr/lib/frr/watchfrr -d -F traditional zebra "$@" >&2 9>&- || true
}

prepare_frr() {  # prepare_frr DAEMON...; the configuration on standard input
    local daemon
    rm -rf /etc/frr
    mkdir -p /etc/frr
    cat >/etc/frr/frr.conf
    echo 'service integrated-vtysh-config' >/etc/frr/vtysh.conf
    for daemon in "$@"; do echo "$daemon=yes"; done >/etc/frr/daemons
    printf 'vtysh_enable=yes\nzebra_options="-A 127.0.0.1"\nstaticd_options="-A 127.0.0.1"\n' >>/etc/frr/daemons
    printf 'bgpd_options="-A 127.0.0.1"\nbfdd_options="-A 127.0.0.1"\n' >>/etc/frr/daemons
    chmod 640 /etc/frr/*
}

# root by key alone; the key is LAB_KEY.
prepare_sshd() {
    mkdir -p /root/.ssh
    printf '%s\n' "$LAB_KEY" >/root/.ssh/authorized_keys
    chmod 700 /root /root/.ssh
    chmod 600 /root/.ssh/authorized_keys
    sed -i 's|^root:[^:]*:|root:*:|' /etc/shadow
    sed -i 's|^\(root:.*:\)[^:]*$|\1/bin/bash|' /etc/passwd
    rm -f /etc/ssh/ssh_host_* /etc/ssh/sshd_config.d/*
    ssh-keygen -q -t ed25519 -N '' -C "$LAB_NODE" -f /etc/ssh/ssh_host_ed25519_key
    cat >/etc/ssh/sshd_config <<FILE
Port 22
AddressFamily inet
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile /run/sshd.pid
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
MaxStartups 200
MaxSessions 100
Subsystem sftp /usr/lib/openssh/sftp-server
FILE
}

start_sshd() {
    mkdir -p /run/sshd
    /usr/sbin/sshd -E /var/log/sshd.log
    until_true sshd test -s /run/sshd.pid
}

# Debian's own options for snmpd switch parts of the agent off. IF-MIB's names are not shipped: numbers.
prepare_snmpd() {  # prepare_snmpd LINE...
    mkdir -p /etc/snmp
    {
        printf 'agentaddress udp:161\nrocommunity %s 10.255.0.0/16\nsysServices 76\nsysName %s\n' \
            "$LAB_COMMUNITY" "$LAB_NODE"
        printf 'trap2sink %s %s\n' "$LAB_MANAGER" "$LAB_COMMUNITY"
        printf '%s\n' "$@"
    } >/etc/snmp/snmpd.conf
    chmod 600 /etc/snmp/snmpd.conf
    echo "SNMPDOPTS='-Lf /var/log/snmpd.log -u Debian-snmp -g Debian-snmp -p /run/snmpd.pid'" >/etc/default/snmpd
}

# The agent looks at its interfaces every second and tells of those that went down or came up.
LINK_TRAPS='createUser monitor SHA "lab-inside-only"
rouser monitor
iquerySecName monitor
notificationEvent wentDown .1.3.6.1.6.3.1.1.5.3 .1.3.6.1.2.1.2.2.1.1 .1.3.6.1.2.1.2.2.1.7 .1.3.6.1.2.1.2.2.1.8
notificationEvent cameUp .1.3.6.1.6.3.1.1.5.4 .1.3.6.1.2.1.2.2.1.1 .1.3.6.1.2.1.2.2.1.7 .1.3.6.1.2.1.2.2.1.8
monitor -r 1 -e wentDown "link down" .1.3.6.1.2.1.2.2.1.8 == 2
monitor -r 1 -e cameUp "link up" .1.3.6.1.2.1.2.2.1.8 != 2'

start_snmpd() {
    /usr/sbin/snmpd -Lf /var/log/snmpd.log -u Debian-snmp -g Debian-snmp -p /run/snmpd.pid 2>/dev/null >&2
}

# What voice (SIP, RTP) a customer's way carries, counted where it comes in.
counters() {  # counters PREFIX: of the interfaces, followed by the customer's number
    local n rest
    {
        echo 'table inet lab {'
        while read -r n rest; do printf 'counter voice%s {}\ncounter all%s {}\n' "$n" "$n"; done <<<"$LAB_CPES"
        echo 'chain counting { type filter hook forward priority -300; policy accept;'
        while read -r n rest; do
            printf 'iifname "%s%s" udp dport { 5060-5061, 10000-20000 } counter name voice%s\n' "$1" "$n" "$n"
            printf 'iifname "%s%s" tcp dport 5060-5061 counter name voice%s\n' "$1" "$n" "$n"
            printf 'iifname "%s%s" counter name all%s\n' "$1" "$n" "$n"
        done <<<"$LAB_CPES"
        printf '}\n}\n'
    } | nft -f -
}
