"""From what a terminal printed to the text that a person would have read on it.

Pure text; the bytes are decoded once, at the end, so that a character torn apart between two reads is whole again.
"""

from __future__ import annotations

import re
from typing import Final

_ESCAPE: Final = re.compile(
    r"\x1b(?:"
    r"\[(?!\d*[CDGKPX@])[0-?]*[ -/]*[@-~]"  # CSI, all but what moves or erases within a line
    r"|[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # OSC and its kin, up to their terminator
    r"|[ -/]*[0-DF-OQ-WYZ\\`-~]"  # two-byte sequences and character sets, but for the next one
    r")"
)
_CR_RUN: Final = re.compile(r"\r+\n")
_NEXT_LINE: Final = "\x1bE"
_MOVES: Final = re.compile(r"(\r+|\x08+|\x1b\[\d*[CDGKPX@])")
# A number beyond this is no place in a line; it bounds what a damaged sequence can cost.
_WIDEST: Final = 4096
# What keeps a text from being text: control characters other than tab and newline, and undecodable bytes.
_PLAIN: Final = bytes((0x09, 0x0A, *range(0x20, 0x7F)))
_FOREIGN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffd]")


def decode(data: bytes | bytearray) -> str:
    """UTF-8; a byte that is none becomes U+FFFD and is for ``foreign_character`` to find."""
    return data.decode("utf-8", "replace")


def without_escapes(text: str) -> str:
    """Drop complete ANSI and OSC sequences and make line ends ``\\n``; what moves or erases within a line stays."""
    if "\x1b" in text:
        text = _ESCAPE.sub("", text).replace(_NEXT_LINE, "\n")
    if "\r" in text:
        # The plain form is all that most devices send; str.replace is far cheaper than the pattern.
        text = text.replace("\r\n", "\n")
        if "\r" in text:
            text = _CR_RUN.sub("\n", text)
    return text


def rendered(text: str) -> str:
    """Play ``\\r``, ``\\b`` and the like as a terminal does, line by line; this is what wipes a pager's text."""
    if "\r" not in text and "\x08" not in text and "\x1b" not in text:
        return text
    return "\n".join(_render_line(line) if _MOVES.search(line) else line for line in text.split("\n"))


def _render_line(line: str) -> str:
    """One line on paper. Blanks that were written to wipe something vanish when the cursor goes back over them."""
    paper, cursor = "", 0
    for index, part in enumerate(_MOVES.split(line)):
        if not index % 2:
            if part:
                paper = paper[:cursor].ljust(cursor) + part + paper[cursor + len(part) :]
                cursor += len(part)
        elif part[0] == "\x1b":
            paper, cursor = _sequence(paper, cursor, part[-1], part[2:-1])
        else:
            cursor = 0 if part[0] == "\r" else max(0, cursor - len(part))
            paper = _without_blanks(paper, cursor)
    return paper


def _sequence(paper: str, cursor: int, final: str, number: str) -> tuple[str, int]:
    """ECMA-48 within a line: CUF, CUB, CHA move; EL, ECH, DCH, ICH change what stands there."""
    if final == "K":
        return _erase(paper, cursor, number), cursor
    count = min(int(number or 1) or 1, _WIDEST)
    if final == "C":
        return paper, min(cursor + count, _WIDEST)
    if final in "DG":
        cursor = max(0, cursor - count) if final == "D" else count - 1
        return _without_blanks(paper, cursor), cursor
    head, rest = paper[:cursor].ljust(cursor), paper[cursor:]
    changed = {"P": rest[count:], "X": " " * min(count, len(rest)) + rest[count:], "@": " " * count + rest}
    return head + changed[final], cursor


def _without_blanks(paper: str, cursor: int) -> str:
    return paper if paper[cursor:].strip(" ") else paper[:cursor]


def _erase(paper: str, cursor: int, what: str) -> str:
    """ECMA-48 EL: 0 to the end of the line, 1 from its start, 2 the whole of it."""
    if what == "1":
        return " " * min(cursor, len(paper)) + paper[cursor:]
    return " " * min(cursor, len(paper)) if what == "2" else paper[:cursor]


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
