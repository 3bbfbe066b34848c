"""Telling others of events: each endpoint gets the events of its kinds, in their order, at least once.

What was told is a cursor into the table of events, so that nothing is lost while a receiver, or this process, is away.
An endpoint is served by one process at a time, which holds its row; whoever lost it writes nothing any more. A receiver
that fails is tried again with growing pauses, and nothing is sent past what it has not taken.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from backups.vault import Vault
from cpe_manager.domain.access.access import CHANGE_KINDS, UNBOUND, Sight
from cpe_manager.domain.errors import (
    Conflict,
    CpeManagerError,
    DeviceError,
    Forbidden,
    InputError,
    NotFound,
    StoreError,
)
from cpe_manager.domain.events import Alarm, Event, EventFilter, NewEvent, Severity
from cpe_manager.domain.paging import Page
from cpe_manager.domain.telling import webhooks as rules
from cpe_manager.domain.telling.webhooks import Attempt, Endpoint
from cpe_manager.ports.accounts import AccountStore
from cpe_manager.ports.clock import Clock, Ids
from cpe_manager.ports.posts import Posted, Posts
from cpe_manager.ports.stores import EventStore
from cpe_manager.ports.webhooks import WebhookStore

log = structlog.get_logger()

BATCH: Final = 50
"""Events between two writes of the cursor: what may come twice after a crash."""
HOLD: Final = 30.0
LOOK: Final = 0.5
TIMEOUT: Final = 15.0
_MOST_NAME: Final = 100


@dataclass(frozen=True, slots=True)
class WebhookRules:
    """``give_up``: how long a receiver may fail before its endpoint is disabled. ``plain``: receivers on addresses that
    are not public are allowed, and may be told without TLS."""

    owner: str
    give_up: timedelta = timedelta(days=5)
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """``secret`` exists in clear only here."""

    endpoint: Endpoint
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class For:
    """Whom an endpoint is bound to. ``sites``: that it is told of; ``account_id``: of a customer's representative, who
    is told of the sites of the account."""

    sites: tuple[str, ...] | None = None
    account_id: str = ""


NOBODYS: Final = For()
SitesOf = Callable[[str], Awaitable[frozenset[str] | None]]
"""The sites that an account is bound to now; None: it is no representative of a customer any more."""


def sites_of(accounts: AccountStore) -> SitesOf:
    async def sites(account_id: str) -> frozenset[str] | None:
        try:
            account = await accounts.account(account_id)
        except NotFound:
            return None
        return None if account.disabled else account.sites

    return sites


@dataclass(frozen=True, slots=True)
class WebhookParts:
    """``public``: posts to addresses of the public internet alone: a customer's receiver is never one of the
    operator's own servers, whatever is set. None: customers have no webhooks here."""

    store: WebhookStore
    events: EventStore
    vault: Vault
    posts: Posts
    public: Posts | None = None
    sites_of: SitesOf | None = None


class Webhooks:
    """What operators do with endpoints, and the task that delivers."""

    def __init__(self, parts: WebhookParts, clock: Clock, ids: Ids, policy: WebhookRules) -> None:
        self._store, self._events, self._vault, self._posts = parts.store, parts.events, parts.vault, parts.posts
        self._public, self._sites_of = parts.public, parts.sites_of
        self._clock, self._ids, self._policy = clock, ids, policy
        self._serving: dict[str, asyncio.Task[None]] = {}

    # What operators do

    async def add(
        self, name: str, url: str, kinds: Sequence[str], *, by: str, secret: str | None = None, bound: For = NOBODYS
    ) -> Made:
        """From the next event on. ``secret``: one that the receiver has already; None makes one. Raises ``InputError``,
        ``Conflict``."""
        name = name.strip()
        if not 0 < len(name) <= _MOST_NAME or not name.isprintable() or "/" in name:
            raise InputError(f"a webhook has a name of 1 to {_MOST_NAME} characters, without /")
        self._posts.check(url)
        if bound.account_id:
            if self._public is None or await self._sites_of_account(bound.account_id) is None:
                raise Forbidden("webhooks of a customer are made by an account that represents one")
            if len((await self._store.endpoints(account_id=bound.account_id)).items) >= rules.MOST_OF_ACCOUNT:
                raise Conflict(f"at most {rules.MOST_OF_ACCOUNT} webhooks of one account")
        if bound.sites is not None and not bound.sites:
            raise InputError("sites: name at least one, or leave it out")
        plain = self._policy.plain and not bound.account_id
        if not plain and not url.lower().startswith("https://"):
            raise InputError("the URL has to be https://: events would be told in clear otherwise")
        wanted = rules.check_kinds(kinds)
        secret = secret or rules.new_secret(secrets.token_bytes(rules.SECRET_BYTES))
        rules.key_of(secret)
        now, object_id = self._clock.now(), self._ids.new()
        sealed = self._vault.seal_note(object_id, secret)
        endpoint = Endpoint(
            self._ids.new(), name, url, wanted, object_id, now, by, sites=bound.sites, account_id=bound.account_id
        )
        told = self._event("webhook.added", endpoint, f"webhook {name} added by {by}", by=by)
        return Made(await self._store.add(endpoint, sealed, [told]), secret)

    async def list(self, *, after: str | None = None, limit: int = 50, account_id: str | None = None) -> Page[Endpoint]:
        """``account_id``, here and below: of that account's alone; any other one does not exist."""
        return await self._store.endpoints(after=after, limit=limit, account_id=account_id)

    async def _found(self, name: str, account_id: str | None) -> Endpoint:
        endpoint = await self._store.endpoint(name)
        if account_id is not None and endpoint.account_id != account_id:
            raise NotFound(f"no such webhook: {name}")
        return endpoint

    async def show(self, name: str, account_id: str | None = None) -> tuple[Endpoint, Sequence[Attempt], int]:
        """With its latest attempts and how many events may still be before it. Raises ``NotFound``."""
        endpoint = await self._found(name, account_id)
        behind = max(0, await self._events.last_id() - endpoint.cursor)
        return endpoint, await self._store.attempts(endpoint.id), behind

    async def remove(self, name: str, *, by: str, account_id: str | None = None) -> None:
        """At once and for ever. Raises ``NotFound``."""
        endpoint = await self._found(name, account_id)
        told = self._event("webhook.removed", endpoint, f"webhook {endpoint.name} removed by {by}", by=by)
        await self._store.remove(endpoint.id, [told], self._clock.now())

    async def test(self, name: str, account_id: str | None = None) -> Attempt:
        """Send an event of no meaning now, beside the order of the others. Raises ``NotFound``."""
        endpoint = await self._found(name, account_id)
        now = self._clock.now()
        body = rules.written(rules.TEST_KIND, now, {"message": f"a test of webhook {endpoint.name}"})
        posted, attempt = await self._post(endpoint, await self._secret(endpoint), f"test_{self._ids.new()}", body, 0)
        del posted
        return attempt

    async def replay(self, name: str, since: datetime | None, *, by: str, account_id: str | None = None) -> Endpoint:
        """Send again, under the same names, what happened since then; None goes on where it stands. An endpoint that
        was disabled is active again. Raises ``NotFound``."""
        endpoint = await self._found(name, account_id)
        words = f"from {since:%Y-%m-%d %H:%M:%S} UTC" if since else "from where it stands"
        told = self._event("webhook.replayed", endpoint, f"webhook {endpoint.name} replayed {words} by {by}", by=by)
        return await self._store.replay(endpoint.id, since, [told], self._clock.now())

    # What delivers

    async def run(self) -> None:
        """Until cancelled. A database that is away for a while is waited for."""
        try:
            while True:
                try:
                    await self.look()
                except StoreError as error:
                    log.error("webhooks.refused", code=error.code, reason=str(error))
                await self._clock.sleep(LOOK)
        finally:
            tasks = list(self._serving.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.close()

    async def look(self) -> None:
        """Begin with every endpoint that has something before it."""
        known = await self._events.last_id()
        now = self._clock.now()
        until = now + timedelta(seconds=HOLD)
        for endpoint in await self._store.take(self._policy.owner, now=now, until=until, known=known):
            task = asyncio.create_task(self._serve(endpoint), name=f"webhook {endpoint.name}")
            self._serving[endpoint.id] = task
            task.add_done_callback(partial(self._served, endpoint.id))

    def _served(self, key: str, task: asyncio.Task[None]) -> None:
        if self._serving.get(key) is task:
            del self._serving[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("webhook.failed", webhook=key, error=type(error).__name__, reason=str(error))

    async def close(self) -> None:
        """After the last post."""
        await self._posts.close()
        if self._public is not None:
            await self._public.close()

    async def idle(self) -> None:
        """Wait until nobody is being told anything."""
        while self._serving:
            await asyncio.wait(list(self._serving.values()))

    async def _serve(self, endpoint: Endpoint) -> None:
        """Deliver as long as it goes well."""
        secret = await self._secret(endpoint)
        held: Endpoint | None = endpoint
        while held is not None:
            held = await self._batch(held, secret)

    async def _batch(self, endpoint: Endpoint, secret: str) -> Endpoint | None:
        """Some events, and one write of what came of them; None: that is all for now."""
        known = await self._events.last_id()
        sight = await self._sight(endpoint)
        if sight is None:
            await self._orphaned(endpoint)
            return None
        where = EventFilter(kinds=endpoint.kinds, sight=sight)
        found = await self._events.after(endpoint.cursor, limit=BATCH, where=where)
        attempts: list[Attempt] = []
        until = self._clock.monotonic() + HOLD / 3
        for event in found:
            posted, attempt = await self._deliver(endpoint, secret, event)
            attempts.append(attempt)
            if not attempt.ok:
                await self._fail(endpoint, attempts, posted)
                return None
            endpoint = replace(endpoint, cursor=event.id, delivered_at=attempt.at)
            # A slow receiver: the row has to be held anew before somebody else may take it.
            if self._clock.monotonic() > until:
                break
        over = len(attempts) == len(found) < BATCH
        # What is no kind of this endpoint's is passed over; no event appears before one that was seen.
        done = self._well(replace(endpoint, cursor=max(endpoint.cursor, known)) if over else endpoint)
        now = self._clock.now()
        events = [self._event("webhook.recovered", done, f"webhook {done.name} delivers again")] if (
            endpoint.failures and attempts
        ) else []  # fmt: skip
        written = await self._store.settle(
            done, attempts, until=now if over else now + timedelta(seconds=HOLD), events=events, cleared=bool(events)
        )
        return done if written and not over else None

    async def _sight(self, endpoint: Endpoint) -> Sight | None:
        """What there is for it to be told of, at this moment; None: its account is not a customer's any more."""
        if endpoint.account_id:
            sites = await self._sites_of_account(endpoint.account_id)
            return None if sites is None else Sight(CHANGE_KINDS, sites=sites)
        return UNBOUND if endpoint.sites is None else Sight(CHANGE_KINDS, sites=frozenset(endpoint.sites))

    async def _sites_of_account(self, account_id: str) -> frozenset[str] | None:
        return None if self._sites_of is None else await self._sites_of(account_id)

    async def _orphaned(self, endpoint: Endpoint) -> None:
        reason = "the account that it was made by represents no customer any more"
        ended = replace(endpoint, state="disabled", next_at=None, reason=reason)
        told = self._event("webhook.disabled", ended, f"webhook {endpoint.name} is disabled: {reason}", "warning")
        await self._store.settle(ended, [], until=self._clock.now(), events=[told])

    @staticmethod
    def _well(endpoint: Endpoint) -> Endpoint:
        return replace(endpoint, failures=0, failing_since=None, next_at=None, reason="")

    async def _deliver(self, endpoint: Endpoint, secret: str, event: Event) -> tuple[Posted | None, Attempt]:
        return await self._post(endpoint, secret, rules.message_id(event.id), rules.body_of(event), event.id)

    async def _post(
        self, endpoint: Endpoint, secret: str, message: str, body: bytes, event_id: int
    ) -> tuple[Posted | None, Attempt]:
        began, at = self._clock.monotonic(), self._clock.now()
        headers = {"Content-Type": "application/json", **rules.signed(secret, message, at, body)}
        posted: Posted | None = None
        try:
            posts = self._public if endpoint.account_id and self._public is not None else self._posts
            posted = await posts.post(endpoint.url, body, headers, seconds=TIMEOUT)
            reason = "" if posted.taken else f"HTTP {posted.status}"
        except (DeviceError, InputError) as error:
            reason = str(error)
        taken, status = posted is not None and posted.taken, posted.status if posted else None
        seconds = round(self._clock.monotonic() - began, 3)
        return posted, Attempt(event_id, at, taken, status, seconds, reason[:300])

    async def _fail(self, endpoint: Endpoint, attempts: Sequence[Attempt], posted: Posted | None) -> None:
        now, reason = self._clock.now(), attempts[-1].reason
        since = endpoint.failing_since or now
        failures = endpoint.failures + 1
        wait = rules.pause(failures, self._ids.jitter(), posted.retry_after if posted else None)
        failed = replace(endpoint, failures=failures, failing_since=since, next_at=now + wait, reason=reason)
        events: list[NewEvent] = []
        alarm: Alarm | None = None
        gone = posted is not None and posted.status == rules.GONE
        if gone or now - since >= self._policy.give_up:
            why = "the receiver says that it is gone" if gone else f"it has failed since {since:%Y-%m-%d %H:%M} UTC"
            failed = replace(failed, state="disabled", next_at=None, reason=f"{why}: {reason}")
            message = f"webhook {endpoint.name} is disabled: {failed.reason}"
            events = [self._event("webhook.disabled", failed, message, "error")]
            alarm = Alarm(f"webhook.disabled:{endpoint.id}", "webhook.disabled", None, None, now, message)
        elif failures == 1:
            message = f"webhook {endpoint.name} fails: {reason}"
            events = [self._event("webhook.failing", failed, message, "warning")]
        log.warning("webhook.failing", webhook=endpoint.name, failures=failures, reason=reason)
        await self._store.settle(failed, attempts, until=now, events=events, alarm=alarm)

    async def _secret(self, endpoint: Endpoint) -> str:
        try:
            return self._vault.open_note(await self._store.secret(endpoint.id))
        except CpeManagerError:
            log.error("webhook.secret", webhook=endpoint.name)
            raise

    def _event(
        self, kind: str, endpoint: Endpoint, message: str, severity: Severity = "info", by: str = ""
    ) -> NewEvent:
        data = {"webhook": endpoint.name, "webhook_id": endpoint.id, **({"by": by} if by else {})}
        return NewEvent(kind, self._clock.now(), severity, message=message, data=data)
