"""What a value of an inventory file has to be: one small check per kind of value, and the collector of what is wrong.

Every check returns the canonical form or raises ``ValueError`` with a reason that says what to do. Canonical forms
make an import repeatable: the same file read twice gives the same rows.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.families import PLATFORM_PREFIX, unknown_platform
from cpe_manager.domain.fleet.inventory import DEVICE_SETTINGS, GROUP_SETTINGS, Group
from cpe_manager.domain.push.push_windows import freezes_of, windows_of

T = TypeVar("T")
V = TypeVar("V")

MAX_PROBLEMS: Final = 1000
"""Problems kept; a file with more of them is wrong as a whole and gains nothing from a longer list."""

SETTING_RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "connect_timeout": (1, 600),
    "command_timeout": (1, 3600),
    "session_timeout": (1, 7200),
    "backup_target_hours": (1, 8784),
    "max_attempts": (1, 20),
    "shrink_ratio": (0, 1),
    "snmp_port": (1, 65535),
    "snmp_timeout": (0.1, 60),
}
"""Lowest and highest value, both allowed; units as in ``DeviceSettings``."""

WHOLE_SETTINGS: Final = frozenset({"max_attempts", "snmp_port"})
FLAG_SETTINGS: Final = frozenset({"legacy_crypto", "allow_telnet"})
CHOICE_SETTINGS: Final[Mapping[str, tuple[str, ...]]] = {"transport": ("ssh", "telnet")}
TEXT_SETTINGS: Final[Mapping[str, Callable[[str], object]]] = {"push_windows": windows_of, "push_freezes": freezes_of}
"""Settings with a little language of their own, and what reads it: raises ``ValueError``."""
Bearer = Literal["device", "group"]
"""Whose settings they are."""
_YES: Final = frozenset({"true", "yes", "on", "1"})
_NO: Final = frozenset({"false", "no", "off", "0"})
OPTION_PREFIX: Final = "options."
_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_ID_SHAPED: Final = re.compile(r"[0-9a-f]{32}")
_OPTION_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and where; ``line`` counts from 1."""

    reason: str
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        return f"{place}: {self.reason}" if place else self.reason


class ImportErrors(InputError):
    """Everything that is wrong with an import; as an ``InputError`` it shows the first of it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        first, more = self.problems[0], len(self.problems) - 1
        tail = f" (and {more} more)" if more else ""
        super().__init__(first.reason + tail, file=first.file, line=first.line)


@dataclass(frozen=True, slots=True)
class PlacedGroup(Group):
    """A group as some file says it should be, with its place."""

    file: str | None = None
    line: int | None = None

    def plain(self) -> Group:
        """The group without its place, as it is stored."""
        return Group(self.name, self.parent, self.family, self.credential, self.port, self.settings)


@dataclass(frozen=True, slots=True)
class Known:
    """The names that a document may refer to."""

    families: frozenset[str]
    credentials: frozenset[str]
    platforms: frozenset[str] = frozenset()
    """Families of the long tail, ``netmiko:...``; too many to be listed in a message."""

    def family(self, name: str) -> str:
        if name.startswith(PLATFORM_PREFIX) and self.platforms:
            if name not in self.platforms:
                raise ValueError(unknown_platform(name, self.platforms))
            return name
        more = f", and {PLATFORM_PREFIX}<device type of netmiko>" if self.platforms else ""
        return _one_of(name, self.families, "has no driver", more)

    def credential(self, name: str) -> str:
        return _one_of(name, self.credentials, "is not in the credentials file; add it there first")


MOST_KNOWN_SHOWN: Final = 10
"""Names offered in a message; a fleet can have a credential for each device."""


def _one_of(name: str, known: frozenset[str], otherwise: str, others: str = "") -> str:
    if name not in known:
        shown = ", ".join(sorted(known)[:MOST_KNOWN_SHOWN]) or "none"
        more = f" and {len(known) - MOST_KNOWN_SHOWN} more" if len(known) > MOST_KNOWN_SHOWN else ""
        raise ValueError(f"{name!r} {otherwise}; known: {shown}{more}{others}")
    return name


@dataclass(slots=True)
class Problems:
    """Collects problems, so that a file is corrected in one go instead of one error at a time."""

    found: list[Problem] = field(default_factory=list)

    def add(self, reason: str, *, file: str | None = None, line: int | None = None) -> None:
        if len(self.found) < MAX_PROBLEMS:
            self.found.append(Problem(reason, file, line))

    def attempt(
        self, check: Callable[[V], T], value: V, *, what: str, file: str | None = None, line: int | None = None
    ) -> T | None:
        """The checked value, or None with the reason noted under ``what``."""
        try:
            return check(value)
        except ValueError as error:
            self.add(f"{what}: {error}", file=file, line=line)
            return None

    def raise_if_any(self) -> None:
        """Raise ``ImportErrors`` with all that was found, in the order of files and lines."""
        if self.found:
            raise ImportErrors(sorted(self.found, key=lambda p: (p.file or "", p.line or 0)))


def device_name(text: str) -> str:
    """A name that fits a shell word, a file name and an address bar; also used for groups."""
    if not text:
        raise ValueError("is empty; give one")
    if len(text) > 128:
        raise ValueError("is longer than 128 characters; shorten it")
    if any(c.isspace() or not c.isprintable() or c in "/\\" for c in text):
        raise ValueError(f"{text!r} has spaces, slashes or control characters; take them out")
    if text[0] in ".-":
        raise ValueError(f"{text!r} starts with {text[0]!r}; start it with a letter or digit")
    if _ID_SHAPED.fullmatch(text):
        raise ValueError(f"{text!r} looks like an identifier of ours; choose another name")
    return text


def label(text: str) -> str:
    """Text for people, such as a site's name: printable, spaces inside allowed."""
    stripped = text.strip()
    if not stripped:
        raise ValueError("is empty; give one")
    if len(stripped) > 200:
        raise ValueError("is longer than 200 characters; shorten it")
    if not stripped.isprintable():
        raise ValueError(f"{stripped!r} has control characters; take them out")
    return stripped


def address(text: str) -> str:
    """An IPv4 or IPv6 address or a host name, in canonical form."""
    bare = text.strip()
    if bare.startswith("[") and bare.endswith("]"):
        bare = bare[1:-1]
    try:
        ip = ipaddress.ip_address(bare)
    except ValueError:
        return _host_name(bare)
    if ip.is_unspecified or ip.is_multicast:
        raise ValueError(f"{bare!r} is not the address of one device")
    return str(ip)


def _host_name(text: str) -> str:
    name = text.rstrip(".").lower()
    labels = name.split(".")
    if not name or len(name) > 253 or not all(_LABEL.fullmatch(part) for part in labels) or labels[-1].isdigit():
        raise ValueError(f"{text!r} is no IPv4 address, IPv6 address or host name")
    return name


def port(value: object) -> int:
    """A TCP port, from a number or its text."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,5}", value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535:
        raise ValueError(f"{value!r} is not a port; use a whole number from 1 to 65535")
    return value


def setting(name: str, value: object, of: Bearer = "device") -> float | int | str:
    """A setting's value in its own type. ``options.<key>`` takes any text; most of the rest are numbers in a range.

    Some settings belong to devices alone, others to groups alone (``of``): what makes a session insecure is decided
    for each device by name, and where Telnet may be spoken at all by whoever looks after the group.
    """
    if name.startswith(OPTION_PREFIX):
        return _option(name, value)
    if name in (GROUP_SETTINGS if of == "device" else DEVICE_SETTINGS):
        other = "group" if of == "device" else "device"
        raise ValueError(f"belongs to a {other}, not to a {of}; set it there")
    if name in FLAG_SETTINGS:
        return _flag(value)
    if name in CHOICE_SETTINGS:
        return _choice(value, CHOICE_SETTINGS[name])
    if name in TEXT_SETTINGS:
        return _text(value, TEXT_SETTINGS[name])
    if name not in SETTING_RANGES:
        known = ", ".join(sorted((*SETTING_RANGES, *FLAG_SETTINGS, *CHOICE_SETTINGS, *TEXT_SETTINGS)))
        raise ValueError(f"there is no such setting; known: {known}, and {OPTION_PREFIX}<key>")
    low, high = SETTING_RANGES[name]
    number = _number(value)
    if not low <= number <= high:
        raise ValueError(f"{value!r} is out of range; use {low:g} to {high:g}")
    if name not in WHOLE_SETTINGS:
        return number
    if not number.is_integer():
        raise ValueError(f"{value!r} is not a whole number")
    return int(number)


def _flag(value: object) -> bool:
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    if word not in _YES | _NO:
        raise ValueError(f"{value!r} is neither yes nor no")
    return word in _YES


def _text(value: object, reads: Callable[[str], object]) -> str:
    text = " ".join(value.split()) if isinstance(value, str) else ""
    if not isinstance(value, str) or len(text) > 500:
        raise ValueError("is no text of at most 500 characters")
    reads(text)
    return text


def _choice(value: object, known: tuple[str, ...]) -> str:
    word = value.strip().lower() if isinstance(value, str) else ""
    if word not in known:
        raise ValueError(f"{value!r} is unknown; use {' or '.join(known)}")
    return word


def _number(value: object) -> float:
    number = math.nan
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        with suppress(ValueError, OverflowError):
            number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not a number")
    return number


def _option(name: str, value: object) -> str:
    if not _OPTION_KEY.fullmatch(name.removeprefix(OPTION_PREFIX)):
        raise ValueError(f"use {OPTION_PREFIX}<key>, the key of letters, digits, - and _")
    text = str(value) if isinstance(value, int | float | str) else "\0"
    text = text.lower() if isinstance(value, bool) else text
    if not text.isprintable() or len(text) > 500:
        raise ValueError("is not a line of at most 500 printable characters")
    return text


def settings(given: Mapping[str, Any], note: Callable[[str], None], of: Bearer = "device") -> dict[str, Any]:
    """The settings that pass, the others noted. None and '' become None: back to what is inherited."""
    checked: dict[str, Any] = {}
    for name, value in given.items():
        try:
            checked[name] = None if value is None or value == "" else setting(name, value, of)
        except ValueError as error:
            note(f"setting {name}: {error}")
    return checked
