"""Pages of our own, made by the same process apart that renders other people's templates."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from cpe_manager.adapters.templates.renderer import JinjaTemplates

_REPORT: Final = Path(__file__).with_name("activation_report.html")


class JinjaPages:
    """``ports.activations.ReportPages``."""

    def __init__(self, templates: JinjaTemplates | None = None) -> None:
        self._templates = templates or JinjaTemplates()

    @cached_property
    def _report(self) -> str:
        return _REPORT.read_text(encoding="utf-8")

    async def html(self, report: Mapping[str, Any]) -> str:
        return await self._templates.page(self._report, report)
