"""What the ``type`` of a problem leads to: a page about its code, for programs and for browsers."""

from __future__ import annotations

from html import escape
from typing import Annotated

from fastapi import APIRouter, Header, Path, Response
from fastapi.responses import HTMLResponse

from cpe_manager.api.deps import Anyone
from cpe_manager.api.problem_texts import PROBLEMS, STATUS
from cpe_manager.api.problems import TYPES, documented
from cpe_manager.api.schemas.common import PageOf, ProblemTypeView
from cpe_manager.domain.errors import NotFound
from cpe_manager.domain.outcomes import http_status

router = APIRouter(prefix="/problems", tags=["problems"], responses=documented())

Code = Annotated[str, Path(max_length=100, description="`code` of a problem", examples=["conflict"])]


def view(code: str) -> ProblemTypeView:
    """Raises ``NotFound`` for what is no code."""
    text = PROBLEMS.get(code)
    if text is None:
        raise NotFound(f"no problem has the code {code}")
    return ProblemTypeView(
        type=f"{TYPES}{code}",
        code=code,
        status=STATUS.get(code) or http_status(code),
        title=text.title,
        meaning=text.meaning,
        remedy=text.remedy,
    )


@router.get("", operation_id="listProblemTypes", summary="All codes that a problem can have")
async def listing(_caller: Anyone) -> PageOf[ProblemTypeView]:
    return PageOf(items=[view(code) for code in PROBLEMS])


@router.get(
    "/{code}",
    operation_id="getProblemType",
    summary="What a problem's code means, and what to do about it",
    response_model=ProblemTypeView,
    responses=documented("not_found")
    | {
        200: {
            "description": "As JSON, or as a page for browsers",
            "content": {"text/html": {"schema": {"type": "string"}}},
        }
    },
)
async def show(
    code: Code, _caller: Anyone, accept: Annotated[str, Header(max_length=2000)] = ""
) -> ProblemTypeView | Response:
    found = view(code)
    return HTMLResponse(page(found)) if "text/html" in accept else found


def page(found: ProblemTypeView) -> str:
    """A whole HTML document without anything from elsewhere."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(found.code)}: {escape(found.title)}</title></head><body>"
        f"<h1>{escape(found.title)}</h1><p>Code <code>{escape(found.code)}</code>, HTTP {found.status}</p>"
        f"<p>{escape(found.meaning)}</p><p>{escape(found.remedy)}</p></body></html>\n"
    )
