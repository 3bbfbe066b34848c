"""Names the implementations behind change requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from cpe_manager.adapters.db.database import Database
from cpe_manager.adapters.holidays import PublicHolidays
from cpe_manager.domain.failover.lines import Barrier
from cpe_manager.domain.subscription.entitlement import entitled
from cpe_manager.ports.catalogue import Catalogues
from cpe_manager.runtime.metrics import Metrics
from cpe_manager.services.backup.attempt import Outside
from cpe_manager.services.changes.bulk import BulkChanges
from cpe_manager.services.changes.entry_book import EntryBook
from cpe_manager.services.changes.evaluating import Evaluating
from cpe_manager.services.changes.everyone import EveryoneTold, Follower
from cpe_manager.services.changes.keeper import ChangeKeeper, Hand
from cpe_manager.services.changes.line_book import LineBook
from cpe_manager.services.changes.parts import ChangeParts, ChangeRules
from cpe_manager.services.changes.requests import ChangeRequests
from cpe_manager.services.changes.windows import ChangeWindows
from cpe_manager.services.push.pushes import Pushes
from cpe_manager.settings import Settings


@dataclass(frozen=True, slots=True)
class Requested:
    """``keeper``: for every process that works."""

    requests: ChangeRequests
    bulk: BulkChanges
    keeper: ChangeKeeper


@dataclass(frozen=True, slots=True)
class Executing:
    """What change requests take besides the database. ``followers``: who tells of events, besides webhooks."""

    outside: Outside
    pushes: Pushes
    catalogues: Catalogues
    metrics: Metrics
    followers: tuple[Follower, ...] = ()


def change_requests(settings: Settings, database: Database, through: Executing) -> Requested:
    outside, entries = through.outside, EntryBook()
    rules = ChangeRules(timedelta(days=settings.change_approval_days), settings.change_evaluations)
    parts = ChangeParts(
        database.changes, database.inventory, entries, through.catalogues, database.subscriptions, entitled,
        outside.vault, outside.clock, outside.ids, rules,
    )  # fmt: skip
    barrier = Barrier(settings.failover_voice_sip, settings.failover_voice_rtp)
    evaluating = Evaluating(parts, through.pushes, LineBook(database.lines, barrier), outside.drivers)
    windows = ChangeWindows(
        database.inventory, PublicHolidays(), windows=settings.push_windows, freezes=settings.push_freezes
    )  # fmt: skip
    everyone = EveryoneTold(database.events, database.webhooks, *through.followers)
    requests = ChangeRequests(parts)
    return Requested(
        requests=requests,
        bulk=BulkChanges(requests, entries),
        keeper=ChangeKeeper(parts, Hand(through.pushes, evaluating, windows, everyone), through.metrics.changes),
    )
