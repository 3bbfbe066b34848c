#!/bin/sh
# What BusyBox' DHCP client does with a lease.
case $1 in
    bound | renew)
        ip address replace "$ip/$mask" dev "$interface"
        for gateway in ${router:-}; do ip route replace default via "$gateway"; done
        ;;
    deconfig) ip -4 address flush dev "$interface" ;;
esac
exit 0
