"""Reading, changing and writing back (RFC 9110, section 13): what somebody else changed meanwhile is not written over.

A thing that is written as a whole has an ``ETag`` in the answer of its ``GET``. With ``If-Match`` it is written only
over what was read; ``If-None-Match: *`` only where there is none yet. Another one than was named is a 412.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Final

from fastapi import Header, Response
from pydantic import BaseModel

from cpe_manager.domain.errors import InputError, PreconditionFailed

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=200,
        description="The `ETag` that was read: it is written over that alone, else 412. `*`: over whatever there is. "
        '`"0"`: only where there is none yet',
        examples=['"7"'],
    ),
]
IfNoneMatch = Annotated[
    str | None,
    Header(
        alias="If-None-Match", max_length=200, description="`*`: only where there is none yet, else 412", examples=["*"]
    ),
]

TAG: Final[dict[str, Any]] = {
    "ETag": {"description": "Of what is there now: name it in `If-Match`", "schema": {"type": "string"}}
}
"""OpenAPI headers of an answer with an ``ETag``."""


def tagged(response: Response, revision: int | str) -> None:
    response.headers["ETag"] = f'"{revision}"'


def content_tag(view: BaseModel) -> str:
    """For what has no revision: a digest of what is shown."""
    text = json.dumps(view.model_dump(mode="json"), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def revision_of(if_match: str | None, if_none_match: str | None = None) -> int | None:
    """The revision that is written over; 0: there has to be none; None: whatever there is.

    Raises ``InputError`` for what is no tag of ours.
    """
    if _is_any(if_none_match, "If-None-Match"):
        return 0
    if if_match is None or if_match.strip() == "*":
        return None
    number = _bare(if_match)
    if not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise InputError('If-Match is the ETag of what was read, such as "7"')
    return int(number)


def require_tag(tag: str | None, if_match: str | None, if_none_match: str | None = None) -> None:
    """``tag``: of what is there; None: there is nothing. Raises ``PreconditionFailed``."""
    if (_is_any(if_none_match, "If-None-Match") or (if_match is not None and _bare(if_match) == "0")) and tag:
        raise PreconditionFailed("there is one already")
    if if_match is None or _bare(if_match) == "0":
        return
    if tag is None:
        raise PreconditionFailed("there is none, so it is not what was read")
    if if_match.strip() != "*" and _bare(if_match) != tag:
        raise PreconditionFailed("it was changed since it was read; look again")


def _is_any(given: str | None, name: str) -> bool:
    if given is None:
        return False
    if given.strip() != "*":
        raise InputError(f"{name} is * here, and nothing else")
    return True


def _bare(tag: str) -> str:
    """A proxy that compresses answers makes tags weak; what they stand for is the same."""
    return tag.strip().removeprefix("W/").strip('"')
