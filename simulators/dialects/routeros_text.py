"""How RouterOS writes values: quotes and escapes, times, and lines that go on below behind a backslash."""

from __future__ import annotations

import re

WIDTH = 80
_PLAIN = re.compile(r"[A-Za-z0-9._:/,@+*!<>-]+")
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\", "$": "\\$", "?": "\\?"}
_TIME = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_CLOCK = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(\d+):(\d\d):(\d\d)")


class ConsoleError(Exception):
    """What the console prints in place of a command's output."""


def quoted(value: str) -> str:
    """A value as an export writes it: bare when it is one plain word, else in double quotes with escapes."""
    if _PLAIN.fullmatch(value):
        return value
    letters = []
    for letter in value:
        if letter in _NAMED:
            letters.append(_NAMED[letter])
        elif " " <= letter <= "~":
            letters.append(letter)
        else:
            letters += [f"\\{byte:02X}" for byte in letter.encode("utf-8")]
    return f'"{"".join(letters)}"'


def joined(text: str) -> str:
    """Text with every line that goes on below made one: the backslash, the line end and the blanks after it go."""
    return re.sub(r"\\\r?\n[ \t]*", "", text)


def wrapped(line: str, width: int = WIDTH) -> str:
    """A long export line as a console of `width` columns prints it, each further line four blanks in."""
    if len(line) <= width:
        return line
    rows: list[str] = []
    row = ""
    for word in _words(line):
        lead = " " if row.strip() else ""
        if len(row) + len(lead) + len(word) <= width - 2:
            row += lead + word
            continue
        name, sign, value = word.partition("=")
        head = f"{lead}{name}{sign}"
        if sign and len(value) <= width - 6 and len(row) + len(head) <= width - 1:
            rows.append(f"{row}{head}\\")
            row = f"    {value}"
            continue
        if len(word) <= width - 6:
            rows.append(f"{row} \\")
            row = f"    {word}"
            continue
        row += lead + word
        while len(row) > width - 2:  # so that a blank and a backslash still fit behind it
            cut = _cut(row, width - 2)
            rows.append(row[:cut] + "\\")
            row = "    " + row[cut:]
    return "\n".join([*rows, row])


def _cut(row: str, most: int) -> int:
    """Where a long value is cut: never within an escape, and never before a blank, which the reader would drop."""
    for cut in range(most, 5, -1):
        before = row[:cut]
        if row[cut : cut + 1] not in (" ", "\t") and not re.search(r"(?<!\\)(?:\\\\)*\\[0-9A-F]?$", before):
            return cut
    return most


def _words(line: str) -> list[str]:
    """The line cut at blanks outside of quotes and brackets."""
    words, word, quote, depth, escaped = [], "", False, 0, False
    for letter in line:
        if escaped:
            escaped = False
        elif letter == "\\":
            escaped = True
        elif letter == '"':
            quote = not quote
        elif not quote:
            depth += (letter == "[") - (letter == "]")
        if letter == " " and not quote and not depth:
            words.append(word)
            word = ""
        else:
            word += letter
    return [*words, word]


def seconds(text: str) -> int | None:
    """`1w2d3h4m5s`, `01:30:00` or a bare number of seconds; None for anything else."""
    if text.isdecimal():
        return int(text)
    found = _CLOCK.fullmatch(text)
    if found is None:
        found = _TIME.fullmatch(text)
        if not text or found is None:
            return None
    weeks, days, hours, minutes, rest = (int(part or 0) for part in found.groups())
    return (((weeks * 7 + days) * 24 + hours) * 60 + minutes) * 60 + rest


def duration(count: int) -> str:
    """Seconds as RouterOS prints them: `3w2d4h5m6s`, `0s`."""
    parts = []
    for size, unit in ((604_800, "w"), (86_400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        amount, count = divmod(count, size)
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts) or "0s"
