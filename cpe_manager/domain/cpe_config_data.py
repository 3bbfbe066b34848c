"""The neutral model as plain data (what JSON and TOML can say), and back; and a partial change of it.

Names are those of the dataclasses. What is unset is left out going out and may be left out coming in. Ports are a
number or ``"first-last"``; addresses and networks are strings. A change is a merge patch (RFC 7396): what it names is
replaced, ``null`` takes away, lists are replaced whole.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from cpe_manager.domain.cpe_config import CpeConfig
from cpe_manager.domain.cpe_mobile import Ports
from cpe_manager.domain.errors import InputError

T = TypeVar("T")
Data = Any
"""Whatever JSON can say."""
_SECRETS: Final = frozenset({"password", "key"})
MASK: Final = "***"
_ADDRESSES: Final[tuple[Callable[[str], Any], ...]] = (
    IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network,
)  # fmt: skip


def to_data(config: CpeConfig, *, secrets: bool = True) -> dict[str, Data]:
    """Plain data of a configuration. ``secrets`` False puts a mask in place of every secret, communities included."""
    data: dict[str, Data] = _out(config)
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
    config = _in(CpeConfig, data, "")
    assert isinstance(config, CpeConfig)
    return config


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


def _out(value: Any) -> Data:
    if isinstance(value, Ports):
        return value.first if value.count == 1 else str(value)
    if is_dataclass(value) and not isinstance(value, type):
        # A default that says something ("enabled") goes out too: a reader should not have to know it.
        shown = ((field.name, getattr(value, field.name)) for field in fields(value))
        return {name: _out(each) for name, each in shown if each is not None and each not in ("", ())}
    if isinstance(value, tuple):
        return [_out(each) for each in value]
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
        raise InputError(f"{place or 'it'} is missing")
    kind = next(option for option in options if option is not type(None))
    try:
        return _of_kind(kind, data, place)
    except InputError as error:
        if place and not str(error).startswith(place):
            raise InputError(f"{place}: {error}") from error
        raise
    except ValueError as error:
        raise InputError(f"{place}: {error}") from error


def _of_kind(kind: Any, data: Data, place: str) -> Any:
    origin = get_origin(kind)
    if origin is tuple:
        if not isinstance(data, Sequence) or isinstance(data, str):
            raise InputError(f"{place} is no list")
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
        return kind(_plain(str, data, place))
    return _plain(kind, data, place)


def _plain(kind: type, data: Data, place: str) -> Any:
    # True is an int to Python, and 1 a truth; neither is meant.
    if type(data) is not kind:
        raise InputError(f"{place} is no {({str: 'text', int: 'whole number', bool: 'true or false'})[kind]}")
    return data


def _one_of(known: Sequence[str], data: Data, place: str) -> Any:
    if data not in known:
        raise InputError(f"{place} is none of {', '.join(known)}")
    return data


def _ports(data: Data, place: str) -> Ports:
    first, dash, last = str(data).partition("-")
    if isinstance(data, bool) or not first.isdecimal() or (dash and not last.isdecimal()):
        raise InputError(f"{place} is neither a port nor a range of them")
    return Ports(int(first), int(last or first))


def _dataclass(kind: Any, data: Data, place: str) -> Any:
    if not isinstance(data, Mapping):
        raise InputError(f"{place or 'the configuration'} is no set of names and values")
    hints = _hints(kind)
    if unknown := sorted(str(name) for name in data if name not in hints):
        raise InputError(f"{place or 'the configuration'} has no {', '.join(unknown)}; known: {', '.join(hints)}")
    given = {}
    for field in fields(kind):
        inner = f"{place}.{field.name}" if place else field.name
        if field.name in data:
            given[field.name] = _in(hints[field.name], data[field.name], inner)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise InputError(f"{inner} is missing")
    return kind(**given)


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


def value_of(kind: type[T], data: Data, place: str = "") -> T:
    """A dataclass whose fields are of the model's kinds, out of plain data. Raises ``InputError`` as `from_data` does,
    with ``place`` in front."""
    found: T = _in(kind, data, place)
    return found


def data_of(value: Any) -> Data:
    """Plain data of such a dataclass, secrets included; `masked` takes them out."""
    return _out(value)
