"""What the entries of the change catalogue share: how a change is judged once its effect is known."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, ClassVar, Generic, TypeVar

from cpe_manager.domain.changes.entries import Effect, Setting
from cpe_manager.domain.changes.reading import fitting
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.model.cpe_config_data import Misfit, changed
from cpe_manager.domain.model.cpe_features import missing, needed
from cpe_manager.domain.model.requirements import require
from cpe_manager.domain.push.checks import MOST_END_USERS, Check, Finding, end_users, findings

P_contra = TypeVar("P_contra", contravariant=True)


class Entry(ABC, Generic[P_contra]):
    """Implements ``entries.ChangeType``. An entry says what it makes of a configuration (`effect`), and what of that
    clashes with the device beyond what any change may not do (`conflicts`)."""

    name: ClassVar[str]
    parameters: ClassVar[type]

    @abstractmethod
    def summary(self, wanted: P_contra, /) -> str: ...

    @abstractmethod
    def effect(self, wanted: P_contra, now: CpeConfig, setting: Setting, /) -> Effect: ...

    def conflicts(self, _wanted: P_contra, _now: CpeConfig, _setting: Setting, /) -> Iterator[Finding]:
        """What is wrong with it in particular. Raises nothing."""
        yield from ()

    def check(self, wanted: P_contra, now: CpeConfig, setting: Setting, /) -> Iterator[Finding]:
        """Conflicts first, then what the change would make of the device: too much for its family, for the formula, or
        for anybody (``checks.findings``). Whatever refuses names a parameter and cites a section."""
        about = _about(wanted)
        return (_told(one, about, setting.section) for one in self._found(wanted, now, setting))

    def _found(self, wanted: P_contra, now: CpeConfig, setting: Setting, /) -> Iterator[Finding]:
        found = tuple(dict.fromkeys(self.conflicts(wanted, now, setting)))
        yield from found
        try:
            effect = self.effect(wanted, now, setting)
            after = changed(now, effect.patch)
        except InputError as error:
            if not any(one.refuses for one in found):
                yield _misfit(error)
            return
        if after == now and not effect.reboot:
            yield Finding(Check.NOTHING, "that is so already")
        known = {(one.check, one.reason) for one in found}
        yield from (one for one in _judged(now, after, setting) if (one.check, one.reason) not in known)


def cited(reason: str, section: str) -> str:
    """A reason with its section; one that has a section stays as it is."""
    return reason if not section or "§" in reason else f"{reason} ({section})"


def _about(wanted: Any) -> str:
    """The first parameter that was given: what is found in the whole of a change is about that."""
    names = [one.name for one in fields(wanted) if getattr(wanted, one.name) != one.default]
    return (names or [one.name for one in fields(wanted)] or [""])[0]


def _told(one: Finding, about: str, section: str) -> Finding:
    return replace(one, field=one.field or about, reason=cited(one.reason, section)) if one.refuses else one


def _misfit(error: InputError) -> Finding:
    if isinstance(error, Misfit) and error.field:
        return Finding(Check.MODEL, error.said.removeprefix(":").strip(), field=error.field)
    return Finding(Check.MODEL, str(error))


def _judged(now: CpeConfig, after: CpeConfig, setting: Setting) -> Iterator[Finding]:
    # What a device has already it may keep, even where its family could not be given it.
    gone = () if setting.features is None else sorted(set(missing(after, setting.features)) - needed(now))
    if gone:
        yield Finding(Check.CARRY, f"{setting.family or 'this family'} cannot carry: {', '.join(gone)}")
    yield from findings(now, after, setting.management_port)
    formula = setting.catalogue.formulas.get(setting.subscription.formula)
    limit = None if formula is None else formula.end_users
    users = end_users(after)
    if limit is not None and limit < MOST_END_USERS and limit < users != end_users(now):
        yield Finding(Check.END_USERS, f"DHCP would serve {users} end users; this formula has at most {limit} (§3.5)")


def after_patch(field: str, now: CpeConfig, patch: Mapping[str, Any]) -> CpeConfig:
    """The configuration after ``patch``. Raises ``InputError`` that names ``field`` for what no box can mean, and for
    more end users than a line may have (§3.5)."""

    def make() -> CpeConfig:
        made = changed(now, patch)
        users = end_users(made)
        require(
            users <= max(MOST_END_USERS, end_users(now)),
            f"DHCP would serve {users} end users; a line has at most {MOST_END_USERS} (§3.5)",
        )
        return made

    made: CpeConfig = fitting(field, make)
    return made


def listed(what: Sequence[str], most: int = 3) -> str:
    """``a, b, c and 4 more``."""
    more = len(what) - most
    return ", ".join(what) if more <= 0 else f"{', '.join(what[:most])} and {more} more"
