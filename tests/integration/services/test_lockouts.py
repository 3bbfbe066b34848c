"""A change that cuts us off is told beforehand, and comes back by itself where somebody insisted; on every family."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cpe_manager.domain.jobs import Outcome
from cpe_manager.domain.push.commit_path import Phase
from cpe_manager.domain.push.lockout import Lockout
from tests.contract.drivers.roster import DriverCase
from tests.integration.services.real_boxes import CASES, bench

pytestmark = pytest.mark.slow
# These cannot be without a WAN: there its line is left to a DHCP server that is not there.
_NEED_WAN = ("openwrt", "teltonika", "routeros")
_NO_WAN: Mapping[str, Any] = {"wan": None}
_NO_LINE: Mapping[str, Any] = {"wan": {"mode": "dhcp", "address": None, "gateway": None}}
_STOP: Mapping[str, Any] = {"inbound": "accept", "rules": [{"action": "drop", "protocol": "tcp", "ports": 22}]}
CHANGES: Mapping[str, tuple[Mapping[str, Any], Lockout]] = {
    "address": ({"wan": {"address": "198.18.7.3/24"}}, Lockout.ADDRESS),
    "route": ({"wan": {"gateway": "198.18.7.9"}}, Lockout.ROUTE),
    "port-22": ({"firewall": _STOP, "management": {"sources": ["10.9.0.0/16"]}}, Lockout.FIREWALL),
    "no-wan": (_NO_WAN, Lockout.ROUTE),
    "everything": (
        {
            "wan": {"address": "198.18.7.3/24", "gateway": "198.18.7.9"},
            "firewall": _STOP,
            "management": {"ssh": False},
        },
        Lockout.SERVICE,
    ),
}

# The line shut in the family's own words, of which nothing can be predicted.
SHUT: Mapping[str, tuple[str, ...]] = {
    "cisco_ios": ("interface GigabitEthernet0/0", "shutdown", "exit"),
    "frr_linux": ("vtysh -c 'configure terminal' -c 'interface eth0' -c 'shutdown'",),
    "openwrt": ("uci set network.wan.disabled='1'",),
    "routeros": ("/interface ethernet set [find default-name=ether1] disabled=yes",),
    "teltonika": ("uci set network.wan.disabled='1'",),
    "vyos": ("set interfaces ethernet eth0 disable",),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_lock_out_is_predicted_and_recovers_by_itself_where_it_was_insisted_on(
    case: DriverCase, change: str, tmp_path: Path, sqlite_url: str
) -> None:
    patch, kind = CHANGES[change]
    if case.family in _NEED_WAN and patch is _NO_WAN:
        patch = _NO_LINE
    async with bench(case, tmp_path, sqlite_url) as b:
        before = b.now()
        shown = await b.pushes.plan(b.asked(change=patch))
        kinds = frozenset(hindrance.kind for hindrance in shown.lockouts)
        assert kind in kinds

        refused = await b.work(await b.ask(change=patch))
        assert refused.outcome is Outcome.WITHDRAWN
        assert all(hindrance.reason in (refused.error or "") for hindrance in shown.lockouts)
        assert (b.now(), b.cut_off, dict(b.box.state.alarms)) == (before, False, {})

        push = await b.ask(change=patch, overrides=kinds)
        settled = await b.work(push)
        assert b.cut_off, "the change did not cut us off"
        assert settled.outcome is Outcome.REVERTED, settled.error
        assert (await b.database.pushes.push(push.id)).push.phase is Phase.REVERTED
        assert b.box.answers
        assert b.now() == before
        assert await b.once(lambda driver, shell: driver.armed(shell)) is None
        assert await b.database.events.alarms() == []


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_lines_that_shut_the_line_are_warned_of_and_taken_back_by_the_box(
    case: DriverCase, tmp_path: Path, sqlite_url: str
) -> None:
    async with bench(case, tmp_path, sqlite_url) as b:
        before = b.now()
        shown = await b.pushes.plan(b.asked(lines=SHUT[case.family]))
        assert (shown.lockouts, len(shown.warnings)) == ((), 1)
        settled = await b.work(await b.ask(lines=SHUT[case.family]))
        assert b.cut_off, "the change did not cut us off"
        assert settled.outcome is Outcome.REVERTED, settled.error
        assert b.box.answers
        assert b.now() == before
        assert await b.once(lambda driver, shell: driver.armed(shell)) is None


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_rule_against_port_22_comes_behind_the_networks_that_may_manage_the_box(
    case: DriverCase, tmp_path: Path, sqlite_url: str
) -> None:
    """The prediction knows no vendor and takes the worse of two readings; who insists finds the way in still open."""
    async with bench(case, tmp_path, sqlite_url) as b:
        settled = await b.work(await b.ask(change={"firewall": _STOP}, overrides=frozenset({Lockout.FIREWALL})))
        assert settled.outcome is Outcome.CONFIRMED, settled.error
        assert b.box.answers
        assert not b.cut_off
