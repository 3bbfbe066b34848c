"""What several resources share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Generic, Literal, TypeVar, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cpe_manager.domain.paging import Page

T = TypeVar("T")
D = TypeVar("D")

_NUMBER: Final = re.compile(r"\s*[+-]?[0-9.]+(?:e[+-]?[0-9]+)?\s*", re.IGNORECASE)
_LONE_SURROGATE: Final = re.compile("[\\ud800-\\udfff]")


class Asked(BaseModel):
    """What a request says: an unknown field is a mistake, and is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _text_can_be_written(cls, given: Any) -> Any:
        """JSON's escapes can spell NUL and half of a character, which not every database and no file takes."""
        if _unwritable(given):
            raise ValueError("text holds NUL or half of a surrogate pair; take it out")
        return given


class Body(Asked):
    """A request body. JSON has numbers, texts and truths, each of its own: 0 is not false, and "5" is not 5."""

    @field_validator("*", mode="before")
    @classmethod
    def _types_are_its_own(cls, value: Any, info: ValidationInfo) -> Any:
        annotation: Any = cls.model_fields[info.field_name or ""].annotation
        wanted = _scalars(annotation)
        for one in value if isinstance(value, list) else (value,):
            if wanted and isinstance(one, bool | int | float | str) and not _is_one_of(one, wanted):
                raise ValueError(f"must be {' or '.join(sorted(_NAMES[kind] for kind in wanted))}")
        return value


def moment(value: Any) -> Any:
    """Numbers would be taken for seconds since 1970, which nobody means."""
    if not isinstance(value, str | datetime) or _NUMBER.fullmatch(str(value)):
        raise ValueError("must be a time as 2026-03-02T08:00:00+01:00")
    return value


Moment = Annotated[datetime, BeforeValidator(moment)]
"""A time that a request says (RFC 3339)."""
_NAMES: Final = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


@cache
def _scalars(annotation: Any) -> frozenset[type]:
    """Those of ``_NAMES`` that a field, or each entry of its list, may be; empty where it may be something else."""
    if annotation in _NAMES:
        return frozenset({annotation})
    if get_origin(annotation) in (Annotated, list):
        return _scalars(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        kinds = [_scalars(one) for one in get_args(annotation) if one is not NoneType]
        return frozenset().union(*kinds) if all(kinds) else frozenset()
    return frozenset()


def _is_one_of(value: bool | float | str, wanted: frozenset[type]) -> bool:
    if isinstance(value, bool | str):
        return type(value) in wanted
    return float in wanted or (int in wanted and (isinstance(value, int) or value.is_integer()))


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


class RowView(View):
    """What became of one row of a table that was brought in; which thing it is about is told beside."""

    number: int = Field(description="Line of the file")
    result: Literal["new", "changed", "unchanged", "refused"]
    reason: str
