"""Every problem that the daemon answers with becomes the error that it was, whatever else shares its code."""

from __future__ import annotations

import json

import pytest

from cpe_manager.client_http import error_of
from cpe_manager.domain import errors
from cpe_manager.domain.push import checks


@pytest.mark.parametrize(
    ("code", "kind"),
    [("conflict", errors.Conflict), ("not_found", errors.NotFound), ("refused", errors.CommandRefused)],
)
def test_a_problem_is_the_error_of_its_code(code: str, kind: type[errors.CpeManagerError]) -> None:
    assert checks.Refused.code == errors.Conflict.code
    said = {"title": "t", "status": 409, "detail": "why", "retryable": False, "device_state": "untouched"}
    found = error_of(409, json.dumps({"type": f"/api/v1/problems/{code}", "code": code} | said).encode())
    assert type(found) is kind
    assert str(found) == "why"
