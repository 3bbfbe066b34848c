"""Rendering templates that people wrote: untrusted text, run where it can do no harm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Rendered:
    """What became of one set of variables: a text, or why there is none; ``line`` of the template, from 1."""

    text: str | None = field(default=None, repr=False)
    error: str | None = None
    line: int | None = None


class Templates(Protocol):
    async def render(self, template: str, sets: Sequence[Mapping[str, Any]]) -> Sequence[Rendered]:
        """The template with each set of variables; one answer for each, in their order.

        A variable that is not there, and one that is nothing, is an error and never an empty text. No set can read
        files, reach the process it is rendered for, take long or write much. Raises ``InputError`` with the line for
        what is no template, and for one that uses up the time that all sets together have.
        """
        ...
