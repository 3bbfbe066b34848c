"""The configuration lines that the virtual IOS router takes, by mode, in the order in which it prints them.

Behind a pattern (see ``ios_syntax``): ``=N``, a line replaces one with the same first N words; ``>mode``, it opens a
mode. Lines without ``=`` stand side by side. Patterns that end in ``<line>`` alone are lines that the box keeps and
does nothing with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from simulators.dialects.ios_syntax import Patterns

_PLACE = "(any|host <ip>|<ip> <wild>)"
_ENTRY = f"""
evaluate <name>
remark <line>
(permit|deny) (icmp) {_PLACE} {_PLACE} [(echo|echo-reply|time-exceeded|unreachable|packet-too-big|<0-255>)] [log]
(permit|deny) (tcp) {_PLACE} [(eq <tcp>|range <tcp> <tcp>|gt <tcp>|lt <tcp>)] {_PLACE} \
[(eq <tcp>|range <tcp> <tcp>|gt <tcp>|lt <tcp>)] [(established|log|reflect <name>)]
(permit|deny) (udp) {_PLACE} [(eq <udp>|range <udp> <udp>|gt <udp>|lt <udp>)] {_PLACE} \
[(eq <udp>|range <udp> <udp>|gt <udp>|lt <udp>)] [(log|reflect <name>)]
(permit|deny) (ip|gre|esp|ahp|ospf|<0-255>) {_PLACE} {_PLACE} [(log|reflect <name>)]
"""
_INTERFACE = """
description <line> =1
ip address (dhcp|negotiated|<ip> <mask>) =2
ip address <ip> <mask> secondary
ip dhcp client default-router distance <1-255> =5
ip unnumbered <if> =2
ip access-group <word> in =2
ip access-group <word> out =2
ip mtu <68-1500> =2
ip nat inside =3
ip nat outside =3
ip inspect <name> (in|out)
ip virtual-reassembly [in] =2
ip verify unicast source reachable-via (rx|any) =3
ip tcp adjust-mss <500-1460> =3
ip helper-address <ip>
ip unreachables =2
ip redirects =2
ip proxy-arp =2
ip ospf <line>
zone-member security <name> =2
encapsulation (ppp|slip|hdlc|dot1Q <1-4094> [native]) =1
encryption [vlan <1-4094>] mode ciphers (aes-ccm|tkip|aes-ccm tkip) =1
ssid <line>
channel (<1-165>|<2412-5825>|least-congested|dfs) =1
station-role root =1
speed (auto|10|100|1000|<line>) =1
duplex (auto|full|half) =1
dialer in-band =2
dialer pool <1-255> =2
dialer idle-timeout <0-2147483> =2
dialer string <word>
dialer-group <1-10> =1
pulse-time <0-60> =1
pppoe enable [group <word>] =2
pppoe-client dial-pool-number <1-255> =2
ppp authentication <line> =2
ppp chap hostname <word> =3
ppp chap password <secret> =3
ppp pap sent-username <word> password <secret> =3
ppp ipcp dns request [accept] =3
ppp ipcp route default =3
ipv6 address autoconfig [default] =3
ipv6 address (<ip6p>|<name> <ip6p>)
ipv6 enable =2
ipv6 nd <line>
ipv6 traffic-filter <word> (in|out)
switchport <line>
service-policy (input|output) <word> =2
load-interval <30-600> =1
bandwidth <1-10000000> =1
mtu <64-9216> =1
mac-address <mac> =1
media-type <word> =1
negotiation auto =1
keepalive <0-32767> =1
standby <line>
vrrp <line>
crypto map <word> =2
tunnel <line>
shutdown =1
"""
_TEXTS = {
    "config": """
version <word> =1
service timestamps (debug|log) <line> =3
service password-encryption =2
service <line>
platform <line>
hostname <word> =1
boot-start-marker =1
boot-end-marker =1
boot system <line>
security <line>
logging buffered <line> =2
logging console <line> =2
enable secret <line> =2
enable password <line> =2
aaa new-model =2
aaa group server (radius|tacacs+) <word> >server-group
aaa <line>
clock timezone <line> =2
clock summer-time <line> =2
ip source-route =2
ip bootp server =3
ip dhcp excluded-address <ip> [<ip>]
ip dhcp pool <word> >dhcp-config
ip domain (name|lookup|list) <line> =3
ip domain lookup =3
ip name-server <ip> [<ip>] [<ip>] [<ip>] [<ip>] [<ip>]
ip inspect <line>
ip cef =2
ipv6 general-prefix <name> <ip6p>
ipv6 unicast-routing =2
ipv6 cef =2
multilink bundle-name <word> =2
license <line>
archive >config-archive
spanning-tree <line>
memory-size <line>
file prompt quiet =2
object-group network <word> >object-group
object-group service <word> >object-group
username <word> <line> =2
redundancy >redundancy
controller Cellular <word> >config-controller
controller VDSL <word> >config-controller
vlan <word> >config-vlan
track <1-1000> <line> >config-track
ip ssh version <1-2> =3
ip ssh <line>
ip scp server enable =3
ip ftp <line>
class-map <line> >config-cmap
policy-map <line> >config-pmap
crypto key <line>
crypto pki certificate chain <word> >config-cert-chain
crypto pki <line> >crypto
crypto isakmp policy <word> >crypto
crypto isakmp <line>
crypto ipsec <line>
crypto map <line>
dot11 ssid <line> >config-ssid
bridge <line>
interface <if> >config-if
router bgp <word> >config-router
router <line> >config-router
ip local <line>
ip forward-protocol <line>
ip http (server|secure-server|authentication <word>) =3
ip http <line>
ip flow-export <line>
ip nat translation (timeout|tcp-timeout|udp-timeout|icmp-timeout|dns-timeout) <1-2147483> =4
ip nat translation port-timeout tcp <1-65535> <1-2147483> =6
ip nat translation port-timeout udp <1-65535> <1-2147483> =6
ip nat translation max-entries <line>
ip nat pool <line>
ip nat inside source (list|route-map) <word> (interface <if>|pool <word>) [overload]
ip nat inside source static (tcp|udp) <ip> <1-65535> (interface <if>|<ip>) <1-65535> [extendable]
ip nat inside source static <ip> <ip>
ip nat inside destination list <word> pool <word>
ip route <ip> <mask> (<ip>|<if> <ip>|<if>|dhcp) [<1-255>] [name <word>] [permanent] [track <1-1000>] \
[tag <1-4294967295>] =5
ip access-list standard <word> >config-std-nacl
ip access-list extended <word> >config-ext-nacl
ip sla schedule <line>
ip sla <1-2147483> >config-ip-sla
ip sla <line>
ip prefix-list <line>
logging host <ip> =3
logging <line>
dialer-list <1-10> protocol <word> permit
ipv6 route <ip6p> (<ip6>|<if> <ip6>|<if>) [<1-254>]
ipv6 access-list <word> >config-ipv6-acl
ipv6 (nd|dhcp|prefix-list|multicast-routing|source-route) <line>
route-map <word> (permit|deny) <0-65535> >config-route-map
route-map <word> >config-route-map
access-list <1-199> <line>
snmp-server view <line>
snmp-server group <line>
snmp-server user <line>
snmp-server community <word> [view <word>] (RO|RW) [<word>] =3
snmp-server trap-source <if> =2
snmp-server location <line> =2
snmp-server contact <line> =2
snmp-server chassis-id <line> =2
snmp-server enable traps <line>
snmp-server enable traps =3
snmp-server host <ip> [vrf <word>] [(traps|informs)] [version (1|2c|3 (auth|noauth|priv))] <word> [<line>]
snmp-server (ifindex|ifmib|tftp-server-list|queue-length|packetsize|file-transfer|source-interface) <line>
tacacs-server <line>
tacacs server <word> >server
radius-server <line>
radius server <word> >server
key chain <word> >config-keychain
alias <line>
privilege <line>
control-plane >config-cp
event manager applet <word> >config-applet
mgcp <line>
banner (motd|login|exec) <line> =2
line (con|aux) <0-0> >config-line
line (console) <0-0> >config-line
line vty <0-98> [<1-98>] >config-line
scheduler <line>
ntp source <if> =2
ntp server <line>
ntp <line>
""",
    "config-if": _INTERFACE,
    "config-line": """
session-timeout <line> =1
access-class <word> (in|out) [vrf-also] =1
exec-timeout <0-35791> [<0-2147483>] =1
privilege level <0-15> =2
password <line> =1
logging synchronous =2
login [(local|authentication <word>)] =1
no exec =2
length <0-512> =1
transport preferred <word> =2
transport input <line> =2
transport output <line> =2
stopbits <1-2> =1
speed <line> =1
""",
    "dhcp-config": """
import all =1
network <ip> <mask> =1
host <ip> [<mask>] =1
client-identifier <hex> =1
hardware-address <mac> [(ethernet|ieee802|<1-255>)] =1
client-name <word> =1
default-router <ip> [<ip>] =1
dns-server <ip> [<ip>] [<ip>] [<ip>] =1
netbios-name-server <ip> =1
domain-name <word> =1
option <0-254> <line> =2
lease (infinite|<0-365> [<0-23>] [<0-59>]) =1
""",
    "config-ext-nacl": _ENTRY,
    "config-std-nacl": f"""
remark <line>
(permit|deny) ({_PLACE}|<ip>) [log]
""",
    "config-ssid": """
vlan <1-4094> =1
authentication open =2
authentication key-management wpa [version <1-2>] =2
guest-mode =1
mbssid guest-mode =1
wpa-psk ascii <secret> =1
wpa-psk hex <secret> =1
""",
    "config-controller": """
lte sim data-profile <1-16> attach-profile <1-16> =2
lte <line>
profile id <1-16> apn <word> authentication (none|(chap|pap) username <word> password <key>) \
[pdn-type (ipv4|ipv6|ipv4v6)] [slot <0-1>] =3
operating mode <line> =2
description <line> =1
shutdown =1
""",
    "config-cert-chain": """
certificate <line> >config-pubkey
""",
    "config-pubkey": """
quit
<word> <line>
<word>
""",
    "config-archive": """
log config >config-archive-log-cfg
path <word> =1
write-memory =1
maximum <1-14> =1
time-period <1-525600> =1
""",
    "config-archive-log-cfg": """
logging enable =2
logging size <1-1000> =2
notify syslog [contenttype plaintext] =1
hidekeys =1
""",
    "config-router": """
bgp <line>
router-id <ip> =1
network <line>
redistribute <line>
neighbor <line>
passive-interface <line>
address-family <line> >config-router-af
version <1-2> =1
auto-summary =1
""",
    "config-router-af": """
network <line>
redistribute <line>
neighbor <line>
exit-address-family =1
""",
    "config-route-map": """
description <line> =1
match ip address <word> =3
match interface <if> =2
set <line>
""",
    "config-pmap": """
description <line> =1
class <word> >config-pmap-c
""",
}
_FREE = {
    "server-group": "server server-private ip",
    "object-group": "host tcp udp range description",
    "redundancy": "mode",
    "config-vlan": "name",
    "config-track": "delay object",
    "config-cmap": "match description",
    "config-pmap-c": "bandwidth priority police set shape fair-queue queue-limit",
    "crypto": "enrollment revocation-check rsakeypair certificate quit encr authentication group hash lifetime",
    "config-ip-sla": "icmp-echo frequency threshold timeout",
    "config-ipv6-acl": "permit deny remark sequence evaluate",
    "server": "address key timeout",
    "config-keychain": "key key-string",
    "config-cp": "service-policy",
    "config-applet": "event action",
}
"""Modes of which only the first words are known."""


@dataclass(frozen=True, slots=True)
class Mode:
    """A mode. keys: by pattern, how many words tell a line from another, 0 for all. opens: by pattern, the mode below.
    ordered: lines stay in the order in which they were typed."""

    patterns: Patterns
    keys: tuple[int, ...]
    opens: tuple[str, ...]
    ordered: bool = False


def _mode(text: str, *, ordered: bool) -> Mode:
    rules = [re.fullmatch(r"(.*?)(?: =(\d+))?(?: >(\S+))?", line) for line in text.strip().splitlines()]
    found = [rule for rule in rules if rule is not None]
    sources = tuple(rule[1] for rule in found)
    return Mode(Patterns(sources), tuple(int(r[2] or 0) for r in found), tuple(r[3] or "" for r in found), ordered)


def _free(words: str) -> str:
    return "\n".join(f"{word} <line>\n{word}" for word in words.split())


MODES: Mapping[str, Mode] = MappingProxyType(
    {name: _mode(text, ordered=name.endswith(("nacl", "pubkey"))) for name, text in _TEXTS.items()}
    | {name: _mode(_free(words), ordered=True) for name, words in _FREE.items()}
)
REMEMBERED = re.compile(
    r"ip (?:http|domain lookup|cef|source-route|bootp|address$|redirects|unreachables|proxy-arp|route-cache)"
    r"|service \S+|cdp run|ipv6 cef|aaa new-model|exec$|logging console"
)
"""Commands whose `no` form is itself a line."""
DEFAULTS = frozenset(
    {
        "lease 1", "ip nat translation tcp-timeout 86400", "ip nat translation udp-timeout 300",
        "ip nat translation timeout 86400", "ip unreachables", "ip redirects", "ip proxy-arp", "ip source-route",
        "channel least-congested", "channel dfs", "maximum 10", "transport output all",
    }
)  # fmt: skip
"""Lines that say what is so anyway: they are taken, and not shown."""
TIGHT = ("boot-", "line ", "ip access-list ", "ip route ", "snmp-server ", "banner ")
"""Blocks that stand together without separators."""
