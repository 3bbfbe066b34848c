"""Telling customers and the operator by mail: each event of ``domain.telling.notices`` becomes one mail for each
recipient, and each mail is tried until the server has taken it, or for some days.

An outbox: mails are written in one transaction with the cursor into the events, so that none is forgotten and none made
twice; then they are sent, by one process each at a time. A server that is away, or slow, holds up nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableSequence, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol
from zoneinfo import ZoneInfo

import structlog

from cpe_manager.domain.errors import InputError, StoreError
from cpe_manager.domain.events import Alarm, Event, EventFilter, NewEvent, Severity
from cpe_manager.domain.paging import Page
from cpe_manager.domain.telling.mail import Audience, Delivery, Mail, State, address, pause
from cpe_manager.domain.telling.notice_texts import Facts, language_of, written
from cpe_manager.domain.telling.notices import KINDS, told_to
from cpe_manager.ports.clock import Clock, Ids
from cpe_manager.ports.mail import MailStore, Post, Waiting
from cpe_manager.ports.stores import EventStore
from cpe_manager.ports.subscriptions import SubscriptionStore

log = structlog.get_logger()

BATCH: Final = 100
"""Events between two moves of the cursor."""
ROUND: Final = 20
"""Mails over one connection."""
LOOK: Final = 1.0
GATHER: Final = timedelta(minutes=1)
"""How long the first mail about an incident waits for what else becomes of it."""
HOLD: Final = 600.0
STALE: Final = timedelta(days=5)
"""What happened longer ago is not told any more: mail that was switched on again after a while is no flood."""
ALARM: Final = "mail.failing"
_ALARM_AFTER: Final = timedelta(minutes=15)

FactsOf = Callable[[Event], Awaitable[Facts | None]]
"""What a mail about an event may say beyond its data; None: the matter is gone."""


class MailGauges(Protocol):
    """The metrics implement it."""

    def mail(self, outcome: str) -> None: ...

    def outbox(self, queued: int, failed: int, oldest_seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class NoticeRules:
    """``operator``: addresses that are told besides the customers. ``give_up``: how long a mail is tried. ``keep``: how
    long it can be looked at afterwards. ``zone``: of the times in texts."""

    owner: str
    operator: tuple[str, ...] = ()
    operator_language: str = "en"
    give_up: timedelta = timedelta(days=5)
    keep: timedelta = timedelta(days=90)
    zone: str = "Europe/Brussels"


@dataclass(frozen=True, slots=True)
class NoticeParts:
    """``post`` None: no mail server is set, and nothing is written either. ``facts``: by the first word of a kind."""

    store: MailStore
    events: EventStore
    subscriptions: SubscriptionStore | None
    post: Post | None
    gauges: MailGauges
    facts: Mapping[str, FactsOf]


class Notices:
    """What operators do with mails, and the task that makes and sends them."""

    def __init__(self, parts: NoticeParts, clock: Clock, ids: Ids, rules: NoticeRules) -> None:
        self._store, self._events, self._subscriptions = parts.store, parts.events, parts.subscriptions
        self._post, self._gauges, self._facts = parts.post, parts.gauges, parts.facts
        self._clock, self._ids, self._rules = clock, ids, rules
        self._failures = 0
        self._failing_since: datetime | None = None
        self._not_before: datetime | None = None

    @property
    def enabled(self) -> bool:
        return self._post is not None

    # What operators do

    async def list(self, *, state: State | None = None, after: str | None = None, limit: int = 50) -> Page[Mail]:
        """Newest first."""
        return await self._store.mails(state=state, after=after, limit=limit)

    async def show(self, mail_id: str) -> Mail:
        """Raises ``NotFound``."""
        return await self._store.mail(mail_id)

    async def retry(self, mail_id: str | None, *, by: str) -> int:
        """Have one, or all that failed, tried again at once. Raises ``NotFound``; ``Conflict`` for one sent already."""
        now = self._clock.now()
        what = mail_id or "all that failed"
        told = NewEvent("mail.retried", now, message=f"mail {what} tried again by {by}", data={"by": by, "mail": what})
        self._not_before = None
        return await self._store.retry(mail_id, [told], now)

    async def cursor(self) -> int | None:
        """Up to which event everyone was told, who can be; None: nobody is told by mail."""
        if self._post is None:
            return None
        made, waiting = await self._store.cursor(), await self._store.waiting()
        return made if waiting.first is None else min(made, waiting.first - 1)

    # What makes and sends

    async def run(self) -> None:
        """Until cancelled. A database that is away for a while is waited for."""
        if self._post is None:
            await asyncio.Event().wait()
        while True:
            busy = False
            try:
                busy = bool(await self.fill())
                busy = bool(await self.deliver()) or busy
            except StoreError as error:
                log.error("mail.refused", code=error.code, reason=str(error))
            except Exception:  # a defect must not end the looking for good
                log.exception("mail.defect")
            await self._clock.sleep(0.05 if busy else LOOK)

    async def fill(self) -> int:
        """Make the mails of some events; how many events there were."""
        if self._post is None:
            return 0
        since = await self._store.cursor()
        known = await self._events.last_id()
        if known <= since:
            return 0
        events = await self._events.after(since, limit=BATCH, where=EventFilter(kinds=KINDS))
        upto = events[-1].id if len(events) == BATCH else max(known, since)
        mails = [mail for event in events for mail in await self._made(event)]
        # An incident that turns out to be its access node's is told with that.
        below = {_about(event) for event in events if event.data.get("parent_id") and event.kind == "incident.changed"}
        if not await self._store.fill(since, upto, [one for one in mails if one.about not in below], below):
            log.debug("mail.overtaken", since=since)
        return len(events)

    async def _made(self, event: Event) -> Sequence[Mail]:
        now = self._clock.now()
        audiences = told_to(event.kind)
        if not audiences or now - event.at > STALE or await self._told_above(event):
            return []
        about = _about(event)
        next_at = max(now, event.at + GATHER) if about else now
        source = self._facts.get(event.kind.partition(".")[0])
        facts = await source(event) if source is not None else facts_of(event, self._rules.zone)
        if facts is None:
            return []
        mails: list[Mail] = []
        seen: set[str] = set()
        for audience, recipient, language in await self._recipients(event, audiences):
            if recipient.lower() in seen:
                continue
            seen.add(recipient.lower())
            subject, body = written(event.kind, language, facts)
            where = (self._ids.new(), event.id, event.kind, facts.site, audience, recipient, language)
            mails.append(Mail(*where, subject, body, now, next_at=next_at, about=about))
        return mails

    async def _told_above(self, event: Event) -> bool:
        """An incident below that of its access node is told with it; its end alone to whoever was told of it before."""
        about = _about(event)
        if not about or not event.data.get("parent_id"):
            return False
        return event.kind != "incident.closed" or not await self._store.told_of(about)

    async def _recipients(self, event: Event, audiences: Iterable[Audience]) -> Sequence[tuple[Audience, str, str]]:
        wanted = set(audiences)
        found: list[tuple[Audience, str, str]] = []
        site = str(event.data.get("site") or "")
        if "customer" in wanted and site and self._subscriptions is not None:
            subscription = await self._subscriptions.of_site(site)
            for one in subscription.representatives if subscription is not None else ():
                try:
                    recipient = address(one.email)
                except InputError:
                    log.warning("mail.no_address", site=site)
                    continue
                found.append(("customer", recipient, language_of(subscription.language if subscription else "en")))
        if "operator" in wanted:
            found += [("operator", one, self._rules.operator_language) for one in self._rules.operator]
        return found

    async def deliver(self) -> int:
        """Try to send some that are due; how many were tried."""
        now = self._clock.now()
        if self._post is None or (self._not_before is not None and now < self._not_before):
            return 0
        until = now + timedelta(seconds=HOLD)
        taken = await self._store.take(self._rules.owner, now=now, until=until, limit=ROUND)
        if not taken:
            return 0
        came = await self._post.send(taken)
        now = self._clock.now()
        # What was not tried, since the server failed before its turn, is let go of as it was.
        settled = [self._after(mail, delivery, now) for mail, delivery in zip(taken, came, strict=False)]
        events = [event for mail, delivery in zip(settled, came, strict=False) for event in self._told(mail, delivery)]
        failed = next((one for one in came if one.server), None)
        alarm, cleared = self._server(failed, events, now)
        await self._store.settle(
            [*settled, *taken[len(settled) :]], events=events, alarm=alarm, cleared=cleared, at=now
        )
        return len(came)

    def _after(self, mail: Mail, delivery: Delivery, now: datetime) -> Mail:
        tried = replace(mail, attempts=mail.attempts + 1, reason=delivery.reason)
        if delivery.taken:
            self._gauges.mail("sent")
            return replace(tried, state="sent", sent_at=now, next_at=None)
        if delivery.permanent or now - mail.created_at >= self._rules.give_up:
            self._gauges.mail("failed")
            return replace(tried, state="failed", next_at=None)
        self._gauges.mail("retried")
        return replace(tried, next_at=now + pause(tried.attempts, self._ids.jitter()))

    def _told(self, mail: Mail, delivery: Delivery) -> Iterable[NewEvent]:
        # Addresses are in the outbox alone: events are seen by more people.
        data = {"mail": mail.id, "about": mail.kind, "event": mail.event_id, "audience": mail.audience}
        if mail.site:
            data["site"] = mail.site
        if delivery.taken:
            message = f"told the {mail.audience} of {mail.kind}"
            yield NewEvent("mail.sent", self._clock.now(), message=message, data=data)
        elif mail.state == "failed":
            message = f"could not tell the {mail.audience} of {mail.kind}: {mail.reason}"
            yield NewEvent("mail.failed", self._clock.now(), "error", message=message, data=data)

    def _server(
        self, failed: Delivery | None, events: MutableSequence[NewEvent], now: datetime
    ) -> tuple[Alarm | None, str | None]:
        """How the server fares: a pause for all mails after a failure that is its own, and the first of them told."""
        if failed is None:
            since, self._failures, self._failing_since, self._not_before = self._failing_since, 0, None, None
            if since is not None:
                events.append(self._event("mail.recovered", now, "the mail server takes mails again"))
            # Cleared also after a restart, which remembers nothing.
            return None, ALARM
        self._failures += 1
        self._not_before = now + pause(self._failures, self._ids.jitter())
        log.warning("mail.failing", failures=self._failures, reason=failed.reason)
        if self._failing_since is None:
            self._failing_since = now
            message = f"the mail server takes none: {failed.reason}"
            events.append(self._event("mail.failing", now, message, "warning"))
        if now - self._failing_since < _ALARM_AFTER:
            return None, None
        message = f"no mail was taken since {self._failing_since:%Y-%m-%d %H:%M} UTC: {failed.reason}"
        return Alarm(ALARM, ALARM, None, None, now, message), None

    @staticmethod
    def _event(kind: str, at: datetime, message: str, severity: Severity = "info") -> NewEvent:
        return NewEvent(kind, at, severity, message=message)

    async def look(self) -> None:
        """A chore: what the metrics show, and what need not be kept any more."""
        if self._post is None:
            return
        now = self._clock.now()
        waiting: Waiting = await self._store.waiting()
        oldest = (now - waiting.oldest).total_seconds() if waiting.oldest is not None else 0.0
        self._gauges.outbox(waiting.queued, waiting.failed, oldest)
        await self._store.forget(now - self._rules.keep)


def _about(event: Event) -> str:
    """What mails are gathered by: one incident. Empty: each event has its own."""
    return f"incident:{event.data.get('incident_id')}" if event.kind.startswith("incident.") else ""


def facts_of(event: Event, zone: str) -> Facts:
    """What the event itself says."""
    data = event.data
    when = data.get("when")
    return Facts(
        site=str(data.get("site") or ""),
        ticket=str(data.get("ticket") or ""),
        summary=str(data.get("summary") or data.get("type") or ""),
        reason=str(data.get("reason") or ""),
        when=local(datetime.fromisoformat(when), zone) if isinstance(when, str) and when else "",
        by_right=bool(data.get("by_right")),
    )


def local(at: datetime, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} ({zone})"
