"""What every family's configuration text has to be before anything else is asked of it."""

from __future__ import annotations

from typing import Final

from cpe_manager.domain.errors import FetchIncomplete
from cpe_manager.kit.terminal_text import foreign_character

_BUILDING: Final = "Building configuration..."


def checked(text: str) -> str:
    """``\\n`` line ends, no blank lines at either end, one newline last.

    Raises ``FetchIncomplete`` for nothing at all and for characters that no configuration holds.
    """
    text = text.replace("\r\n", "\n").strip("\n") + "\n"
    if text == "\n":
        raise FetchIncomplete("the device printed nothing")
    if foreign := foreign_character(text):
        raise FetchIncomplete(f"the text is damaged: {foreign}")
    return text


def last_lines(text: str, count: int) -> list[str]:
    """The last ``count`` lines, the last one first, without going through the whole text."""
    return text.rstrip("\n").rsplit("\n", count)[: -count - 1 : -1]


def values(text: str, head: str) -> list[str]:
    """What follows ``head`` in each line that begins with it. Plain searching: patterns cost ten times as much."""
    found = [text[len(head) : _line_end(text, 0)]] if text.startswith(head) else []
    place = text.find("\n" + head)
    while place >= 0:
        end = _line_end(text, place + 1)
        found.append(text[place + 1 + len(head) : end])
        place = text.find("\n" + head, end)
    return [value.strip() for value in found]


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def after_header(printed: str, head: str) -> tuple[str, str]:
    """Split what a ``show running-config`` printed at the one line that begins with ``head``: that line, and the rest.

    Only a line that says that the text is being built may stand before it. Raises ``FetchIncomplete``.
    """
    place = printed.find(head)
    before = printed[: max(place, 0)].replace(_BUILDING, "").strip()
    if place < 0 or before or len(values(printed, head)) != 1:
        raise FetchIncomplete("the header of the configuration is missing or not alone")
    end = _line_end(printed, place)
    return printed[place:end], printed[end:]
