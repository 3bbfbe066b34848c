"""The neutral model as plain data (what JSON and TOML can say), and back; and a partial change of it.

Names are those of the dataclasses. What is unset is left out going out and may be left out coming in. Ports are a
number or ``"first-last"``; addresses and networks are strings. A change is a merge patch (RFC 7396): what it names is
replaced, ``null`` takes away, lists are replaced whole.

The same reader takes any frozen dataclass of such values (`read_as`): parameters of change requests, for one. What a
field may hold beyond its type is said by its metadata (`BOUNDS`), and whatever does not fit is a `Misfit`, which names
the field.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.model.cpe_mobile import Ports

T = TypeVar("T")
Data = Any
"""Whatever JSON can say."""
_SECRETS: Final = frozenset({"password", "key"})
MASK: Final = "***"
BOUNDS: Final = "bounds"
"""Key of a dataclass field's metadata under which its `Bounds` are."""
# Python's own readers also take masks for prefix lengths, zones, and the digits of every script.
_ADDRESSES: Final[Mapping[Any, re.Pattern[str]]] = {
    IPv4Address: re.compile(r"[0-9.]{7,15}"),
    IPv4Interface: re.compile(r"[0-9.]{7,15}(?:/[0-9]{1,2})?"),
    IPv4Network: re.compile(r"[0-9.]{7,15}(?:/[0-9]{1,2})?"),
    IPv6Address: re.compile(r"[0-9A-Fa-f:.]{2,45}"),
    IPv6Network: re.compile(r"[0-9A-Fa-f:.]{2,45}(?:/[0-9]{1,3})?"),
}
_ADDRESS_WORDS: Final[Mapping[Any, str]] = {
    IPv4Address: "IPv4 address",
    IPv4Interface: "IPv4 address with its prefix length, such as 192.0.2.1/24",
    IPv4Network: "IPv4 network with its prefix length, such as 192.0.2.0/24",
    IPv6Address: "IPv6 address",
    IPv6Network: "IPv6 network with its prefix length, such as 2001:db8::/56",
}
_PORTS: Final = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


class Misfit(InputError):
    """Plain data that cannot be read. ``field`` is the place, ``ports[0].inside``, empty for the whole of it; ``said``
    is what is told behind it. One that a constructor raises names the place within that object."""

    def __init__(self, field: str, said: str) -> None:
        self.field, self.said = field, said
        super().__init__(f"{field}{said}")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a field holds at least and at most: letters of a text, entries of a list, or the number itself. ``check``
    looks at the value that was read and raises ``InputError`` for one that does not do."""

    least: int | None = None
    most: int | None = None
    check: Callable[[Any], None] | None = None


def to_data(config: CpeConfig, *, secrets: bool = True) -> dict[str, Data]:
    """Plain data of a configuration. ``secrets`` False puts a mask in place of every secret, communities included."""
    data: dict[str, Data] = plain(config)
    if not secrets:
        _mask(data)
    return data


def masked(data: Data) -> Data:
    """A copy of plain data of the model, or of a change of it, with a mask in place of every secret."""
    copy = deepcopy(data)
    _mask(copy)
    return copy


def from_data(data: Data) -> CpeConfig:
    """Raises ``InputError`` with the place (``wan.address``) and the reason."""
    config = read_as(CpeConfig, data)
    assert isinstance(config, CpeConfig)
    return config


def read_as(kind: type[T], data: Data, place: str = "") -> T:
    """A value of a frozen dataclass from plain data. Raises ``InputError``, as a rule a `Misfit`."""
    found: T = _in(kind, data, place)
    return found


def changed(config: CpeConfig, patch: Data) -> CpeConfig:
    """The configuration after a merge patch. Raises ``InputError`` as `from_data` does, also for unknown names."""
    if not isinstance(patch, Mapping):
        raise InputError("a change is a set of names and values")
    return from_data(_merged(to_data(config), patch))


def _merged(data: Data, patch: Data) -> Data:
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(data) if isinstance(data, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged


def plain(value: Any) -> Data:
    """Plain data of a value of the model, or of whatever else `read_as` reads."""
    if isinstance(value, Ports):
        return value.first if value.count == 1 else str(value)
    if is_dataclass(value) and not isinstance(value, type):
        # A default that says something ("enabled") goes out too: a reader should not have to know it.
        shown = ((field.name, getattr(value, field.name)) for field in fields(value))
        return {name: plain(each) for name, each in shown if each is not None and each not in ("", ())}
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    if isinstance(value, Enum):
        return value.value
    return value if isinstance(value, bool | int | str) else str(value)


def secrets_of(config: CpeConfig) -> frozenset[str]:
    """Every secret of a configuration."""
    found: set[str] = set()

    def note(secret: str) -> str:
        found.add(secret)
        return secret

    _replace_secrets(to_data(config), note)
    return frozenset(found)


def with_stand_ins(config: CpeConfig, known: Collection[str], stand_in: Callable[[int], str]) -> CpeConfig:
    """The configuration with a stand-in (1, 2, ...) for each secret that is not among ``known``: for showing what would
    be done with it. A stand-in has to be one word of 8 to 32 letters and digits."""
    given: dict[str, str] = {}
    data = to_data(config)
    _replace_secrets(
        data, lambda secret: secret if secret in known else given.setdefault(secret, stand_in(len(given) + 1))
    )
    return from_data(data)


def _mask(data: Data) -> None:
    _replace_secrets(data, lambda _secret: MASK)


def _replace_secrets(data: Data, by: Callable[[str], str], name: str = "") -> None:
    if isinstance(data, list):
        for each in data:
            _replace_secrets(each, by, name)
    elif isinstance(data, dict):
        for key, value in data.items():
            if key in _SECRETS or (name == "communities" and key == "name"):
                data[key] = by(value)
            else:
                _replace_secrets(value, by, key)


def _in(wanted: Any, data: Data, place: str) -> Any:
    options = get_args(wanted) if get_origin(wanted) in (Union, types.UnionType) else (wanted,)
    if data is None:
        if type(None) in options:
            return None
        raise Misfit(place, " is missing" if place else "it is missing")
    kind = next(option for option in options if option is not type(None))
    try:
        return _of_kind(kind, data, place)
    except Misfit:
        raise
    except ValueError as error:
        raise Misfit(place, f": {error}") from error
    except InputError as error:
        if place:
            raise Misfit(place, f": {error}") from error
        raise


def _of_kind(kind: Any, data: Data, place: str) -> Any:
    origin = get_origin(kind)
    if origin is tuple:
        if not isinstance(data, Sequence) or isinstance(data, str):
            raise Misfit(place, " is no list")
        inner = get_args(kind)[0]
        return tuple(_in(inner, each, f"{place}[{index}]") for index, each in enumerate(data))
    if origin is Literal:
        return _one_of(get_args(kind), data, place)
    if kind is Ports:
        return _ports(data, place)
    if is_dataclass(kind):
        return _dataclass(kind, data, place)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(_one_of([member.value for member in kind], data, place))
    if kind in _ADDRESSES:
        return _address(kind, _plain(str, data, place), place)
    return _plain(kind, data, place)


def _plain(kind: type, data: Data, place: str) -> Any:
    # True is an int to Python, and 1 a truth; neither is meant.
    if type(data) is not kind:
        raise Misfit(place, f" is no {({str: 'text', int: 'whole number', bool: 'true or false'})[kind]}")
    return data


def _address(kind: Any, data: str, place: str) -> Any:
    if _ADDRESSES[kind].fullmatch(data) is None:
        raise Misfit(place, f": {shortened(data)} is no {_ADDRESS_WORDS[kind]}")
    found = kind(data)
    inner = found.network_address if isinstance(found, IPv6Network) else found
    if isinstance(inner, IPv6Address) and inner.ipv4_mapped is not None:
        raise Misfit(place, f": {data} is an IPv4 address inside an IPv6 one")
    return found


def _one_of(known: Sequence[str], data: Data, place: str) -> Any:
    if not isinstance(data, str) or data not in known:
        raise Misfit(place, f" is none of {', '.join(known)}")
    return data


def _ports(data: Data, place: str) -> Ports:
    found = None if isinstance(data, bool) else _PORTS.fullmatch(str(data) if isinstance(data, int | str) else "")
    if found is None:
        raise Misfit(place, " is neither a port nor a range of them")
    return Ports(int(found[1]), int(found[2] or found[1]))


def _dataclass(kind: Any, data: Data, place: str) -> Any:
    whole = place or ("the configuration" if kind is CpeConfig else "what is asked for")
    if not isinstance(data, Mapping):
        raise Misfit(place, f"{'' if place else whole} is no set of names and values")
    hints = _hints(kind)
    if unknown := sorted(str(name) for name in data if name not in hints):
        told = ", ".join(map(shortened, unknown[:5]))
        first = shortened(unknown[0])
        known = ", ".join(hints) or "nothing at all"
        raise _unknown(f"{place}.{first}" if place else first, f"{whole} has no {told}; known: {known}")
    given = {}
    for field in fields(kind):
        inner = f"{place}.{field.name}" if place else field.name
        if field.name in data:
            given[field.name] = _field(field, hints[field.name], data[field.name], inner)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise Misfit(inner, " is missing")
    try:
        return kind(**given)
    except Misfit as error:
        if not place:
            raise
        raise Misfit(f"{place}.{error.field}" if error.field else place, error.said) from error


def _unknown(field: str, message: str) -> Misfit:
    error = Misfit("", message)
    error.field = field
    return error


def _field(field: Field[Any], wanted: Any, data: Data, place: str) -> Any:
    bounds: Bounds | None = field.metadata.get(BOUNDS)
    if bounds is None:
        return _in(wanted, data, place)
    # A list is measured before it is read: somebody may send a million entries.
    if isinstance(data, Sequence):
        _measured(bounds, len(data), place, " letters" if isinstance(data, str) else " entries")
    elif type(data) is int:
        _measured(bounds, data, place, "")
    value = _in(wanted, data, place)
    if bounds.check is not None and value is not None:
        try:
            bounds.check(value)
        except InputError as error:
            raise Misfit(place, f": {error}") from error
    return value


def _measured(bounds: Bounds, size: int, place: str, unit: str) -> None:
    if bounds.least is not None and size < bounds.least:
        raise Misfit(place, f": {size}{unit} {'are' if unit else 'is'} fewer than {bounds.least}")
    if bounds.most is not None and size > bounds.most:
        raise Misfit(place, f": {size}{unit} {'are' if unit else 'is'} more than {bounds.most}")


def shortened(text: str) -> str:
    """What somebody sent, fit for a message: short, and without control characters."""
    if len(text) > 40:
        text = f"{text[:40]}..."
    return text if text and text.isprintable() else ascii(text)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def patch_between(old: Data, new: Data) -> dict[str, Data]:
    """The merge patch that makes ``new`` of ``old``, both plain data: `changed` with it gives ``new``."""
    patch: dict[str, Data] = {name: None for name in old if name not in new}
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            if inner := patch_between(before, value):
                patch[name] = inner
        elif value != before:
            patch[name] = value
    return patch
