"""The RouterOS command language, run: variables, expressions and the commands that begin with a colon."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from simulators.dialects.routeros_parse import Block, Expr, Part, Statement, Sub, Var, Word, program, syntax_error
from simulators.dialects.routeros_text import ConsoleError, duration, seconds

Value = str | int | bool | list["Value"]
_DEEPEST = 40
_LONGEST_LOOP = 10_000


@dataclass(slots=True)
class Chunk:
    """A piece of output; config marks the text of an export."""

    text: str
    config: bool = False


@dataclass(slots=True)
class Run:
    """One script on its way: what it printed, its variables, the menu that it stands in. question, over, restart: what
    the session has to do once it is through."""

    menu: str = ""
    chunks: list[Chunk] = field(default_factory=list)
    variables: dict[str, Value] = field(default_factory=dict)
    depth: int = 0
    failed: bool = False
    question: str = ""
    over: bool = False
    restart: bool = False

    def put(self, text: str, config: bool = False) -> None:
        self.chunks.append(Chunk(text, config))

    @property
    def text(self) -> str:
        return "".join(chunk.text for chunk in self.chunks)


Command = Callable[[Run, Statement], Value]
"""Runs one command of a menu and gives its value; raises ConsoleError."""


def shown(value: Value) -> str:
    """A value as `:put` prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ";".join(shown(item) for item in value)
    return str(value)


class Interpreter:
    """Goes through statements; what belongs to a menu is done by `command`."""

    def __init__(self, command: Command) -> None:
        self._command = command

    def run(self, run: Run, source: str) -> Value:
        """All of a script; its value is that of its last statement. Raises ConsoleError."""
        return self.statements(run, program(source))

    def statements(self, run: Run, statements: Sequence[Statement]) -> Value:
        run.depth += 1
        if run.depth > _DEEPEST:
            raise ConsoleError("max-level of nested calls reached")
        value: Value = ""
        for statement in statements:
            value = self._statement(run, statement)
        run.depth -= 1
        return value

    def _statement(self, run: Run, statement: Statement) -> Value:
        first = statement.words[0]
        name = first.text
        if name in _CALLS:
            return self._command(run, statement)
        if name.startswith(":") or (not first.quoted and name in _BARE):
            return self._builtin(run, statement, name.lstrip(":"))
        if len(statement.words) == 1 and len(first.parts) == 1 and isinstance(first.parts[0], Block):
            return self.run(run, first.parts[0].source)
        return self._command(run, statement)

    def value(self, run: Run, parts: Sequence[Part]) -> Value:
        """What a word's parts come to; a single part keeps its type."""
        values = [self._part(run, part) for part in parts]
        return values[0] if len(values) == 1 else "".join(shown(value) for value in values)

    def _part(self, run: Run, part: Part) -> Value:
        if isinstance(part, str):
            return part
        if isinstance(part, Var):
            if part.name not in run.variables:
                raise ConsoleError(f"no such variable: {part.name}")
            return run.variables[part.name]
        if isinstance(part, Sub):
            inner = Run(run.menu, [], run.variables, run.depth)
            value = self.statements(inner, part.program)
            run.chunks += inner.chunks
            return value
        if isinstance(part, Block):
            return self._array(run, part)
        return self._expression(run, part)

    def _array(self, run: Run, block: Block) -> Value:
        words = [word for statement in program(block.source) for word in statement.words]
        return [self.value(run, word.parts) for word in words]

    def _expression(self, run: Run, expr: Expr) -> Value:
        terms = list(expr.terms)
        for operators in _LEVELS:
            terms = self._folded(run, terms, operators)
        if len(terms) != 1:
            raise syntax_error(1, 1)
        return self._operand(run, terms[0])

    def _operand(self, run: Run, term: object) -> Value:
        if isinstance(term, _Known):
            return term.value
        if not isinstance(term, tuple) or term[:1] == ("operator",):
            raise syntax_error(1, 1)
        return _typed(self.value(run, term))

    def _folded(self, run: Run, terms: list[object], operators: frozenset[str]) -> list[object]:
        """The terms with every use of these operators worked out, from the left."""
        done: list[object] = []
        rest = list(terms)
        while rest:
            term = rest.pop(0)
            sign = term[1] if isinstance(term, tuple) and term[:1] == ("operator",) else ""
            if sign not in operators:
                done.append(term)
            elif sign in ("!", "not"):
                done.append(_Known(not _true(self._operand(run, rest.pop(0)))))
            else:
                if not done or not rest:
                    raise syntax_error(1, 1)
                left = self._operand(run, done.pop())
                done.append(_Known(applied(sign, left, self._operand(run, rest.pop(0)))))
        return done

    def _builtin(self, run: Run, statement: Statement, name: str) -> Value:
        rest = statement.words[1:]
        given = {word.name: word for word in rest if word.sign == "="}
        if name in ("local", "global", "set"):
            return self._assign(run, rest)
        if name == "do":
            return self._do(run, statement, rest, given)
        if name in ("log", "delay", "environment"):
            return ""
        if name not in (*_FUNCTIONS, "put", "if", "foreach", "error"):
            raise ConsoleError(
                f"bad command name {name} (line {statement.line} column {statement.words[0].column + 1})"
            )
        plain = [self.value(run, word.parts) for word in rest if not word.sign]
        if name == "if":
            return self._if(run, plain, given)
        if name == "foreach":
            return self._foreach(run, plain, given)
        if name == "error":
            raise ConsoleError(shown(plain[0]) if plain else "")
        if name in _FUNCTIONS:
            return _FUNCTIONS[name](plain)
        run.put(f"{shown(plain[0]) if plain else ''}\n")
        return ""

    def _assign(self, run: Run, rest: Sequence[Word]) -> Value:
        if not rest:
            raise ConsoleError("missing value(s) of argument(s) name")
        value = self.value(run, rest[1].parts) if len(rest) > 1 else ""
        run.variables[rest[0].text] = value
        return ""

    def _body(self, run: Run, word: Word) -> Value:
        part = word.parts[0] if word.parts else ""
        return self.run(run, part.source if isinstance(part, Block) else shown(self.value(run, word.parts)))

    def _if(self, run: Run, plain: Sequence[Value], given: dict[str, Word]) -> Value:
        branch = "do" if plain and _true(plain[0]) else "else"
        return self._body(run, given[branch]) if branch in given else ""

    def _do(self, run: Run, statement: Statement, rest: Sequence[Word], given: dict[str, Word]) -> Value:
        body = next((word for word in rest if not word.sign), None)
        if body is None:
            raise syntax_error(statement.line, statement.column)
        depth = run.depth
        try:
            return self._body(run, body)
        except ConsoleError:
            if "on-error" not in given:
                raise
            run.depth = depth
            return self._body(run, given["on-error"])

    def _foreach(self, run: Run, plain: Sequence[Value], given: dict[str, Word]) -> Value:
        if not plain or "in" not in given or "do" not in given:
            raise ConsoleError("missing value(s) of argument(s) in do")
        values = self.value(run, given["in"].parts)
        for item in (values if isinstance(values, list) else [values])[:_LONGEST_LOOP]:
            run.variables[shown(plain[0])] = item
            self._body(run, given["do"])
        return ""


@dataclass(frozen=True, slots=True)
class _Known:
    """A term that was worked out."""

    value: Value


_CALLS = frozenset({":execute", ":export", ":import"})
_BARE = frozenset({"put", "do", "if", "foreach", "delay", "environment"})
_LEVELS = (
    frozenset({"->"}), frozenset({"!", "not"}), frozenset({"*", "/"}), frozenset({"+", "-", "."}),
    frozenset({"=", "!=", "<", ">", "<=", ">=", "~", "in"}), frozenset({"and", "&&"}), frozenset({"or", "||"}),
    frozenset({","}),
)  # fmt: skip


_TRUTHS = {"true": True, "false": False, "yes": True, "no": False}


def _typed(value: Value) -> Value:
    """A bare word in an expression is a number or a truth value where it reads like one."""
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return _TRUTHS.get(value, value) if isinstance(value, str) else value


def _true(value: Value) -> bool:
    return value is True or (isinstance(value, str) and value in ("true", "yes"))


def applied(sign: str, left: Value, right: Value) -> Value:
    """One operator on two values. Raises ConsoleError."""
    if sign == ".":
        return shown(left) + shown(right)
    if sign == "->":
        return left[int(shown(right))] if isinstance(left, list) and 0 <= int(shown(right)) < len(left) else ""
    if sign == ",":
        return [*(left if isinstance(left, list) else [left]), *(right if isinstance(right, list) else [right])]
    if sign in ("and", "&&"):
        return _true(left) and _true(right)
    if sign in ("or", "||"):
        return _true(left) or _true(right)
    if sign in ("=", "!="):
        return (shown(left) == shown(right)) == (sign == "=")
    if sign == "~":
        return re.search(shown(right), shown(left)) is not None
    if sign == "in":
        return _inside(shown(left), shown(right))
    one, other = _number(left), _number(right)
    if sign in ("+", "-", "*", "/"):
        if sign == "/" and not other:
            raise ConsoleError("division by zero")
        return {"+": one + other, "-": one - other, "*": one * other, "/": one // (other or 1)}[sign]
    return {"<": one < other, ">": one > other, "<=": one <= other, ">=": one >= other}[sign]


def _inside(address: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("/")[0]) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _number(value: Value) -> int:
    if isinstance(value, int):
        return int(value)
    found = seconds(shown(value))
    if found is None:
        raise ConsoleError("cannot compute with this value")
    return found


def _len(plain: Sequence[Value]) -> Value:
    value = plain[0] if plain else ""
    return len(value) if isinstance(value, list) else len(shown(value).encode())


def _pick(plain: Sequence[Value]) -> Value:
    """`:pick value from [to]`: from 0, the end not included; one element or letter without an end."""
    value, first = plain[0], _number(plain[1])
    if len(plain) < 3:
        return value[first] if isinstance(value, list) and first < len(value) else shown(value)[first : first + 1]
    last = _number(plain[2])
    return value[first:last] if isinstance(value, list) else shown(value)[first:last]


def _find(plain: Sequence[Value]) -> Value:
    value, wanted = plain[0], shown(plain[1])
    found = [shown(item) for item in value].index(wanted) if isinstance(value, list) and wanted in value else -1
    found = found if isinstance(value, list) else shown(value).find(wanted)
    return "" if found < 0 else found


def _typeof(plain: Sequence[Value]) -> Value:
    value = plain[0] if plain else ""
    kinds: dict[type, str] = {bool: "bool", int: "num", list: "array"}
    return kinds.get(type(value), "str" if value else "nil")


def _array(value: Value) -> Value:
    return value if isinstance(value, list) else list(shown(value).split(","))


_FUNCTIONS: dict[str, Callable[[Sequence[Value]], Value]] = {
    "len": _len, "pick": _pick, "find": _find, "typeof": _typeof,
    "tostr": lambda plain: shown(plain[0]) if plain else "",
    "tonum": lambda plain: _number(plain[0]) if plain else "",
    "totime": lambda plain: duration(_number(plain[0])) if plain else "",
    "toarray": lambda plain: _array(plain[0]) if plain else [],
}  # fmt: skip
