"""How RouterOS 7 prints items: as a table, in full, on one line each, or as a value."""

from __future__ import annotations

from collections.abc import Sequence

from simulators.dialects.routeros_menus import MENUS, Menu
from simulators.dialects.routeros_text import quoted
from simulators.dialects.routeros_tree import Item, Tree

_HIDDEN = frozenset({"default-name", "default", "comment", "disabled"})


def single(tree: Tree, menu: Menu) -> str:
    """The values of a menu that has no items, `name: value` each."""
    item = tree.single(menu.path)
    rows = [(name, tree.value(menu.path, item, name)) for name in menu.properties]
    return pairs([(name, value) for name, value in rows if value])


def pairs(rows: Sequence[tuple[str, str]]) -> str:
    """Names right-aligned before a colon, as `/system resource print` has them."""
    width = max((len(name) for name, _ in rows), default=0)
    return "".join(f"  {name:>{width}}: {value}\n" for name, value in rows)


def table(tree: Tree, menu: Menu, items: Sequence[Item]) -> str:
    """The usual form: flags, the menu's columns, comments on a line of their own."""
    columns = menu.columns or tuple(name for name in menu.properties if name not in _HIDDEN)[:4]
    numbers = {item.number: number for number, item in enumerate(tree.menus[menu.path])}
    rows = [
        [
            str(numbers.get(item.number, len(numbers))),
            _flags(item),
            *(tree.value(menu.path, item, one) for one in columns),
        ]
        for item in items
    ]
    heads = ["#", "", *(name.rpartition(".")[2].upper() for name in columns)]
    widths = [max([len(heads[at]), *(len(row[at]) for row in rows)]) for at in range(len(heads))]
    lines = ["Flags: X - DISABLED"] if any(_flags(item) for item in items) else []
    lines.append(f"Columns: {', '.join(heads[2:])}")
    lines.append(_row(heads, widths))
    for item, row in zip(items, rows, strict=True):
        if comment := item.values.get("comment"):
            lines.append(f";;; {comment}")
        lines.append(_row(row, widths))
    return "".join(f"{line}\n" for line in lines)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    shown = [f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True) if width]
    return "  ".join(shown).rstrip()


def _flags(item: Item) -> str:
    return "X" if item.values.get("disabled") == "yes" else ""


def detail(tree: Tree, menu: Menu, items: Sequence[Item]) -> str:
    """Every value that is set, with the item's number before it and its comment above."""
    numbers = {item.number: number for number, item in enumerate(tree.menus[menu.path])}
    lines = ["Flags: X - disabled, I - invalid; D - dynamic"]
    for item in items:
        head = f"{numbers.get(item.number, len(numbers)):>2} {_flags(item):<2} "
        if comment := item.values.get("comment"):
            lines.append(f"{head};;; {comment}")
            head = " " * len(head)
        lines += [head + " ".join(_values(tree, menu, item)), ""]
    return "".join(f"{line}\n" for line in lines)


def terse(tree: Tree, menu: Menu, items: Sequence[Item]) -> str:
    """One line an item."""
    numbers = {item.number: number for number, item in enumerate(tree.menus[menu.path])}
    lines = []
    for item in items:
        comment = item.values.get("comment")
        words = [*([f"comment={comment}"] if comment else []), *_values(tree, menu, item, quotes=False)]
        lines.append(f"{numbers.get(item.number, len(numbers)):>2} {_flags(item):<2} {' '.join(words)}")
    return "".join(f"{line}\n" for line in lines)


def _values(tree: Tree, menu: Menu, item: Item, *, quotes: bool = True) -> list[str]:
    found = []
    for name in menu.properties:
        value = tree.value(menu.path, item, name)
        if value and name not in _HIDDEN:
            found.append(f'{name}="{value}"' if quotes and MENUS[menu.path].properties[name].type == "string"
                         else f"{name}={value if not quotes else quoted(value)}")  # fmt: skip
    # What the box knows of an item beside what was set.
    return found + [f"{name}={value}" for name, value in item.values.items() if name not in menu.properties and value]


def as_value(tree: Tree, menu: Menu, items: Sequence[Item]) -> str:
    """What `:put [print as-value]` shows: names and values, items set apart by their ids."""
    shown = []
    for item in items:
        values = [f"{name}={tree.value(menu.path, item, name)}" for name in sorted(menu.properties)
                  if tree.value(menu.path, item, name)]  # fmt: skip
        shown.append(";".join([f".id={item.id}", *values]))
    return ";".join(shown)
