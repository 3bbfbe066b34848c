"""A VyOS configuration: set lines, the curly form of config.boot, and what `set` and `delete` do to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from simulators.dialects.vyos_schema import Schema
from simulators.dialects.vyos_values import problem_with

Tree = dict[str, "Tree | list[str]"]
"""A node's children by name, a tag node's entries by tag; a leaf's values are a list. A valueless leaf is empty."""
Path = tuple[str, ...]

_SECRET_NAMES = ("passphrase", "password", "pre-shared-secret", "key")
_HIDDEN = "****************"


class RefusedError(ValueError):
    """A line that the box does not take; the message is what it prints, without margin."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where words lead. value: the last of them is a leaf's value or an entry of a tag node."""

    path: Path
    schema: Schema
    value: bool


def locate(root: Schema, words: Sequence[str], *, check: bool) -> Place:
    """Follow words through the definitions; node names may be cut short. With `check` values are validated.

    Raises RefusedError."""
    node, path, value = root, list[str](), False
    for word in words:
        if value and node.kind in ("leaf", "multi"):
            raise RefusedError(_invalid(path, word))
        if node.kind == "node" or value:
            name = _full_name(node, path, word)
            node, value = node.children[name], False
            path.append(name)
            continue
        if check and (problem := problem_with(node.type, word)):
            raise RefusedError(f"{problem}\nValue validation failed")
        if node.kind == "tag" and re.search(r"\s", word):
            raise RefusedError("Tag node value name must not contain whitespace")
        path.append(word)
        value = True
    return Place(tuple(path), node, value)


def _full_name(node: Schema, path: list[str], word: str) -> str:
    if word in node.children:
        return word
    fitting = [name for name in node.children if name.startswith(word)] if word else []
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise RefusedError(f"Configuration path: {' '.join([*path, f'[{word}]'])} is ambiguous")
    raise RefusedError(_invalid(path, word))


def _invalid(path: list[str], word: str) -> str:
    return f"Configuration path: {' '.join([*path, f'[{word}]'])} is not valid"


def set_path(tree: Tree, root: Schema, words: Sequence[str]) -> None:
    """Do what `set` does. Raises RefusedError, also for what is there already."""
    place = locate(root, words, check=True)
    if not place.path:
        raise RefusedError("Configuration path: [] is not valid")
    if not place.value and place.schema.kind != "node":
        raise RefusedError(f"Configuration path: [{' '.join(place.path)}] requires a value")
    if exists(tree, place.path):
        raise RefusedError(f"Configuration path: [{' '.join(place.path)}] already exists")
    if place.schema.kind in ("leaf", "multi"):
        *above, name, value = place.path
        node = _made(tree, above)
        before = node.get(name)
        kept = before if isinstance(before, list) and place.schema.kind == "multi" else []
        node[name] = [*kept, value]
    else:
        _made(tree, place.path)


def _made(tree: Tree, path: Sequence[str]) -> Tree:
    for name in path:
        below = tree.setdefault(name, {})
        assert isinstance(below, dict)
        tree = below
    return tree


def exists(tree: Tree, path: Sequence[str]) -> bool:
    node: Tree | list[str] = tree
    for name in path:
        if name not in node:
            return False
        node = node[name] if isinstance(node, dict) else []
    return True


def delete_path(tree: Tree, root: Schema, words: Sequence[str]) -> None:
    """Do what `delete` does: the last value takes its leaf along and the last tag its tag node; other parents stay,
    empty. Raises RefusedError."""
    place = locate(root, words, check=False)
    if not place.path or not exists(tree, place.path):
        plain_value = place.value and place.schema.kind != "tag"
        raise RefusedError(f"Nothing to delete (the specified {'value' if plain_value else 'node'} does not exist)")
    *above, last = place.path
    if place.value:
        *above, name = above
        node = _made(tree, above)
        below = node[name]
        if isinstance(below, list):
            below = node[name] = [value for value in below if value != last]
        else:
            del below[last]
        if not below:
            del node[name]
    else:
        del _made(tree, above)[last]


def subtree(tree: Tree, path: Sequence[str]) -> Tree | list[str]:
    """What stands below a path, empty where there is nothing."""
    node: Tree | list[str] = tree
    for name in path:
        node = node.get(name, {}) if isinstance(node, dict) else []
    return node


def values(tree: Tree, path: str) -> list[str]:
    """The values of a leaf, or the names below a node; `path` has blanks between."""
    return list(subtree(tree, path.split()))


def value(tree: Tree, path: str) -> str:
    return next(iter(values(tree, path)), "")


@lru_cache(maxsize=65536)
def sort_key(name: str) -> list[tuple[int, str]]:
    """As Debian compares versions: numbers by their value, letters before other characters."""
    parts: list[tuple[int, str]] = []
    for text, digits in re.findall(r"(\D*)(\d*)", name):
        parts += [(ord(letter) + (0 if letter.isalpha() else 256), letter) for letter in text]
        parts.append((int(digits or 0), ""))
    return parts


def set_lines(tree: Tree, *, escape: bool = False) -> str:
    """All of it as `set` lines. With `escape` as the box prints it: a lone backslash comes out twice."""
    lines: list[str] = []
    _collect(tree, "set", lines, escape)
    return "".join(f"{line}\n" for line in lines)


def _collect(tree: Tree, head: str, lines: list[str], escape: bool) -> None:
    for name in sorted(tree, key=sort_key):
        below = tree[name]
        if isinstance(below, list):
            lines += [f"{head} {name} '{_escaped(one) if escape else one}'" for one in below]
        elif below:
            _collect(below, f"{head} {name}", lines, escape)
        else:
            lines.append(f"{head} {name}")


def _escaped(one: str) -> str:
    # The box writes a value with blanks in quotes first, where `\n` is taken for an escape; else it is two letters.
    return one if re.search(r"\s", one) else one.replace("\\", "\\\\")


_LINE = re.compile(r"^set (?P<path>[^'\n]*[^'\s])(?: '(?P<value>[^\n]*)')?$")


def parse_set_lines(text: str) -> Tree:
    """The tree of what `set_lines` wrote. Raises ValueError for other text."""
    tree: Tree = {}
    for line in text.splitlines():
        found = _LINE.match(line)
        if found is None:
            raise ValueError(f"no set line: {line!r}")
        *above, name = found["path"].split(" ")
        if found["value"] is None:
            _made(tree, [*above, name])
            continue
        leaf = _made(tree, above).setdefault(name, [])
        assert isinstance(leaf, list)
        leaf.append(found["value"])
    return tree


def boot_text(tree: Tree, root: Schema) -> str:
    """The curly form as config.boot has it: every value in double quotes."""
    return "".join(f"{line}\n" for line in _curly(tree, root, 0, _boot_value))


def shown_text(tree: Tree, root: Schema, *, hide: bool) -> str:
    """The curly form as `show configuration` prints it: quotes where they are needed, secrets hidden on demand."""

    def shown(name: str, one: str) -> str:
        if hide and name.endswith(_SECRET_NAMES):
            return _HIDDEN
        return f'"{one}"' if not one or re.search(r"[*}{;\s]", one) else one

    return "".join(f"{line}\n" for line in _curly(tree, root, 0, shown))


def _boot_value(_name: str, one: str) -> str:
    escaped = one.replace("\\", "\\\\")
    return f'"{escaped}"'


def _curly(tree: Tree, schema: Schema, depth: int, show: object) -> Iterator[str]:
    assert callable(show)
    margin = "    " * depth
    for name in sorted(tree, key=sort_key):
        below, kind = tree[name], schema.children[name]
        if isinstance(below, list):
            yield from (f"{margin}{name} {show(name, one)}" for one in below)
        elif kind.kind == "tag":
            for tag in sorted(below, key=sort_key):
                entry = below[tag]
                assert isinstance(entry, dict)
                yield f"{margin}{name} {tag} {{"
                yield from _curly(entry, kind, depth + 1, show)
                yield f"{margin}}}"
        elif kind.valueless:
            yield f"{margin}{name}"
        else:
            yield f"{margin}{name} {{"
            yield from _curly(below, kind, depth + 1, show)
            yield f"{margin}}}"


_CURLY = re.compile(
    r"""^(?P<name>[^\s{}"]+)(?:\s+(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s{}"]+)))?\s*(?P<open>\{)?$"""
)


def parse_boot(text: str, root: Schema) -> Tree:
    """The tree of a file in curly form. Raises ValueError with the number of the line that makes no sense."""
    tree: Tree = {}
    stack: list[tuple[Tree, Schema]] = [(tree, root)]
    for number, line in enumerate(text.splitlines(), 1):
        bare = re.sub(r"/\*.*?\*/", "", line).strip()
        if not bare or bare.startswith("//"):
            continue
        if bare == "}" and len(stack) > 1:
            stack.pop()
            continue
        found = _CURLY.match(bare)
        node, schema = stack[-1]
        if found is None or (kind := schema.children.get(found["name"])) is None:
            raise ValueError(f"line {number}")
        one = found["plain"] if found["quoted"] is None else re.sub(r"\\(.)", r"\1", found["quoted"])
        if found["open"]:
            below = _made(node, [found["name"], one] if kind.kind == "tag" else [found["name"]])
            stack.append((below, kind))
        elif kind.kind in ("leaf", "multi") and one is not None:
            leaf = node.setdefault(found["name"], [])
            assert isinstance(leaf, list)
            leaf.append(one)
        else:
            _made(node, [found["name"]])
    if len(stack) > 1:
        raise ValueError("end of file")
    return tree


def compared(old: Tree, new: Tree, root: Schema) -> str:
    """What `compare` prints: by parent, what goes with `-` and what comes with `+`; empty when nothing differs."""
    blocks: list[str] = []
    _compare(old, new, root, (), blocks)
    return "\n".join(blocks)


def _compare(old: Tree, new: Tree, schema: Schema, path: Path, blocks: list[str]) -> None:
    lines: list[str] = []
    deeper: list[tuple[str, Tree, Tree]] = []
    for name in sorted({*old, *new}, key=sort_key):
        left, right = old.get(name), new.get(name)
        if isinstance(left, dict) and isinstance(right, dict):
            deeper.append((name, left, right))
        elif isinstance(left, list) and isinstance(right, list):
            lines += [f'- {name} "{one}"' for one in left if one not in right]
            lines += [f'+ {name} "{one}"' for one in right if one not in left]
        else:
            for mark, side in (("-", left), ("+", right)):
                lines += [f"{mark} {line}" for line in _alone(name, side, schema)]
    if lines:
        blocks.append(f"[{' '.join(path)}]\n" + "".join(f"{line}\n" for line in lines))
    for name, left, right in deeper:
        kind = schema if path and schema.kind == "tag" and name not in schema.children else schema.children[name]
        _compare(left, right, kind, (*path, name), blocks)


def _alone(name: str, side: Tree | list[str] | None, schema: Schema) -> list[str]:
    """One child of a node, alone, in curly form. An entry of a tag node has the tag node's own definitions."""
    if side is None:
        return []
    if name in schema.children:
        return list(_curly({name: side}, schema, 0, _boot_value))
    assert isinstance(side, dict)
    return [f"{name} {{", *_curly(side, schema, 1, _boot_value), "}"]


def marked(old: Tree, new: Tree, root: Schema) -> str:
    """What `show` prints in configuration mode: all of `new`, with a mark in front of what differs from `old`."""
    return "".join(f"{line}\n" for line in _marked(old, new, root, 0))


def _marked(old: Tree, new: Tree, schema: Schema, depth: int) -> Iterator[str]:
    margin = "    " * depth
    for name in sorted({*old, *new}, key=sort_key):
        kind = schema.children[name]
        left, right = old.get(name), new.get(name)
        if left is None or right is None:
            side = right if left is None else left
            assert side is not None
            mark = "+" if left is None else "-"
            yield from (f"{mark}{margin}{line}" for line in shown_text({name: side}, schema, hide=False).splitlines())
        elif isinstance(left, list) or isinstance(right, list):
            for one in dict.fromkeys([*left, *right]):
                mark = " " if one in left and one in right else "+" if one in right else "-"
                mark = ">" if mark == "+" and kind.kind == "leaf" else mark
                if not (mark == "-" and kind.kind == "leaf" and right):
                    yield f"{mark}{margin}{shown_text({name: [one]}, schema, hide=False)[:-1]}"
        elif kind.kind == "tag":
            yield from _marked_tags(name, left, right, kind, depth)
        elif kind.valueless:
            yield f" {margin}{name}"
        else:
            yield f" {margin}{name} {{"
            yield from _marked(left, right, kind, depth + 1)
            yield f" {margin}}}"


def _marked_tags(name: str, old: Tree, new: Tree, kind: Schema, depth: int) -> Iterator[str]:
    margin = "    " * depth
    for tag in sorted({*old, *new}, key=sort_key):
        mark = "+" if tag not in old else "-" if tag not in new else " "
        left, right = old.get(tag, {}), new.get(tag, {})
        assert isinstance(left, dict)
        assert isinstance(right, dict)
        yield f"{mark}{margin}{name} {tag} {{"
        yield from _marked(left, right, kind, depth + 1)
        yield f"{mark}{margin}}}"


def copied(tree: Tree) -> Tree:
    return {name: list(below) if isinstance(below, list) else copied(below) for name, below in tree.items()}
