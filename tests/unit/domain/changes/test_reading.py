"""Parameters of changes are read strictly: whatever is wrong is refused with the field named."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

import pytest
from jsonschema import Draft202012Validator

from cpe_manager.domain.changes.catalogue import CHANGE_TYPES, masked_parameters, read, schema, written
from cpe_manager.domain.changes.reading import TOLD
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_config_data import BOUNDS, MASK, Misfit
from cpe_manager.domain.subscription.subscriptions import Operation
from tests.support.change_scenes import CATALOGUE

WEB = {"port": 443, "inside": "192.168.77.10"}
MAC = "02:00:5e:00:00:0a"
GOOD: dict[str, list[dict[str, Any]]] = {
    "open-port": [
        {"ports": [WEB]},
        {"ports": [{"preset": "mail", "inside": "192.168.77.10", "source": "203.0.113.0/24"}]},
        {"ports": [{"port": "8000-8010", "protocol": "both", "inside": "192.168.77.10", "inside_port": 9000}]},
    ],
    "close-port": [{"ports": [{"port": 8080, "inside": "192.168.77.20"}, {"preset": "ftp"}]}],
    "wan-address": [{"address": "198.51.100.6/29", "gateway": "198.51.100.1"}, {"address": "198.51.100.6"}],
    "lan-address": [{"address": "10.1.2.1/24"}, {"address": "10.1.2.1/24", "first": "10.1.2.9", "last": "10.1.2.99"}],
    "ip-pack": [{"network": "91.3.4.8/29"}, {"network": "91.3.4.8/30", "action": "remove"}],
    "ipv6": [{"prefix": "2001:db8:12:3400::/56", "router": "2001:db8:12:3400::20"}, {"action": "remove"}],
    "firewall": [
        {"inbound": "drop", "rules": [{"action": "accept", "protocol": "tcp", "ports": "80-443"}], "timers": []},
        {"timers": [{"application": "sip", "seconds": 300}, {"protocol": "tcp", "seconds": 3600}]},
        {"rules": []},
    ],
    "wifi": [{"networks": [{"band": "2.4", "enabled": False}, {"band": "5", "ssid": "x", "key": "12345678"}]}],
    "wifi-rights": [{"networks": [{"band": "5", "channel": 0, "key": "another secret"}]}],
    "dhcp": [
        {"enabled": False},
        {"first": "192.168.77.50", "last": "192.168.77.60", "lease_seconds": 3600, "domain": "", "reservations": []},
        {"reservations": [{"mac": MAC, "address": "192.168.77.9"}]},
    ],
    "ppp": [{"username": "fb1@isp.example", "password": "a b c"}],
    "mobile-backup": [{"active": True, "apn": "isp.example", "username": "u", "password": "secret-word"}],
    "reboot": [{}],
}
EVERY = [(name, data) for name, some in GOOD.items() for data in some]


def test_there_is_an_entry_for_each_operation_that_is_a_change() -> None:
    other = {
        Operation.CONFIGURE, Operation.BACKUP, Operation.RESTORE, Operation.REPLACE, Operation.FAILOVER, Operation.RUSH,
    }  # fmt: skip
    assert set(CHANGE_TYPES) == {one.value for one in Operation} - {one.value for one in other}
    assert set(GOOD) == set(CHANGE_TYPES)


@pytest.mark.parametrize(("name", "data"), EVERY, ids=lambda one: one if isinstance(one, str) else "")
def test_what_is_good_survives_the_way_through_json(name: str, data: dict[str, Any]) -> None:
    wanted = read(name, data)
    assert read(name, json.loads(json.dumps(written(wanted)))) == wanted
    assert CHANGE_TYPES[name].summary(wanted)


@pytest.mark.parametrize(("name", "data"), EVERY, ids=lambda one: one if isinstance(one, str) else "")
def test_the_schema_takes_what_is_good_and_no_name_that_is_unknown(name: str, data: dict[str, Any]) -> None:
    validator = Draft202012Validator(schema(name, CATALOGUE))
    validator.check_schema(validator.schema)
    assert [error.message for error in validator.iter_errors(data)] == []
    assert not validator.is_valid(data | {"unknown": 1})


@pytest.mark.parametrize("name", CHANGE_TYPES)
def test_every_field_says_what_it_means_and_no_list_or_text_is_without_end(name: str) -> None:
    def look(kind: Any) -> None:
        hints = get_type_hints(kind)
        for field in fields(kind):
            assert field.metadata[TOLD].words, f"{kind.__name__}.{field.name}"
            if field.metadata[TOLD].secret:
                assert not field.repr
                assert field.name in ("key", "password")
            for option in (hints[field.name], *get_args(hints[field.name])):
                if option is str or getattr(option, "__origin__", None) is tuple:
                    assert field.metadata[BOUNDS].most is not None, f"{kind.__name__}.{field.name}"
                for inner in (option, *get_args(option)):
                    if is_dataclass(inner) and inner.__module__.startswith("cpe_manager.domain.changes"):
                        look(inner)

    look(CHANGE_TYPES[name].parameters)


@pytest.mark.parametrize(("name", "data"), EVERY, ids=lambda one: one if isinstance(one, str) else "")
def test_no_secret_is_shown(name: str, data: dict[str, Any]) -> None:
    wanted = read(name, data)
    told = json.dumps(masked_parameters(wanted)) + repr(wanted) + CHANGE_TYPES[name].summary(wanted)
    secrets = _secrets(data)
    assert [secret for secret in secrets if secret in told] == []
    assert told.count(MASK) == len(secrets)


def _secrets(data: Any) -> list[str]:
    if isinstance(data, list):
        return [secret for each in data for secret in _secrets(each)]
    if isinstance(data, dict):
        own = [value for name, value in data.items() if name in ("key", "password")]
        return own + [secret for value in data.values() for secret in _secrets(value)]
    return []


def opening(**more: Any) -> dict[str, Any]:
    return {"ports": [WEB | more]}


def network(**more: Any) -> dict[str, Any]:
    return {"networks": [{"band": "2.4"} | more]}


BAD: list[tuple[str, Any, str, str]] = [
    # wrong types
    ("open-port", None, "", "missing"),
    ("open-port", [], "", "no set of names"),
    ("open-port", {}, "ports", "missing"),
    ("open-port", {"ports": "443"}, "ports", "no list"),
    ("open-port", {"ports": {"0": WEB}}, "ports", "no list"),
    ("open-port", {"ports": [443]}, "ports[0]", "no set of names"),
    ("open-port", {"ports": [WEB, None]}, "ports[1]", "missing"),
    ("open-port", opening(port=True), "ports[0].port", "neither a port nor a range"),
    ("open-port", opening(port=443.0), "ports[0].port", "neither a port nor a range"),
    ("open-port", opening(port=[443]), "ports[0].port", "neither a port nor a range"),
    ("open-port", opening(inside=3232255498), "ports[0].inside", "no text"),
    ("open-port", opening(inside_port="443"), "ports[0].inside_port", "no whole number"),
    ("open-port", opening(protocol="icmp"), "ports[0].protocol", "none of tcp, udp, both"),
    ("open-port", opening(protocol=6), "ports[0].protocol", "none of tcp, udp, both"),
    ("open-port", opening(protocol=["tcp"]), "ports[0].protocol", "none of tcp, udp, both"),
    ("wifi", network(enabled=1), "networks[0].enabled", "no true or false"),
    ("wifi", network(enabled="yes"), "networks[0].enabled", "no true or false"),
    ("dhcp", {"lease_seconds": 3600.5}, "lease_seconds", "no whole number"),
    ("mobile-backup", {"active": "on"}, "active", "no true or false"),
    # unknown names
    ("open-port", {"ports": [WEB], "force": True}, "force", "has no force"),
    ("open-port", opening(inside_prot=1), "ports[0].inside_prot", "has no inside_prot"),
    ("open-port", opening(**{"x" * 5000: 1}), f"ports[0].{'x' * 40}...", "xxx..."),
    ("open-port", opening(**{"a\nb\x1b": 1}), r"ports[0].'a\nb\x1b'", r"'a\nb\x1b'"),
    ("reboot", {"now": True}, "now", "known: nothing at all"),
    ("dhcp", {"reservations": [{"mac": MAC, "address": "192.168.77.9", "name": "x"}]}, "reservations[0].name", "name"),
    # ranges
    ("open-port", opening(port="443-80"), "ports[0].port", "443-80"),
    ("open-port", opening(port="80-"), "ports[0].port", "neither"),
    ("open-port", opening(port="80-90-100"), "ports[0].port", "neither"),
    ("open-port", opening(port="\u0664\u0664\u0663"), "ports[0].port", "neither"),
    ("open-port", opening(port=0), "ports[0].port", "0"),
    ("open-port", opening(port=65536), "ports[0].port", "65536"),
    ("open-port", opening(port=-1), "ports[0].port", "neither"),
    ("open-port", opening(port=10**30), "ports[0].port", "neither"),
    ("open-port", opening(port="1" * 100_000), "ports[0].port", "neither"),
    ("open-port", opening(port="1000-2000", inside_port=65000), "ports[0].inside_port", "run over"),
    ("open-port", opening(inside_port=0), "ports[0].inside_port", "0 is fewer than 1"),
    ("lan-address", {"address": "10.1.2.1/24", "first": "10.1.2.99", "last": "10.1.2.9"}, "last", "backwards"),
    ("lan-address", {"address": "10.1.2.1/24", "first": "10.1.2.99"}, "last", "two ends"),
    ("lan-address", {"address": "10.1.2.1/24", "first": "10.1.3.1", "last": "10.1.3.9"}, "first", "10.1.2.0/24"),
    ("dhcp", {"first": "192.168.77.60", "last": "192.168.77.50"}, "last", "backwards"),
    ("dhcp", {"lease_seconds": 60}, "lease_seconds", "fewer than 120"),
    ("dhcp", {"lease_seconds": 3601}, "lease_seconds", "whole minutes"),
    ("dhcp", {"lease_seconds": 10**12}, "lease_seconds", "more than"),
    # twice the same
    ("open-port", {"ports": [WEB, WEB]}, "ports[1].port", "twice"),
    ("open-port", {"ports": [WEB | {"port": "400-500"}, WEB]}, "ports[1].port", "see ports[0].port"),
    ("open-port", {"ports": [WEB, WEB | {"protocol": "both"}]}, "ports[1].port", "twice"),
    ("close-port", {"ports": [{"port": 80}, {"port": 80}]}, "ports[1].port", "twice"),
    ("wifi", {"networks": [{"band": "5", "channel": 36}] * 2}, "networks[1].band", "twice"),
    ("firewall", {"timers": [{"protocol": "udp", "port": 5060, "seconds": 30}, {"application": "sip", "seconds": 60}]},
     "timers[1]", "timers[0]"),
    ("firewall", {"rules": [{"action": "drop"}, {"action": "drop"}]}, "rules[1]", "rules[0]"),
    ("dhcp", {"reservations": [{"mac": MAC, "address": "192.168.77.9"}, {"mac": MAC, "address": "192.168.77.8"}]},
     "reservations[1].mac", "twice"),
    # addresses
    ("open-port", opening(inside="192.168.77.010"), "ports[0].inside", "eading zero"),
    ("open-port", opening(inside="192.168.77"), "ports[0].inside", "4 octets"),
    ("open-port", opening(inside="192.168.77.10/24"), "ports[0].inside", "no IPv4 address"),
    ("open-port", opening(inside="::ffff:192.168.77.10"), "ports[0].inside", "no IPv4 address"),
    ("open-port", opening(inside="fe80::1"), "ports[0].inside", "no IPv4 address"),
    ("open-port", opening(inside="224.0.0.5"), "ports[0].inside", "multicast"),
    ("open-port", opening(inside="127.0.0.1"), "ports[0].inside", "loopback"),
    ("open-port", opening(inside="0.0.0.0"), "ports[0].inside", "no address"),
    ("open-port", opening(inside="255.255.255.255"), "ports[0].inside", "broadcast"),
    ("open-port", opening(inside="192.168.77.10\n"), "ports[0].inside", r"'192.168.77.10\n'"),
    ("open-port", opening(inside="9" * 100_000), "ports[0].inside", "999..."),
    ("open-port", opening(source="203.0.113.5/24"), "ports[0].source", "host bits set"),
    ("open-port", opening(source="203.0.113.0/255.255.255.0"), "ports[0].source", "prefix length"),
    ("open-port", opening(source="0.0.0.0/0"), "ports[0].source", "no address"),
    ("open-port", opening(source="203.0.113.0/33"), "ports[0].source", "33"),
    ("ip-pack", {"network": "203.0.113.9/29"}, "network", "host bits set"),
    ("ip-pack", {"network": "203.0.113.0/26"}, "network", "4 to 32"),
    ("ip-pack", {"network": "203.0.113.8/31"}, "network", "4 to 32"),
    ("ip-pack", {"network": "192.168.77.8/29"}, "network", "not of the internet"),
    ("ip-pack", {"network": "2001:db8::/64"}, "network", "no IPv4 network"),
    ("ipv6", {"prefix": "2001:db8:12:3400::1/56"}, "prefix", "host bits set"),
    ("ipv6", {"prefix": "2001:db8:12:3400::/64"}, "prefix", "no /56"),
    ("ipv6", {"prefix": "::ffff:192.0.2.0/120"}, "prefix", "inside an IPv6"),
    ("ipv6", {"router": "::ffff:192.0.2.1"}, "router", "inside an IPv6"),
    ("ipv6", {"router": "::192.0.2.1"}, "router", "holds an IPv4"),
    ("ipv6", {"prefix": "2002:c000:200::/56"}, "prefix", "holds an IPv4"),
    ("ipv6", {"prefix": "fd00::/56"}, "prefix", "not of the internet"),
    ("ipv6", {"router": "fe80::1%eth0"}, "router", "no IPv6 address"),
    ("ipv6", {}, "prefix", "give a prefix"),
    ("ipv6", {"action": "remove", "routed": True}, "routed", "nothing else"),
    ("ipv6", {"routed": False, "router": "2001:db8::10"}, "router", "no router"),
    ("wan-address", {"address": "198.51.100.0/24"}, "address", "own or its broadcast"),
    ("wan-address", {"address": "198.51.100.255/24"}, "address", "own or its broadcast"),
    ("wan-address", {"address": "240.0.0.1/24"}, "address", "reserved"),
    ("wan-address", {"address": "198.51.100.2/24", "gateway": "224.0.0.1"}, "gateway", "multicast"),
    ("lan-address", {"address": "192.168.1.0/24"}, "address", "own or its broadcast"),
    ("lan-address", {"address": "192.168.1.1"}, "address", "/32"),
    ("lan-address", {"address": "192.168.1.1/31"}, "address", "/31"),
    ("lan-address", {"address": "8.8.8.1/24"}, "address", "RFC 1918"),
    ("firewall", {"rules": [{"action": "drop", "source": "10.0.0.1/8"}]}, "rules[0].source", "host bits set"),
    ("firewall", {"rules": [{"action": "drop", "source": "0.0.0.0/0"}]}, "rules[0].source", "leave it out"),
    ("firewall", {"rules": [{"action": "drop", "ports": 80}]}, "rules[0].ports", "tcp or udp"),
    ("firewall", {"rules": [{"action": "log"}]}, "rules[0].action", "none of accept, drop, reject"),
    ("firewall", {"timers": [{"seconds": 5, "protocol": "tcp"}]}, "timers[0].seconds", "fewer than 10"),
    ("firewall", {"timers": [{"seconds": 50}]}, "timers[0].protocol", "give a protocol"),
    ("firewall", {"timers": [{"seconds": 50, "port": 5, "application": "sip"}]}, "timers[0].application", "either"),
    ("firewall", {}, "inbound", "give a policy"),
    # texts: control characters, lengths
    ("wifi", network(ssid="Off\x00ice"), "networks[0].ssid", "printable"),
    ("wifi", network(ssid="Office\n"), "networks[0].ssid", "printable"),
    ("wifi", network(ssid="\x1b[2J"), "networks[0].ssid", "printable"),
    ("wifi", network(ssid="Caf\u00e9"), "networks[0].ssid", "printable"),
    ("wifi", network(ssid=" Office"), "networks[0].ssid", "printable"),
    ("wifi", network(ssid=""), "networks[0].ssid", "fewer than 1"),
    ("wifi", network(ssid="x" * 33), "networks[0].ssid", "33 letters are more than 32"),
    ("wifi", network(key="short"), "networks[0].key", "5 letters are fewer than 8"),
    ("wifi", network(key="x" * 64), "networks[0].key", "more than 63"),
    ("wifi", network(key="tab\tin the key"), "networks[0].key", "printable"),
    ("wifi", network(channel=166), "networks[0].channel", "more than"),
    ("wifi", network(band="6", ssid="x"), "networks[0].band", "none of 2.4, 5"),
    ("wifi", network(security="wep"), "networks[0].security", "none of open"),
    ("wifi", network(), "networks[0]", "give something"),
    ("wifi-rights", network(), "networks[0]", "give an ssid"),
    ("wifi-rights", network(enabled=False), "networks[0].enabled", "has no enabled"),
    ("wifi-rights", network(security="open"), "networks[0].security", "has no security"),
    ("ppp", {"username": "a b", "password": "x"}, "username", "blank"),
    ("ppp", {"username": "a\x07b", "password": "x"}, "username", "printable"),
    ("ppp", {"username": "ab", "password": "x\ny"}, "password", "printable"),
    ("ppp", {"username": "ab"}, "password", "missing"),
    ("ppp", {"username": "ab", "password": ""}, "password", "fewer than 1"),
    ("mobile-backup", {"active": True, "apn": "no apn"}, "apn", "no domain name"),
    ("mobile-backup", {"active": True, "username": "u"}, "password", "a name and a password"),
    ("mobile-backup", {"active": False, "apn": "x"}, "apn", "nothing else"),
    ("dhcp", {"domain": "a..b"}, "domain", "no domain name"),
    ("dhcp", {"domain": "x" * 101}, "domain", "more than 100"),
    ("dhcp", {"reservations": [{"mac": "02-00-5E-00-00-0A", "address": "192.168.77.9"}]}, "reservations[0].mac", "MAC"),
    ("dhcp", {"reservations": [{"mac": "0", "address": "192.168.77.9"}]}, "reservations[0].mac", "MAC"),
    ("dhcp", {"enabled": False, "first": "192.168.77.9"}, "first", "nothing else"),
    # what goes together
    ("open-port", opening(port=None), "ports[0].port", "give a port"),
    ("open-port", opening(preset="mail"), "ports[0].preset", "either"),
    ("open-port", {"ports": [{"preset": "mail", "inside": "192.168.77.9", "protocol": "udp"}]}, "ports[0].protocol",
     "TCP"),
    ("open-port", {"ports": [{"preset": "mail", "inside": "192.168.77.9", "inside_port": 5}]}, "ports[0].inside_port",
     "same inside"),
    ("open-port", {"ports": [{"preset": "../etc", "inside": "192.168.77.9"}]}, "ports[0].preset", "lower-case"),
    # lists without end
    ("open-port", {"ports": []}, "ports", "0 entries are fewer than 1"),
    ("open-port", {"ports": [WEB] * 1_000_000}, "ports", "1000000 entries are more than 100"),
    ("close-port", {"ports": [{"port": 80}] * 101}, "ports", "more than 100"),
    ("firewall", {"rules": [{"action": "drop"}] * 100_000}, "rules", "more than 200"),
    ("firewall", {"timers": [None] * 51}, "timers", "more than 50"),
    ("dhcp", {"reservations": [None] * 254}, "reservations", "more than 253"),
    ("wifi", {"networks": [{"band": "5"}] * 3}, "networks", "more than 2"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "data", "field", "said"), BAD, ids=lambda one: str(one)[:40].encode("ascii", "replace").decode()
)
def test_what_is_wrong_is_refused_with_its_field(name: str, data: Any, field: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read(name, data)
    assert isinstance(caught.value, Misfit)
    assert caught.value.field == field
    assert said in str(caught.value)
    assert len(str(caught.value)) < 600
    assert str(caught.value).isprintable()


def test_a_type_that_there_is_not_is_refused_by_name() -> None:
    for call in (lambda: read("open-gate", {}), lambda: schema("open-gate")):
        with pytest.raises(InputError, match="type: open-gate is none of open-port, close-port"):
            call()


def test_no_refusal_repeats_a_secret() -> None:
    for name, data in (
        ("wifi", network(key="tell nobody\x00")),
        ("ppp", {"username": "u", "password": "tell nobody\x00"}),
        ("mobile-backup", {"active": True, "username": "u", "password": "tell nobody "}),
    ):
        with pytest.raises(InputError) as caught:
            read(name, data)
        assert "tell nobody" not in str(caught.value)


def test_presets_are_those_of_the_catalogue() -> None:
    entry = schema("open-port", CATALOGUE)["properties"]["ports"]["items"]["properties"]["preset"]
    assert entry["enum"] == ["ftp", "mail", "news", "ssh", "web"]
    assert "enum" not in schema("open-port")["properties"]["ports"]["items"]["properties"]["preset"]
