"""The reference pages are what the code says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from cpe_manager.api.schemas.kinds import EVENT_KINDS
from scripts.docs import FOLDER, PAGES

ROOT = FOLDER.parent.parent


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_up_to_date(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name](), "run make docs"


def emitted() -> Iterator[tuple[Path, str]]:
    """First literal argument of every call that makes an event."""
    for path in (ROOT / "cpe_manager").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in {"NewEvent", "event", "_event"}:
                given = [*node.args[:2], *(key.value for key in node.keywords if key.arg == "kind")]
                for one in given:
                    if isinstance(one, ast.Constant) and isinstance(one.value, str) and "." in one.value:
                        yield path, one.value


def test_every_kind_of_event_in_the_code_is_explained() -> None:
    found = list(emitted())
    assert len(found) > 15
    for path, kind in found:
        assert kind in EVENT_KINDS, path
