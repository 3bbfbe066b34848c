"""The part of the typed client that is about change requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cpe_manager.api.schemas.changes import (
    ApprovalView,
    ChangeDetailView,
    ChangeImportView,
    ChangeTypeView,
    ChangeView,
)
from cpe_manager.api.schemas.common import PageOf
from cpe_manager.client_http import IMPORT_TIMEOUT, Http, part


class ChangeCalls(Http):
    """Raises our own errors, as the whole client does. ``match``: the revision that was read."""

    def submit_change(self, body: Mapping[str, Any], *, key: str | None = None) -> ChangeView:
        return self.post("/changes", ChangeView, body, key=key)

    def changes(self, *, limit: int | None = None, **where: Any) -> Iterator[ChangeView]:
        """``where``: ``state`` and ``site`` (lists), ``device``, ``type``, ``bulk``, ``open``."""
        return self.pages("/changes", ChangeView, limit=limit, **where)

    def change(self, change: str) -> ChangeDetailView:
        return self.get(f"/changes/{part(change)}", ChangeDetailView)

    def approvals(self, *, limit: int | None = None) -> Iterator[ApprovalView]:
        return self.pages("/approvals", ApprovalView, limit=limit)

    def approve_change(self, change: str, body: Mapping[str, Any], *, match: int | None = None) -> ChangeView:
        return self.post(f"/changes/{part(change)}/approval", ChangeView, body, match=match)

    def decline_change(self, change: str, body: Mapping[str, Any], *, match: int | None = None) -> ChangeView:
        return self.post(f"/changes/{part(change)}/decline", ChangeView, body, match=match)

    def withdraw_change(self, change: str, body: Mapping[str, Any], *, match: int | None = None) -> ChangeView:
        return self.post(f"/changes/{part(change)}/withdrawal", ChangeView, body, match=match)

    def import_changes(self, body: Mapping[str, Any], *, key: str | None = None) -> ChangeImportView:
        return self.post("/change-imports", ChangeImportView, body, timeout=IMPORT_TIMEOUT, key=key)

    def change_types(self) -> Sequence[ChangeTypeView]:
        return self.get("/catalogue/changes", PageOf[ChangeTypeView]).items

    def change_type(self, name: str) -> ChangeTypeView:
        return self.get(f"/catalogue/changes/{part(name)}", ChangeTypeView)
