#!/bin/sh
# What BusyBox' DHCP client calls: says what was given, and takes the address.
[ "$1" = bound ] || exit 0
ip address flush dev "$interface"
ip address add "$ip/$mask" dev "$interface"
for gateway in $router; do ip route replace default via "$gateway"; done
echo "ip=$ip"
echo "mask=$mask"
echo "router=$router"
echo "lease=$lease"
echo "dns=$dns"
echo "domain=$domain"
