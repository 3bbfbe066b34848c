"""What people say of a subscription, checked strictly against the catalogue: from JSON or from the text of a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet import import_rules as rules
from cpe_manager.domain.fleet.inventory import LineKind
from cpe_manager.domain.push.push_windows import PLACE
from cpe_manager.domain.subscription.catalogue import CatalogueComponent, Formula, ServiceCatalogue, Terms
from cpe_manager.domain.subscription.subscriptions import Representative, Subscription

SETTABLE: Final = ("customer", "formula", "technology", "options", "activated_at", "representatives", "language")
NEEDED: Final = ("customer", "formula", "technology")
"""What a subscription cannot be without."""
LANGUAGES: Final = ("en", "nl", "fr")
"""Those that customers are written to in."""
MOST_REPRESENTATIVES: Final = 20
MOST_OPTIONS: Final = 100
_EMAIL: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?=.{1,253}$)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_NAMED: Final = re.compile(r"(.*?)<([^<>]*)>")
_AHEAD: Final = timedelta(days=1)
"""An activation may be dated today in a zone that is ahead; not further."""


def subscription_of(
    values: Mapping[str, object], base: Subscription | None, catalogue: ServiceCatalogue, now: datetime
) -> Subscription:
    """``base`` with what is given (None: a new one, which needs customer, formula and technology). Empty text or None
    takes a value away. Site and revision are the caller's.

    Raises ``InputError``, which names the field, and says what the catalogue has instead.
    """
    if unknown := sorted(set(values) - set(SETTABLE)):
        raise InputError(f"a subscription has no {', '.join(unknown)}; it has {', '.join(SETTABLE)}")
    if base is None:
        if missing := [name for name in NEEDED if not values.get(name)]:
            raise InputError(f"{', '.join(missing)} of a new subscription: missing")
        base = Subscription("", "", "", "", LineKind.COPPER)
    changed = {name: _READ[name](values[name]) for name in SETTABLE if name in values}
    made = replace(base, **changed, catalogue_version=catalogue.version)
    _check_formula(made, catalogue, before=base.options)
    if made.activated_at is not None and made.activated_at > now + _AHEAD:
        raise InputError(f"activated_at: {made.activated_at:%Y-%m-%d %H:%M} UTC is yet to come")
    return made


def _check_formula(made: Subscription, catalogue: ServiceCatalogue, *, before: frozenset[str]) -> None:
    formula = catalogue.formulas.get(made.formula)
    if formula is None:
        raise InputError(
            f"formula: there is no {made.formula!r}; the catalogue has {', '.join(catalogue.formulas)} (§2)"
        )
    if made.technology not in formula.titles:
        raise InputError(f"technology: {made.formula} is not sold on {made.technology} (§2)")
    title = formula.titles[made.technology]
    for name in sorted(made.options):
        component = catalogue.components.get(name)
        if component is None:
            raise InputError(f"options: there is no {name!r}; {title} has {_options(formula, made, catalogue)}")
        if why := _not_an_option(formula, component, made, before):
            raise InputError(f"options: {name} {why} ({component.section}); {_options(formula, made, catalogue)}")
    boosts = [name for name in sorted(made.options) if name in formula.speeds.get(made.technology, {})]
    if len(boosts) > 1:
        raise InputError(f"options: {' and '.join(boosts)} both set the speed of the line; one of them can be had")


def _not_an_option(
    formula: Formula, component: CatalogueComponent, made: Subscription, before: frozenset[str]
) -> str:  # fmt: skip
    """Why a component cannot be ordered; empty when it can."""
    title = formula.titles[made.technology]
    if made.technology not in component.technologies:
        return f"does not exist on {made.technology}"
    terms = formula.terms.get(component.id, Terms.NONE)
    if terms is not Terms.OPTION:
        return f"is part of {title} as it is" if terms is Terms.STANDARD else f"cannot be had with {title}"
    closed = component.closed_since
    if closed is not None and component.id not in before:
        since = made.activated_at
        if since is None or since.astimezone(ZoneInfo(PLACE)).date() >= closed:
            return f"is closed to new lines since {closed:%Y-%m-%d}"
    return ""


def _options(formula: Formula, made: Subscription, catalogue: ServiceCatalogue) -> str:
    offered = [
        name
        for name, component in catalogue.components.items()
        if not _not_an_option(formula, component, made, frozenset())
    ]
    return f"options are {', '.join(offered)}" if offered else "it has no options"


def _customer(value: object) -> str:
    return _label("customer", value)


def _label(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InputError(f"{name}: is a text, not {_short(value)}")
    try:
        return rules.label(value)
    except ValueError as error:
        raise InputError(f"{name}: {error}") from None


def _formula(value: object) -> str:
    return _label("formula", value)


def _technology(value: object) -> LineKind:
    word = value.strip().lower() if isinstance(value, str) else ""
    if word not in {kind.value for kind in LineKind}:
        raise InputError(f"technology: is {' or '.join(LineKind)}, not {_short(value)}")
    return LineKind(word)


def _option_names(value: object) -> frozenset[str]:
    """A list, or words with spaces, commas or semicolons between them."""
    if value is None:
        return frozenset()
    words = [word for word in re.split(r"[\s,;|]+", value) if word] if isinstance(value, str) else value
    if not isinstance(words, list | tuple | set | frozenset) or not all(isinstance(word, str) for word in words):
        raise InputError(f"options: is a list of names, not {_short(value)}")
    if len(words) > MOST_OPTIONS:
        raise InputError(f"options: has {len(words)} names; {MOST_OPTIONS} at most")
    return frozenset(words)


def _activated(value: object) -> datetime | None:
    """With a time zone; a date alone is its midnight in Brussels."""
    if value is None or value == "":
        return None
    found: datetime | None = value if isinstance(value, datetime) else None
    if isinstance(value, str):
        text = value.strip()
        try:
            found = datetime.fromisoformat(text)
            if len(text) == len("2026-01-31"):
                found = datetime.combine(date.fromisoformat(text), time(), ZoneInfo(PLACE))
        except ValueError:
            found = None
    if found is None:
        raise InputError(f"activated_at: is a date or a time such as 2026-01-31T09:00:00Z, not {_short(value)}")
    if found.tzinfo is None:
        raise InputError("activated_at: has no time zone; write 2026-01-31T09:00:00Z or +01:00")
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise InputError("activated_at: is of no time that a calendar has") from None


def _representatives(value: object) -> tuple[Representative, ...]:
    """A list of names and addresses, or text: ``An Peeters <an@customer.example>; Bo <bo@customer.example>``."""
    if value is None:
        return ()
    if isinstance(value, str):
        given: list[Any] = [_named(part) for part in value.split(";") if part.strip()]
    elif isinstance(value, list | tuple):
        given = list(value)
    else:
        raise InputError(f"representatives: is a list, not {_short(value)}")
    if len(given) > MOST_REPRESENTATIVES:
        raise InputError(f"representatives: has {len(given)}; {MOST_REPRESENTATIVES} at most")
    found = [_representative(one) for one in given]
    emails = [one.email.casefold() for one in found]
    if twice := sorted({email for email in emails if emails.count(email) > 1}):
        raise InputError(f"representatives: {twice[0]} is there twice")
    return tuple(found)


def _named(text: str) -> dict[str, str]:
    found = _NAMED.fullmatch(text.strip())
    if found is None:
        raise InputError(f"representatives: {text.strip()!r} is not written as Name <mail@address>")
    return {"name": found[1].strip(), "email": found[2].strip()}


def _representative(value: object) -> Representative:
    if isinstance(value, Representative):
        value = {"name": value.name, "email": value.email}
    if not isinstance(value, Mapping) or set(value) != {"name", "email"}:
        raise InputError("representatives: each has a name and an email, and nothing else")
    email = value["email"]
    if not isinstance(email, str) or not _EMAIL.fullmatch(email):
        raise InputError(f"representatives: {_short(email)} is no mail address")
    return Representative(_label("representatives", value["name"]), email)


def _language(value: object) -> str:
    if value is None or value == "":
        return LANGUAGES[0]
    if value not in LANGUAGES:
        raise InputError(f"language: is one of {', '.join(LANGUAGES)}, not {_short(value)}")
    return str(value)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


_READ: Final[Mapping[str, Callable[[object], Any]]] = {
    "customer": _customer,
    "formula": _formula,
    "technology": _technology,
    "options": _option_names,
    "activated_at": _activated,
    "representatives": _representatives,
    "language": _language,
}
