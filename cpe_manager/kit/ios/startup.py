"""What an IOS router saved, in the form in which it shows what it runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

# What is saved of a certificate that the router made is the name of a file; what runs shows it whole.
_NAMED: Final = re.compile(r"^ (certificate .*?) nvram:\S+\s*$")
_SHOWN: Final = re.compile(r"^ (certificate .*?)\s*$")


def as_shown(saved: str, running: str) -> str:
    """``saved`` begins behind the line that counts its bytes, and so does ``running``.

    The comments at the head (who changed it and when, which a restart leaves out) are those of what runs, and so is a
    certificate of which the saved text names the file only.
    """
    head, _ = _split(running)
    _, body = _split(saved)
    return head + "".join(f"{line}\n" for line in _spelled_out(body, _certificates(running)))


def _split(text: str) -> tuple[str, str]:
    """The comments at the head, and the rest."""
    start = 0
    while text.startswith(("!", "\n"), start):
        start = text.find("\n", start) + 1 or len(text)
    return text[:start], text[start:]


def _spelled_out(body: str, certificates: dict[tuple[str, str], list[str]]) -> Iterator[str]:
    chain = ""
    for line in body.splitlines():
        if not line.startswith(" "):
            chain = line
        named = _NAMED.match(line)
        yield from certificates.get((chain, named[1]), [line]) if named else [line]


def _certificates(running: str) -> dict[tuple[str, str], list[str]]:
    """The lines of each certificate, by its chain and its own heading."""
    found: dict[tuple[str, str], list[str]] = {}
    if "\n certificate " not in running:
        return found
    chain, present = "", None
    for line in running.splitlines():
        if not line.startswith((" ", "\t")):
            chain, present = line, None
        elif heading := _SHOWN.match(line):
            present = found.setdefault((chain, heading[1]), [line])
        elif present is not None:
            present.append(line)
            if line.strip() == "quit":
                present = None
    return found
