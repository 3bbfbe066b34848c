"""What several resources share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from cpe_manager.domain.paging import Page

T = TypeVar("T")
D = TypeVar("D")


class Body(BaseModel):
    """A request body: an unknown field is a mistake, and is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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
    """One of several things wrong with the input; ``line`` counts from 1."""

    file: str | None = None
    line: int | None = None
    reason: str


class Problem(View):
    """RFC 9457. ``code`` is the stable name of the error; act on it, not on the texts."""

    type: str = Field(examples=["/problems/not_found"])
    title: str
    status: int
    detail: str
    instance: str | None = Field(default=None, description="Names this occurrence; it is also in the daemon's log")
    code: str = Field(examples=["not_found"])
    retryable: bool = Field(description="Whether the same request may succeed later")
    device_state: str = Field(description="What the failure did to devices: untouched, changed or unknown")
    errors: list[ProblemEntry] | None = Field(default=None, description="With code 'input': everything that is wrong")
