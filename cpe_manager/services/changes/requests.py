"""Change requests as people and programs see them: ask for one, look at it, approve it, decline it, take it back.

Everybody acts as a principal. Whoever submits cannot approve: four eyes are told apart by account. A customer sees and
acts on his own sites alone; of any other he is told that there is none. What was asked for is only written down here;
``evaluating`` and ``keeper`` take it further.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from cpe_manager.domain.access.access import Permission, Principal, bound, is_account, require, require_site
from cpe_manager.domain.changes.entries import EntryTerms
from cpe_manager.domain.changes.requests import WITHDRAWABLE, Approval, ChangeRecord, ChangeRequest, ChangeState
from cpe_manager.domain.errors import Conflict, Forbidden, InputError, NotFound, PreconditionFailed
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.domain.paging import Page
from cpe_manager.domain.subscription.subscriptions import Operation
from cpe_manager.ports.changes import ChangeFilter, Turn
from cpe_manager.ports.stores import DeviceFilter
from cpe_manager.services.access.sighting import device_for
from cpe_manager.services.changes.parts import ChangeParts

log = structlog.get_logger()

LONGEST_KEY: Final = 200
LONGEST_WORDS: Final = 2000
_TRIES: Final = 5
"""How often a step that somebody else was faster with is judged anew."""
_CONTROL: Final = frozenset(map(chr, (*range(32), 127))) - {"\n", "\t"}


@dataclass(frozen=True, slots=True)
class NewChange:
    """What somebody wants. ``site`` or ``device``, by name; a site with one device in service needs no device.

    ``key``: the same one again, of the same principal, is the same request. ``requested_for``: not before this, aware.
    """

    type: str
    parameters: Mapping[str, Any] = field(repr=False)
    site: str | None = None
    device: str | None = None
    requested_for: datetime | None = None
    note: str = ""
    key: str | None = None
    bulk_id: str | None = None


class ChangeRequests:
    def __init__(self, parts: ChangeParts) -> None:
        self._parts, self._store = parts, parts.store

    async def submit(self, new: NewChange, *, by: Principal) -> ChangeRequest:
        """The request, about to be evaluated; the one that has the same key already, if any.

        Raises ``Forbidden``, ``NotFound`` (no such site or device; also for what is not the principal's), and with the
        field named ``InputError``; ``Conflict`` for a device out of service, or a key that was used for something else.
        """
        change, text = await self._read(new, by)
        if (known := await self._known(change, text)) is not None:
            return known
        made = await self._store.create(change, self._parts.seals.seal_note(self._parts.ids.new(), text))
        if made.id != change.id:  # asked for twice at the same moment
            await self._same(made, change, text)
            return made
        log.info("change.submitted", ticket=made.ticket, device=made.device, type=made.type, by=by.name)
        return made

    async def check(self, new: NewChange, *, by: Principal) -> ChangeRequest:
        """The request as ``submit`` would write it down, and nothing is. Raises as ``submit`` does."""
        change, text = await self._read(new, by)
        return await self._known(change, text) or change

    async def _read(self, new: NewChange, by: Principal) -> tuple[ChangeRequest, str]:
        """The request, and its parameters as they are sealed."""
        by_right = new.type == Operation.WIFI_RIGHTS and by.may(Permission.OWN_WIFI)
        if not by_right:
            require(by, Permission.SUBMIT_CHANGES)
        device = await self._device(new, by)
        terms = await self._terms(new.type)
        entries = self._parts.entries
        if (kind := entries.type(new.type)) is None:
            raise InputError(f"type: there is no change {new.type!r}")
        wanted = entries.read(new.type, new.parameters)
        text = json.dumps(new.parameters, sort_keys=True)
        now = self._parts.clock.now()
        change = ChangeRequest(
            id=self._parts.ids.new(),
            ticket="",
            site_id=device.site_id,
            site=device.site,
            device_id=device.id,
            device=device.name,
            type=new.type,
            type_version=terms.version,
            catalogue_version=0,
            parameters=entries.masked(wanted),
            summary=kind.summary(wanted),
            submitted_by=by.name,
            submitted_by_id=by.id,
            submitted_at=now,
            by_right=by_right,
            standard=terms.standard,
            requested_for=_time(new.requested_for),
            note=_words("note", new.note),
            bulk_id=new.bulk_id,
            key=_key(by, new.key),
        )
        return change, text

    async def show(self, id_or_ticket: str, *, by: Principal) -> ChangeRecord:
        """With its steps. Raises ``NotFound``, ``Forbidden``."""
        require(by, Permission.SEE_CHANGES)
        return await self._store.change(id_or_ticket, bound(by))

    async def list(
        self, wanted: ChangeFilter | None = None, *, by: Principal, after: str | None = None, limit: int = 50
    ) -> Page[ChangeRequest]:
        """Newest first. Raises ``Forbidden``, ``InputError`` for a cursor of another list."""
        require(by, Permission.SEE_CHANGES)
        wanted = wanted or ChangeFilter()
        return await self._store.changes(replace(wanted, sites=bound(by, wanted.sites)), after=after, limit=limit)

    async def approvals(self, *, by: Principal, after: str | None = None, limit: int = 50) -> Page[ChangeRequest]:
        """What waits for an approval that this principal may give, newest first; its own requests are not among it."""
        require(by, Permission.APPROVE_CHANGES)
        wanted = ChangeFilter(
            sites=bound(by), states=(ChangeState.ACCEPTED,), by_right=False, not_submitted_by=by.id
        )  # fmt: skip
        return await self._store.changes(wanted, after=after, limit=limit)

    async def approve(
        self, id_or_ticket: str, digest: str, *, by: Principal, words: str = "", revision: int | None = None
    ) -> ChangeRequest:
        """Say yes to exactly what was shown. ``digest``: that of ``Shown``; ``words``: how a customer gave it, where
        somebody else writes it down. Once more with the same digest changes nothing.

        Raises ``Forbidden`` (whoever submitted it, whoever has no account), ``NotFound``, ``Conflict`` when it does not
        wait for an approval or something else is shown by now, or it is at another revision.
        """
        require(by, Permission.APPROVE_CHANGES)
        if not is_account(by.id):
            # Nobody knows whose it is: two of them may be one person's.
            raise Forbidden(f"{by.name} has no account: an approval is one of a user or a service account")
        told = _words("words", words)
        for _ in range(_TRIES):
            change = (await self._store.change(id_or_ticket, bound(by))).change
            given = change.approval
            if given is not None and (given.by_id, given.digest) == (by.id, digest):
                return change
            if change.submitted_by_id == by.id:
                raise Forbidden(f"{by.name} submitted {change.ticket}: somebody else has to approve it")
            _require_revision(change, revision)
            if change.state is not ChangeState.ACCEPTED or change.by_right or change.shown is None:
                raise Conflict(f"{change.ticket} is {change.state}: it does not wait for an approval")
            if change.shown.digest != digest:
                raise Conflict(f"something else is shown for {change.ticket} by now: look at it again")
            now = self._parts.clock.now()
            if change.expires_at is not None and change.expires_at <= now:
                raise Conflict(f"{change.ticket} has waited too long: ask for it again")
            approval = Approval(by.name, by.id, now, change.shown.basis, digest, told)
            values = (("approval", approval), ("expires_at", None))
            turn = Turn(change.id, change.revision, ChangeState.APPROVED, now, by.name, told, values=values)
            try:
                return await self._store.turn(turn)
            except Conflict:
                continue
        raise Conflict(f"{id_or_ticket} is being changed: try again")

    async def decline(
        self, id_or_ticket: str, reason: str, *, by: Principal, revision: int | None = None
    ) -> ChangeRequest:
        """Say no to what was shown; whoever may approve may. Raises as ``approve`` does."""
        require(by, Permission.APPROVE_CHANGES)
        return await self._end(id_or_ticket, ChangeState.DECLINED, _words("reason", reason), by, revision)

    async def withdraw(
        self, id_or_ticket: str, reason: str = "", *, by: Principal, revision: int | None = None
    ) -> ChangeRequest:
        """Take it back before it executes. Raises ``Forbidden``, ``NotFound``, ``Conflict`` when it executes or has
        ended."""
        require(by, Permission.SUBMIT_CHANGES)
        return await self._end(id_or_ticket, ChangeState.WITHDRAWN, _words("reason", reason), by, revision)

    async def _end(
        self, id_or_ticket: str, to: ChangeState, reason: str, by: Principal, revision: int | None
    ) -> ChangeRequest:
        for _ in range(_TRIES):
            change = (await self._store.change(id_or_ticket, bound(by))).change
            if change.state is to:
                return change
            _require_revision(change, revision)
            able = WITHDRAWABLE if to is ChangeState.WITHDRAWN else frozenset({ChangeState.ACCEPTED})
            if change.state not in able or (change.by_right and to is ChangeState.DECLINED):
                raise Conflict(f"{change.ticket} is {change.state}")
            now = self._parts.clock.now()
            try:
                return await self._store.turn(
                    Turn(change.id, change.revision, to, now, by.name, reason, values=(("ended_at", now),))
                )
            except Conflict:
                continue
        raise Conflict(f"{id_or_ticket} is being changed: try again")

    async def _device(self, new: NewChange, by: Principal) -> Device:
        inventory = self._parts.inventory
        if new.device is not None:
            device = await device_for(inventory, new.device, by.sites)
            if not by.sees(device.site) or new.site not in (None, device.site):
                raise NotFound(f"no such device: {new.device}")
            if device.state is LifeState.DECOMMISSIONED:
                raise Conflict(f"{device.name} is {device.state}")
            return device
        if new.site is None:
            raise InputError("site: say which site or device it is for")
        require_site(by, new.site, f"site: {new.site}")
        states = (LifeState.ACTIVE, LifeState.SUSPENDED)
        found = await inventory.all_devices(DeviceFilter(sites=(new.site,), states=states))
        if not found:
            raise NotFound(f"no such site: {new.site}")
        if len(found) > 1:
            names = ", ".join(sorted(device.name for device in found))
            raise InputError(f"device: {new.site} has several: say which of {names}")
        return found[0]

    async def _terms(self, name: str) -> EntryTerms:
        terms = (await self._parts.catalogues.entries()).get(name)
        if terms is None:
            raise InputError(f"type: there is no change {name!r} in the catalogue")
        if not terms.enabled:
            raise InputError(f"type: {name} is not offered at present")
        return terms

    async def _known(self, change: ChangeRequest, text: str) -> ChangeRequest | None:
        """The request of the same key. Raises ``Conflict`` when it is another one."""
        if change.key is None or (found := await self._store.keyed(change.key)) is None:
            return None
        await self._same(found, change, text)
        return found

    async def _same(self, found: ChangeRequest, change: ChangeRequest, text: str) -> None:
        kept = self._parts.seals.open_note(await self._store.parameters(found.id))
        same = (found.type, found.device_id, found.requested_for, kept)
        if same != (change.type, change.device_id, change.requested_for, text):
            raise Conflict(f"the key was used for another request, {found.ticket}")


def _require_revision(change: ChangeRequest, revision: int | None) -> None:
    if revision is not None and change.revision != revision:
        raise PreconditionFailed(f"{change.ticket} was changed meanwhile, and is {change.state}: look at it again")


def _key(by: Principal, key: str | None) -> str | None:
    if key is None:
        return None
    if not 0 < len(key) <= LONGEST_KEY:
        raise InputError(f"key: at most {LONGEST_KEY} characters")
    return f"{by.id}:{key}"


def _words(name: str, text: str) -> str:
    if len(text) > LONGEST_WORDS:
        raise InputError(f"{name}: at most {LONGEST_WORDS} characters")
    if _CONTROL & set(text):
        raise InputError(f"{name}: holds control characters")
    return text.strip()


def _time(at: datetime | None) -> datetime | None:
    if at is None:
        return None
    if at.tzinfo is None:
        raise InputError("requested_for: needs a time zone")
    return at.astimezone(UTC)
