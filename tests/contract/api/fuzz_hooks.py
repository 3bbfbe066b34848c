"""Loaded by Schemathesis: keeps it from taking away the tokens that it asks with, and the first devices."""

from __future__ import annotations

import os
from typing import Any, Final

import schemathesis
from schemathesis.engine import observations

KEPT: Final = frozenset(os.environ.get("FUZZ_KEPT", "").split())
"""Names and ids of what is not taken away."""
_ENDING: Final = frozenset(
    {"revokeToken", "revokeOwnToken", "revokeAccountToken", "changeAccount", "decommissionDevice"}
)


@schemathesis.hook
def before_call(ctx: Any, case: Any, kwargs: Any) -> None:
    if case.operation.definition.raw.get("operationId") not in _ENDING:
        return
    for name, value in (case.path_parameters or {}).items():
        if value in KEPT:
            case.path_parameters[name] = "spare"


def _no_link_of_what_is_no_url(found: Any) -> Any:
    """The tool takes any text of an answer that begins as a URL does for a link, and ends when it is none."""

    def path(value: str, origin: tuple[str, str]) -> str | None:
        try:
            link: str | None = found(value, origin)
        except ValueError:
            return None
        return link

    return path


observations._same_origin_path = _no_link_of_what_is_no_url(observations._same_origin_path)
