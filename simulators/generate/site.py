"""The facts of one customer site, drawn from a spec's seed; every family writes the same facts its own way.

Covers what a backup has to hold by §5.2.1.3: internet IP configuration, DHCP server and pool, wifi name, key and
security mode, port mappings, PPP login. Addresses come from the documentation and private ranges.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from simulators.spec import DeviceSpec

_STREETS = ("Kerkstraat", "Rue Haute", "Stationsplein", "Grote Markt", "Avenue Louise", "Dorpsstraat", "Rue Neuve")
_TRADES = ("Bakery", "Dental", "Garage", "Notary", "Pharmacy", "Florist", "Bistro", "Optics", "Accounting")
_SERVICES = (25, 80, 110, 119, 143, 220, 443, 993, 8080, 8443, 3389, 5060)  # §3.4 and a few that customers add


MOBILE_OPTION = "off|standby: whether a mobile connection stands by, with voice kept off it"
VOICE = "5060-5061,10000-20000"
"""UDP ports of calls, SIP and RTP, which a mobile connection does not carry (§7.6)."""


def stands_by(spec: DeviceSpec) -> bool:
    """Whether the box has a mobile connection that is ready to carry."""
    return spec.options.get("mobile", "off") == "standby"


@dataclass(frozen=True, slots=True)
class PortMapping:
    """One port opened from the internet to a host on the LAN."""

    protocol: str
    outside: int
    host: str
    inside: int
    label: str


@dataclass(frozen=True, slots=True)
class StaticHost:
    """One reserved address in the DHCP server."""

    name: str
    mac: str
    address: str


@dataclass(frozen=True, slots=True)
class Site:
    """One site's facts. Addresses are dotted text; lan_net is the /24 without its last octet, `192.168.17`."""

    hostname: str
    location: str
    wan_ip: str
    wan_gateway: str
    lan_net: str
    pool_first: str
    pool_last: str
    lease_hours: int
    ssid: str
    channel: int
    ppp_user: str
    mappings: tuple[PortMapping, ...]
    hosts: tuple[StaticHost, ...]
    serial: str
    mac: str
    local_as: int

    @property
    def serial_digits(self) -> str:
        """The serial number as makers write it that use digits alone."""
        return f"{int(self.serial.removeprefix('SIM'), 16):010d}"

    @property
    def lan_ip(self) -> str:
        return f"{self.lan_net}.1"


def make_site(spec: DeviceSpec) -> Site:
    """Draw the facts of the site where this box stands."""
    rng = spec.rng("site")
    lan = f"192.168.{rng.randrange(2, 250)}"
    wan_third, wan_host = rng.randrange(0, 256), rng.randrange(2, 254)
    trade = rng.choice(_TRADES)
    number = rng.randrange(1000, 9999)
    return Site(
        hostname=spec.name,
        location=f"{rng.choice(_STREETS)} {rng.randrange(1, 240)}",
        wan_ip=f"198.18.{wan_third}.{wan_host}",
        wan_gateway=f"198.18.{wan_third}.1",
        lan_net=lan,
        pool_first=f"{lan}.{rng.randrange(60, 100)}",
        pool_last=f"{lan}.{rng.randrange(180, 250)}",
        lease_hours=rng.choice((4, 8, 12, 24)),
        ssid=f"{trade}-{number}",
        channel=rng.choice((1, 6, 11)),
        ppp_user=f"fb{rng.randrange(100000, 999999)}@business.example",
        mappings=_mappings(rng, lan),
        hosts=tuple(static_host(rng, lan, index) for index in range(rng.randrange(3, 8))),
        serial=f"SIM{rng.randrange(16**8):08X}",
        mac=_mac(rng),
        local_as=rng.randrange(64512, 65000),
    )


def static_host(rng: Random, lan: str, index: int) -> StaticHost:
    """One reservation; indexes from 0 give distinct addresses and names."""
    kind = rng.choice(("printer", "nas", "till", "phone", "camera", "desk"))
    return StaticHost(name=f"{kind}-{index:03d}", mac=_mac(rng), address=f"{lan}.{2 + index % 50}")


def _mappings(rng: Random, lan: str) -> tuple[PortMapping, ...]:
    ports = rng.sample(_SERVICES, rng.randrange(2, 6))
    return tuple(
        PortMapping("udp" if port == 5060 else "tcp", port, f"{lan}.{rng.randrange(10, 50)}", port, f"svc-{port}")
        for port in sorted(ports)
    )


def _mac(rng: Random) -> str:
    # A locally administered address: no vendor's block.
    return "02:" + ":".join(f"{rng.randrange(256):02x}" for _ in range(5))
