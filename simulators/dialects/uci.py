"""OpenWrt's configuration language: packages of typed sections with options and lists."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

Value = str | list[str]
_WORD = re.compile(r"\s*(?:'((?:[^']|'\\'')*)'|\"([^\"]*)\"|(\S+))", re.DOTALL)
# A statement as `uci` itself writes it; what people write by hand goes the slow way.
_OWN_HAND = re.compile(r"[ \t]*(config|option|list) ([\w.@-]+)(?: '([^'\n]*)')?[ \t]*\n|[ \t]*\n")


class UciError(ValueError):
    """The text is no UCI configuration, or the path leads nowhere."""


@dataclass(slots=True)
class Section:
    """One section. An anonymous one has a generated name, `cfg0a1b2c`."""

    kind: str
    name: str
    anonymous: bool
    options: dict[str, Value] = field(default_factory=dict)


@dataclass(slots=True)
class Package:
    """One file of /etc/config."""

    name: str
    sections: list[Section] = field(default_factory=list)
    made: int = 0
    """How many sections there ever were since the file was read: generated names count on."""

    def find(self, name: str) -> Section | None:
        """A section by its name or by `@type[index]`."""
        if not name.startswith("@"):
            # What is asked for is mostly what was just made.
            for section in reversed(self.sections):
                if section.name == name:
                    return section
            return None
        indexed = re.fullmatch(r"@([^\s\[\]]*)\[(-?\d+)\]", name)
        if not indexed:
            return None
        alike = [section for section in self.sections if indexed.group(1) in ("", section.kind)]
        index = int(indexed.group(2))
        return alike[index] if -len(alike) <= index < len(alike) else None

    def add(self, kind: str, name: str = "") -> Section:
        """A new section at the end; without a name it is anonymous."""
        self.made += 1
        section = Section(kind, name or f"cfg{self.made:02x}{_hash(kind):04x}", anonymous=not name)
        self.sections.append(section)
        return section

    def copy(self) -> Package:
        sections = [
            Section(s.kind, s.name, s.anonymous, {k: v if isinstance(v, str) else [*v] for k, v in s.options.items()})
            for s in self.sections
        ]
        return Package(self.name, sections, self.made)


@lru_cache(maxsize=256)
def _hash(kind: str) -> int:
    """Bernstein's, of which libuci makes a part of a generated name."""
    number = 5381
    for letter in kind.encode():
        number = (number * 33 + letter) & 0xFFFFFFFF
    return (number & 0x7FFFFFFF) % 65_536


def quote(value: str) -> str:
    """A value in single quotes, as `uci export` and `uci show` write it."""
    return "'" + value.replace("'", "'\\''") + "'"


def parse_packages(text: str) -> dict[str, Package]:
    """Read what `uci export` prints. Raises UciError for any line that is not UCI."""
    packages: dict[str, Package] = {}
    for name, body in split_packages(text):
        packages[name] = parse_package(name, body)
    return packages


def split_packages(text: str) -> list[tuple[str, str]]:
    """Names and bodies of the packages in what `uci export` prints, not looked into. A body begins with the rest of
    its package line."""
    parts = re.split(r"^package\s+'?([\w-]+)'?[ \t]*$", text, flags=re.MULTILINE)
    if parts[0].strip():
        raise UciError("text before the first package line")
    return list(zip(parts[1::2], parts[2::2], strict=True))


def parse_package(name: str, body: str) -> Package:
    """Read one file of /etc/config. Raises UciError for any line that is not UCI."""
    return _parsed(name, body).copy()


@lru_cache(maxsize=64)
def _parsed(name: str, body: str) -> Package:
    package = Package(name)
    section: Section | None = None
    for words in _statements(body):
        if words[0] == "config" and len(words) in (2, 3):
            section = _section(package, *words[1:])
        elif words[0] in ("option", "list") and len(words) == 3 and section is not None:
            _take_option(section, words)
        else:
            raise UciError(f"parse error in {name}: {' '.join(words)}")
    return package


def _section(package: Package, kind: str, name: str = "") -> Section:
    """A second section of the same name is the first one, written on."""
    before = next((section for section in package.sections if section.name == name), None) if name else None
    if before is not None and before.kind != kind:
        raise UciError("section of different type overwrites prior section with same name")
    return before or package.add(kind, name)


def _take_option(section: Section, words: list[str]) -> None:
    if words[0] == "option":
        section.options[words[1]] = words[2]
        return
    present = section.options.setdefault(words[1], [])
    if isinstance(present, list):
        present.append(words[2])


def _statements(body: str) -> list[list[str]]:
    """Words of each statement. A quoted value may go over several lines."""
    statements: list[list[str]] = []
    position = 0
    while position < len(body):
        if own := _OWN_HAND.match(body, position):
            if own[1]:
                statements.append([own[1], own[2]] if own[3] is None else [own[1], own[2], own[3]])
            position = own.end()
            continue
        line_end = body.find("\n", position)
        line_end = len(body) if line_end < 0 else line_end
        if not body[position:line_end].strip() or body[position:line_end].lstrip().startswith("#"):
            position = line_end + 1
            continue
        words, position = _words(body, position)
        statements.append(words)
    return statements


def _words(body: str, position: int) -> tuple[list[str], int]:
    words: list[str] = []
    while position < len(body) and body[position] != "\n":
        if body[position] in " \t\r":
            position += 1
            continue
        found = _WORD.match(body, position)
        if not found:
            raise UciError("unbalanced quotes")
        words.append(_unquoted(found))
        position = found.end()
    return words, position + 1


def _unquoted(found: re.Match[str]) -> str:
    if found.group(1) is not None:
        return found.group(1).replace("'\\''", "'")
    return found.group(2) if found.group(2) is not None else found.group(3)


def write_package(package: Package) -> str:
    """One package as its file holds it."""
    lines: list[str] = []
    for section in package.sections:
        lines.append("")
        lines.append(f"config {section.kind}" + ("" if section.anonymous else f" {quote(section.name)}"))
        for key, value in section.options.items():
            if isinstance(value, str):
                lines.append(f"\toption {key} {quote(value)}")
            else:
                lines.extend(f"\tlist {key} {quote(item)}" for item in value)
    return "\n".join(lines) + "\n\n" if lines else "\n"


def export(packages: dict[str, Package]) -> str:
    """What `uci export` prints for these packages."""
    return "".join(f"package {name}\n{write_package(package)}" for name, package in packages.items())


def show(package: Package, extended: bool = True, delimiter: str = " ") -> list[str]:
    """The lines of `uci show`: anonymous sections by type and index, or by their generated names."""
    lines: list[str] = []
    counts: dict[str, int] = {}
    for section in package.sections:
        index = counts.get(section.kind, 0)
        counts[section.kind] = index + 1
        name = f"@{section.kind}[{index}]" if section.anonymous and extended else section.name
        lines.extend(show_section(section, f"{package.name}.{name}", delimiter))
    return lines


def show_section(section: Section, path: str, delimiter: str) -> list[str]:
    options = (f"{path}.{key}={show_value(value, delimiter)}" for key, value in section.options.items())
    return [f"{path}={section.kind}", *options]


def show_value(value: Value, delimiter: str) -> str:
    return quote(value) if isinstance(value, str) else delimiter.join(quote(item) for item in value)
