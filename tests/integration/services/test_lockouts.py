"""A change that cuts us off is told beforehand, and comes back by itself where somebody insisted; on every family."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cpe_manager.domain.commit_path import Phase
from cpe_manager.domain.jobs import Outcome
from cpe_manager.domain.lockout import Lockout
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
    "port-22": ({"firewall": _STOP}, Lockout.FIREWALL),
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
