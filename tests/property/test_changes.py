"""Whatever is asked of whatever box: refused with a field, or done to the parts that it is about and no others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from ipaddress import IPv4Network
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cpe_manager.domain.changes.catalogue import CHANGE_TYPES, read, written
from cpe_manager.domain.changes.entries import Effect
from cpe_manager.domain.model.cpe_config import CpeConfig, Lan
from cpe_manager.domain.model.cpe_config_data import Misfit, changed, secrets_of
from cpe_manager.domain.model.cpe_features import Feature
from cpe_manager.domain.push.checks import MOST_END_USERS, end_users
from cpe_manager.services.changes.parts import effect_of, effect_text
from tests.contract.drivers.cpe_configs import cpe_configs, inside, lans, macs, public_networks
from tests.support.change_scenes import PRESETS, SETTING

EVERYTHING = frozenset(Feature)
PARTS: Mapping[str, frozenset[str]] = {
    "open-port": frozenset({"port_mappings"}),
    "close-port": frozenset({"port_mappings"}),
    "wan-address": frozenset({"wan.mode", "wan.address", "wan.gateway", "wan.username", "wan.password"}),
    "lan-address": frozenset(
        {"lan", "dhcp.first", "dhcp.last", "dhcp.reservations", "port_mappings", "firewall.rules", "routes", "snmp",
         "management", "dns"}
    ),
    "ip-pack": frozenset({"wan.ip_pack"}),
    "ipv6": frozenset({"wan.ipv6_prefix", "wan.ipv6_router"}),
    "firewall": frozenset({"firewall"}),
    "wifi": frozenset({"wifi"}),
    "wifi-rights": frozenset({"wifi"}),
    "dhcp": frozenset({"dhcp"}),
    "ppp": frozenset({"wan.username", "wan.password"}),
    "mobile-backup": frozenset({"mobile"}),
    "reboot": frozenset(),
}  # fmt: skip
"""What an entry may touch at all."""
hosts = st.one_of(
    public_networks.map(lambda network: str(network.network_address + 1)),
    st.sampled_from(["192.168.1.1", "10.0.0.9", "172.16.5.5"]),
)
port_numbers = st.one_of(st.integers(1, 65535), st.sampled_from([22, 23, 80, 443, 5060, 10000]))
words = st.text("abcdefgh", min_size=1, max_size=10)
keys = st.text("abcdefgh \"'#\\", min_size=8, max_size=30).filter(lambda text: text == text.strip())


def optional(**maybe: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=maybe)


def _span(first: int, width: int) -> str | int:
    return first if width == 0 else f"{first}-{min(65535, first + width)}"


spans = st.builds(_span, port_numbers, st.sampled_from([0, 0, 0, 1, 20, 3000]))


def here(config: CpeConfig) -> st.SearchStrategy[str]:
    assert config.lan is not None
    return st.one_of(inside(config.lan).map(str), hosts)


def _open(config: CpeConfig) -> st.SearchStrategy[Any]:
    common = {"inside": here(config)}
    more = {"protocol": st.sampled_from(["tcp", "udp", "both"]), "source": public_networks.map(str)}
    one = st.fixed_dictionaries(common | {"port": spans}, optional=more | {"inside_port": port_numbers})
    preset = st.fixed_dictionaries(common | {"preset": st.sampled_from([*PRESETS, "other"])})
    return st.fixed_dictionaries({"ports": st.lists(st.one_of(one, preset), min_size=1, max_size=4)})


def _close(config: CpeConfig) -> st.SearchStrategy[Any]:
    there = [{"protocol": one.protocol, "port": str(one.ports)} for one in config.port_mappings]
    some = st.sampled_from(there) if there else st.nothing()
    odd = st.fixed_dictionaries({"port": spans}, optional={"inside": here(config)})
    return st.fixed_dictionaries({"ports": st.lists(st.one_of(some, odd), min_size=1, max_size=3)})


def _wan(_config: CpeConfig) -> st.SearchStrategy[Any]:
    def on(network: IPv4Network, own: int, gateway: int | None) -> dict[str, str]:
        found = {"address": f"{network[own % network.num_addresses]}/{network.prefixlen}"}
        return found if gateway is None else found | {"gateway": str(network[gateway % network.num_addresses])}

    return st.builds(on, public_networks, st.integers(0, 9), st.one_of(st.none(), st.integers(0, 9)))


def _lan(config: CpeConfig) -> st.SearchStrategy[Any]:
    assert config.lan is not None
    own = config.lan.address
    wider = st.integers(16, 30).map(lambda length: f"{own.ip}/{length}")

    def data(lan: Lan, pool: tuple[int, int] | None) -> dict[str, str]:
        network = lan.address.network
        found = {"address": str(lan.address)}
        if pool is None:
            return found
        first, last = sorted(n % network.num_addresses for n in pool)
        return found | {"first": str(network[first]), "last": str(network[last])}

    pools = st.one_of(st.none(), st.tuples(st.integers(0, 300), st.integers(0, 300)))
    return st.one_of(st.builds(data, lans(), pools), wider.map(lambda address: {"address": address}))


def _pack(config: CpeConfig) -> st.SearchStrategy[Any]:
    there = [] if config.wan is None or config.wan.ip_pack is None else [str(config.wan.ip_pack)]
    networks = st.sampled_from([*there, "91.3.4.8/29", "91.3.4.32/27", "80.1.2.4/30"])
    return st.fixed_dictionaries({"network": networks}, optional={"action": st.sampled_from(["add", "remove"])})


def _ipv6(config: CpeConfig) -> st.SearchStrategy[Any]:
    there = [] if config.wan is None or config.wan.ipv6_prefix is None else [config.wan.ipv6_prefix]
    starts = [str(one.network_address) for one in there] + ["2001:db8:12:3400::"]
    return st.one_of(
        st.just({"action": "remove"}),
        optional(
            prefix=st.sampled_from(starts).map("{}/56".format),
            routed=st.booleans(),
            router=st.builds("{}{}".format, st.sampled_from(starts), st.sampled_from(["1", "10", "abcd", "1:0:0:1"])),
        ),
    )


def _firewall(_config: CpeConfig) -> st.SearchStrategy[Any]:
    actions = st.sampled_from(["accept", "drop", "reject"])
    rule = st.fixed_dictionaries(
        {"action": actions, "protocol": st.sampled_from(["tcp", "udp"])},
        optional={"source": public_networks.map(str), "destination": public_networks.map(str), "ports": spans},
    )
    seconds = st.integers(9, 86_401)
    timer = st.one_of(
        st.fixed_dictionaries({"seconds": seconds, "protocol": st.sampled_from(["tcp", "udp"])},
                              optional={"port": port_numbers}),
        st.fixed_dictionaries({"seconds": seconds, "application": st.sampled_from(["sip", "dns", "https"])}),
    )  # fmt: skip
    return optional(inbound=actions, rules=st.lists(rule, max_size=4), timers=st.lists(timer, max_size=4))


def _wifi(_config: CpeConfig) -> st.SearchStrategy[Any]:
    network = st.fixed_dictionaries(
        {"band": st.sampled_from(["2.4", "5"])},
        optional={
            "enabled": st.booleans(), "ssid": words, "key": keys, "channel": st.sampled_from([0, 1, 6, 36, 100, 165]),
            "security": st.sampled_from(["open", "wpa2", "wpa2-wpa3", "wpa3"]),
        },
    )  # fmt: skip
    return st.fixed_dictionaries({"networks": st.lists(network, min_size=1, max_size=2)})


def _rights(_config: CpeConfig) -> st.SearchStrategy[Any]:
    network = st.fixed_dictionaries(
        {"band": st.sampled_from(["2.4", "5"])},
        optional={"ssid": words, "key": keys, "channel": st.sampled_from([0, 1, 6, 36, 100])},
    )
    return st.fixed_dictionaries({"networks": st.lists(network, min_size=1, max_size=2)})


def _dhcp(config: CpeConfig) -> st.SearchStrategy[Any]:
    reserved = st.fixed_dictionaries({"mac": macs, "address": here(config)})
    return optional(
        enabled=st.booleans(),
        first=here(config),
        last=here(config),
        lease_seconds=st.sampled_from([120, 600, 86_400]),
        domain=st.sampled_from(["", "office.example"]),
        reservations=st.lists(reserved, max_size=3),
    )


DATA: Mapping[str, Callable[[CpeConfig], st.SearchStrategy[Any]]] = {
    "open-port": _open,
    "close-port": _close,
    "wan-address": _wan,
    "lan-address": _lan,
    "ip-pack": _pack,
    "ipv6": _ipv6,
    "firewall": _firewall,
    "wifi": _wifi,
    "wifi-rights": _rights,
    "dhcp": _dhcp,
    "ppp": lambda _config: st.fixed_dictionaries({"username": words, "password": words}),
    "mobile-backup": lambda _config: st.fixed_dictionaries(
        {"active": st.booleans()}, optional={"apn": words, "username": words, "password": words}
    ),
    "reboot": lambda _config: st.just({}),
}
_CHECKS = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
a_few = settings(max_examples=15, deadline=None, suppress_health_check=_CHECKS)
many = settings(max_examples=150, deadline=None, suppress_health_check=_CHECKS)


def differing(before: Any, after: Any, place: str = "") -> set[str]:
    """Parts of the model that differ, down to the fields of a part that is there on both sides."""
    found = set()
    for field in fields(before):
        old, new = getattr(before, field.name), getattr(after, field.name)
        name = f"{place}{field.name}"
        if old == new:
            continue
        if not place and type(old) is type(new) and hasattr(old, "__dataclass_fields__"):
            found |= differing(old, new, f"{name}.")
        else:
            found.add(name)
    return found


def done(name: str, wanted: Any, now: CpeConfig) -> Effect | None:
    """The effect; None: it was refused, with a field and with a finding."""
    entry = CHANGE_TYPES[name]
    findings = list(entry.check(wanted, now, SETTING))
    assert len(set(findings)) == len(findings)
    effect, error = tried(lambda: entry.effect(wanted, now, SETTING))
    assert effect is not None or any(one.refuses for one in findings), f"refused without a finding: {error}"
    return effect


def tried(make: Callable[[], Any]) -> tuple[Any, Misfit | None]:
    """What is made, or the refusal, which names a field. Any other error is the test's end."""
    try:
        return make(), None
    except Misfit as error:
        refusal = error
    assert refusal.field
    assert str(refusal).isprintable()
    return None, refusal


def does_what_it_says(name: str, data: st.DataObject) -> None:
    now = data.draw(cpe_configs(EVERYTHING))
    asked = data.draw(DATA[name](now))
    wanted, refusal = tried(lambda: read(name, asked))
    if refusal is not None:
        return
    assert read(name, written(wanted)) == wanted
    effect = done(name, wanted, now)
    if effect is None:
        return
    assert effect_of(effect_text(effect)) == effect, "it is another one once it was kept"
    after = changed(now, effect.patch)
    allowed = PARTS[name]
    assert {one for one in differing(now, after) if one not in allowed and one.split(".")[0] not in allowed} == set()
    assert {one.split(".")[0] for one in differing(now, after)} <= set(effect.patch)
    assert [told for probe in effect.probes if (told := probe.told_by(after))] == []
    assert end_users(after) <= max(MOST_END_USERS, end_users(now))
    open_before = {(one.protocol, one.ports) for one in now.port_mappings}
    new = [one.ports for one in after.port_mappings if (one.protocol, one.ports) not in open_before]
    assert not any(ports.first <= 23 <= ports.last for ports in new)
    assert not [secret for secret in secrets_of(after) if len(secret) > 7 and secret in repr(effect)]


@pytest.mark.parametrize("name", CHANGE_TYPES)
@a_few
@given(data=st.data())
def test_an_effect_is_refused_by_field_or_touches_what_it_names(name: str, data: st.DataObject) -> None:
    does_what_it_says(name, data)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", CHANGE_TYPES)
@many
@given(data=st.data())
def test_so_it_does_in_hundreds_of_examples(name: str, data: st.DataObject) -> None:
    does_what_it_says(name, data)


@a_few
@given(data=st.data())
def test_what_is_opened_and_closed_is_as_it_was(data: st.DataObject) -> None:
    now = data.draw(cpe_configs(EVERYTHING))
    asked = data.draw(_open(now))
    wanted, refusal = tried(lambda: read("open-port", asked))
    if refusal is not None:
        return
    effect = done("open-port", wanted, now)
    if effect is None:
        return
    there = changed(now, effect.patch)
    outside = [
        {name: value for name, value in one.items() if name in ("port", "preset", "protocol", "inside")}
        for one in asked["ports"]
    ]
    closing = done("close-port", read("close-port", {"ports": outside}), there)
    assert closing is not None
    assert changed(there, closing.patch) == now


@a_few
@given(data=st.data())
def test_a_lan_that_moved_to_one_of_its_size_moves_back(data: st.DataObject) -> None:
    now = data.draw(cpe_configs(EVERYTHING))
    assert now.lan is not None
    home = str(now.lan.address)
    length = now.lan.address.network.prefixlen
    offset = int(now.lan.address.ip) - int(now.lan.address.network.network_address)
    # Of a range that no generated LAN lies in, so that nothing else has an address there.
    there = IPv4Network((0x64400000, length), strict=False)
    target = IPv4Network((int(there.network_address) - 0x64400000 + 0x0AFF0000, length))
    wanted = read("lan-address", {"address": f"{target[offset]}/{length}"})
    effect = done("lan-address", wanted, now)
    assert effect is not None
    moved = changed(now, effect.patch)
    back = done("lan-address", read("lan-address", {"address": home}), moved)
    assert back is not None
    assert replace(changed(moved, back.patch), dns=now.dns) == now
