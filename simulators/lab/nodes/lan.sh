# A customer's host behind his CPE.

prepare() { name_link "$LAB_ADDRESS" eth0; }

boot() {
    ip link set eth0 up
    ip address replace "$LAB_ADDRESS6" dev eth0
    ip -6 route replace default via "$LAB_GATEWAY6"
    if [ "$LAB_LAN" = dhcp ]; then
        # In the background: the CPE may not serve yet.
        install -m 755 "$here/lease.sh" /run/lease.sh
        busybox udhcpc -i eth0 -b -t 60 -T 1 -A 1 -s /run/lease.sh >/dev/null 2>&1 &
    else
        ip address replace "$LAB_ADDRESS" dev eth0
        ip route replace default via "$LAB_GATEWAY"
    fi
}
