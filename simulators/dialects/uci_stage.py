"""What is staged on a box with UCI: delta files as libuci writes them, and the packages as seen through them.

Committed packages live in the state's running text. Deltas are files in `/tmp/.uci` or in another directory, one a
package: a restart forgets them, as it does on a box, where /tmp is memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from simulators.dialects.shell import TMP
from simulators.dialects.uci import Package, Section, export, parse_package, quote, split_packages, write_package
from simulators.state import DeviceState

STAGE = f"{TMP}.uci"
NOT_FOUND = "Entry not found"
INVALID = "Invalid argument"
PARSE = "Parse error"
_PATH = re.compile(r"([\w-]+)(?:\.([^.]*)(?:\.(\w+))?)?", re.ASCII)
_SECTION = re.compile(r"\w+|@[^\s\[\]]*\[-?[0-9]+\]", re.ASCII)
_CONTROLS = re.compile(r"[\0-\x08\x0b\x0c\x0e-\x1f]")
_DELTA = re.compile(r"([-+@^|~]?)[\w-]+\.(\w+)(?:\.(\w+))?(?:='((?:[^']|'\\'')*)')?\n")


class Refused(Exception):
    """`uci` prints its name and these words, and ends with status 1."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A staged change: sign of libuci's delta files, section, option (empty: the section itself), value."""

    sign: str
    section: str
    option: str = ""
    value: str = ""

    def line(self, package: str) -> str:
        path = f"{package}.{self.section}" + (f".{self.option}" if self.option else "")
        return f"{self.sign}{path}\n" if self.sign == "-" else f"{self.sign}{path}={quote(self.value)}\n"


@dataclass(slots=True)
class Target:
    """Where a path leads. section is the name to write to, found what is there already."""

    package: Package
    section: str = ""
    option: str = ""
    value: str | None = None
    found: Section | None = None

    @property
    def complete(self) -> bool:
        if self.found is None:
            return not self.section
        return not self.option or self.option in self.found.options

    def existing(self) -> Section:
        if self.found is None:
            raise Refused(INVALID)
        return self.found

    def given(self) -> str:
        if self.value is None:
            raise Refused(INVALID)
        return self.value


class UciStage:
    """The packages of one box as one caller of libuci sees them. What it has read it keeps until it writes files:
    whoever changes those in between needs another one.

    savedir: where it stages. keep: never commit.
    """

    def __init__(self, state: DeviceState, savedir: str = STAGE, *, keep: bool = False) -> None:
        self._state = state
        self._savedir = savedir
        self._keep = keep
        self._loaded: dict[str, Package] = {}
        self._bodies: dict[str, str] | None = None

    def names(self) -> list[str]:
        return list(self._committed())

    def package(self, name: str) -> Package:
        """A package with what is staged for it. Raises Refused."""
        if name not in self._loaded:
            body = self._committed().get(name)
            if body is None:
                raise Refused(NOT_FOUND)
            package = parse_package(name, body)
            for place in self._places():
                for delta in self._deltas(place, name):
                    # A delta whose target is gone is passed over, as libuci does.
                    _apply(package, delta)
            self._loaded[name] = package
        return self._loaded[name]

    def exported(self) -> str:
        """What `uci export` prints for all packages. Without staged changes that is the committed text as it stands:
        parsing it for nothing would be most of the work of a fleet under load."""
        staged = {path.rpartition("/")[2] for place in self._places() for path in self._staged_files(place)}
        if not staged:
            return self._state.running
        bodies = self._committed()
        return "".join(
            export({name: self.package(name)}) if name in staged else f"package {name}{body}"
            for name, body in bodies.items()
        )

    def target(self, text: str) -> Target:
        """Find what `package.section.option=value` names. Raises Refused."""
        path, equals, value = text.partition("=")
        parts = _PATH.fullmatch(path)
        if parts is None:
            raise Refused(PARSE)
        package = self.package(parts[1])
        found = Target(package, parts[2] or "", parts[3] or "", value if equals else None)
        if parts[2] is not None:
            if not _SECTION.fullmatch(found.section):
                raise Refused(INVALID)
            found.found = package.find(found.section)
            if found.found is not None:
                found.section = found.found.name
        if value and _CONTROLS.search(value):
            raise Refused(INVALID)
        return found

    def add(self, package: Package, delta: Delta) -> None:
        """Change what is seen, and note it for the others."""
        if not _apply(package, delta):
            raise Refused(INVALID)
        path = f"{self._savedir}/{package.name}"
        self._state.scratch[path] = self._state.scratch.get(path, "") + delta.line(package.name)

    def commit(self, name: str) -> bool:
        """Write a package's staged changes to its file. False when there are none."""
        if self._keep or not any(self._deltas(place, name) for place in self._places()):
            return False
        self._committed()[name] = "\n" + write_package(self.package(name))
        self._state.scratch.pop(f"{self._savedir}/{name}", None)
        return True

    def write(self, packages: dict[str, Package] | None = None) -> None:
        """Take over the files. Committed ones are on flash: a restart keeps them."""
        bodies = self._committed()
        bodies.update({name: "\n" + write_package(package) for name, package in (packages or {}).items()})
        text = "".join(f"package {name}{body}" for name, body in sorted(bodies.items()))
        self._state.replace_running(text, self._state.spec.username)
        self._state.save()
        self._forget()

    def revert(self, target: Target) -> None:
        name = target.package.name
        kept = [
            delta
            for delta in self._deltas(self._savedir, name)
            if target.section and (delta.section != target.section or (target.option and delta.option != target.option))
        ]
        self._state.scratch[f"{self._savedir}/{name}"] = "".join(delta.line(name) for delta in kept)
        self._loaded.pop(name, None)

    def changes(self, name: str) -> Iterator[Delta]:
        """All that is staged for a package. Raises Refused."""
        self.package(name)
        for place in self._places():
            yield from self._deltas(place, name)

    def _committed(self) -> dict[str, str]:
        if self._bodies is None:
            self._bodies = dict(split_packages(self._state.running))
        return self._bodies

    def _forget(self) -> None:
        self._loaded.clear()
        self._bodies = None

    def _places(self) -> list[str]:
        """Where deltas are looked for: the box's own stage always, another one after it."""
        return list(dict.fromkeys((STAGE, self._savedir)))

    def _staged_files(self, place: str) -> list[str]:
        return [path for path, text in self._state.scratch.items() if text and path.startswith(f"{place}/")]

    def _deltas(self, place: str, name: str) -> list[Delta]:
        text = self._state.scratch.get(f"{place}/{name}", "")
        return [
            Delta(sign, section, option, value.replace("'\\''", "'"))
            for sign, section, option, value in _DELTA.findall(text)
        ]


def is_name(text: str) -> bool:
    """Whether sections and options may be called so."""
    return re.fullmatch(r"\w+", text, re.ASCII) is not None


def _apply(package: Package, delta: Delta) -> bool:
    """Apply one staged change. False if its target is not there."""
    section = package.find(delta.section)
    if delta.sign in ("", "+") and not delta.option:
        if section is None:
            section = package.add(delta.value, delta.section)
            section.anonymous = delta.sign == "+"
        elif len(section.kind) != len(delta.value):
            # libuci then makes it anew, by the name that it has.
            section.anonymous = False
        section.kind = delta.value
        return True
    if section is None:
        return False
    if delta.option:
        return _apply_option(section, delta)
    if delta.sign == "@":
        section.name, section.anonymous = delta.value, False
    else:
        package.sections.remove(section)
        if delta.sign == "^":
            package.sections.insert(int(delta.value), section)
    return True


def _apply_option(section: Section, delta: Delta) -> bool:
    present = section.options.get(delta.option)
    items = [] if present is None else [present] if isinstance(present, str) else present
    if delta.sign == "-":
        return section.options.pop(delta.option, None) is not None
    if delta.sign == "|":
        section.options[delta.option] = [*items, delta.value]
    elif delta.sign == "~" and isinstance(present, list):
        section.options[delta.option] = [item for item in items if item != delta.value]
    elif delta.sign == "@":
        renamed = {delta.value if key == delta.option else key: value for key, value in section.options.items()}
        section.options.clear()
        section.options.update(renamed)
    elif delta.sign == "":
        section.options[delta.option] = delta.value
    return True
