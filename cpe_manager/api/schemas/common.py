"""What several resources share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from cpe_manager.domain.paging import Page

T = TypeVar("T")
D = TypeVar("D")

_LONE_SURROGATE: Final = re.compile("[\\ud800-\\udfff]")


class Body(BaseModel):
    """A request body: an unknown field is a mistake, and is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _text_can_be_written(cls, given: Any) -> Any:
        """JSON's escapes can spell NUL and half of a character, which not every database and no file takes."""
        if _unwritable(given):
            raise ValueError("text holds NUL or half of a surrogate pair; take it out")
        return given


def _unwritable(given: Any) -> bool:
    """Without recursion: what is deeply nested would exhaust the stack here, past the JSON reader."""
    left = [given]
    while left:
        one = left.pop()
        if isinstance(one, str):
            if "\0" in one or (not one.isascii() and _LONE_SURROGATE.search(one)):
                return True
        elif isinstance(one, Mapping):
            left += (part for pair in one.items() for part in pair)
        elif isinstance(one, list):
            left += one
    return False


def _fits_a_path(name: str) -> str:
    if not name.isprintable() or "/" in name or name.startswith((".", "-")) or name != name.strip():
        raise ValueError("a name has no slash or control character in it, no space around it, no '.' or '-' in front")
    return name


Label = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_fits_a_path)]
"""The name of what is addressed by it: it becomes one part of a path."""


class View(BaseModel):
    """A response body, made from a domain value. A client ignores fields that it does not know."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class PageOf(View, Generic[T]):
    """Pass ``next_cursor`` as ``cursor`` to get the next page; null on the last one."""

    items: list[T]
    next_cursor: str | None = None


def paged(page: Page[D], view: Callable[[D], T]) -> PageOf[T]:
    return PageOf(items=[view(item) for item in page.items], next_cursor=page.next)


class ProblemEntry(View):
    """One of several things wrong with the input, and where: a line of a file, a place of the body, a parameter."""

    file: str | None = None
    line: int | None = Field(default=None, description="Of the file, from 1")
    pointer: str | None = Field(
        default=None,
        description="Place in the body, as a JSON pointer (RFC 6901); empty: the whole",
        examples=["/parameters/port"],
    )
    parameter: str | None = Field(default=None, description="Of path, query or header", examples=["limit"])
    reason: str


class Problem(View):
    """RFC 9457. ``code`` is the stable name of the error; act on it, not on the texts."""

    type: str = Field(
        description="Leads to a page about the code, relative to the daemon", examples=["/api/v1/problems/not_found"]
    )
    title: str = Field(examples=["No such thing"])
    status: int = Field(ge=400, le=599, examples=[404])
    detail: str = Field(examples=["no such device: GENT-01"])
    instance: str | None = Field(default=None, description="Names this occurrence; it is also in the daemon's log")
    code: str = Field(examples=["not_found"])
    retryable: bool = Field(description="Whether the same request may succeed later")
    device_state: Literal["untouched", "changed", "unknown"] = Field(description="What the failure did to devices")
    errors: list[ProblemEntry] | None = Field(default=None, description="With code 'input': everything that is wrong")


class ProblemTypeView(View):
    """What a code means."""

    type: str = Field(examples=["/api/v1/problems/conflict"])
    code: str = Field(examples=["conflict"])
    status: int = Field(examples=[409])
    title: str
    meaning: str
    remedy: str = Field(description="What whoever gets it can do")
