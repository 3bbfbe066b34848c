"""What an SNMP agent of each family says of itself. A family that is not in the table answers as net-snmp on Linux.

Cellular signal has no standard MIB; each family shows it where its real boxes do: Cisco in CISCO-WAN-3G-MIB,
RouterOS in MIKROTIK-MIB's LTE table, Teltonika in its mobile table, everything else as an `extend` script of net-snmp
named `cellular-signal` (NET-SNMP-EXTEND-MIB nsExtendOutput1Line), since that is how operators do it there. Registration
in the mobile network stands beside it: c3gGsmCurrentServiceStatus, mtxrLTEModemAccessTechnology, mNetState, and a
script `cellular-registration`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from simulators.generate.site import Site

Oid = tuple[int, ...]


def oid(text: str) -> Oid:
    """`1.3.6` as numbers."""
    return tuple(int(arc) for arc in text.strip(".").split("."))


@dataclass(frozen=True, slots=True)
class Port:
    """A row of ifTable. kind is IANAifType: 6 ethernet, 24 loopback, 71 wireless, 243 WWAN (cellular), 251 VDSL2.

    speed in Mbit/s, 0 for the line's own rate."""

    name: str
    kind: int
    speed: int
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Registration:
    """An object, and what it holds while the modem is registered in the mobile network, and while it is not."""

    name: Oid
    registered: int | str
    lost: int | str


@dataclass(frozen=True, slots=True)
class Persona:
    """descr: sysDescr, `{name}` is the box's name. signal_oid holds the cellular signal in dBm; signal_text: as text,
    the way a script prints it. own: texts of the maker's own MIB, with `{name}`, `{model}` and `{serial}` put in.
    digits: the serial number has digits alone. entity: it has a chassis in ENTITY-MIB, which net-snmp has not."""

    object_id: Oid
    descr: str
    model: str
    vendor: str
    ports: tuple[Port, ...]
    signal_oid: Oid
    registration: Registration
    signal_text: bool = False
    entity: bool = False
    own: tuple[tuple[Oid, str], ...] = ()
    digits: bool = False

    def serial(self, site: Site) -> str:
        return site.serial_digits if self.digits else site.serial


LOOPBACK, ETHERNET, WIRELESS, VDSL2, WWAN = 24, 6, 71, 251, 243


def _extend(script: bytes) -> Oid:
    return (*oid("1.3.6.1.4.1.8072.1.3.2.3.1.1"), len(script), *script)


_EXTEND_OID = _extend(b"cellular-signal")
_SCRIPT = Registration(_extend(b"cellular-registration"), "registered (home)", "not registered (searching)")


def _linux(*names: str) -> tuple[Port, ...]:
    line, lan, mobile = names
    return (
        Port("lo", LOOPBACK, 10),
        Port(line, VDSL2, 0, "fixed line"),
        Port(lan, ETHERNET, 1000, "office"),
        Port(mobile, WWAN, 50, "mobile line"),
    )


DEFAULT = Persona(
    object_id=oid("1.3.6.1.4.1.8072.3.2.10"),
    descr="Linux {name} 6.6.52 #1 SMP x86_64",
    model="generic-x86",
    vendor="net-snmp",
    ports=_linux("eth0", "eth1", "wwan0"),
    signal_oid=_EXTEND_OID,
    registration=_SCRIPT,
    signal_text=True,
)

PERSONAS: Mapping[str, Persona] = MappingProxyType(
    {
        "cisco_ios": Persona(
            object_id=oid("1.3.6.1.4.1.9.1.1859"),
            descr="Cisco IOS Software, C800 Software (C800-UNIVERSALK9-M), Version 15.7(3)M8, RELEASE SOFTWARE (fc1)",
            model="C891F-K9",
            vendor="Cisco",
            ports=(
                Port("VDSL0", VDSL2, 0, "fixed line"),
                Port("GigabitEthernet0/1", ETHERNET, 1000, "office"),
                Port("Dot11Radio0", WIRELESS, 300),
                Port("Cellular0/2/0", WWAN, 50, "mobile line"),
                Port("Loopback0", LOOPBACK, 8000),
            ),
            signal_oid=oid("1.3.6.1.4.1.9.9.661.1.3.4.1.1.1.4"),
            # normal, noService.
            registration=Registration(oid("1.3.6.1.4.1.9.9.661.1.3.2.1.2.4"), 3, 2),
            entity=True,
        ),
        "mikrotik": Persona(
            object_id=oid("1.3.6.1.4.1.14988.1"),
            descr="RouterOS C53UiG+5HPaxD2HPaxD",
            model="C53UiG+5HPaxD2HPaxD",
            vendor="MikroTik",
            ports=_linux("ether1", "bridge", "lte1"),
            signal_oid=oid("1.3.6.1.4.1.14988.1.1.16.1.1.2.4"),
            # eutran, unknown.
            registration=Registration(oid("1.3.6.1.4.1.14988.1.1.16.1.1.6.4"), 7, -1),
            # MIKROTIK-MIB: mtxrLicVersion, mtxrSerialNumber, mtxrBoardName.
            own=(
                (oid("1.3.6.1.4.1.14988.1.1.4.4.0"), "7.15.3"),
                (oid("1.3.6.1.4.1.14988.1.1.7.3.0"), "{serial}"),
                (oid("1.3.6.1.4.1.14988.1.1.7.8.0"), "{model}"),
            ),
        ),
        "vyos": Persona(
            object_id=oid("1.3.6.1.4.1.44641"),
            descr="VyOS 1.4.0",
            model="VyOS",
            vendor="VyOS",
            ports=_linux("eth0", "eth1", "wwan0"),
            signal_oid=_EXTEND_OID,
            registration=_SCRIPT,
            signal_text=True,
        ),
        "teltonika": Persona(
            object_id=oid("1.3.6.1.4.1.48690"),
            descr="Linux {name} 5.10.199 RUTX_R_00.07.06.3 armv7l",
            model="RUTX11",
            vendor="Teltonika",
            ports=_linux("eth1", "br-lan", "wwan0"),
            signal_oid=oid("1.3.6.1.4.1.48690.2.2.1.12.1"),
            registration=Registration(oid("1.3.6.1.4.1.48690.2.2.1.11.1"), "Registered, home", "Not registered"),
            # TELTONIKA-MIB: serial, deviceName, productCode, fwVersion.
            own=(
                (oid("1.3.6.1.4.1.48690.1.1.0"), "{serial}"),
                (oid("1.3.6.1.4.1.48690.1.2.0"), "{model}"),
                (oid("1.3.6.1.4.1.48690.1.3.0"), "{model}000000"),
                (oid("1.3.6.1.4.1.48690.1.6.0"), "RUTX_R_00.07.06.3"),
            ),
            digits=True,
        ),
        "openwrt": Persona(
            object_id=oid("1.3.6.1.4.1.8072.3.2.10"),
            descr="Linux {name} 5.15.167 OpenWrt 23.05.5 aarch64",
            model="OpenWrt router",
            vendor="OpenWrt",
            ports=_linux("dsl0", "br-lan", "wwan0"),
            signal_oid=_EXTEND_OID,
            registration=_SCRIPT,
            signal_text=True,
        ),
        "frr_linux": DEFAULT,
    }
)
"""By family. Families whose names begin like one of these (`mikrotik_v7`, `cisco_iosxe`) go by the longest match."""

_ALIASES: Mapping[str, str] = MappingProxyType({"routeros": "mikrotik", "cisco": "cisco_ios", "rutos": "teltonika"})


def persona_of(family: str) -> Persona:
    """The SNMP face of a family; never fails."""
    known = {**PERSONAS, **{alias: PERSONAS[name] for alias, name in _ALIASES.items()}}
    fitting = [name for name in known if family.startswith(name)]
    return known[max(fitting, key=len)] if fitting else DEFAULT
