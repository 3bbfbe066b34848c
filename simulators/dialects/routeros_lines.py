"""The lines of an export, taken apart without running them: path, `add` or `set`, and values."""

from __future__ import annotations

import re
from dataclasses import dataclass

from simulators.dialects.routeros_menus import MENUS, submenus

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "_": " ", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_ESCAPE = re.compile(r"(?:\\[0-9A-Fa-f]{2})+|\\(.)", re.DOTALL)
_WORD = re.compile(r'\[[^\]]*\]|(?:"(?:[^"\\]|\\.)*"|[^\s"\[])+', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Line:
    """target: what the item of a `set` is found by; None for a menu that is one set of values."""

    path: str
    verb: str
    target: dict[str, str] | None
    values: dict[str, str]


def unescaped(text: str) -> str:
    r"""What stands between double quotes, with `\"`, `\n`, `\0A` and the like put in."""
    return _ESCAPE.sub(_letter, text) if "\\" in text else text


def _letter(found: re.Match[str]) -> str:
    named = found[1]
    if named is None:
        return bytes.fromhex(found[0].replace("\\", "")).decode("utf-8", "replace")
    return _ESCAPES.get(named, named)


def bare(word: str) -> str:
    """A word without its quotes."""
    return unescaped(word[1:-1]) if word.startswith('"') and word.endswith('"') and len(word) > 1 else word


def parsed(row: str) -> Line | None:
    """A line of a terse export; None when its menu is not known."""
    words = _WORD.findall(row[1:])
    path: list[str] = []
    while words and words[0] in submenus(" ".join(path)):
        path.append(words.pop(0))
    menu = MENUS.get(" ".join(path))
    if menu is None or not words or words[0] not in ("add", "set"):
        return None
    verb = words.pop(0)
    target: dict[str, str] | None = None
    if verb == "set" and menu.kind != "single":
        target = _target(words.pop(0))
    values: dict[str, str] = {}
    prefix = ""
    for word in words:
        name, sign, value = word.partition("=")
        if name.startswith("."):
            name = prefix + name
        prefix = name.rpartition(".")[0] or prefix
        if name not in menu.properties:
            return None
        values[name] = bare(value) if sign else "yes"
    return Line(menu.path, verb, target, values)


def _target(word: str) -> dict[str, str]:
    if not word.startswith("["):
        return {"name": bare(word)}
    conditions = (part.partition("=") for part in word.strip("[] ").split()[1:])
    return {name: bare(value) for name, _, value in conditions}
