# The access node (DSLAM or OLT): a bridge between each CPE and its port at the edge, so that a line can be cut in the
# middle. Only in the backend of namespaces; a container engine's own bridges do this there.

prepare() { :; }

boot() {
    local n rest
    while read -r n rest; do
        printf 'link add name line%s type bridge forward_delay 0\nlink set edge%s master line%s\n' "$n" "$n" "$n"
        printf 'link set cpe%s master line%s\nlink set line%s up\nlink set edge%s up\nlink set cpe%s up\n' \
            "$n" "$n" "$n" "$n" "$n"
    done <<<"$LAB_CPES" | ip -batch -
}
