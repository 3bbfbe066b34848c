"""Configurations that are made of lines and indentation, as IOS and FRR have them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_BANNER = re.compile(r"banner \S+ (\S+)")


@dataclass(slots=True)
class Node:
    """A line without its indentation, the block below it, and free text that belongs to it (a banner's body)."""

    text: str
    children: list[Node] = field(default_factory=list)
    body: list[str] = field(default_factory=list)

    @property
    def words(self) -> list[str]:
        return self.text.split()


# Lines with equal keys replace each other; None: only an equal line is the same.
KeyOf = Callable[[str], str | None]


def parse(text: str) -> Node:
    """Read a configuration body into a nameless root. Separator lines (`!`) are nodes like any other."""
    root = Node("")
    stack: list[tuple[int, Node]] = [(-1, root)]
    lines = iter(text.splitlines())
    for line in lines:
        depth = len(line) - len(line.lstrip(" "))
        node = Node(line.strip())
        while stack[-1][0] >= depth:
            stack.pop()
        stack[-1][1].children.append(node)
        stack.append((depth, node))
        banner = _BANNER.match(node.text)
        if banner:
            _read_banner(node, banner.group(1), lines)
    return root


def _read_banner(node: Node, opening: str, lines: Iterator[str]) -> None:
    delimiter = "^C" if opening.startswith("^C") else opening[0]
    if node.text.count(delimiter) > 1 or len(opening) > len(delimiter):
        return
    for line in lines:
        node.body.append(line)
        if line.endswith(delimiter):
            return


def render(root: Node) -> str:
    """Write a tree back; `render(parse(text))` is `text` for text with one space per level."""
    lines: list[str] = []
    _render(root.children, 0, lines)
    return "\n".join(lines) + "\n"


def _render(nodes: list[Node], depth: int, lines: list[str]) -> None:
    for node in nodes:
        lines.append(" " * depth + node.text)
        lines.extend(node.body)
        _render(node.children, depth + 1, lines)


def set_line(block: Node, text: str, key_of: KeyOf) -> Node:
    """Put a line into a block: in the place of the one that it replaces, else after the last one of its kind."""
    key = key_of(text)
    for node in block.children:
        if node.text == text or (key is not None and key_of(node.text) == key):
            node.text = text
            return node
    node = Node(text)
    block.children.insert(position_for(block, text), node)
    return node


def remove_line(block: Node, text: str) -> bool:
    """Remove the lines that are `text` or begin with it, word by word. False if there is none."""
    words = text.split()
    kept = [node for node in block.children if node.words[: len(words)] != words]
    removed = len(kept) != len(block.children)
    block.children[:] = kept
    return removed


def position_for(block: Node, text: str) -> int:
    """Where a new line belongs: after the last line that begins with the same two words, else the same word."""
    words = text.split()
    for length in (2, 1):
        for index in range(len(block.children) - 1, -1, -1):
            if block.children[index].words[:length] == words[:length]:
                return index + 1
    # Terminal lines and the clock close a configuration; what is new goes before them.
    for index, node in enumerate(block.children):
        if node.words[:1] in (["line"], ["ntp"], ["end"]):
            return index
    return len(block.children)
