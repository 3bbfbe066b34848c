"""The neutral model survives the way through JSON, and a partial change changes what it names."""

from __future__ import annotations

import json
from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_config import CpeConfig, Wan
from cpe_manager.domain.model.cpe_config_data import MASK, changed, from_data, to_data
from cpe_manager.domain.model.cpe_features import Feature
from tests.contract.drivers.cpe_configs import cpe_configs
from tests.contract.drivers.rich_configs import rich

EVERYTHING = frozenset(Feature)
RICH = rich(EVERYTHING, "")


@settings(max_examples=25, deadline=None)
@given(config=cpe_configs(EVERYTHING, ""))
def test_what_goes_out_as_json_comes_back_equal(config: CpeConfig) -> None:
    assert from_data(json.loads(json.dumps(to_data(config)))) == config


def test_masked_data_hold_no_secret() -> None:
    assert RICH.wan is not None
    assert RICH.mobile is not None
    secrets = [RICH.wan.password, RICH.mobile.password, *(w.key for w in RICH.wifi)]
    secrets += [c.name for c in RICH.snmp.communities]
    told = json.dumps(to_data(RICH, secrets=False))
    assert [secret for secret in secrets if json.dumps(secret)[1:-1] in told] == []
    assert told.count(MASK) == len(secrets)


def test_a_change_replaces_what_it_names_and_nothing_else() -> None:
    after = changed(RICH, {"wan": {"password": "new one"}, "dns": ["9.9.9.9"], "mobile": None})
    assert after.wan is not None
    assert RICH.wan is not None
    assert after.wan.password == "new one"
    assert after.wan.username == RICH.wan.username
    assert after.dns == (IPv4Address("9.9.9.9"),)
    assert after.mobile is None
    assert after.wifi == RICH.wifi
    assert changed(RICH, {}) == RICH


def test_a_part_that_was_not_there_is_made_from_what_is_given() -> None:
    assert changed(CpeConfig("S1"), {"wan": {"mode": "dhcp"}}) == CpeConfig("S1", wan=Wan("dhcp"))


@pytest.mark.parametrize(
    ("patch", "told"),
    [
        ({"wan": {"adress": "80.1.2.3/29"}}, "wan has no adress"),
        ({"wan": {"address": "80.1.2.300/29"}}, "wan.address:"),
        ({"wan": {"mode": "carrier-pigeon"}}, "wan.mode is none of dhcp, static, pppoe"),
        ({"wifi": {"ssid": "x"}}, "wifi is no list"),
        ({"wifi": [{"band": "2.4"}]}, r"wifi\[0\].ssid is missing"),
        ({"dhcp": {"lease_seconds": "3600"}}, "dhcp.lease_seconds is no whole number"),
        ({"management": {"ssh": 1}}, "management.ssh is no true or false"),
        ({"port_mappings": [{"protocol": "tcp", "ports": "80-", "inside": "1.2.3.4", "inside_port": 80}]}, "ports is"),
        ({"port_mappings": [{"protocol": "tcp", "ports": "90-80", "inside": "1.2.3.4", "inside_port": 80}]}, "90-80"),
        ({"hostname": None}, "hostname is missing"),
        ("hostname", "a change is a set"),
        ({"mobile": "on"}, "mobile is no set"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(patch: object, told: str) -> None:
    with pytest.raises(InputError, match=told):
        changed(RICH, patch)
