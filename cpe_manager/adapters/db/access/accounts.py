"""Accounts, their sessions, and what was guessed at them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Select, delete, or_, select, update

from cpe_manager.adapters.db import cursors
from cpe_manager.adapters.db.access.account_tables import (
    account,
    account_browser,
    account_session,
    account_site,
    login_guess,
)
from cpe_manager.adapters.db.tables import site
from cpe_manager.adapters.db.transactions import Connections, Transaction, Values, in_chunks
from cpe_manager.adapters.db.types import AnyRow
from cpe_manager.domain.access.access import Permission, Role
from cpe_manager.domain.access.accounts import (
    Account,
    AccountKind,
    Guess,
    GuessRule,
    Session,
    after_failure,
    without_one,
)
from cpe_manager.domain.errors import Conflict, NotFound, PreconditionFailed
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.paging import Page
from cpe_manager.ports.accounts import NewPassword, Try

_A = account.c
_S = account_session.c
_B = account_browser.c
_G = login_guess.c
_FORGOTTEN: Final = timedelta(days=2)
"""Guesses older than any rule remembers."""
_BROWSER: Final = timedelta(days=180)


class SqlAccounts:
    """``AccountStore`` over SQL."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def add(self, new: Account, password: NewPassword | None, events: Sequence[NewEvent]) -> Account:
        async def work(tx: Transaction) -> Account:
            values = {
                **_standing(new),
                **_password(password),
                "id": new.id,
                "name": new.name,
                "kind": new.kind.value,
                "created_at": new.created_at,
                "created_by": new.created_by,
                "last_login_at": None,
                "last_login_from": "",
                "revision": 1,
            }
            made = tx.insert(account).values(values).on_conflict_do_nothing()
            if not await tx.rows(made.returning(_A.id)):
                if await tx.rows(select(_A.id).where(_A.name == new.name)):
                    raise Conflict(f"an account of that name exists: {new.name}")
                raise Conflict("another account is the provider's same person")
            await _bind(tx, new.id, new.sites)
            tx.emit(events)
            return await _one(tx, _A.id == new.id, new.id)

        return await self._db.write(work)

    async def change(self, changed: Account, events: Sequence[NewEvent]) -> Account:
        async def work(tx: Transaction) -> Account:
            rows = await tx.rows(select(_A.revision).where(_A.id == changed.id).with_for_update())
            if not rows:
                raise NotFound(f"no such account: {changed.name}")
            if rows[0].revision != changed.revision:
                raise PreconditionFailed(f"{changed.name} was changed meanwhile: it is at revision {rows[0].revision}")
            others = select(_A.name).where(_A.subject == changed.subject, _A.id != changed.id)
            if changed.subject is not None and await tx.rows(others):
                raise Conflict("another account is the provider's same person")
            values = {**_standing(changed), "revision": changed.revision + 1}
            await tx.run(update(account).where(_A.id == changed.id).values(values))
            await _bind(tx, changed.id, changed.sites)
            if changed.disabled_at is not None:
                await tx.run(delete(account_session).where(_S.account_id == changed.id))
            tx.emit(events)
            return await _one(tx, _A.id == changed.id, changed.id)

        return await self._db.write(work)

    async def account(self, name_or_id: str) -> Account:
        meant = or_(_A.id == name_or_id, _A.name == name_or_id)
        return await self._db.read(lambda tx: _one(tx, meant, name_or_id))

    async def accounts(self, *, after: str | None = None, limit: int = 50) -> Page[Account]:
        query = select(account).order_by(_A.name).limit(limit + 1)
        if after is not None:
            query = query.where(_A.name > cursors.decode(after, str)[0])

        async def work(tx: Transaction) -> list[Account]:
            rows = await tx.rows(query)
            sites = await _sites(tx, [row.id for row in rows])
            return [_account(row, sites.get(row.id, frozenset())) for row in rows]

        return cursors.page(await self._db.read(work), limit, lambda one: (one.name,))

    async def for_login(self, name: str) -> tuple[Account, str | None] | None:
        async def work(tx: Transaction) -> tuple[Account, str | None] | None:
            rows = await tx.rows(select(account).where(_A.name == name))
            # Asked for nobody too: that there is such a name is not to be told by the time.
            sites = await _sites(tx, [row.id for row in rows] or [""])
            return (_account(rows[0], sites.get(rows[0].id, frozenset())), rows[0].password) if rows else None

        return await self._db.read(work)

    async def by_subject(self, subject: str) -> Account | None:
        async def work(tx: Transaction) -> Account | None:
            if not await tx.rows(select(_A.id).where(_A.subject == subject)):
                return None
            return await _one(tx, _A.subject == subject, subject)

        return await self._db.read(work)

    async def set_password(
        self, account_id: str, password: NewPassword, events: Sequence[NewEvent], *, keep: str | None = None
    ) -> None:
        async def work(tx: Transaction) -> None:
            values = {**_password(password), "revision": _A.revision + 1}
            if not (await tx.run(update(account).where(_A.id == account_id).values(values))).rowcount:
                raise NotFound(f"no such account: {account_id}")
            others = delete(account_session).where(_S.account_id == account_id)
            await tx.run(others if keep is None else others.where(_S.digest != keep))
            await tx.run(delete(account_browser).where(_B.account_id == account_id))
            tx.emit(events)

        await self._db.write(work)

    async def rehash(self, account_id: str, old: str, new: str) -> None:
        same = (_A.id == account_id, _A.password == old)
        await self._db.write(lambda tx: tx.run(update(account).where(*same).values(password=new)))

    # Sessions

    async def begin(self, session: Session, browser: str | None, events: Sequence[NewEvent]) -> bool:
        async def work(tx: Transaction) -> bool:
            able = (_A.id == session.account_id, _A.disabled_at.is_(None))
            last = {"last_login_at": session.began_at, "last_login_from": session.source}
            if not (await tx.run(update(account).where(*able).values(last))).rowcount:
                return False
            await tx.run(delete(account_session).where(_S.expires_at <= session.began_at))
            await tx.run(delete(account_browser).where(_B.seen_at <= session.began_at - _BROWSER))
            values = {
                "digest": session.digest, "account_id": session.account_id, "way": session.way,
                "began_at": session.began_at, "seen_at": session.seen_at, "expires_at": session.expires_at,
                "source": session.source,
            }  # fmt: skip
            await tx.run(account_session.insert(), [values])
            if browser is not None:
                known = {"account_id": session.account_id, "seen_at": session.began_at}
                written = tx.insert(account_browser).values({"digest": browser, **known})
                await tx.run(written.on_conflict_do_update(index_elements=["digest"], set_=known))
            tx.emit(events)
            return True

        return await self._db.write(work)

    async def session(self, digest: str) -> tuple[Session, Account] | None:
        async def work(tx: Transaction) -> tuple[Session, Account] | None:
            rows = await tx.rows(select(account_session).where(_S.digest == digest))
            if not rows:
                return None
            return _session(rows[0]), await _one(tx, _A.id == rows[0].account_id, rows[0].account_id)

        return await self._db.read(work)

    async def seen(self, digest: str, at: datetime) -> None:
        await self._db.write(lambda tx: tx.run(update(account_session).where(_S.digest == digest).values(seen_at=at)))

    async def sessions(self, account_id: str) -> Sequence[Session]:
        query = select(account_session).where(_S.account_id == account_id).order_by(_S.began_at.desc(), _S.digest)
        return [_session(row) for row in await self._db.read(lambda tx: tx.rows(query))]

    async def end(self, digest: str, events: Sequence[NewEvent]) -> bool:
        return bool(await self._ended(_S.digest == digest, events))

    async def end_all(self, account_id: str, events: Sequence[NewEvent]) -> int:
        return await self._ended(_S.account_id == account_id, events)

    async def _ended(self, which: ColumnElement[bool], events: Sequence[NewEvent]) -> int:
        async def work(tx: Transaction) -> int:
            ended = (await tx.run(delete(account_session).where(which))).rowcount
            tx.emit(events if ended else ())
            return ended

        return await self._db.write(work)

    async def browser(self, digest: str, since: datetime) -> str | None:
        query = select(_B.account_id).where(_B.digest == digest, _B.seen_at > since)
        rows = await self._db.read(lambda tx: tx.rows(query))
        return rows[0].account_id if rows else None

    # Guesses

    async def reserve(self, tries: Mapping[str, GuessRule], now: datetime) -> Try:
        async def work(tx: Transaction) -> Try:
            # Rows are made first, so that there is something to lock: two first tries take turns too.
            for key in sorted(tries):
                fresh = tx.insert(login_guess).values(key=key, failures=0, last_at=now, until=None)
                await tx.run(fresh.on_conflict_do_nothing(index_elements=["key"]))
            locked = select(login_guess).where(_G.key.in_(sorted(tries))).order_by(_G.key).with_for_update()
            found = {row.key: _guess(row) for row in await tx.rows(locked)}
            waits = [one.until for one in found.values() if one.until is not None and one.until > now]
            if waits:
                return Try(found, max(waits))
            after = {key: after_failure(rule, found[key], now) for key, rule in tries.items()}
            for key, guess in after.items():
                await _write_guess(tx, key, guess)
            await tx.run(delete(login_guess).where(_G.last_at < now - _FORGOTTEN))
            return Try(after)

        return await self._db.write(work)

    async def forgive(self, whole: Collection[str], one: Collection[str]) -> None:
        async def work(tx: Transaction) -> None:
            await tx.run(delete(login_guess).where(_G.key.in_(sorted(whole))))
            rows = await tx.rows(
                select(login_guess).where(_G.key.in_(sorted(one))).order_by(_G.key).with_for_update()
            )  # fmt: skip
            for row in rows:
                await _write_guess(tx, row.key, without_one(_guess(row)))

        await self._db.write(work)

    async def forget(self, beginning: str) -> None:
        these = _G.key.startswith(beginning, autoescape=True)
        await self._db.write(lambda tx: tx.run(delete(login_guess).where(these)))

    async def guesses(self, keys: Collection[str]) -> Mapping[str, Guess]:
        query = select(login_guess).where(_G.key.in_(sorted(keys)), _G.failures > 0)
        return {row.key: _guess(row) for row in await self._db.read(lambda tx: tx.rows(query))}


async def _write_guess(tx: Transaction, key: str, guess: Guess | None) -> None:
    if guess is None:
        await tx.run(delete(login_guess).where(_G.key == key))
        return
    values = {"failures": guess.failures, "last_at": guess.last_at, "until": guess.until}
    await tx.run(update(login_guess).where(_G.key == key).values(values))


async def _bind(tx: Transaction, account_id: str, names: Collection[str] | None) -> None:
    await tx.run(delete(account_site).where(account_site.c.account_id == account_id))
    wanted = sorted(names or ())
    found = {row.name: row.id for row in await in_chunks(tx, wanted, _named)}
    missing = [name for name in wanted if name not in found]
    if missing:
        raise NotFound(f"no such site: {missing[0]}")
    rows = [{"account_id": account_id, "site_id": found[name]} for name in wanted]
    await tx.many(account_site.insert(), rows)


def _named(names: Sequence[str]) -> Select[tuple[str, str]]:
    return select(site.c.name, site.c.id).where(site.c.name.in_(names))


async def _sites(tx: Transaction, ids: Sequence[str]) -> dict[str, frozenset[str]]:
    links = account_site.join(site, site.c.id == account_site.c.site_id)
    query = select(account_site.c.account_id, site.c.name).select_from(links)
    found: dict[str, set[str]] = {}
    for row in await in_chunks(tx, ids, lambda part: query.where(account_site.c.account_id.in_(part))):
        found.setdefault(row.account_id, set()).add(row.name)
    return {key: frozenset(names) for key, names in found.items()}


async def _one(tx: Transaction, which: ColumnElement[bool], asked: str) -> Account:
    # A name that is another one's id means the one with the id.
    rows = await tx.rows(select(account).where(which).order_by((_A.id == asked).desc()).limit(1))
    if not rows:
        raise NotFound(f"no such account: {asked}")
    sites = await _sites(tx, [rows[0].id])
    return _account(rows[0], sites.get(rows[0].id, frozenset()))


def _standing(one: Account) -> Values:
    """What ``change`` writes."""
    return {
        "roles": sorted(role.value for role in one.roles),
        "granted": sorted(permission.value for permission in one.granted),
        "full_name": one.full_name,
        "email": one.email,
        "disabled_at": one.disabled_at,
        "subject": one.subject,
    }


def _password(password: NewPassword | None) -> Values:
    if password is None:
        return {"password": None, "password_at": None, "temporary": False}
    return {"password": password.hash, "password_at": password.at, "temporary": password.temporary}


def _account(row: AnyRow, sites: frozenset[str]) -> Account:
    roles = frozenset(map(Role, row.roles))
    return Account(
        id=row.id,
        name=row.name,
        kind=AccountKind(row.kind),
        roles=roles,
        created_at=row.created_at,
        created_by=row.created_by,
        sites=sites if Role.CUSTOMER in roles else None,
        granted=frozenset(map(Permission, row.granted)),
        full_name=row.full_name,
        email=row.email,
        disabled_at=row.disabled_at,
        has_password=row.password is not None,
        password_at=row.password_at,
        temporary=row.temporary,
        subject=row.subject,
        last_login_at=row.last_login_at,
        last_login_from=row.last_login_from,
        revision=row.revision,
    )


def _session(row: AnyRow) -> Session:
    return Session(row.digest, row.account_id, row.way, row.began_at, row.seen_at, row.expires_at, row.source)


def _guess(row: AnyRow) -> Guess:
    return Guess(row.failures, row.last_at, row.until)
