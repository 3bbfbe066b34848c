# Where the operator's own systems are. It has no files of its own: what runs here is the machine's.

prepare() { name_link "$LAB_ADDRESS" eth0; }

boot() {
    ip address replace "$LAB_ADDRESS" dev eth0
    ip link set eth0 up
    ip route replace default via "$LAB_GATEWAY"
}
