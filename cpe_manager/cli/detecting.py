"""``cpe-manager devices detect``, and the ``--detect`` of ``devices add``: which family is at an address, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cpe_manager.cli.connection import state_of
from cpe_manager.cli.options import Json
from cpe_manager.cli.render import err, show_json, tame
from cpe_manager.domain.errors import UnknownFamily

if TYPE_CHECKING:
    from cpe_manager.api.schemas.detections import CandidateView, DetectionView
    from cpe_manager.client import Client

_BANNER_LINES: Final = 6
_WORDS: Final = {
    "sys_object_id": "SNMP sysObjectID",
    "sys_descr": "SNMP sysDescr",
    "ssh_version": "SSH server",
    "banner": "greeting",
    "prompt": "prompt",
    "answer": "its answer",
}


def detect(
    ctx: typer.Context,
    address: Annotated[str, typer.Argument(help="IPv4, IPv6 or host name.")],
    credential: Annotated[str | None, typer.Option(help="Name of the log-in; default: the group's.")] = None,
    group: Annotated[str | None, typer.Option(help="Group whose log-in and port are used.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="SSH port; default: the group's, or 22.")] = None,
    as_json: Json = False,
) -> None:
    """Find out which family is at an address, and why. Logs in once, changes nothing, adds nothing."""
    with state_of(ctx).client() as client:
        found = client.detect(_body({"address": address, "credential": credential, "group": group, "port": port}))
    if as_json:
        show_json(found)
    else:
        typer.echo("\n".join(lines(found)))
    if found.family is None:
        raise _unsure(found)


def detected(client: Client, given: Mapping[str, Any], *, quiet: bool) -> dict[str, Any]:
    """What a detection adds to a device that is about to be added: family, model, serial, host key.

    Prints what was seen and why, on standard error, unless ``quiet``. Raises ``UnknownFamily`` when it is not sure.
    """
    found = client.detect(_body(given))
    if not quiet:
        err("\n".join(lines(found)))
    if found.family is None:
        raise _unsure(found)
    facts = {"model": found.facts.model, "serial": found.facts.serial} if found.facts else {}
    return {"family": found.family, "host_key": found.host_key, **{name: word for name, word in facts.items() if word}}


def _body(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in ("address", "credential", "group", "port") if given.get(name) is not None}


def _unsure(found: DetectionView) -> UnknownFamily:
    return UnknownFamily(f"{found.address}: not sure of the family: {found.why}; if you know it, give --family")


def lines(found: DetectionView) -> list[str]:
    """What was seen, what speaks for whom, and the outcome."""
    greeting = [line for line in found.banner.splitlines() if line.strip()][:_BANNER_LINES]
    seen = [
        ("host key", f"{found.host_key.partition(' ')[0]} {found.fingerprint}"),
        ("SSH server", found.ssh_version),
        *(("greeting" if not number else "", line) for number, line in enumerate(greeting)),
        ("prompt", found.prompt),
        ("SNMP", " ".join(word for word in (found.sys_object_id, found.sys_descr) if word)),
    ]
    told = [f"{name:<12}{tame(text.rstrip())}" for name, text in seen if text]
    told += [line for candidate in found.candidates for line in _candidate(candidate)]
    facts = found.facts
    words = (facts.hostname, facts.model, facts.serial, facts.os_release) if facts else ()
    outcome = found.family or "not sure"
    return [*told, f"{'family':<12}{outcome}" + (f" ({', '.join(tame(w) for w in words if w)})" if any(words) else "")]


def _candidate(candidate: CandidateView) -> list[str]:
    reasons = "; ".join(f"{_WORDS.get(one.source, one.source)} {one.seen!r}" for one in candidate.reasons)
    verdict = f"no: {candidate.against}" if candidate.against else f"{candidate.score} points"
    return [f"{'speaks for' if not candidate.against else 'not':<12}{candidate.family}: {tame(reasons)} ({verdict})"]
