"""Sites of virtual boxes, from the order to the activation date (§4.2)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cpe_manager.domain.access.access import SYSTEM
from cpe_manager.domain.activation.activation_flow import MOST_CORRECTIONS, Result, State, Step
from cpe_manager.domain.activation.activations import Verdict
from cpe_manager.domain.errors import Conflict, InputError
from cpe_manager.domain.model.cpe_config_data import plain
from cpe_manager.domain.model.cpe_features import Feature
from tests.integration.activation.site import DRIVERS, SITE, Site, results_of, site

pytestmark = pytest.mark.slow

STATIC = {"mode": "static", "address": "203.0.113.2/29", "gateway": "203.0.113.1"}


def port(at: Site, outside: int = 443, **more: Any) -> dict[str, Any]:
    """A port opened to a host of the box's LAN."""
    lan = at.config.lan
    assert lan is not None
    inside = str(lan.address.network.network_address + 10)
    return {"protocol": "tcp", "ports": outside, "inside": inside, "inside_port": outside} | more


@pytest.mark.parametrize("family", ["openwrt", "cisco_ios", "routeros", "frr_linux"])
async def test_a_site_is_configured_backed_up_tested_and_told(tmp_path: Path, family: str) -> None:
    async with site(tmp_path, family) as s:
        features = DRIVERS.get(family).spec.features
        wifi = {"wifi": {"on": False}} if Feature.WIFI in features else {}
        s.seen_from_outside(p443="open", p8443="open")
        ports = [port(s), port(s, 8443)]
        one = await s.order(ports=ports, wan=STATIC, dns=["198.51.100.53"], key="k1", **wifi)
        again = await s.order(ports=ports, wan=STATIC, dns=["198.51.100.53"], key="k1", **wifi)
        assert again.id == one.id
        record = await s.rests(one)
        found = results_of(record)
        assert record.activation.progress.state is State.ACTIVATED, record
        assert {name for name, each in found.items() if each.verdict is Verdict.FAILED} == set()
        for name in ("addressing", "ports", "nat", *(("wifi",) if wifi else ())):
            assert found[name].verdict is Verdict.PASSED, found[name]
        now = s.config
        assert now.wan is not None
        assert str(now.wan.address) == "203.0.113.2/29"
        assert {one.ports.first for one in now.port_mappings} >= {443, 8443}
        assert not any(one.enabled for one in now.wifi)
        assert [str(one) for one in now.dns] == ["198.51.100.53"]
        subscription = await s.services.subscriptions.show(SITE, SYSTEM)
        assert (subscription.formula, subscription.customer) == ("pro-plus", "Bakery bv")
        assert subscription.activated_at == record.activation.progress.activated_at
        keys = await s.pushes()
        assert len(keys) == len(set(keys))
        assert all(key.startswith(f"activation:{one.id}:") for key in keys)
        report = await s.services.activations.report(SITE)
        assert report.passed
        assert report.data["backup"]["version"] >= 1
        assert "Opened ports" in report.html
        kinds = await s.kinds()
        assert kinds[0] == "activation.ordered"
        assert kinds[-1] == "activation.activated"
        assert kinds.count("activation.activated") == 1


async def test_what_a_test_found_closed_is_pushed_once_more_and_tested_again(tmp_path: Path) -> None:
    async with site(tmp_path, "openwrt") as s:
        s.seen_from_outside(p443=["silent", "open"])
        record = await s.rests(await s.order(ports=[port(s)]))
        assert record.activation.progress.state is State.ACTIVATED
        first, second = (results_of(record, number)["ports"] for number in (0, 1))
        assert first.verdict is Verdict.FAILED
        assert "443" in first.reason
        assert second.verdict is Verdict.PASSED
        steps = [entry.step for entry in record.journal if entry.result is not None]
        assert steps.count(Step.CONFIGURE) == 2
        assert steps.count(Step.TEST) == 2
        assert steps.count(Step.BACKUP) == 1


async def test_what_stays_closed_fails_with_a_report_until_somebody_retries(tmp_path: Path) -> None:
    async with site(tmp_path, "routeros") as s:
        s.seen_from_outside(p443="silent")
        one = await s.order(ports=[port(s)])
        record = await s.rests(one)
        progress = record.activation.progress
        assert progress.state is State.FAILED
        assert progress.note.startswith("Opened ports: tcp 443")
        assert len(progress.rounds) == MOST_CORRECTIONS + 1
        report = await s.services.activations.report(SITE)
        assert not report.passed
        assert report.data["reason"] == progress.note
        assert "Not passed: Opened ports" in report.html
        assert (await s.kinds())[-1] == "activation.failed"
        # Somebody took the port away meanwhile; the retry has it opened again, by a push of its own round.
        kept = [one for one in s.config.port_mappings if one.ports.first != 443]
        await s.pushed({"port_mappings": plain(tuple(kept)) or None})
        s.seen_from_outside(p443="open")
        await s.services.activations.retry(one.id, by="op")
        with pytest.raises(Conflict):
            await s.services.activations.retry(one.id, by="op")
        record = await s.rests(one, State.ACTIVATED)
        while record.activation.progress.state is State.FAILED:  # it was looked at before the retry was read
            record = await s.rests(one, State.ACTIVATED)
        assert record.activation.progress.state is State.ACTIVATED
        assert 443 in {one.ports.first for one in s.config.port_mappings}
        assert record.activation.progress.reports == 2


async def test_a_line_that_is_down_is_nothing_that_a_push_mends(tmp_path: Path) -> None:
    async with site(tmp_path, "openwrt") as s:
        s.box.state.line_up = False
        one = await s.order()
        record = await s.rests(one)
        assert record.activation.progress.state is State.FAILED
        assert record.activation.progress.note == "Line in synchronisation: the line is down"
        assert len(record.activation.progress.rounds) == 1
        await s.services.activations.cancel(one.id, by="op")
        record = await s.rests(one, State.CANCELLED)
        assert "activation.activated" not in await s.kinds()


async def test_a_port_whose_host_is_down_is_told_apart_from_one_that_is_closed(tmp_path: Path) -> None:
    async with site(tmp_path, "openwrt") as s:
        # The simulated world answers no echo from this network.
        lan = {"address": "192.0.2.1/24"}
        dhcp = {"first": "192.0.2.100", "last": "192.0.2.199"}
        ports = [{"protocol": "tcp", "ports": 443, "inside": "192.0.2.10", "inside_port": 443}]
        kept = {"port_mappings": None}
        await s.pushed(kept | {"lan": lan, "dhcp": dhcp | {"reservations": None}})
        record = await s.rests(await s.order(ports=ports, lan=lan, dhcp=dhcp))
        found = results_of(record)["ports"]
        assert record.activation.progress.state is State.ACTIVATED
        assert found.verdict is Verdict.UNPROVEN
        assert found.values["ports"][0]["found"] == "host-down"
        assert "down or away" in found.reason


async def test_a_router_of_the_customers_is_backed_up_and_tested_and_never_configured(tmp_path: Path) -> None:
    async with site(tmp_path, "openwrt") as s:
        before = s.config
        with pytest.raises(InputError, match="wifi: the router is the customer's"):
            await s.order(formula="pro-plus-essential", wifi={"on": False})
        record = await s.rests(await s.order(formula="pro-plus-essential", wan=STATIC))
        assert record.activation.progress.state is State.ACTIVATED
        assert [entry.step for entry in record.journal if entry.result is Result.DONE] == [
            Step.SUBSCRIBE, Step.BACKUP, Step.TEST, Step.REPORT, Step.ACTIVATE,
        ]  # fmt: skip
        assert s.config == before
        assert await s.pushes() == []


@pytest.mark.parametrize("family", ["openwrt", "frr_linux"])
async def test_a_name_that_the_box_cannot_resolve_fails_and_one_that_it_can_passes(tmp_path: Path, family: str) -> None:
    async with site(tmp_path, family, activation_dns_name="probe.example") as s:
        found = results_of(await s.rests(await s.order()))["dns"]
        assert (found.verdict, found.measured) == (Verdict.PASSED, "198.51.100.80")
    async with site(tmp_path / "other", family, activation_dns_name="probe.invalid") as s:
        record = await s.rests(await s.order(customer="Bakery & Sons"))
        assert record.activation.progress.state is State.FAILED
        assert record.activation.progress.note == "Names are resolved: the box gets no answer for probe.invalid"


async def test_what_a_formula_does_not_have_is_refused_by_component_and_section(tmp_path: Path) -> None:
    async with site(tmp_path, "openwrt") as s:
        refusals: list[tuple[dict[str, Any], str]] = [
            ({"formula": "gold"}, "formula: there is no 'gold'"),
            ({"formula": "pro", "wan": STATIC}, r"wan.address: .*§3.3.1"),
            ({"formula": "maxi", "mobile": {"apn": "x"}, "options": ["mobile-backup"]}, r"options: .*§3.8"),
            ({"options": ["ports"]}, "options: ports is part of pro-plus already"),
            ({"technology": "fibre", "rush": True, "ready_for_service": "2099-01-01"}, "ready_for_service"),
            ({"ready_for_service": "2001-01-01"}, "ready_for_service: 2001-01-01 is over"),
        ]
        for order, told in refusals:
            with pytest.raises(InputError, match=told):
                await s.order(**order)
        assert await s.kinds() == []


async def test_no_secret_of_an_order_is_told_by_anything(tmp_path: Path) -> None:
    async with site(tmp_path, "openwrt") as s:
        wan = {"mode": "pppoe", "username": "ab@isp", "password": "s3cret-ppp"}
        wifi = {"networks": [{"band": "5", "ssid": "Bakery", "key": "s3cret-wifi"}]}
        one = await s.order(wan=wan, wifi=wifi)
        record = await s.rests(one)
        assert record.activation.progress.state is State.ACTIVATED
        report = await s.services.activations.report(SITE)
        events = await s.services.events.after(0, limit=10_000)
        told = [repr(record), json.dumps(report.data), report.html, *(f"{one.message}{one.data}" for one in events)]
        assert not any("s3cret" in text for text in told)
        assert [one.key for one in s.config.wifi if one.enabled] == ["s3cret-wifi"]
