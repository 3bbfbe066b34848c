"""Reads the catalogues' TOML strictly: all that is wrong is told at once, each with file, line and reason."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from cpe_manager.domain.changes.entries import EntryTerms
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.import_rules import Problems
from cpe_manager.domain.fleet.inventory import LineKind
from cpe_manager.domain.push.push_windows import windows_of
from cpe_manager.domain.subscription.catalogue import (
    COMPONENTS,
    CatalogueComponent,
    Formula,
    ServiceCatalogue,
    Speed,
    Terms,
    Volume,
)
from cpe_manager.domain.subscription.entitlement import NEEDS
from cpe_manager.kit.toml_places import Places, places

Where = tuple[str, ...]
Table = Mapping[str, Any]

BASE: Final = "base"
"""In a table of speeds: without any option."""
_PLACE: Final = re.compile(r"\(at line (\d+)")
_NAME: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_SECTION: Final = re.compile(r"§\d+(?:\.\d+)*")
_SPEED: Final = re.compile(r"(\d{1,6})/(\d{1,6})")
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_LONGEST_NAME: Final = 64
_LONGEST: Final = 300
_MOST_DAYS: Final = 366
_WORDS: Final[Mapping[type, str]] = {
    str: "text in quotes", int: "a whole number", bool: "true or false", list: "a list in brackets", dict: "a table",
    date: "a date such as 2018-01-15",
}  # fmt: skip
_RULES: Final = ("reserved_ports", "change_window", "holidays", "free_days", "installation_days", "rush_days")


def read_service(text: str, file: str) -> ServiceCatalogue:
    """Of version 0: it was not taken yet. Raises ``ImportErrors`` (an ``InputError``)."""
    reader = _Reader.of(text, file)
    top = reader.keys(reader.document, (), {*_RULES, "port_presets", "components", "formulas"})
    components = _components(reader, reader.table(top, (), "components"))
    formulas = _formulas(reader, reader.table(top, (), "formulas"), components)
    catalogue = ServiceCatalogue(
        version=0,
        components=components,
        formulas=formulas,
        reserved_ports=frozenset(reader.ports(top, (), "reserved_ports")),
        port_presets=_presets(reader, reader.table(top, (), "port_presets", {})),
        change_window=reader.windows(top, (), "change_window"),
        holidays=reader.text(top, (), "holidays", "", fits=_COUNTRY, like="a country in two letters, such as BE"),
        free_days=reader.number(top, (), "free_days", 7, most=_MOST_DAYS),
        installation_days=reader.number(top, (), "installation_days", 20, least=1, most=_MOST_DAYS),
        rush_days=reader.number(top, (), "rush_days", 2, least=1, most=_MOST_DAYS),
    )
    reader.problems.raise_if_any()
    return catalogue


def read_entries(text: str, file: str, types: Collection[str]) -> dict[str, EntryTerms]:
    """The change catalogue. ``types``: those that there is a class for. Raises ``ImportErrors``."""
    reader = _Reader.of(text, file)
    top = reader.keys(reader.document, (), {"entries"})
    entries = reader.table(top, (), "entries")
    found = {name: _entry(reader, entries, name, types) for name in entries}
    reader.problems.raise_if_any()
    return {name: one for name, one in found.items() if one is not None}


def _components(reader: _Reader, tables: Table) -> dict[str, CatalogueComponent]:
    for missing in sorted(COMPONENTS - set(tables)):
        reader.wrong(("components",), f"there is no component {missing}; every catalogue has it")
    return {name: _component(reader, tables, name) for name in tables}


def _component(reader: _Reader, tables: Table, name: str) -> CatalogueComponent:
    path = ("components", name)
    reader.name(path)
    table = reader.table(tables, ("components",), name)
    reader.keys(table, path, {"title", "section", "by_use", "technologies", "closed_since"})
    every = [kind.value for kind in LineKind]
    technologies = reader.words(table, path, "technologies", every, of=every)
    return CatalogueComponent(
        id=name,
        title=reader.text(table, path, "title"),
        section=reader.section(table, path),
        by_use=reader.given(table, path, "by_use", bool, default=False),
        technologies=frozenset(LineKind(one) for one in technologies),
        closed_since=reader.given(table, path, "closed_since", date, default=None),
    )


def _formulas(
    reader: _Reader, tables: Table, components: Mapping[str, CatalogueComponent]
) -> dict[str, Formula]:  # fmt: skip
    if not tables:
        reader.wrong(("formulas",), "there is no formula")
    return {name: _formula(reader, tables, name, components) for name in tables}


def _formula(reader: _Reader, tables: Table, name: str, components: Mapping[str, CatalogueComponent]) -> Formula:
    path = ("formulas", name)
    reader.name(path)
    table = reader.table(tables, ("formulas",), name)
    known = {"titles", "terms", "speeds", "volume", "end_users", "mailboxes", "router", "incident_schedule"}
    reader.keys(table, path, known)
    titles = reader.by_technology(reader.table(table, path, "titles"), (*path, "titles"), reader.text)
    if not titles:
        reader.wrong((*path, "titles"), "it is sold on no technology; name copper, fibre or both")
    terms = _terms(reader, reader.table(table, path, "terms"), (*path, "terms"), components)
    volume = reader.table(table, path, "volume", {})
    reader.keys(volume, (*path, "volume"), {"gigabytes", "above"})
    gigabytes = reader.number(volume, (*path, "volume"), "gigabytes", 0, least=1) if "gigabytes" in volume else None
    users = reader.number(table, path, "end_users", 0, least=1, most=65_534) if "end_users" in table else None
    return Formula(
        id=name,
        titles=titles,
        terms=terms,
        speeds=_speeds(reader, reader.table(table, path, "speeds"), (*path, "speeds"), _Sold(titles, terms)),
        volume=Volume(gigabytes, reader.text(volume, (*path, "volume"), "above", "")),
        end_users=users,
        mailboxes=reader.number(table, path, "mailboxes", 0, most=10_000),
        router=reader.given(table, path, "router", bool, default=True),
        incident_schedule=reader.windows(table, path, "incident_schedule"),
    )


@dataclass(frozen=True, slots=True)
class _Sold:
    """What the speeds of a formula have to agree with."""

    titles: Mapping[LineKind, str]
    terms: Mapping[str, Terms]


def _terms(
    reader: _Reader, table: Table, path: Where, components: Mapping[str, CatalogueComponent]
) -> dict[str, Terms]:  # fmt: skip
    for missing in sorted(set(components) - set(table)):
        reader.wrong(path, f'says nothing of {missing}; write STD, OPT or "-"')
    found: dict[str, Terms] = {}
    words = [one.value for one in Terms]
    for name, word in table.items():
        if name not in components:
            reader.wrong((*path, name), f"there is no component {name}")
        elif word not in words:
            reader.wrong((*path, name), f"is one of {', '.join(words)}, not {word!r}")
        else:
            found[name] = Terms(word)
    return found


def _speeds(
    reader: _Reader, tables: Table, path: Where, sold: _Sold
) -> dict[LineKind, dict[str, Speed]]:  # fmt: skip
    def read(parent: Table, at: Where, kind: str) -> dict[str, Speed]:
        table = reader.table(parent, at, kind)
        here = (*at, kind)
        if BASE not in table:
            reader.wrong(here, f"has no {BASE}: the speed without any option")
        found: dict[str, Speed] = {}
        for option in table:
            if option != BASE and sold.terms.get(option) is not Terms.OPTION:
                reader.wrong((*here, option), f"{option} is no option of this formula")
            found["" if option == BASE else option] = reader.speed(table, here, option)
        return found

    speeds = reader.by_technology(tables, path, read)
    for kind in sold.titles:
        if kind not in speeds:
            reader.wrong(path, f"there is no speed on {kind}")
    for kind in speeds:
        if kind not in sold.titles:
            reader.wrong((*path, kind.value), f"the formula is not sold on {kind}: it has no title there")
    return speeds


def _presets(reader: _Reader, table: Table) -> dict[str, tuple[int, ...]]:
    for name in table:
        reader.name(("port_presets", name))
    return {name: tuple(reader.ports(table, ("port_presets",), name)) for name in table}


def _entry(reader: _Reader, tables: Table, name: str, types: Collection[str]) -> EntryTerms | None:
    path = ("entries", name)
    if name not in types:
        reader.wrong(path, f"there is no change of that type; types: {', '.join(sorted(types))}")
        return None
    table = reader.table(tables, ("entries",), name)
    reader.keys(table, path, {"version", "title", "section", "components", "standard", "fee", "enabled"})
    components = reader.words(table, path, "components", None, of=sorted(COMPONENTS))
    for needed in NEEDS.get(name, ()):
        if needed not in components:
            reader.wrong((*path, "components"), f"{needed} is missing: {name} needs it by its nature")
    return EntryTerms(
        type=name,
        version=reader.number(table, path, "version", None, least=1),
        title=reader.text(table, path, "title"),
        section=reader.section(table, path),
        components=tuple(components),
        standard=reader.given(table, path, "standard", bool, default=True),
        fee=reader.given(table, path, "fee", bool, default=True),
        enabled=reader.given(table, path, "enabled", bool, default=True),
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Takes values out of tables, and notes what is wrong with them; what it gives then stands in for the value, and is
    used by nobody, since a document with problems is refused."""

    file: str
    document: Table
    places: Places
    problems: Problems = field(default_factory=Problems)

    @classmethod
    def of(cls, text: str, file: str) -> _Reader:
        """Raises ``InputError`` for what is no TOML."""
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            place = _PLACE.search(str(error))
            line = int(place[1]) if place else len(text.splitlines())
            raise InputError(f"not valid TOML: {error}", file=file, line=line) from None
        except RecursionError:
            raise InputError("not valid TOML: nested too deeply", file=file) from None
        return cls(file, document, places(text))

    def wrong(self, path: Where, reason: str) -> None:
        where = f"{'.'.join(path)}: " if path else ""
        self.problems.add(f"{where}{reason}", file=self.file, line=self.places.line(path))

    def keys(self, table: Table, path: Where, known: Collection[str]) -> Table:
        for key in table:
            if key not in known:
                self.wrong((*path, key), f"is unknown; known: {', '.join(sorted(known))}")
        return table

    def name(self, path: Where) -> None:
        if not _NAME.fullmatch(path[-1]) or len(path[-1]) > _LONGEST_NAME:
            self.wrong(path, f"is no name: small letters, digits and single dashes, {_LONGEST_NAME} at most")

    def given(self, table: Table, path: Where, key: str, kind: type, *, default: Any = ...) -> Any:
        """``default`` left out: it has to be there."""
        if key not in table:
            if default is ...:
                self.wrong(path, f"has no {key}")
                return kind() if kind is not date else None
            return default
        value = table[key]
        # A bool is an int, and a datetime is a date, to Python alone.
        if type(value) is not kind or isinstance(value, datetime):
            self.wrong((*path, key), f"is {_WORDS[kind]}, not {_short(value)}")
            return kind() if kind is not date else None
        return value

    def table(self, table: Table, path: Where, key: str, default: Any = ...) -> Table:
        found: Table = self.given(table, path, key, dict, default=default)
        return found

    def text(
        self, table: Table, path: Where, key: str, default: Any = ..., *,
        fits: re.Pattern[str] | None = None, like: str = "",
    ) -> str:  # fmt: skip
        found = str(self.given(table, path, key, str, default=default))
        if key not in table:
            return found
        if not found.strip() or len(found) > _LONGEST or not found.isprintable():
            self.wrong((*path, key), f"is empty, longer than {_LONGEST} characters, or holds what cannot be printed")
        elif fits is not None and not fits.fullmatch(found):
            self.wrong((*path, key), f"is {like}, not {_short(found)}")
        return found

    def section(self, table: Table, path: Where) -> str:
        return self.text(table, path, "section", fits=_SECTION, like="a section such as §5.2.2.1")

    def windows(self, table: Table, path: Where, key: str) -> str:
        found = self.text(table, path, key, "")
        try:
            windows_of(found)
        except ValueError as error:
            self.wrong((*path, key), str(error))
        return found

    def number(
        self, table: Table, path: Where, key: str, default: int | None, *, least: int = 0, most: int = 10**9
    ) -> int:
        found = int(self.given(table, path, key, int, default=... if default is None else default))
        if key in table and type(table[key]) is int and not least <= found <= most:
            self.wrong((*path, key), f"is from {least} to {most}, not {found}")
        return found

    def ports(self, table: Table, path: Where, key: str) -> list[int]:
        found = self.given(table, path, key, list)
        for port in found:
            if type(port) is not int or not 1 <= port <= 65_535:
                self.wrong((*path, key), f"has ports from 1 to 65535, not {_short(port)}")
                return []
        if len(set(found)) != len(found):
            self.wrong((*path, key), "names a port twice")
        return list(found)

    def words(
        self, table: Table, path: Where, key: str, default: Sequence[str] | None, *, of: Sequence[str]
    ) -> Sequence[str]:
        found: list[Any] = self.given(table, path, key, list, default=... if default is None else list(default))
        strange = [one for one in found if not isinstance(one, str) or one not in of]
        if strange or not found or len(set(found)) != len(found):
            what = f"not {_short(strange[0])}" if strange else "each once"
            self.wrong((*path, key), f"has one or more of {', '.join(of)}, {what}")
            return []
        return found

    def speed(self, table: Table, path: Where, key: str) -> Speed:
        like = "down/up in Mbps, such as 100/40"
        found = _SPEED.fullmatch(self.text(table, path, key, fits=_SPEED, like=like))
        down, up = (int(found[1]), int(found[2])) if found else (1, 1)
        if not down or not up:
            self.wrong((*path, key), f"is {like}, and neither of them 0")
        return Speed(down, up)

    def by_technology(
        self, table: Table, path: Where, read: Callable[[Table, Where, str], Any]
    ) -> dict[LineKind, Any]:  # fmt: skip
        known = {kind.value for kind in LineKind}
        self.keys(table, path, known)
        return {LineKind(key): read(table, path, key) for key in table if key in known}


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
