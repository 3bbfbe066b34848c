"""Which events become entries of the audit log, and what such an entry says."""

from __future__ import annotations

from typing import Any, Final

from cpe_manager.domain.access.audit import NewAuditEntry, Result
from cpe_manager.domain.events import Event

AUDITED: Final = (
    "account.*", "activation.*", "catalogue.*", "change.*", "login.*", "subscription.*", "token.*",
    "key.*", "original.opened", "hostkey.accepted", "line.asked", "line.changed", "line.held", "device.added",
    "device.changed", "device.suspended", "device.resumed", "device.decommissioned", "device.replaced",
    "group.changed", "backup.accepted", "backup.refused", "drift.adopted", "push.stuck", "push.settled",
    "rollout.started", "rollout.paused", "rollout.resumed", "rollout.stopped", "rollout.finished", "rollout.cancelled",
    "replacement.*", "job.cancelled", "webhook.added", "webhook.removed", "webhook.replayed", "webhook.disabled",
    "verify.broken",
)  # fmt: skip
"""Kinds of events that become entries: what people order, what touches a customer's contract, who may do what. The
steps of a push and of an automatic switch have histories of their own and are not repeated."""


def entry_of(event: Event) -> NewAuditEntry:
    """An event that is one of ``AUDITED``, as an entry: by whom, where its data say so, else by the daemon."""
    data = dict(event.data)
    # Whoever logs in acts; of all else the data say by whom, or nobody did.
    named = data.get("account") if event.kind.startswith("login.") else data.get("by")
    by = str(named or "") or ("" if event.kind.startswith("login.") else "cpe-manager")
    target = next((f"{kind}:{data[name]}" for kind, name in _TARGETS if data.get(name)), "")
    if not target and event.device:
        target = f"device:{event.device}"
    more: dict[str, Any] = {name: data[name] for name in _KEPT if name in data}
    if event.message:
        more["message"] = event.message
    result: Result = "failed" if event.severity == "error" else "done"
    if event.kind in _DENIALS:
        result = "denied"
    return NewAuditEntry(
        event.at, by, str(data.get("by_id") or ("" if by != "cpe-manager" else "system")), event.kind, target,
        str(data.get("site") or ""), result, {"event": event.id, **more}, str(data.get("source") or ""),
        str(data.get("request_id") or ""),
    )  # fmt: skip


_TARGETS: Final = (
    ("change", "ticket"), ("change", "change_id"), ("activation", "activation"), ("activation", "activation_id"),
    ("token", "token"), ("account", "account"), ("line", "line"), ("rollout", "rollout"),
    ("rollout", "rollout_id"), ("replacement", "replacement_id"), ("webhook", "webhook"), ("site", "site"),
)  # fmt: skip
_KEPT: Final = (
    "type", "state", "revision", "reason", "code", "fields", "changed", "version", "formula", "roles", "sites",
    "account", "account_id", "what", "way", "until",
)  # fmt: skip
_DENIALS: Final = frozenset({"login.failed", "login.held"})
