"""UCI, the configuration language of OpenWrt and of what is made from it: reading, and changing by commands.

``Uci`` is what ``uci export`` prints, taken apart. An ``Edit`` changes it: every change shows at once to whoever reads
the ``Uci``, and is noted as the command that makes it on the box. Sections without a name go by ``@kind[index]``, and
an index means something else once a section before it is gone: so deletions of whole sections come last, from the back
to the front, and new sections always have a name of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Final, Literal, TypeVar

from cpe_manager.domain.errors import InputError
from cpe_manager.kit.secret_rules import QUOTED, patterns

T = TypeVar("T")

OURS: Final = "cpe_"
"""What names of sections that we make begin with."""

_VALUE: Final = r"'[^']*(?:'\\''[^']*)*'|\S+"
_STATEMENT: Final = re.compile(
    rf"^[ \t]*(?P<verb>package|config|option|list)[ \t]+(?P<first>{_VALUE})(?:[ \t]+(?P<second>{_VALUE}))?[ \t]*$",
    re.MULTILINE,
)


@dataclass(slots=True)
class Section:
    """One section. ``name`` is empty for one without; ``index`` counts the sections of its kind in its package."""

    package: str
    kind: str
    name: str
    index: int
    options: dict[str, str | list[str]] = field(default_factory=dict, repr=False)

    @property
    def path(self) -> str:
        return f"{self.package}.{self.name or f'@{self.kind}[{self.index}]'}"

    def text(self, option: str, default: str = "") -> str:
        value = self.options.get(option, default)
        return value if isinstance(value, str) else " ".join(value)

    def words(self, option: str) -> list[str]:
        """The words of an option or of a list: daemons take either form for either."""
        return self.text(option).split()

    def on(self, option: str, default: bool = False) -> bool:
        value = self.text(option).lower()
        return value in ("1", "on", "true", "yes", "enabled") if value else default


class Uci:
    """All packages of a box, each with its sections in their order."""

    def __init__(self, text: str) -> None:
        self.packages: dict[str, list[Section]] = {}
        present: list[Section] | None = None
        for verb, first, second in _STATEMENT.findall(text):
            if verb in ("option", "list"):
                if present:
                    _take(present[-1], verb, unquoted(first), unquoted(second))
            elif verb == "package":
                package, counts = unquoted(first), dict[str, int]()
                present = self.packages.setdefault(package, [])
            elif present is not None:
                kind = unquoted(first)
                present.append(Section(package, kind, unquoted(second), counts.get(kind, 0)))
                counts[kind] = counts.get(kind, 0) + 1

    def all(self, package: str, kind: str) -> list[Section]:
        return [section for section in self.packages.get(package, ()) if section.kind == kind]

    def first(self, package: str, kind: str) -> Section | None:
        return next(iter(self.all(package, kind)), None)

    def named(self, package: str, name: str, kind: str = "") -> Section | None:
        return next(
            (s for s in self.packages.get(package, ()) if s.name == name and (not kind or s.kind == kind)), None
        )


def exported(box: Uci) -> str:
    """A box in the form of ``uci export``."""
    return "\n".join(_package(name, sections) for name, sections in box.packages.items())


def _package(name: str, sections: Sequence[Section]) -> str:
    text = f"package {name}\n\n"
    for section in sections:
        text += f"config {section.kind}" + (f" {quoted(section.name)}" if section.name else "") + "\n"
        for option, value in section.options.items():
            if isinstance(value, str):
                text += f"\toption {option} {quoted(value)}\n"
            else:
                text += "".join(f"\tlist {option} {quoted(item)}\n" for item in value)
        text += "\n"
    return text


def _take(section: Section, verb: str, option: str, value: str) -> None:
    if verb == "option":
        section.options[option] = value
        return
    present = section.options.setdefault(option, [])
    if isinstance(present, list):
        present.append(value)


def quoted(value: str) -> str:
    """In single quotes, as shells and ``uci export`` write a word."""
    return "'" + value.replace("'", "'\\''") + "'"


def unquoted(word: str) -> str:
    if not word.startswith("'"):
        return word
    return word[1:-1].replace("'\\''", "'") if "\\" in word else word[1:-1]


def network(text: str) -> IPv4Network | None:
    """None for an empty text; raises ``ValueError`` for what is no network."""
    return IPv4Network(text, strict=False) if text else None


class Edit:
    """Changes a ``Uci`` and notes the commands that do the same on the box. Nothing is noted for what is so already."""

    def __init__(self, box: Uci) -> None:
        self.box = box
        self._commands: list[str] = []
        self._dropped: list[Section] = []
        # Names of dropped sections stay taken: their deletion comes last.
        self._names = {package: {s.name for s in sections} for package, sections in box.packages.items()}
        self._counts = {
            package: {kind: sum(s.kind == kind for s in sections) for kind in {s.kind for s in sections}}
            for package, sections in box.packages.items()
        }

    def put(self, section: Section, option: str, value: str | Sequence[str] | None) -> None:
        """Set an option, or a list when ``value`` is no string; with nothing as the value it is deleted."""
        wanted = value if isinstance(value, str) else list(value or ())
        present = section.options.get(option)
        if present == wanted or (not present and present is None and not wanted):
            return
        path = f"{section.path}.{option}"
        if present is not None and not (wanted and isinstance(wanted, str)):
            self._commands.append(f"uci delete {path}")
            del section.options[option]
        if isinstance(wanted, str):
            if wanted:
                self._commands.append(f"uci set {path}={quoted(wanted)}")
                section.options[option] = wanted
        elif wanted:
            self._commands += [f"uci add_list {path}={quoted(item)}" for item in wanted]
            section.options[option] = wanted

    def add(self, package: str, kind: str, stem: str, **options: str | Sequence[str] | None) -> Section:
        """A new section at the end of its package, named ``stem`` or, when that is taken, ``stem_2`` and so on.

        Raises ``InputError`` when the box has no such package: nothing on it would read one.
        """
        if package not in self.box.packages:
            raise InputError(f"the box has no {package!r} package to put a {kind} in")
        names, counts = self._names[package], self._counts[package]
        name, number = stem, 2
        while name in names:
            name, number = f"{stem}_{number}", number + 1
        names.add(name)
        section = Section(package, kind, name, counts.get(kind, 0))
        counts[kind] = counts.get(kind, 0) + 1
        self.box.packages[package].append(section)
        self._commands.append(f"uci set {section.path}={quoted(kind)}")
        for option, value in options.items():
            self.put(section, option, value)
        return section

    def drop(self, section: Section) -> None:
        self.box.packages[section.package].remove(section)
        self._dropped.append(section)

    def commands(self) -> tuple[str, ...]:
        gone = sorted(self._dropped, key=lambda s: (s.package, s.kind, -s.index))
        return (*self._commands, *(f"uci delete {section.path}" for section in gone))


def packages_of(commands: Sequence[str]) -> tuple[str, ...]:
    """The packages that commands touch, in the order of their first command."""
    return tuple(dict.fromkeys(command.split(" ", 2)[2].partition(".")[0] for command in commands))


HASH: Final = r"\$(?:[0-9][a-z]?|y|gy|sha1)\$"
"""How a crypt(3) hash begins."""
# Names that end like a secret's name but hold a switch, or say where a key's file is.
_SWITCH_OR_FILE: Final = (
    r"(?!'(?:[01]|on|off|yes|no|true|false|enabled|disabled|none|auto|\$p\$\w+|/(?:etc|tmp|var|usr|root)/[^'\n]*)')"
)


def _option(*names: str) -> str:
    return rf"^[ \t]+(?:option|list) (?:{'|'.join(names)}) {QUOTED}"


def _ending(*endings: str) -> str:
    """Options of whatever package whose names end so: packages come and go, these words stay."""
    return rf"^[ \t]+(?:option|list) (?i:\w*(?:{'|'.join(endings)})[0-9]?) {_SWITCH_OR_FILE}{QUOTED}"


Kind = Literal["login", "snmp", "wifi", "ppp", "key", "other"]
_SECRETS: Final[tuple[tuple[Kind, tuple[str, ...]], ...]] = (
    (
        "login",
        (
            rf"^[ \t]+option password '(?P<secret>{HASH}[^'\n]+)'",
            _option("root_password", "admin_password", "http_password", "httpauth"),
        ),
    ),
    (
        "snmp",
        (
            _option("community", "rocommunity6?", "rwcommunity6?", "trapcommunity"),
            # Users of v3: net-snmp's names, LuCI's and RutOS's.
            _option("AuthPass", "PrivPass", "(?:auth|priv)(?:pass(?:word|phrase)?|_pass(?:word|phrase)|_?passwd)"),
            _option("priv_?pass"),
            # A session for traps is one option with the words that snmptrap takes.
            *(
                rf"^[ \t]+(?:option|list) trapsess '(?:[^'\n]* )?-{letter} ?(?P<secret>[^ '\n]+)"
                for letter in ("A", "X", "c")
            ),
        ),
    ),
    (
        "wifi",
        (
            # WEP names its key by number, 1 to 4, and keeps them in key1 to key4.
            rf"^[ \t]+option key (?!'[1-4]'){QUOTED}",
            _option("key[1-4]", "sae_password", "wpa_psk", "wpakey", "ft_psk", "wps_pin", "wpa_passphrase"),
        ),
    ),
    (
        "ppp",
        (
            _option("pin", "pin_?code", "puk", "puk_?code", "sim_?pin"),
            _option("ppp_password", "[pc]ap_password", "ch?ap_(?:password|secret)"),
        ),
    ),
    (
        "key",
        (
            # WireGuard, IPsec, RADIUS, 802.11r, OpenVPN.
            _option("private_key", "preshared_key", "pre_shared_key", "shared_key", "r0kh", "r1kh", "ikey", "okey"),
            _option("auth_?keys?", "tls_auth_key", "enc_key", "identity_key", "app_?key", "setup_?key", "update_?key"),
            _option("radius_?(?:key|password)", "priv_key2?_pwd2?", "private_key_passwd", "psk_key"),
            _ending("psk", "secret"),
            r"\b(?:SharedAccessKey|AccountKey)=(?P<secret>[^;'\s]+)",
        ),
    ),
    (
        "other",
        (
            # One word for PPP, dynamic DNS, EAP and rpcd: which of them it is, its line does not tell.
            rf"^[ \t]+(?:option|list) (?:(?:auth_|user)?pass|passwd|password)[0-9]? (?!'(?:{HASH}|\$p\$)){QUOTED}",
            _option("api_?key", "access_key", "secret_key", "credentials", "hexpasswd", "passgroup"),
            _ending("password", "passwd", "passphrase", "_pass", "_pwd", "token"),
            r"\b[a-z][a-z0-9+.-]*://[^\s:/@']*:(?P<secret>[^\s@/']+)@",
        ),
    ),
)


def secret_patterns() -> Iterator[tuple[Kind, re.Pattern[str]]]:
    """Which words of a line are a secret, and of what kind; for ``SecretRule``."""
    for kind, sources in _SECRETS:
        for pattern in patterns(*sources):
            yield kind, pattern
