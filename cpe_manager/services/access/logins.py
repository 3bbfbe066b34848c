"""Logging in, and the sessions that come of it.

Whatever is wrong, name or password or account, the answer is the same words after the same work. A try is counted as
failed before it is looked at. Guesses at a name cost those who guess: a browser that logged in under the name before
has a count of its own, so that strangers lock nobody out (OWASP, "Device Cookies").
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

import structlog

from cpe_manager.domain.access.accounts import (
    BY_BROWSER,
    BY_NAME,
    BY_NAME_AND_SOURCE,
    BY_SOURCE,
    Account,
    AccountKind,
    Guess,
    GuessRule,
    Session,
    SessionRules,
    Way,
    normalised,
    read_name,
)
from cpe_manager.domain.errors import Forbidden, InputError, StoreError, Throttled, Unauthorised
from cpe_manager.domain.events import NewEvent
from cpe_manager.ports.accounts import AccountStore, Try
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.passwords import Passwords
from cpe_manager.ports.stores import EventStore

log = structlog.get_logger()

WRONG: Final = "name or password is wrong"
_BROWSER_DAYS: Final = timedelta(days=180)
_SEEN: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a log-in comes from: an address, and the text that a browser was given when it logged in before."""

    source: str = ""
    browser: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Begun:
    """``text``: of the cookie; it exists only here. ``csrf``: what goes with every change. ``browser``: what the
    browser is known by from now on."""

    account: Account
    session: Session
    text: str = field(repr=False)
    csrf: str = field(repr=False)
    browser: str = field(repr=False)


def digest(text: str) -> str:
    """Of 256 random bits: there is nothing to stretch."""
    return hashlib.sha256(text.encode()).hexdigest()


def csrf_of(text: str) -> str:
    """What a page of ours knows and another site's does not: it cannot be made without the cookie's text, which no
    script reads."""
    made = hashlib.sha256(f"csrf:{text}".encode()).digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


def name_key(name: str, source: str = "") -> str:
    """Those of one name begin alike, so that they can be forgotten together."""
    return digest(f"name:{name}")[:32] + (digest(f"at:{source}")[:32] if source else "0" * 32)


def _source_key(source: str) -> str:
    """Of an IPv6 address its /64, which one customer has whole."""
    try:
        address = ip_address(source)
    except ValueError:
        return digest(f"source:{source}")
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return digest(f"source:{int(address) >> 64:x}")
    return digest(f"source:{getattr(address, 'ipv4_mapped', None) or address}")


class Logins:
    def __init__(
        self, store: AccountStore, events: EventStore, passwords: Passwords, clock: Clock, rules: SessionRules
    ) -> None:
        self._store, self._events, self._passwords, self._clock = store, events, passwords, clock
        self.rules = rules
        self._seen: dict[str, datetime] = {}

    async def log_in(self, name: str, password: str, origin: Origin) -> Begun:
        """Raises ``Unauthorised`` without saying what is wrong, ``Throttled`` when it is not looked at."""
        now = self._clock.now()
        name = _written(name)
        found = await self._store.for_login(name)
        account, hashed = found if found is not None else (None, None)
        whose = await self._store.browser(digest(origin.browser or ""), now - _BROWSER_DAYS)
        by_source = _source_key(origin.source)
        if account is not None and whose == account.id:
            at_name = {digest(f"browser:{origin.browser}"): BY_BROWSER}
        else:
            at_name = {name_key(name, by_source): BY_NAME_AND_SOURCE, name_key(name): BY_NAME}
        tried = await self._reserve({**at_name, by_source: BY_SOURCE}, now)
        able = account is not None and account.kind is AccountKind.USER and not account.disabled
        checked = await self._passwords.verify(hashed if able else None, normalised(password))
        if account is None or hashed is None or not checked.right:
            held = any(tried.guesses[key].failures == rule.free for key, rule in at_name.items())
            await self._note_failure(account, origin, held=held)
            raise Unauthorised(WRONG)
        await self._store.forgive(at_name, [by_source])
        if checked.stale:
            await self._store.rehash(account.id, hashed, await self._passwords.hash(normalised(password)))
        return await self.begin(account, "password", origin)

    async def _reserve(self, tries: Mapping[str, GuessRule], now: datetime) -> Try:
        tried = await self._store.reserve(tries, now)
        if tried.until is not None:
            seconds = (tried.until - now).total_seconds()
            words = f"too many tries; the next one is looked at in {max(1, math.ceil(seconds))} s"
            raise Throttled(words, seconds=seconds)
        return tried

    async def _note_failure(self, account: Account | None, origin: Origin, *, held: bool) -> None:
        """What was typed as a name is told of only where it is one: it may have been the password."""
        data: Mapping[str, Any] = {"account": account.name if account else None, "source": origin.source[:64]}
        who = account.name if account is not None else "nobody that there is"
        now = self._clock.now()
        told = [NewEvent("login.failed", now, "warning", message=f"a log-in as {who} failed", data=data)]
        if held:
            message = f"log-ins as {who} are slowed down: too many failed"
            told.append(NewEvent("login.held", now, "warning", message=message, data=data))
        await self._events.add(told)

    async def confirm(self, account: Account, password: str) -> None:
        """That somebody who is logged in knows the password. Raises ``Forbidden``, ``Throttled``."""
        found = await self._store.for_login(account.name)
        key = digest(f"own:{account.id}")
        await self._reserve({key: BY_BROWSER}, self._clock.now())
        hashed = found[1] if found is not None else None
        if not (await self._passwords.verify(hashed, normalised(password))).right:
            raise Forbidden("the password is wrong")
        await self._store.forgive([key], [])

    async def begin(self, account: Account, way: Way, origin: Origin) -> Begun:
        """A session for somebody whose identity is proven. Raises ``Unauthorised`` for a disabled account."""
        now = self._clock.now()
        text, browser = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        source = origin.source[:64]
        session = Session(digest(text), account.id, way, now, now, now + self.rules.longest, source)
        data = {"account": account.name, "source": source, "way": way}
        told = NewEvent("login.succeeded", now, message=f"{account.name} logged in", data=data)
        if not await self._store.begin(session, digest(browser), [told]):
            raise Unauthorised(WRONG)
        return Begun(account, session, text, csrf_of(text), browser)

    async def known(self, text: str, *, csrf: str | None, changes: bool) -> tuple[Account, Session]:
        """Whose cookie that is. Raises ``Unauthorised``; ``Forbidden`` for a change without the token that shows that a
        page of ours asks for it."""
        found = await self._store.session(digest(text))
        now = self._clock.now()
        if found is None or found[1].disabled or not self.rules.holds(found[0], now):
            raise Unauthorised("the session is over: log in")
        account, session = found[1], found[0]
        if changes and not hmac.compare_digest((csrf or "").encode(), csrf_of(text).encode()):
            raise Forbidden("a change by cookie takes the header X-CSRF-Token, as GET /api/v1/me tells it")
        await self._note_use(session, now)
        return account, session

    async def _note_use(self, session: Session, now: datetime) -> None:
        if now - max(session.seen_at, self._seen.get(session.digest, session.seen_at)) < _SEEN:
            return
        if len(self._seen) > 10_000:
            self._seen.clear()
        self._seen[session.digest] = now
        try:
            await self._store.seen(session.digest, now)
        except StoreError as error:
            # With a full disk one has to be able to look around.
            log.warning("session.use_not_noted", code=error.code, reason=str(error))

    async def log_out(self, account: Account, session: Session) -> None:
        data = {"account": account.name, "source": session.source}
        told = NewEvent("login.ended", self._clock.now(), message=f"{account.name} logged out", data=data)
        await self._store.end(session.digest, [told])
        self._seen.pop(session.digest, None)

    async def standing(self, names: list[str]) -> Mapping[str, Guess]:
        """What was guessed at these names from browsers that are not known, from anywhere."""
        now = self._clock.now()
        by_key = {name_key(name): name for name in names}
        found = await self._store.guesses(by_key)
        return {by_key[key]: one for key, one in found.items() if now - one.last_at < BY_NAME.memory}

    async def unlock(self, name: str) -> None:
        await self._store.forget(name_key(name)[:32])

    async def tell(self, event: NewEvent) -> None:
        await self._events.add([event])


def _written(name: str) -> str:
    """What can be no name counts as one and the same that nobody has."""
    try:
        return read_name(name)
    except InputError:
        return "?"
