"""The configuration of a RouterOS box as a tree of menus with items, read from and written as an export."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from simulators.dialects.routeros_lines import Line, parsed
from simulators.dialects.routeros_menus import INTERFACES, MENUS, Menu, Property
from simulators.dialects.routeros_text import ConsoleError, joined, quoted, wrapped
from simulators.dialects.routeros_values import checked

_HANDLES = frozenset({"default-name", "default"})
_LETTERS = {"interface pppoe-client": "pppoe-out", "ip dhcp-server": "dhcp", "interface lte apn": "apn",
            "system scheduler": "schedule", "interface wifi": "wifi"}  # fmt: skip


_NO_PROPERTY = Property("")


@dataclass(slots=True)
class Item:
    """number is the internal id, `*1F` in hexadecimal. values: what was set, defaults included once they were typed."""

    number: int
    values: dict[str, str]
    own: bool = False

    @property
    def id(self) -> str:
        return f"*{self.number:X}"


@dataclass(slots=True)
class Style:
    """How an export is to look."""

    terse: bool = False
    verbose: bool = False
    sensitive: bool = False


@dataclass(slots=True)
class Tree:
    """All menus. Lines of menus that are not known stay word for word, behind the known menu that they came after."""

    menus: dict[str, list[Item]] = field(default_factory=dict)
    verbatim: dict[str, list[str]] = field(default_factory=dict)
    counter: int = 0

    @classmethod
    def read(cls, text: str) -> Tree:
        """The tree of a terse export. Raises ConsoleError for a line that it could not have come from."""
        tree = cls()
        for menu in MENUS.values():
            own = menu.own if menu.kind != "single" else ({},)
            tree.menus[menu.path] = [Item(tree._next(), dict(values), own=True) for values in own]
        before = ""
        for row in joined(text).splitlines():
            if not row.startswith("/"):
                continue
            line = parsed(row)
            if line is None:
                tree.verbatim.setdefault(before, []).append(row)
                continue
            before = line.path
            tree._take(line)
        return tree

    def _next(self) -> int:
        self.counter += 1
        return self.counter

    def _take(self, line: Line) -> None:
        """One line of an export: nothing in it needs another check."""
        if line.verb == "add":
            self.menus[line.path].append(Item(self._next(), line.values))
            return
        for item in self.menus[line.path]:
            if line.target is None or all(item.values.get(key) == value for key, value in line.target.items()):
                item.values.update(line.values)

    def names(self, path: str) -> Collection[str]:
        return {item.values.get("name", "") for item in self.menus.get(path, ())}

    def interfaces(self) -> Collection[str]:
        return {"all", "none", "lo"}.union(*(self.names(path) for path in INTERFACES))

    def single(self, path: str) -> Item:
        return self.menus[path][0]

    def value(self, path: str, item: Item, name: str) -> str:
        """What a property is, the default where nothing was set."""
        known = MENUS[path].properties.get(name)
        return item.values.get(name, known.default if known else "")

    def add(self, path: str, given: Mapping[str, str]) -> Item:
        """A new item at the end. Raises ConsoleError."""
        menu = MENUS[path]
        values = self._checked(menu, given)
        missing = [item.name for item in menu.properties.values() if item.required and item.name not in values]
        if missing:
            raise ConsoleError(f"missing value(s) of argument(s) {' '.join(missing)}")
        self._complete(menu, values)
        self._refuse_twins(menu, values, None)
        item = Item(self._next(), values)
        self.menus[path].append(item)
        return item

    def change(self, path: str, items: Collection[Item], given: Mapping[str, str], unset: Collection[str] = ()) -> None:
        """Set values of items. Raises ConsoleError, before anything was changed."""
        menu = MENUS[path]
        values = self._checked(menu, given)
        for item in items:
            self._refuse_twins(menu, item.values | values, item)
        for item in items:
            before = item.values.get("name", "")
            item.values.update(values)
            for name in unset:
                item.values.pop(name, None)
            if "name" in values and before and before != values["name"]:
                self._renamed(path, before, values["name"])

    def remove(self, path: str, items: Collection[Item]) -> None:
        """Take items out. What pointed at them points at their number, as on a box. Raises ConsoleError."""
        menu = MENUS[path]
        if menu.kind != "list" or any(item.own for item in items):
            raise ConsoleError("failure: can not remove builtin item" if menu.kind == "list" else "no such command")
        for item in items:
            self.menus[path].remove(item)
            if item.values.get("name"):
                self._renamed(path, item.values["name"], item.id)

    def move(self, path: str, items: Collection[Item], before: Item | None) -> None:
        """Put items before another one, or at the end."""
        rows = self.menus[path]
        moved = [item for item in rows if item in items]
        rest = [item for item in rows if item not in items]
        at = rest.index(before) if before in rest else len(rest)
        self.menus[path] = [*rest[:at], *moved, *rest[at:]]

    def _checked(self, menu: Menu, given: Mapping[str, str]) -> dict[str, str]:
        return {name: checked(menu.properties[name], value, self) for name, value in given.items()}

    def _complete(self, menu: Menu, values: dict[str, str]) -> None:
        """What a box fills in by itself."""
        if menu.path == "ip address":
            values.setdefault("network", str(ipaddress.IPv4Interface(values["address"]).network.network_address))
        if menu.path in _LETTERS and "name" not in values:
            taken, number = self.names(menu.path), 1
            while f"{_LETTERS[menu.path]}{number}" in taken:
                number += 1
            values["name"] = f"{_LETTERS[menu.path]}{number}"
        for item in menu.properties.values():
            if item.always and item.default:
                values.setdefault(item.name, item.default)

    def _refuse_twins(self, menu: Menu, values: Mapping[str, str], but: Item | None) -> None:
        if not menu.unique:
            return
        key = [values.get(name, "") for name in menu.unique]
        for other in self.menus[menu.path]:
            if other is not but and [other.values.get(name, "") for name in menu.unique] == key:
                raise ConsoleError(f"failure: already have {' and '.join(menu.unique)} such as this")
        if menu.path in INTERFACES and any(
            item is not but and item.values.get("name") == values.get("name")
            for path in INTERFACES
            for item in self.menus[path]
        ):
            raise ConsoleError("failure: already have interface with such name")

    def _renamed(self, path: str, before: str, after: str) -> None:
        kinds = {f"ref-{path.replace(' ', '_')}"}
        if path in INTERFACES:
            kinds |= {"interface", "not-interface"}
        if path == "interface list":
            kinds |= {"list", "not-list"}
        for menu in MENUS.values():
            pointing = [item.name for item in menu.properties.values() if item.type in kinds]
            for item in self.menus[menu.path] if pointing else ():
                for name in pointing:
                    value = item.values.get(name, "")
                    if value.removeprefix("!") == before:
                        item.values[name] = "!" * value.startswith("!") + after

    def export(self, style: Style, below: str = "") -> str:
        """The tree as a script that makes it, in the order of `MENUS`; `below` limits it to one menu and what is
        under it."""
        rows: list[str] = list(self.verbatim.get("", ())) if not below else []
        for menu in MENUS.values():
            inside = not below or menu.path == below or menu.path.startswith(f"{below} ")
            lines = list(self._lines(menu, style)) if inside and menu.exported else []
            if style.terse:
                rows += [f"/{menu.path} {line}" for line in lines]
            elif lines:
                rows += [f"/{menu.path}", *(wrapped(line) for line in lines)]
            for line in self.verbatim.get(menu.path, ()) if inside and not below else ():
                rows += [line] if style.terse else _headed(line)
        return "".join(f"{row}\n" for row in rows)

    def _lines(self, menu: Menu, style: Style) -> Iterator[str]:
        for item in self.menus[menu.path]:
            words = _words(menu, item, style)
            if menu.kind == "single":
                if words:
                    yield f"set {' '.join(words)}"
            elif not item.own:
                yield f"add {' '.join(words)}"
            elif words:
                yield f"set {_address(menu, item)} {' '.join(words)}"


def _headed(line: str) -> list[str]:
    """A whole command as an export that is not terse writes it: the menu above the rest."""
    found = re.match(r"(/.+?) ((?:add|set)\b.*)", line)
    return [found[1], wrapped(found[2])] if found else [line]


def _address(menu: Menu, item: Item) -> str:
    """How an export names an item that is always there."""
    if not menu.handle:
        return item.values["name"]
    return f"[ find {menu.handle}={quoted(item.values[menu.handle])} ]"


def _words(menu: Menu, item: Item, style: Style) -> list[str]:
    own = _own_values(menu, item) if item.own else {}
    found: list[str] = []
    prefix = ""
    for name in sorted(menu.properties if style.verbose else item.values):
        known = menu.properties.get(name, _NO_PROPERTY)
        if name in _HANDLES or (known.secret and not style.sensitive):
            continue
        value = item.values.get(name)
        if not _shown(known, value, own.get(name, known.default), item.own, style):
            continue
        if known.type == "flag":
            found += [name] if value == "yes" else []
            continue
        head, dot, tail = name.rpartition(".")
        text = known.default if value is None else value
        found.append(f"{'.' + tail if dot and head == prefix else name}={quoted(text)}")
        prefix = head if dot else prefix
    return found


def _own_values(menu: Menu, item: Item) -> Mapping[str, str]:
    handle = menu.handle or "name"
    return next((own for own in menu.own if own.get(handle) == item.values.get(handle)), {})


def _shown(known: Property, value: str | None, default: str, own: bool, style: Style) -> bool:
    if style.verbose:
        return value is not None or bool(default)
    if value is None:
        return False
    return value != default or (known.always and not own)
