"""The menus of RouterOS 7 that a small business router's configuration uses: what items they hold, with which values.

One line a property: `name`, then perhaps `:type`, `=default`, and marks: `!` must be given, `+` is exported even where
it is the default, `*` is shown only with `show-sensitive`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Kind = Literal["list", "single", "fixed"]


@dataclass(frozen=True, slots=True)
class Property:
    """type is one of the words that `routeros_values.checked` knows."""

    name: str
    type: str = "string"
    default: str = ""
    required: bool = False
    always: bool = False
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Menu:
    """kind `single` is one set of values, `fixed` a list whose items are the hardware's or the system's own.

    handle: the property that the export finds a fixed item by, `find default-name=ether1`; with an empty one the item
    is named by its `name`, as in `set telnet`. own: items that are always there, each with its defaults. unique: items
    that agree in all of these cannot both be. exported: False for what an export never holds.
    """

    path: str
    kind: Kind
    properties: Mapping[str, Property]
    handle: str = ""
    own: tuple[Mapping[str, str], ...] = ()
    unique: tuple[str, ...] = ()
    ordered: bool = False
    exported: bool = True
    columns: tuple[str, ...] = field(default=())


_PROPERTY = re.compile(r"([a-z0-9.-]+)(?::([a-z0-9_|,.-]+))?([!+*]*)(?:=(.*))?")


def _property(text: str) -> Property:
    found = _PROPERTY.fullmatch(text)
    if found is None:
        raise ValueError(f"no property: {text!r}")
    name, kind, marks, default = found.groups()
    return Property(name, kind or "string", default or "", "!" in marks, "+" in marks, "*" in marks)


def _menu(path: str, kind: Kind, properties: str, **more: object) -> Menu:
    found = [_property(word) for word in properties.split()]
    if kind != "single":
        found.append(Property("comment"))
        if not any(item.name == "disabled" for item in found):
            found.append(Property("disabled", "bool", "no"))
    return Menu(path, kind, MappingProxyType({item.name: item for item in found}), **more)  # type: ignore[arg-type]


_MATCHERS = (
    "chain! protocol:protocol src-address:not-net dst-address:not-net src-port:ports dst-port:ports any-port:ports "
    "in-interface:not-interface out-interface:not-interface in-interface-list:not-list out-interface-list:not-list "
    "src-address-list:not dst-address-list:not connection-state connection-nat-state ipsec-policy src-mac-address "
    "icmp-options dst-address-type src-address-type connection-mark packet-mark hw-offload:bool limit "
    "address-list address-list-timeout jump-target log:bool=no log-prefix"
)
_WIFI = (
    "configuration.ssid configuration.mode configuration.country configuration.hide-ssid:bool configuration.manager "
    "security.authentication-types:auth-types security.passphrase* security.ft:bool security.ft-over-ds:bool "
    "security.wps security.connect-priority channel.band channel.frequency:frequency channel.width "
    "channel.skip-dfs-channels datapath.bridge datapath.client-isolation:bool datapath.vlan-id:int"
)
_OWN_ETHERNET = tuple({"default-name": f"ether{n}", "name": f"ether{n}"} for n in range(1, 6))
_OWN_WIFI = tuple({"default-name": f"wifi{n}", "name": f"wifi{n}"} for n in (1, 2))
_SERVICES = (("telnet", 23), ("ftp", 21), ("www", 80), ("ssh", 22), ("www-ssl", 443), ("api", 8728), ("winbox", 8291),
             ("api-ssl", 8729))  # fmt: skip
_OWN_SERVICES = tuple({"name": name, "port": str(port)} for name, port in _SERVICES)

_ALL = (
    _menu("interface bridge", "list", "name!+ admin-mac auto-mac:bool=yes protocol-mode=rstp vlan-filtering:bool=no "
          "arp=enabled mtu:int", unique=("name",), columns=("name", "mtu", "protocol-mode")),
    _menu("interface ethernet", "fixed", "default-name name mac-address:mac mtu:int=1500 speed l2mtu:int arp=enabled "
          "auto-negotiation:bool=yes advertise poe-out", handle="default-name", own=_OWN_ETHERNET,
          unique=("name",), columns=("name", "mtu", "mac-address")),
    _menu("interface pppoe-client", "list", "name+ interface:interface! user password* add-default-route:bool=no "
          "default-route-distance:int=1 use-peer-dns:bool=no profile:ref-ppp_profile=default service-name ac-name "
          "keepalive-timeout=10 max-mtu=auto max-mru=auto mrru=disabled dial-on-demand:bool=no "
          "allow=pap,chap,mschap1,mschap2 disabled:bool=yes", unique=("name",), columns=("name", "interface", "user")),
    _menu("interface wireguard", "list", "name!+ listen-port:int mtu:int=1420 private-key*", unique=("name",)),
    _menu("interface list", "list", "name!+ include exclude", own=tuple({"name": name} for name in (
          "all", "none", "dynamic", "static")), handle="name", unique=("name",), columns=("name",)),
    _menu("interface lte apn", "list", "name+ apn=internet authentication:none|pap|chap=none user password* "
          "add-default-route:bool=yes default-route-distance:int=2 use-peer-dns:bool=yes use-network-apn:bool=yes "
          "ip-type=auto passthrough-interface passthrough-mac=auto", handle="default", unique=("name",),
          own=({"name": "default", "default": "yes"},), columns=("name", "apn", "default-route-distance")),
    _menu("interface lte", "fixed", "default-name name mtu:int=1500 apn-profiles:ref-interface_lte_apn=default "
          "allow-roaming:bool=yes network-mode band pin*", handle="default-name",
          own=({"default-name": "lte1", "name": "lte1"},), columns=("name", "mtu", "apn-profiles")),
    _menu("interface wifi channel", "list", "name!+ band frequency:frequency width skip-dfs-channels",
          unique=("name",)),
    _menu("interface wifi security", "list", "name!+ authentication-types:auth-types passphrase* ft:bool "
          "ft-over-ds:bool wps", unique=("name",)),
    _menu("interface wifi configuration", "list", f"name!+ ssid mode country security channel {_WIFI}",
          unique=("name",)),
    _menu("interface wifi", "list", f"default-name name master-interface:interface mac-address:mac configuration "
          f"security channel {_WIFI} disabled:bool=yes", handle="default-name", own=_OWN_WIFI, unique=("name",),
          columns=("name", "configuration.mode", "configuration.ssid")),
    _menu("interface wireless security-profiles", "list", "name+ mode=none authentication-types wpa2-pre-shared-key* "
          "wpa-pre-shared-key* supplicant-identity=MikroTik", handle="default",
          own=({"name": "default", "default": "yes"},), unique=("name",)),
    _menu("ip ipsec peer", "list", "name!+ address exchange-mode=main profile=default passive:bool=no",
          unique=("name",)),
    _menu("ip ipsec proposal", "list", "name+ auth-algorithms=sha1 enc-algorithms lifetime:time=30m "
          "pfs-group=modp1024", handle="default", own=({"name": "default", "default": "yes"},), unique=("name",)),
    _menu("ip pool", "list", "name!+ ranges:ranges! next-pool", unique=("name",), columns=("name", "ranges")),
    _menu("ip dhcp-server", "list", "name+ interface:interface! address-pool=static-only lease-time:time=30m "
          "authoritative=yes server-address always-broadcast:bool=no add-arp:bool=no dhcp-option-set lease-script",
          unique=("name",), columns=("name", "interface", "address-pool", "lease-time")),
    _menu("ppp profile", "list", "name+ local-address remote-address dns-server change-tcp-mss=default "
          "use-encryption=default only-one=default rate-limit use-compression=default use-upnp=default",
          own=({"name": "default"}, {"name": "default-encryption"}), handle="name", unique=("name",)),
    _menu("queue simple", "list", "name!+ target max-limit queue parent=none priority", ordered=True,
          unique=("name",)),
    _menu("routing table", "list", "name!+ fib:flag", unique=("name",)),
    _menu("snmp community", "list", "name+ addresses:nets=::/0 security:none|authorized|private=none "
          "read-access:bool=yes write-access:bool=no authentication-protocol=MD5 encryption-protocol=DES "
          "authentication-password* encryption-password*", handle="default",
          own=({"name": "public", "default": "yes"},), unique=("name",), columns=("name", "addresses")),
    _menu("system logging action", "list", "name!+ target=memory remote:ip remote-port:int=514 memory-lines:int=1000",
          unique=("name",)),
    _menu("user group", "list", "name!+ policy skin=default", own=tuple({"name": name} for name in (
          "read", "write", "full")), handle="name", unique=("name",)),
    _menu("interface bridge port", "list", "bridge:interface! interface:interface! pvid:int=1 edge=auto hw:bool=yes "
          "horizon=none", unique=("interface",), columns=("interface", "bridge", "pvid")),
    _menu("ip neighbor discovery-settings", "single", "discover-interface-list=static mode=tx-and-rx"),
    _menu("interface list member", "list", "list:list! interface:interface!", unique=("list", "interface"),
          columns=("list", "interface")),
    _menu("interface wireguard peers", "list", "interface:interface! public-key! preshared-key* private-key* "
          "allowed-address endpoint-address endpoint-port persistent-keepalive name"),
    _menu("ip address", "list", "address:cidr! interface:interface! network:ip+ broadcast",
          unique=("address", "interface"), columns=("address", "network", "interface")),
    _menu("ip cloud", "single", "ddns-enabled=auto update-time:bool=yes"),
    _menu("ip dhcp-client", "list", "interface:interface! add-default-route:yes|no|special-classless=yes "
          "default-route-distance:int=1 use-peer-dns:bool=yes use-peer-ntp:bool=yes dhcp-options=hostname,clientid",
          unique=("interface",), columns=("interface", "use-peer-dns", "add-default-route")),
    _menu("ip dhcp-server lease", "list", "address:ip mac-address:mac server client-id lease-time:time "
          "block-access:bool=no", unique=("mac-address", "server"), columns=("address", "mac-address", "server")),
    _menu("ip dhcp-server network", "list", "address:net! gateway dns-server:ips domain ntp-server:ips "
          "netmask:int dhcp-option dns-none:bool=no wins-server", unique=("address",),
          columns=("address", "gateway", "dns-server")),
    _menu("ip dns", "single", "servers:ips allow-remote-requests:bool=no cache-size max-udp-packet-size:int=4096 "
          "use-doh-server verify-doh-cert:bool=no"),
    _menu("ip dns static", "list", "name address:ip type cname ttl:time=1d regexp forward-to"),
    _menu("ip firewall address-list", "list", "list! address!", columns=("list", "address")),
    _menu("ip firewall filter", "list", f"{_MATCHERS} action:accept|drop|reject|jump|log|passthrough|return|tarpit|"
          "fasttrack-connection|add-src-to-address-list|add-dst-to-address-list+=accept "
          "reject-with=icmp-network-unreachable", ordered=True, columns=("chain", "action")),
    _menu("ip firewall connection tracking", "single", "enabled=auto tcp-established-timeout:time=1d "
          "tcp-unacked-timeout:time=5m tcp-max-retrans-timeout:time=5m tcp-syn-sent-timeout:time=5s "
          "udp-timeout:time=30s udp-stream-timeout:time=3m icmp-timeout:time=10s generic-timeout:time=10m "
          "loose-tcp-tracking:bool=yes"),
    _menu("ip firewall mangle", "list", f"{_MATCHERS} action+=accept new-mss passthrough:bool=yes "
          "new-connection-mark new-packet-mark new-routing-mark tcp-flags", ordered=True,
          columns=("chain", "action")),
    _menu("ip firewall nat", "list", f"{_MATCHERS} action:accept|dst-nat|src-nat|masquerade|redirect|netmap|same|jump|"
          "return|log|passthrough+=accept to-addresses:addresses to-ports:ports", ordered=True,
          columns=("chain", "action", "to-addresses", "to-ports")),
    _menu("ip ipsec identity", "list", "peer! auth-method=pre-shared-key secret* my-id=auto remote-id=auto "
          "generate-policy=no"),
    _menu("ip route", "list", "dst-address:net+=0.0.0.0/0 gateway blackhole:flag distance:int=1 scope:int=30 "
          "target-scope:int=10 routing-table=main pref-src:ip check-gateway suppress-hw-offload:bool=no",
          columns=("dst-address", "gateway", "distance")),
    _menu("ip service", "fixed", "name port:int address:nets certificate tls-version=any", own=_OWN_SERVICES,
          unique=("name",), columns=("name", "port", "address")),
    _menu("ip ssh", "single", "strong-crypto:bool=no forwarding-enabled=no always-allow-password-login:bool=no "
          "host-key-size:int=2048"),
    _menu("ipv6 address", "list", "address:cidr6! interface:interface! advertise:bool=yes eui-64:bool=no "
          "from-pool no-dad:bool=no", unique=("address", "interface"), columns=("address", "interface")),
    _menu("ipv6 dhcp-client", "list", "interface:interface! request! add-default-route:bool=no "
          "default-route-distance:int=1 pool-name pool-prefix-length:int=64 use-peer-dns:bool=yes "
          "use-interface-duid:bool=no", unique=("interface",), columns=("interface", "request")),
    _menu("ipv6 firewall filter", "list", f"{_MATCHERS} action+=accept reject-with=icmp-no-route hop-limit",
          ordered=True, columns=("chain", "action")),
    _menu("ipv6 nd", "list", "interface+ ra-interval managed-address-configuration:bool=no "
          "other-configuration:bool=no dns advertise-dns:bool=yes", own=({"interface": "all", "default": "yes"},),
          handle="default", unique=("interface",)),
    _menu("ipv6 route", "list", "dst-address:net6+=::/0 gateway blackhole:flag distance:int=1 scope:int=30 "
          "target-scope:int=10 routing-table=main suppress-hw-offload:bool=no",
          columns=("dst-address", "gateway", "distance")),
    _menu("ppp secret", "list", "name!+ password* profile=default service=any local-address remote-address",
          unique=("name",)),
    _menu("radius", "list", "address! secret* service timeout authentication-port:int=1812"),
    _menu("snmp", "single", "enabled:bool=no contact location engine-id-suffix src-address=:: "
          "trap-community:ref-snmp_community=public trap-generators=temp-exception trap-interfaces "
          "trap-target:addresses trap-version:1|2|3=1 vrf=main"),
    _menu("system clock", "single", "time-zone-autodetect:bool=yes time-zone-name=manual"),
    _menu("system identity", "single", "name=MikroTik"),
    _menu("system logging", "list", "topics=info action=memory prefix"),
    _menu("system note", "single", "note show-at-login:bool=yes"),
    _menu("system ntp client", "single", "enabled:bool=no mode=unicast vrf=main"),
    _menu("system ntp client servers", "list", "address! iburst:bool=yes min-poll:int=6 max-poll:int=10"),
    _menu("system scheduler", "list", "name+ start-date+ start-time+ interval:time=0s on-event "
          "policy=ftp,reboot,read,write,policy,test,password,sniff,sensitive,romon", unique=("name",),
          columns=("name", "start-date", "start-time", "interval", "on-event")),
    _menu("system script", "list", "name!+ source owner dont-require-permissions:bool=no "
          "policy=ftp,reboot,read,write,policy,test,password,sniff,sensitive,romon", unique=("name",),
          columns=("name", "owner")),
    _menu("tool bandwidth-server", "single", "enabled:bool=yes authenticate:bool=yes"),
    _menu("tool mac-server", "single", "allowed-interface-list=all"),
    _menu("tool mac-server mac-winbox", "single", "allowed-interface-list=all"),
    _menu("tool netwatch", "list", "host! interval:time=10s type=simple up-script down-script timeout:time=3s"),
    _menu("user", "list", "name! group! address password*", unique=("name",), exported=False,
          columns=("name", "group")),
)  # fmt: skip

MENUS: Mapping[str, Menu] = MappingProxyType({menu.path: menu for menu in _ALL})
"""By path without the leading slash, in the order in which an export goes through them."""

INTERFACES = ("interface bridge", "interface ethernet", "interface pppoe-client", "interface lte", "interface wifi",
              "interface wireguard")  # fmt: skip
"""The menus whose items are interfaces, each with its name in `name`."""


def submenus(path: str) -> frozenset[str]:
    """The words that may follow a path, as far as menus go."""
    return _BELOW.get(path, frozenset())


def _below() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for path in (*MENUS, *_OTHERS):
        words = path.split()
        for depth, word in enumerate(words):
            found.setdefault(" ".join(words[:depth]), set()).add(word)
    return {path: frozenset(words) for path, words in found.items()}


_OTHERS = ("file", "log", "system resource", "system routerboard", "system package", "system backup", "system license",
           "system health", "system history")  # fmt: skip
"""Menus that hold no configuration."""
_BELOW = _below()
