"""Probes: what has to hold after a change besides that it was made, or it is taken back.

Written ``tcp:HOST:PORT`` (a connection from here, ``[...]`` round an IPv6 address), ``ping:ADDRESS`` (an echo that the
device itself gets back) and ``config:PART=VALUE`` (a value of the neutral model, as JSON or else as text, after the
change). No probe can carry a secret: it is stored and shown as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Interface, ip_address
from typing import Any, Final, Literal

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.model.cpe_config_data import to_data

MOST: Final = 20
"""Probes of one push: they run while the device waits to be confirmed."""
_TCP: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})")
_PART: Final = re.compile(r"[a-z][a-z0-9_]*(?:\.(?:[a-z][a-z0-9_]*|\d+))*")
_SECRET: Final = frozenset({"password", "key", "communities"})
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Probe:
    """``target``: a host, an address, or a part of the model; ``port`` belongs to tcp, ``value`` to config."""

    kind: Literal["tcp", "ping", "config"]
    target: str
    port: int = 0
    value: Any = None

    def __str__(self) -> str:
        if self.kind == "tcp":
            host = f"[{self.target}]" if ":" in self.target else self.target
            return f"tcp:{host}:{self.port}"
        if self.kind == "ping":
            return f"ping:{self.target}"
        return f"config:{self.target}={json.dumps(self.value, ensure_ascii=False, separators=(',', ':'))}"

    @classmethod
    def parse(cls, text: str) -> Probe:
        """Raises ``InputError``."""
        kind, _, rest = text.strip().partition(":")
        if kind == "tcp" and (found := _TCP.fullmatch(rest)) is not None:
            port = int(found[3])
            if 1 <= port <= 65535:
                return cls("tcp", found[1] or found[2], port)
        elif kind == "ping":
            try:
                return cls("ping", str(ip_address(rest)))
            except ValueError:
                pass
        elif kind == "config" and (split := rest.partition("="))[1]:
            return cls._of_config(split[0], split[2], text)
        raise InputError(f"{text!r} is no probe; use tcp:HOST:PORT, ping:ADDRESS or config:PART=VALUE")

    @classmethod
    def _of_config(cls, part: str, value: str, text: str) -> Probe:
        if not _PART.fullmatch(part):
            raise InputError(f"{text!r}: {part!r} is no part of the neutral model, such as wan.mode")
        if _SECRET & set(part.split(".")):
            raise InputError(f"config:{part}: a probe is no place for a secret")
        try:
            given = json.loads(value)
        except ValueError:
            given = value
        if part in ("wifi", "mobile", "wan", "snmp"):
            raise InputError(f"config:{part} holds secrets; name a value inside it")
        return cls("config", part, value=given)

    def told_by(self, config: CpeConfig) -> str:
        """Of a config probe: empty when it holds, else the reason."""
        found: Any = to_data(config, secrets=False)
        for name in self.target.split("."):
            if isinstance(found, Mapping):
                found = found.get(name, _ABSENT)
            elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            else:
                found = _ABSENT
        if found is _ABSENT:
            return "" if self.value is None else f"{self.target} is not configured"
        return "" if found == self.value else f"{self.target} is {json.dumps(found, ensure_ascii=False)}"


def probes_of(texts: tuple[str, ...] | list[str]) -> tuple[Probe, ...]:
    """Raises ``InputError`` for one that is none, and for too many."""
    if len(texts) > MOST:
        raise InputError(f"{len(texts)} probes; a push takes at most {MOST}")
    # By what they say: a value may be a list, which no set takes.
    return tuple({str(probe): probe for probe in map(Probe.parse, texts)}.values())


@dataclass(frozen=True, slots=True)
class LineState:
    """How the internet side of a box is at the moment, as the box itself says. None: it does not say."""

    up: bool | None
    address: IPv4Interface | None = None
    default_route: bool | None = None

    def __str__(self) -> str:
        said = {True: "up", False: "down", None: "not told"}
        route = {True: "a default route", False: "no default route", None: "a default route is not told of"}
        return f"line {said[self.up]}, {self.address or 'no address'}, {route[self.default_route]}"
