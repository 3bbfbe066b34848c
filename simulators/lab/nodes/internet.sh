# A host in the internet: it echoes UDP and sends streams over TCP (probes.py).

prepare() { name_link "$LAB_ADDRESS" eth0; }

boot() {
    ip -batch - <<FILE
address replace $LAB_ADDRESS dev eth0
address replace $LAB_ADDRESS6 dev eth0
link set eth0 up
route replace default via $LAB_GATEWAY
FILE
    ip -6 route replace default via "$LAB_GATEWAY6"
    "${LAB_PYTHON:-python3}" -I "$LAB_PROBES" serve </dev/null >&2 &
    until_true "the echo server" listening
}

listening() { ss -Hlnu 'sport = :7000' | grep -q .; }
