"""Probes: what can be written, and what a value of the model says to them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface

import pytest

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_config import CpeConfig, Lan, Wan
from cpe_manager.domain.push.probes import MOST, Probe, probes_of

CONFIG = CpeConfig(
    "SITE-1", wan=Wan("pppoe", username="fb1", password="secret-1"), lan=Lan(IPv4Interface("192.168.1.1/24")),
    dns=(IPv4Address("9.9.9.9"), IPv4Address("9.9.9.10")),
)  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "tcp:10.0.0.1:443", "tcp:www.example.be:80", "tcp:[2001:db8::1]:22", "ping:192.0.2.1", "ping:2001:db8::1",
        'config:dns=["9.9.9.9"]', 'config:wan.mode="dhcp"', "config:mobile.active=true", "config:lan=null",
    ],
)  # fmt: skip
def test_a_probe_reads_as_it_is_written(text: str) -> None:
    assert str(Probe.parse(text)) == text
    assert Probe.parse(f" {text} ") == Probe.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "tcp:10.0.0.1", "tcp:10.0.0.1:0", "tcp:10.0.0.1:65536", "tcp:a b:80", "tcp:2001:db8::1:22", "ping:host",
        "ping:1.2.3.4;reboot", "config:wan", "config:Wan.mode=x", "config:wan.password=x", "config:wifi.0.key=x",
        "config:snmp.communities.0.name=x", "config:wan={}", "exec:reboot",
    ],
)  # fmt: skip
def test_what_is_no_probe_or_holds_a_secret_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        Probe.parse(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("config:hostname=SITE-1", ""),
        ("config:wan.mode=pppoe", ""),
        ("config:wan.mode=dhcp", 'wan.mode is "pppoe"'),
        ('config:dns=["9.9.9.9","9.9.9.10"]', ""),
        ("config:dns.1=9.9.9.10", ""),
        ("config:dns.2=9.9.9.10", "dns.2 is not configured"),
        ("config:lan.address=192.168.1.1/24", ""),
        ("config:mobile.apn=internet", "mobile.apn is not configured"),
        ("config:dhcp=null", ""),
        ("config:management.ssh=true", ""),
    ],
)
def test_a_value_of_the_model_is_looked_up(text: str, reason: str) -> None:
    assert Probe.parse(text).told_by(CONFIG) == reason


def test_there_are_only_so_many_and_each_once() -> None:
    assert len(probes_of(["ping:192.0.2.1", "ping:192.0.2.1"])) == 1
    lists = ['config:dns=["9.9.9.9"]', 'config:dns=[ "9.9.9.9" ]', "config:dns=[]"]
    assert [str(probe) for probe in probes_of(lists)] == [lists[0], lists[2]]
    with pytest.raises(InputError, match="at most"):
        probes_of([f"tcp:10.0.0.1:{port}" for port in range(1, MOST + 2)])
