#!/bin/sh
# Installs what a tier needs from Debian, when something is missing: debian-packages.sh venv|lab|postgres|snmp|rancid|telnet|container ...
# When that cannot be, it says what is missing and leaves it at that; the tests that need it say so themselves.
set -eu

packages=""
for tier in "$@"; do
    case $tier in
        venv) packages="$packages python3-venv" ;;
        lab)
            packages="$packages openssh-server openssh-client openssl frr frr-snmp iproute2 procps util-linux"
            packages="$packages nftables dnsmasq snmpd snmp hostapd ppp busybox ifupdown isc-dhcp-client curl"
            ;;
        postgres) packages="$packages postgresql" ;;
        snmp) packages="$packages snmp snmpd snmptrapd" ;;
        rancid) packages="$packages rancid git" ;;
        telnet) packages="$packages inetutils-telnet inetutils-telnetd" ;;
        container) packages="$packages podman runc mmdebstrap" ;;
        *) echo "debian-packages: unknown tier '$tier'" >&2; exit 2 ;;
    esac
done

missing=""
for package in $packages; do
    state=$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null || true)
    case $state in ii*) ;; *) missing="$missing $package" ;; esac
done
[ -n "$missing" ] || exit 0

advice="(as root on Debian: apt-get install$missing)"
if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
    echo "debian-packages: not installed:$missing $advice" >&2
    exit 0
fi

# One at a time on this machine: the next finds the packages installed, and nobody takes away the other's policy-rc.d.
exec 9</var/lib/dpkg
flock 9

# A daemon must not start because its package is installed: policy-rc.d says no while apt runs.
log=$(mktemp)
ours=""
trap 'rm -f "$log" $ours' EXIT
trap 'exit 130' INT TERM
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ] || grep -q debian-packages.sh "$policy"; then
    ours=$policy
    printf '#!/bin/sh\n# Made by debian-packages.sh for as long as it runs.\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
install() {
    # shellcheck disable=SC2086
    apt-get install -qq -o DPkg::Lock::Timeout=300 --no-install-recommends $missing >"$log" 2>&1 9<&-
}
echo "debian-packages: installing$missing"
# The list of packages may be absent or too old.
if ! install && ! { apt-get update -qq >>"$log" 2>&1 9<&- && install; }; then
    cat "$log" >&2
    echo "debian-packages: could not install$missing" >&2
fi
