"""OpenWrt's configuration language: packages of typed sections with options and lists."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

Value = str | list[str]
_WORD = re.compile(r"\s*(?:'((?:[^']|'\\'')*)'|\"([^\"]*)\"|(\S+))", re.DOTALL)


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

    def find(self, name: str) -> Section | None:
        """A section by its name or by `@type[index]`."""
        indexed = re.fullmatch(r"@(\w+)\[(-?\d+)\]", name)
        if not indexed:
            return next((section for section in self.sections if section.name == name), None)
        alike = [section for section in self.sections if section.kind == indexed.group(1)]
        index = int(indexed.group(2))
        return alike[index] if -len(alike) <= index < len(alike) else None

    def add(self, kind: str, name: str = "") -> Section:
        """A new section at the end; without a name it is anonymous."""
        section = Section(kind, name or self._anonymous_name(kind), anonymous=not name)
        self.sections.append(section)
        return section

    def _anonymous_name(self, kind: str) -> str:
        number = len(self.sections) + 1
        while True:
            digest = hashlib.sha256(f"{self.name}/{kind}/{number}".encode()).hexdigest()[:4]
            name = f"cfg{number:02x}{digest}"
            if all(section.name != name for section in self.sections):
                return name
            number += 1


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
    """Names and bodies of the packages in what `uci export` prints, not looked into."""
    parts = re.split(r"^package\s+'?([\w-]+)'?[ \t]*$", text, flags=re.MULTILINE)
    if parts[0].strip():
        raise UciError("text before the first package line")
    return list(zip(parts[1::2], parts[2::2], strict=True))


def parse_package(name: str, body: str) -> Package:
    """Read one file of /etc/config."""
    package = Package(name)
    for words in _statements(body):
        if words[0] == "config" and len(words) in (2, 3):
            package.add(*words[1:])
        elif words[0] in ("option", "list") and len(words) == 3 and package.sections:
            _take_option(package.sections[-1], words)
        else:
            raise UciError(f"parse error in {name}: {' '.join(words)}")
    return package


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


def show(package: Package, section: Section | None = None) -> list[str]:
    """The lines of `uci show`: anonymous sections by type and index."""
    lines: list[str] = []
    counts: dict[str, int] = {}
    for item in package.sections:
        index = counts.get(item.kind, 0)
        counts[item.kind] = index + 1
        if section is not None and item is not section:
            continue
        path = f"{package.name}.@{item.kind}[{index}]" if item.anonymous else f"{package.name}.{item.name}"
        lines.append(f"{path}={item.kind}")
        lines.extend(f"{path}.{key}={show_value(value)}" for key, value in item.options.items())
    return lines


def show_value(value: Value) -> str:
    return quote(value) if isinstance(value, str) else " ".join(quote(item) for item in value)
