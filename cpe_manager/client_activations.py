"""The part of the typed client that speaks of activations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cpe_manager.api.schemas.activations import ActivationDetailView, ActivationReportView, ActivationView
from cpe_manager.client_http import Http, part


class ActivationCalls(Http):
    def order_activation(self, body: Mapping[str, Any], *, key: str | None = None) -> ActivationView:
        return self.post("/activations", ActivationView, body, key=key)

    def activations(self, *, limit: int | None = None, **where: Any) -> Iterator[ActivationView]:
        return self.pages("/activations", ActivationView, limit=limit, **where)

    def activation(self, ref: str) -> ActivationDetailView:
        return self.get(f"/activations/{part(ref)}", ActivationDetailView)

    def answer_rush(self, ref: str, body: Mapping[str, Any]) -> ActivationView:
        return self.post(f"/activations/{part(ref)}/rush-answer", ActivationView, body)

    def activation_verb(self, ref: str, verb: str) -> ActivationView:
        """``retry`` or ``cancel``."""
        return self.post(f"/activations/{part(ref)}/{verb}", ActivationView)

    def activation_report(self, ref: str, number: int | None = None) -> ActivationReportView:
        """The latest, unless a number is given."""
        return self.get(f"/activations/{part(ref)}/report.json", ActivationReportView, number=number)

    def activation_page(self, ref: str, number: int | None = None) -> str:
        """The same as one HTML page."""
        return self.text(f"/activations/{part(ref)}/report.html", number=number)
