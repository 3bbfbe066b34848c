"""The RouterOS command language, read: statements of words, with strings, substitutions, blocks and expressions.

Columns count from 1, as the console tells them in its messages.
"""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass
from typing import NamedTuple

from simulators.dialects.routeros_lines import unescaped
from simulators.dialects.routeros_text import ConsoleError, joined

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONDITION = re.compile(r"(!?[A-Za-z.][A-Za-z0-9.-]*)(!=|>=|<=|=|~|<|>)")
_OPERATORS = re.compile(r"\s*(->|!=|>=|<=|&&|\|\||[=<>~.+*/!,-]|(?:and|or|in|not)\b)\s*")
_CLOSING = {"[": "]", "(": ")", "{": "}"}


class Var(NamedTuple):
    name: str


class Sub(NamedTuple):
    """`[ ... ]`: what the commands in it give."""

    program: tuple[Statement, ...]


class Block(NamedTuple):
    """`{ ... }`: commands for later, or an array."""

    source: str


class Expr(NamedTuple):
    """`( ... )`: operands and the operators between them; an operator that stands first has None before it."""

    terms: tuple[object, ...]


Part = str | Var | Sub | Block | Expr


class Word(NamedTuple):
    """name and sign: of `name=value`, empty for a bare word. parts: the value. quoted: it stood in double quotes."""

    column: int
    name: str
    sign: str
    parts: tuple[Part, ...]
    quoted: bool

    @property
    def text(self) -> str:
        """The word as far as it is plain text."""
        return "".join(part for part in self.parts if isinstance(part, str))


@dataclass(frozen=True, slots=True)
class Statement:
    words: tuple[Word, ...]
    line: int
    column: int


def program(source: str) -> tuple[Statement, ...]:
    """Everything that stands in a script. Raises ConsoleError for what no console could read."""
    return _Reader(joined(source).replace("\r\n", "\n")).statements("")


def syntax_error(line: int, column: int) -> ConsoleError:
    return ConsoleError(f"syntax error (line {line} column {column})")


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._ends = [at for at, letter in enumerate(text) if letter == "\n"]

    def statements(self, closing: str) -> tuple[Statement, ...]:
        found: list[Statement] = []
        while True:
            self._blank(" \t\r\n;")
            if self._over():
                if closing:
                    raise self._error()
                return tuple(found)
            if self._here() == closing:
                self._at += 1
                return tuple(found)
            if self._here() == "#":
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
                continue
            found.append(self._statement(closing))

    def _statement(self, closing: str) -> Statement:
        line, column = self._place()
        words: list[Word] = []
        while True:
            self._blank(" \t")
            if self._over() or self._here() in (";", "\n", "\r", closing):
                return Statement(tuple(words), line, column)
            words.append(self._word(closing))

    def _word(self, closing: str) -> Word:
        _, column = self._place()
        found = _CONDITION.match(self._text, self._at)
        name = sign = ""
        if found:
            name, sign = found.groups()
            self._at = found.end()
        start = self._at
        parts: list[Part] = []
        while not self._over() and self._here() not in " \t\n\r;" and self._here() != closing:
            parts += self._part()
            if self._at == start and not parts:
                raise self._error()
        quoted = self._text[start : start + 1] == '"'
        return Word(column, name, sign, tuple(parts), quoted)

    def _part(self) -> list[Part]:
        letter = self._here()
        if letter == '"':
            return self._string()
        if letter == "$":
            return [self._variable()]
        if letter == "[":
            self._at += 1
            return [Sub(self.statements("]"))]
        if letter == "(":
            self._at += 1
            return [self._expression()]
        if letter == "{":
            return [Block(self._block())]
        if letter in "])}":
            raise self._error()
        end = self._at + 1
        while end < len(self._text) and self._text[end] not in ' \t\n\r;"$[({])}':
            end += 1
        plain, self._at = self._text[self._at : end], end
        return [plain]

    def _string(self) -> list[Part]:
        self._at += 1
        parts: list[Part] = []
        plain = ""
        while True:
            if self._over():
                raise self._error()
            letter = self._here()
            if letter == "\\":
                plain += self._text[self._at : self._at + 2]
                self._at += 2
            elif letter == '"':
                self._at += 1
                return [*parts, *([unescaped(plain)] if plain or not parts else [])]
            elif letter == "$":
                parts += [unescaped(plain)] if plain else []
                plain = ""
                parts.append(self._variable())
            else:
                plain += letter
                self._at += 1

    def _variable(self) -> Part:
        self._at += 1
        if not self._over() and self._here() in "[(":
            (part,) = self._part()
            return part
        found = _NAME.match(self._text, self._at)
        if found is None:
            raise self._error()
        self._at = found.end()
        return Var(found.group())

    def _block(self) -> str:
        """The source between braces, which are counted outside of strings."""
        start, depth, quote = self._at + 1, 0, False
        while not self._over():
            letter = self._here()
            if letter == "\\":
                self._at += 1
            elif letter == '"':
                quote = not quote
            elif not quote:
                depth += (letter == "{") - (letter == "}")
                if depth == 0:
                    self._at += 1
                    return self._text[start : self._at - 1]
            self._at += 1
        raise self._error()

    def _expression(self) -> Expr:
        terms: list[object] = []
        while True:
            self._blank(" \t\n\r")
            if self._over():
                raise self._error()
            if self._here() == ")":
                self._at += 1
                return Expr(tuple(terms))
            operator = _OPERATORS.match(self._text, self._at)
            if operator and not (operator[1] == "-" and not terms):
                terms.append(("operator", operator[1]))
                self._at = operator.end()
            else:
                terms.append(self._operand())

    def _operand(self) -> tuple[Part, ...]:
        if self._here() in '"$[({':
            return tuple(self._part())
        found = re.compile(r"[A-Za-z0-9_:/%-]+(?:\.\d+)*").match(self._text, self._at)
        if found is None:
            raise self._error()
        self._at = found.end()
        return (found.group(),)

    def _blank(self, letters: str) -> None:
        while not self._over() and self._here() in letters:
            self._at += 1

    def _over(self) -> bool:
        return self._at >= len(self._text)

    def _here(self) -> str:
        return self._text[self._at]

    def _place(self) -> tuple[int, int]:
        line = bisect.bisect_left(self._ends, self._at)
        return line + 1, self._at - (self._ends[line - 1] if line else -1)

    def _error(self) -> ConsoleError:
        return syntax_error(*self._place())
