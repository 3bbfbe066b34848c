#!/bin/sh
# Installs what a tier needs from Debian, when something is missing: debian-packages.sh venv|lab|postgres|container ...
# Without apt or without root it says what is missing and leaves it at that; the tests that need it say so themselves.
set -eu

packages=""
for tier in "$@"; do
    case $tier in
        venv) packages="$packages python3-venv" ;;
        lab) packages="$packages openssh-server openssh-client openssl frr iproute2 procps util-linux" ;;
        postgres) packages="$packages postgresql" ;;
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

if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
    echo "debian-packages: not installed:$missing (as root on Debian: apt-get install$missing)" >&2
    exit 0
fi

# A daemon must not start because its package is installed: policy-rc.d says no while apt runs.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
echo "debian-packages: installing$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
if ! apt-get install -qq --no-install-recommends $missing >/dev/null 2>&1; then
    apt-get update -qq
    # shellcheck disable=SC2086
    apt-get install -qq --no-install-recommends $missing >/dev/null
fi
