"""Words, operators and redirections of a POSIX shell line, as far as a CPE's manager types them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_OPERATORS = ("&&", "||", ";", "|")
_REDIRECT = re.compile(r"^([12]?)(>>|>)(.*)$")


@dataclass(slots=True)
class Command:
    """One simple command. after: the operator before it (`;`, `&&`, `||`, `|`). targets: stream number to file, or
    `&1`, `&2`. appends: streams that add to their file."""

    words: list[str]
    after: str = ";"
    targets: dict[int, str] = field(default_factory=dict)
    appends: set[int] = field(default_factory=set)


class ShellSyntaxError(ValueError):
    """The line cannot be read."""


def split_words(line: str) -> list[str]:
    """Plain words, quotes removed, nothing put in. Raises ShellSyntaxError for open quotes."""
    words: list[str] = []
    position = 0
    while position < len(line):
        found = _WORD.match(line, position)
        if found is None:
            raise ShellSyntaxError("unterminated quoted string")
        if found[1] is not None:
            words.append(expand(found[1], None))
        position = found.end()
    return words


_WORD = re.compile(r"""\s*(?:\Z|\#[^\n]*|((?:'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^\s'"\\]+)+))(?=\s|\Z)""", re.DOTALL)


def parse_line(line: str) -> list[Command]:
    """Read a line into commands. Raises ShellSyntaxError for open quotes or an operator without a command."""
    commands: list[Command] = []
    operator, words = ";", list[str]()
    for token in _tokens(line):
        if token in _OPERATORS:
            if not words and token != ";":
                raise ShellSyntaxError(f'unexpected "{token}"')
            if words:
                commands.append(_command(words, operator))
            operator, words = token, []
        else:
            words.append(token)
    if words:
        commands.append(_command(words, operator))
    elif operator != ";":
        raise ShellSyntaxError(f'nothing after "{operator}"')
    return commands


def _tokens(line: str) -> list[str]:
    """Words with their quotes, operators on their own; a new line is a `;`."""
    tokens: list[str] = []
    current, quote, index = "", "", 0
    while index < len(line):
        letter = line[index]
        if quote:
            if quote == '"' and letter == "\\" and index + 1 < len(line):
                current, index = current + letter, index + 1
            current += line[index]
            quote = "" if letter == quote else quote
        elif letter == "#" and not current:
            index = line.find("\n", index) - 1 if "\n" in line[index:] else len(line)
        elif letter in "'\"":
            quote, current = letter, current + letter
        elif letter == "\\" and index + 1 < len(line):
            current, index = current + line[index : index + 2], index + 1
        elif letter in " \t\n;|" or line.startswith("&&", index):
            tokens, current = _push(tokens, current), ""
            operator = _operator_at(line, index)
            if operator:
                tokens.append(";" if operator == "\n" else operator)
                index += len(operator) - 1
        else:
            current += letter
        index += 1
    if quote:
        raise ShellSyntaxError("unterminated quoted string")
    return _push(tokens, current)


def _push(tokens: list[str], word: str) -> list[str]:
    return [*tokens, word] if word else tokens


def _operator_at(line: str, index: int) -> str:
    return next((item for item in ("&&", "||", ";", "|", "\n") if line.startswith(item, index)), "")


def _command(tokens: list[str], operator: str) -> Command:
    command = Command([], operator)
    waiting: int | None = None
    for token in tokens:
        found = _REDIRECT.match(token)
        if waiting is not None:
            command.targets[waiting], waiting = unquote(token), None
        elif found:
            stream = int(found.group(1) or 1)
            if found.group(2) == ">>":
                command.appends.add(stream)
            if found.group(3):
                command.targets[stream] = unquote(found.group(3))
            else:
                waiting = stream
        else:
            command.words.append(token)
    if waiting is not None:
        raise ShellSyntaxError("redirection to nowhere")
    return command


def unquote(word: str) -> str:
    """A word without its quotes and backslashes."""
    return "".join(split_words(word)) if word else ""


def expand(word: str, variables: dict[str, str] | None) -> str:
    """A word with `$?` and `$NAME` put in, except in single quotes, and then without quotes and backslashes. Without
    variables a dollar is a dollar."""
    if not _SPECIAL.search(word):
        return word
    parts: list[str] = []
    position = 0
    while position < len(word):
        found = _PIECE.match(word, position)
        if found is None:
            raise ShellSyntaxError("unterminated quoted string")
        if found["single"] is not None:
            parts.append(found["single"])
        elif found["double"] is not None:
            parts.append(_double(found["double"], variables))
        elif found["escaped"] is not None:
            parts.append(found["escaped"])
        else:
            parts.append(_substitute(found["plain"], variables))
        position = found.end()
    return "".join(parts)


_SPECIAL = re.compile(r"""['"\\$]""")
_PIECE = re.compile(
    r"""'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|\\(?P<escaped>.?)|(?P<plain>[^'"\\]+)""", re.DOTALL
)


def _double(text: str, variables: dict[str, str] | None) -> str:
    """What stands in double quotes: a backslash takes the meaning from `$`, quotes and itself only."""
    pieces = re.split(r"\\([$`\"\\\n])", text)
    return "".join(piece if index % 2 else _substitute(piece, variables) for index, piece in enumerate(pieces))


def _substitute(text: str, variables: dict[str, str] | None) -> str:
    if variables is None or "$" not in text:
        return text
    return re.sub(r"\$(\?|\$|\w+|\{\w+\})", lambda found: variables.get(found.group(1).strip("{}"), ""), text)
