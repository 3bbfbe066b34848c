"""From what a terminal printed to the text that a person would have read on it.

Pure text; the bytes are decoded once, at the end, so that a character torn apart between two reads is whole again.
"""

from __future__ import annotations

import re
from typing import Final

_ESCAPE: Final = re.compile(
    r"\x1b(?:"
    r"\[(?![012]?K)[0-?]*[ -/]*[@-~]"  # CSI, all but "erase in line", which decides what stays readable
    r"|[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # OSC and its kin, up to their terminator
    r"|[ -/]*[0-OQ-WYZ\\`-~]"  # two-byte sequences and character sets
    r")"
)
_CR_RUN: Final = re.compile(r"\r+\n")
_MOVES: Final = re.compile(r"(\r+|\x08+|\x1b\[[012]?K)")
# What keeps a text from being text: control characters other than tab and newline, and undecodable bytes.
_PLAIN: Final = bytes((0x09, 0x0A, *range(0x20, 0x7F)))
_FOREIGN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffd]")


def decode(data: bytes | bytearray) -> str:
    """UTF-8; a byte that is none becomes U+FFFD and is for ``foreign_character`` to find."""
    return data.decode("utf-8", "replace")


def without_escapes(text: str) -> str:
    """Drop complete ANSI and OSC sequences and make line ends ``\\n``; lone ``\\r``, ``\\b`` and ``ESC[K`` stay."""
    if "\x1b" in text:
        text = _ESCAPE.sub("", text)
    if "\r" in text:
        # The plain form is all that most devices send; str.replace is far cheaper than the pattern.
        text = text.replace("\r\n", "\n")
        if "\r" in text:
            text = _CR_RUN.sub("\n", text)
    return text


def rendered(text: str) -> str:
    """Play ``\\r``, ``\\b`` and ``ESC[K`` as a terminal does, line by line; this is what wipes a pager's text."""
    if "\r" not in text and "\x08" not in text and "\x1b" not in text:
        return text
    return "\n".join(_render_line(line) if _MOVES.search(line) else line for line in text.split("\n"))


def _render_line(line: str) -> str:
    """One line on paper. Blanks that were written to wipe something vanish when the cursor goes back over them."""
    paper, cursor = "", 0
    for index, part in enumerate(_MOVES.split(line)):
        if not index % 2:
            paper = paper[:cursor] + part + paper[cursor + len(part) :]
            cursor += len(part)
            continue
        if part[0] == "\x1b":
            paper = _erase(paper, cursor, part[2:-1])
            continue
        cursor = 0 if part[0] == "\r" else max(0, cursor - len(part))
        if not paper[cursor:].strip(" "):
            paper = paper[:cursor]
    return paper


def _erase(paper: str, cursor: int, what: str) -> str:
    """ECMA-48 EL: 0 to the end of the line, 1 from its start, 2 the whole of it."""
    if what == "1":
        return " " * min(cursor, len(paper)) + paper[cursor:]
    return paper[:cursor] if what in ("", "0") else " " * min(cursor, len(paper))


def clean(data: bytes | bytearray) -> str:
    """All of the above: terminal bytes to readable text."""
    return rendered(without_escapes(decode(data)))


def foreign_character(text: str) -> str | None:
    """The first character that no configuration holds, named for a message; None when the text is clean."""
    # Nearly every configuration is plain ASCII; deleting what is allowed is ten times cheaper than the pattern.
    if text.isascii() and not text.encode().translate(None, _PLAIN):
        return None
    found = _FOREIGN.search(text)
    if found is None:
        return None
    line = text.count("\n", 0, found.start()) + 1
    return f"U+{ord(found.group()):04X} in line {line}"
