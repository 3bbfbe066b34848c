"""Every entry of the change catalogue on every family: through the whole commit path onto a virtual box, and what a
family cannot carry is refused by name before anything happens.

A box begins with what an office runs, as far as its family can carry that. Each change is read from plain data as it
comes over the API, judged by its entry, pushed with the entry's own patch, probes and overrides, and has to end
confirmed with the box meaning what the entry says; then it is undone by its opposite, and the box means what it meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any, Final

import pytest

from cpe_manager.domain.changes.addresses import WanAddress
from cpe_manager.domain.changes.catalogue import CHANGE_TYPES, read
from cpe_manager.domain.changes.entries import Effect, Setting
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.failover.lines import Barrier
from cpe_manager.domain.jobs import Outcome
from cpe_manager.domain.model.cpe_config import CpeConfig, DhcpServer, PortMapping, Reservation, Wan, Wifi
from cpe_manager.domain.model.cpe_config_data import changed
from cpe_manager.domain.model.cpe_differences import differences
from cpe_manager.domain.model.cpe_features import Feature, missing
from cpe_manager.domain.model.cpe_mobile import Mobile, Ports
from tests.contract.drivers.harness import shown
from tests.contract.drivers.roster import DriverCase
from tests.integration.services.real_boxes import CASES, SETUP, Bench, bench
from tests.support.change_scenes import CATALOGUE, SETTING

pytestmark = pytest.mark.slow
HOST = "192.168.77.20"
OFFICE = replace(
    SETUP,
    dhcp=DhcpServer(
        IPv4Address("192.168.77.100"),
        IPv4Address("192.168.77.199"),
        reservations=(Reservation("02:00:5e:00:00:0a", IPv4Address(HOST)),),
    ),
    wifi=(Wifi("2.4", "Office", key="first-secret-key", channel=6),),
    port_mappings=(PortMapping("tcp", Ports.one(8080), IPv4Address(HOST), 80),),
    mobile=Mobile("isp.example"),
    dns=(IPv4Address("9.9.9.9"),),
)
FIXED = replace(OFFICE, wan=Wan("static", IPv4Interface("203.0.113.2/24"), IPv4Address("203.0.113.1")))
LOGGED_IN = replace(OFFICE, wan=Wan("pppoe", username="fb1@isp.example", password="first-word"))
"""Boxes that are managed beside their internet address, so that it may become another one under us."""
NO_VOICE = Barrier("", "")


@dataclass(frozen=True)
class Cell:
    """One change and its opposite. ``needs``: features without which the family has to refuse it by name. ``managed``:
    at the internet address, so that a change which takes that away would cut us off."""

    name: str
    data: Mapping[str, Any]
    back: tuple[str, Mapping[str, Any]] | None = None
    needs: tuple[Feature, ...] = ()
    before: CpeConfig = OFFICE
    setting: Setting = SETTING
    managed: bool = True


def opening(**more: Any) -> Mapping[str, Any]:
    return {"ports": [{"port": 443, "inside": HOST} | more]}


def network(band: str = "2.4", **more: Any) -> Mapping[str, Any]:
    return {"networks": [{"band": band} | more]}


CELLS: Final[Mapping[str, Cell]] = {
    "open-port": Cell("open-port", opening(inside_port=8443), ("close-port", {"ports": [{"port": 443}]})),
    "open-port, from one network": Cell(
        "open-port", opening(source="203.0.113.0/24"), ("close-port", {"ports": [{"port": 443}]}),
        (Feature.PORT_SOURCE,),
    ),
    "open-port, a range of both protocols": Cell(
        "open-port", opening(port="7000-7009", protocol="both"),
        ("close-port", {"ports": [{"port": "7000-7009", "protocol": "both"}]}), (Feature.PORT_RANGE,),
    ),
    "open-port, presets": Cell(
        "open-port", {"ports": [{"preset": name, "inside": HOST} for name in ("mail", "web", "news", "ftp")]},
        ("close-port", {"ports": [{"preset": name} for name in ("mail", "web", "news", "ftp")]}),
    ),
    "open-port, voice where there is none": Cell(
        "open-port", opening(port=5060, protocol="udp"), ("close-port", {"ports": [{"port": 5060, "protocol": "udp"}]}),
        setting=replace(SETTING, barrier=NO_VOICE),
    ),
    "close-port": Cell(
        "close-port", {"ports": [{"port": 8080, "inside": HOST}]},
        ("open-port", opening(port=8080, inside_port=80)),
    ),
    "wan-address": Cell(
        "wan-address", {"address": "203.0.113.77/24"}, ("wan-address", {"address": "203.0.113.2/24"}),
        (Feature.WAN_STATIC,), FIXED, managed=False,
    ),
    "wan-address, another network": Cell(
        "wan-address", {"address": "198.51.100.2/30", "gateway": "198.51.100.1"},
        ("wan-address", {"address": "203.0.113.2/24", "gateway": "203.0.113.1"}), (Feature.WAN_STATIC,), FIXED,
        managed=False,
    ),
    "wan-address, of a line that logs in": Cell(
        "wan-address", {"address": "203.0.113.77"}, None, (Feature.WAN_PPPOE_ADDRESS,), LOGGED_IN, managed=False
    ),
    "ppp": Cell(
        "ppp", {"username": "fb2@isp.example", "password": "second-word"},
        ("ppp", {"username": "fb1@isp.example", "password": "first-word"}), (Feature.WAN_PPPOE,), LOGGED_IN,
        managed=False,
    ),
    "lan-address": Cell("lan-address", {"address": "10.1.2.1/24"}, ("lan-address", {"address": "192.168.77.1/24"})),
    "lan-address, another scheme": Cell(
        "lan-address", {"address": "172.20.4.1/23", "first": "172.20.4.100", "last": "172.20.5.50"},
        ("lan-address", {"address": "192.168.77.1/24", "first": "192.168.77.100", "last": "192.168.77.199"}),
    ),
    "ip-pack": Cell(
        "ip-pack", {"network": "91.3.4.8/29"}, ("ip-pack", {"network": "91.3.4.8/29", "action": "remove"}),
        (Feature.IP_PACK,),
    ),
    "ipv6": Cell("ipv6", {"prefix": "2a02:a03f:12:3400::/56"}, ("ipv6", {"action": "remove"}), (Feature.WAN_IPV6,)),
    "ipv6, second half routed": Cell(
        "ipv6", {"prefix": "2a02:a03f:12:3400::/56", "routed": True}, ("ipv6", {"action": "remove"}),
        (Feature.WAN_IPV6,),
    ),
    "firewall, access list": Cell(
        "firewall",
        {"inbound": "drop", "rules": [
            {"action": "accept", "protocol": "tcp", "source": "203.0.113.0/24", "ports": "80-443"},
            {"action": "drop", "protocol": "udp", "ports": 53},
            {"action": "accept", "protocol": "icmp"},
        ]},
        ("firewall", {"rules": []}), (Feature.FIREWALL_RULES,),
    ),
    "firewall, refusals told": Cell(
        "firewall", {"rules": [{"action": "reject", "protocol": "tcp", "ports": 113}]}, ("firewall", {"rules": []}),
        (Feature.FIREWALL_RULES, Feature.FIREWALL_REJECT),
    ),
    "firewall, timer of a protocol": Cell(
        "firewall", {"timers": [{"protocol": "tcp", "seconds": 3600}, {"protocol": "udp", "seconds": 45}]},
        ("firewall", {"timers": []}), (Feature.TIMER_PROTOCOL,),
    ),
    "firewall, timer of an application": Cell(
        "firewall", {"timers": [{"application": "sip", "seconds": 600}]}, ("firewall", {"timers": []}),
        (Feature.TIMER_PORT,),
    ),
    "wifi, off and on": Cell("wifi", network(enabled=False), ("wifi", network(enabled=True)), (Feature.WIFI,)),
    "wifi, everything": Cell(
        "wifi", network(ssid="Shop", key="another-secret", channel=11),
        ("wifi", network(ssid="Office", key="first-secret-key", channel=6)), (Feature.WIFI,),
    ),
    "wifi, security": Cell(
        "wifi", network(security="open"), ("wifi", network(security="wpa2", key="first-secret-key")), (Feature.WIFI,)
    ),
    "wifi, WPA3": Cell(
        "wifi", network(security="wpa2-wpa3"), ("wifi", network(security="wpa2")), (Feature.WIFI, Feature.WIFI_WPA3)
    ),
    "wifi, a second radio": Cell(
        "wifi", network("5", ssid="Office 5", key="another-secret", channel=36), None, (Feature.WIFI,)
    ),
    "wifi-rights": Cell(
        "wifi-rights", network(ssid="Shop", key="another-secret", channel=1),
        ("wifi-rights", network(ssid="Office", key="first-secret-key", channel=6)), (Feature.WIFI,),
    ),
    "dhcp, pool": Cell(
        "dhcp", {"first": "192.168.77.50", "last": "192.168.77.60", "lease_seconds": 3600, "domain": "office.example"},
        ("dhcp", {"first": "192.168.77.100", "last": "192.168.77.199", "lease_seconds": 86400, "domain": ""}),
        (Feature.DHCP_SERVER,),
    ),
    "dhcp, reservations": Cell(
        "dhcp", {"reservations": [{"mac": "02:00:5e:00:00:0b", "address": "192.168.77.21"},
                                  {"mac": "02:00:5e:00:00:0a", "address": HOST}]},
        ("dhcp", {"reservations": [{"mac": "02:00:5e:00:00:0a", "address": HOST}]}), (Feature.DHCP_SERVER,),
    ),
    "dhcp, off and on": Cell(
        "dhcp", {"enabled": False},
        ("dhcp", {"first": "192.168.77.100", "last": "192.168.77.199",
                  "reservations": [{"mac": "02:00:5e:00:00:0a", "address": HOST}]}),
        (Feature.DHCP_SERVER,),
    ),
    "mobile-backup, off and on": Cell(
        "mobile-backup", {"active": False}, ("mobile-backup", {"active": True}), (Feature.MOBILE,)
    ),
    "mobile-backup, another access point": Cell(
        "mobile-backup", {"active": True, "apn": "backup.example", "username": "sim1", "password": "s3cretword"}, None,
        (Feature.MOBILE,),
    ),
}  # fmt: skip


def start_of(cell: Cell, features: frozenset[Feature]) -> CpeConfig:
    """What the office runs, without what the family cannot carry of it."""
    config = cell.before
    for feature, part in (
        (Feature.WIFI, {"wifi": ()}), (Feature.MOBILE, {"mobile": None}), (Feature.DHCP_SERVER, {"dhcp": None}),
    ):  # fmt: skip
        if feature not in features:
            config = replace(config, **part)
    assert missing(config, features) == ()
    return config


def setting_of(cell: Cell, b: Bench) -> Setting:
    spec = b.driver.spec
    return replace(cell.setting, catalogue=CATALOGUE, family=spec.family, features=spec.features)


async def pushed(b: Bench, effect: Effect) -> None:
    asked: dict[str, Any] = {"reboot": True} if effect.reboot else {"change": effect.patch, "probes": effect.probes}
    push = await b.ask(**asked, managed_at=effect.managed_at, overrides=effect.overrides, guard_seconds=600)
    settled = await b.work(push)
    assert settled.outcome is Outcome.CONFIRMED, settled.error


def runs(b: Bench) -> CpeConfig:
    return b.driver.parse(shown(b.box))


async def goes(b: Bench, name: str, data: Mapping[str, Any], setting: Setting) -> CpeConfig:
    """One change from its plain data to the box; what the box means then."""
    entry, now = CHANGE_TYPES[name], runs(b)
    wanted = read(name, data)
    assert [str(one) for one in entry.check(wanted, now, setting) if one.refuses] == []
    effect = entry.effect(wanted, now, setting)
    await pushed(b, effect)
    found, meant = runs(b), changed(now, effect.patch)
    assert found == meant, differences(meant, found)
    return found


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_change_goes_through_or_is_refused_by_the_name_of_what_is_missing(
    case: DriverCase, cell: str, tmp_path: Path, sqlite_url: str
) -> None:
    one = CELLS[cell]
    async with bench(case, tmp_path, sqlite_url, managed=one.managed) as b:
        features = b.driver.spec.features
        start = start_of(one, features)
        await b.become(start)
        setting = setting_of(one, b)
        gone = [feature for feature in one.needs if feature not in features]
        if gone:
            await refused(b, one, gone, setting)
            return
        before = runs(b)
        await goes(b, one.name, one.data, setting)
        if one.back is not None:
            assert await goes(b, *one.back, setting) == before
        assert not b.cut_off


async def refused(b: Bench, one: Cell, gone: list[Feature], setting: Setting) -> None:
    """By the entry and, where nobody asked it, by the push; the box is untouched either way."""
    before, now = b.now(), runs(b)
    entry, wanted = CHANGE_TYPES[one.name], read(one.name, one.data)
    told = [str(found) for found in entry.check(wanted, now, setting) if found.refuses]
    assert any(all(feature in reason for feature in gone) and setting.family in reason for reason in told), told
    effect = entry.effect(wanted, now, setting)
    with pytest.raises(InputError, match=f"cannot carry: .*{gone[0]}"):
        await b.pushes.plan(b.asked(change=effect.patch))
    settled = await b.work(await b.ask(change=effect.patch))
    assert settled.outcome is Outcome.WITHDRAWN
    assert str(gone[0]) in (settled.error or "")
    assert (b.now(), b.cut_off) == (before, False)


OLD, NEW = "127.45.7.2", "127.46.9.6"


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_line_gets_another_address_and_is_managed_there(
    case: DriverCase, tmp_path: Path, sqlite_url: str
) -> None:
    """The box is really found at its address, so that has to be one of this machine, which no customer may ask for:
    the parameters are made, not read."""
    entry = CHANGE_TYPES["wan-address"]
    async with bench(case, tmp_path, sqlite_url, at=OLD) as b:
        for here, there, gateway in ((OLD, NEW, "127.46.9.1"), (NEW, OLD, "127.45.7.1")):
            wanted = WanAddress(address=IPv4Interface(f"{there}/24"), gateway=IPv4Address(gateway))
            setting = replace(SETTING, managed_at=here)
            assert [str(one) for one in entry.check(wanted, runs(b), setting) if one.refuses] == []
            effect = entry.effect(wanted, runs(b), setting)
            assert effect.managed_at == there
            await pushed(b, effect)
            assert (await b.database.inventory.device("r1")).device.address == there
            assert b.box.places == (there,)


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_restart_is_one_and_leaves_everything_as_it_was(
    case: DriverCase, tmp_path: Path, sqlite_url: str
) -> None:
    async with bench(case, tmp_path, sqlite_url) as b:
        before, boots = b.now(), b.box.state.boots
        await goes(b, "reboot", {}, SETTING)
        assert (b.box.state.boots, b.now()) == (boots + 1, before)


REFUSED: Final[Mapping[str, frozenset[str]]] = {
    "cisco_ios": frozenset({"open-port, a range of both protocols", "firewall, refusals told", "wifi, WPA3"}),
    "openwrt": frozenset({"firewall, timer of a protocol", "firewall, timer of an application"}),
    "teltonika": frozenset({"firewall, timer of a protocol", "firewall, timer of an application"}),
    "routeros": frozenset({"firewall, timer of an application"}),
    "vyos": frozenset({"wifi, WPA3"}),
    "frr_linux": frozenset(),
}
"""All that a family refuses of these changes, for what it cannot carry."""


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_a_family_refuses_is_known(case: DriverCase) -> None:
    from drivers.roster import DriverRoster

    features = DriverRoster().get(case.family).spec.features
    found = {name for name, cell in CELLS.items() if not set(cell.needs) <= features}
    assert found == REFUSED[case.family]
    assert {cell.name for cell in CELLS.values()} | {"reboot"} == set(CHANGE_TYPES)
