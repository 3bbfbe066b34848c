"""Writes the reference pages that are made from code: ``python -m scripts.docs [--check]``.

With ``--check`` nothing is written; the exit code is 1 when a page is not what the code says.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast, get_type_hints

import typer

from cpe_manager.api.app import create_app
from cpe_manager.api.problem_texts import PROBLEMS, title
from cpe_manager.api.routes.problems import view as problem_view
from cpe_manager.api.schemas.kinds import EVENT_KINDS
from cpe_manager.cli.main import app
from cpe_manager.domain.changes.catalogue import CHANGE_TYPES, words_of
from cpe_manager.domain.changes.reading import TOLD
from cpe_manager.domain.changes.schema import needed, type_words
from cpe_manager.domain.errors import CpeManagerError
from cpe_manager.domain.outcomes import EXIT_CODE, exit_code
from cpe_manager.domain.push.checks import Check
from cpe_manager.runtime.metrics import Metrics

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
NOTE = "<!-- Made by `make docs` from the code; edit the code. -->\n"

MEANINGS = {
    "ok": "Done",
    "internal": "Something unforeseen; `--debug` shows where",
    "usage": "The command itself is wrong: unknown option, missing argument",
    "job_failed": "The command did its part, but the job ended as failed (for a run: at least one device failed)",
    "device": "A device or the way to it failed",
    "unreachable": "No daemon answers",
    "address_in_use": "The port to listen on is taken",
}


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    def line(cells: Iterable[object]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"

    return line(head) + line("---" for _ in head) + "".join(line(row) for row in rows)


def cli_page() -> str:
    root = typer.main.get_command(app)
    text = (
        "\nOptions of `cpe-manager` itself stand before the command. The daemon's URL and token come from `--url` and "
        "`--token`, else from `CPE_MANAGER_URL` and `CPE_MANAGER_TOKEN`, else from the first client file found: "
        "`client.toml` in the data directory that is named, `~/.config/cpe-manager/client.toml`, "
        "`~/.local/share/cpe-manager/client.toml`. Every failure is one line on standard error and an "
        "[exit code](exit-codes.md).\n"
    )
    return "".join(["# The command line\n\n", NOTE, text, *_commands(root, ("cpe-manager",))])


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[str]:
    below: Mapping[str, Any] = getattr(command, "commands", {})
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    usage = " ".join([*path, *map(_metavar, arguments)])
    yield f"\n{'#' * min(len(path) + 1, 4)} {' '.join(path)}\n\n{command.help}\n"
    if not below:
        yield f"\n    {usage}\n"
    rows = [(f"`{_metavar(param)}`", param.help or "") for param in arguments]
    options = [param for param in command.params if param.param_type_name == "option"]
    rows += [(_option(param), _described(param)) for param in options if not param.name.endswith("completion")]
    if rows:
        yield "\n" + table(("", ""), rows)
    for name, child in below.items():
        yield from _commands(child, (*path, name))


def _metavar(param: Any) -> str:
    name = param.metavar or param.name.upper()
    return name if param.required or name.startswith("[") else f"[{name}]"


def _option(param: Any) -> str:
    return ", ".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts))


def _described(param: Any) -> str:
    words = [param.help or ""]
    kind = param.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        words.append("One of " + ", ".join(f"`{one.value}`" for one in kind) + ".")
    default = param.default
    if default not in (None, False, "", ()) and not callable(default) and not param.is_eager:
        words.append(f"Default: `{getattr(default, 'value', default)}`.")
    if param.envvar:
        words.append(f"Environment: `{param.envvar}`.")
    return " ".join(words)


def api_page() -> str:
    nothing = cast(
        "Any",
        SimpleNamespace(events=None, audit=None, clock=None, request_keys=None, accounts=SimpleNamespace(access=None)),
    )
    document = create_app(nothing, metrics=Metrics(), version="0").openapi()
    parts = ["# The API\n\n", NOTE, "\n", document["info"]["description"], "\n\n", _API_TEXT]
    by_tag: dict[str, list[tuple[str, str, str, str]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            row = (f"`{method.upper()} {path}`", _permission(operation), operation["summary"], _ends(operation))
            by_tag.setdefault(operation["tags"][0], []).append(row)
    for tag, rows in by_tag.items():
        parts.append(f"\n## {tag}\n\n" + table(("request", "permission", "what", "answers"), rows))
    parts.append("\n## Problems\n\nEvery code has its page: [problems](problems.md).\n")
    return "".join(parts)


_API_TEXT = """\
The full description (OpenAPI 3.1) is at `/api/v1/openapi.json`. Each operation names the permission that it takes. A
role of the account has to allow it, and the token too where that is limited: [rights](../explanation/rights.md). Tokens
of no account have scopes instead: `read` (`see`, `see-changes`, `follow`), `write` (`operate`, `submit-changes`),
`admin` (`administer`, `audit`), `originals`; none includes another. `GET /api/v1/events/stream` sends
server-sent events: `id` is the event's id, and a client that comes back with `Last-Event-ID` misses nothing. Request
bodies are limited to 1 MiB, imports to 64 MiB.
"""


def _permission(operation: Mapping[str, Any]) -> str:
    """By token and by cookie it is the same one."""
    if not operation.get("security"):
        return "none"
    names = {name for one in operation["security"] for listed in one.values() for name in listed}
    return ", ".join(f"`{name}`" for name in sorted(names)) or "one's own"


def _ends(operation: Mapping[str, Any]) -> str:
    return ", ".join(sorted(operation["responses"]))


def _kinds(root: type[CpeManagerError] = CpeManagerError) -> Iterator[type[CpeManagerError]]:
    for kind in root.__subclasses__():
        if kind.__module__.startswith("cpe_manager.domain.errors"):
            yield kind
        yield from _kinds(kind)


def problems_page() -> str:
    """A section for each code, as the daemon's own pages have it."""
    text = (
        "Every error of the API is an `application/problem+json` body (RFC 9457). Its `type` is a relative reference, "
        "`/api/v1/problems/CODE`, at which the daemon itself has what is written here; `code` is stable, and what a "
        "program acts on. `retryable`: the same request may succeed later; `device_state`: what the failure "
        "did to a device. With the code `input` everything that is wrong is in `errors`, each with its `pointer` in "
        "the body (RFC 6901) or its `parameter`.\n"
    )
    retryable = {kind.code: kind.retryable for kind in _kinds()}
    parts = ["# Problems\n\n", NOTE, "\n", text]
    for code in PROBLEMS:
        found = problem_view(code)
        again = "; may succeed later" if retryable.get(code) else ""
        parts.append(
            f"\n## {code}\n\n{found.title} (HTTP {found.status}{again}).\n\n{found.meaning}\n\n{found.remedy}\n"
        )
    return "".join(parts)


def exit_codes_page() -> str:
    codes: dict[int, list[str]] = {}
    for code in (*EXIT_CODE, *(kind.code for kind in _kinds())):
        known = codes.setdefault(exit_code(code), [])
        if code not in known:
            known.append(code)
    rows = [(number, _meaning(names), ", ".join(f"`{name}`" for name in names)) for number, names in codes.items()]
    rows.append((130, "Ended by Ctrl-C; a job that was being waited for goes on", ""))
    return f"# Exit codes\n\n{NOTE}\n" + table(("code", "meaning", "errors"), rows)


def _meaning(names: Sequence[str]) -> str:
    if "device" in names:
        return MEANINGS["device"]
    return "; ".join(dict.fromkeys(MEANINGS.get(name) or title(name) for name in names))


def metrics_page() -> str:
    rows = [(f"`{name}`", kind, labels, text) for name, kind, labels, text in Metrics().described()]
    text = (
        "`GET /metrics`, Prometheus text format, without a token. Counters and histograms are this process's own; the "
        "figures of the fleet are a snapshot taken every half minute, so that a scrape costs the database nothing. The "
        "usual `process_*` metrics are there too.\n\n"
    )
    return f"# Metrics\n\n{NOTE}\n{text}" + table(("metric", "type", "labels", "meaning"), rows)


def events_page() -> str:
    text = (
        "`GET /api/v1/events` pages through them, `GET /api/v1/events/stream` follows them, `cpe-manager events -f` "
        "shows them. `severity` is `info`, `warning` or `error`. Secrets never reach an event.\n\n"
    )
    rows = [(f"`{kind}`", meaning) for kind, meaning in EVENT_KINDS.items()]
    return f"# Events\n\n{NOTE}\n{text}" + table(("kind", "when"), rows)


def change_catalogue_page() -> str:
    parts = ["# The change catalogue\n\n", NOTE, "\n", _CHANGES_TEXT]
    for name, entry in CHANGE_TYPES.items():
        parts.append(f"\n## {name}\n\n{words_of(name)}\n")
        rows = list(_parameters(entry.parameters))
        parts.append(
            "\n" + table(("parameter", "what it is", "required", "meaning"), rows) if rows else "\nNo parameters.\n"
        )
    rows = [(f"`{code.value}`", words) for code, words in _CHECKS.items()]
    parts.append("\n## Refusals\n\n" + _REFUSALS_TEXT + table(("code", "what it says"), rows))
    return "".join(parts)


def _parameters(kind: Any, place: str = "") -> Iterator[tuple[str, str, str, str]]:
    hints = get_type_hints(kind)
    for field in fields(kind):
        told, name = field.metadata[TOLD], f"{place}{field.name}"
        example = "" if told.example is None else f" Such as `{json.dumps(told.example)}`."
        words, inner = type_words(field, hints[field.name])
        default = ""
        if not needed(field) and isinstance(field.default, str | bool) and field.default != "":
            default = f" Unless given: `{json.dumps(field.default)}`."
        yield f"`{name}`", words, "yes" if needed(field) else "", f"{told.words}.{default}{example}"
        if inner is not None:
            yield from _parameters(inner, f"{name}[].")


_CHANGES_TEXT = """\
Every change that may be asked for, with its parameters. `GET /api/v1/catalogue/changes` tells the same for programs,
each with its JSON schema (draft 2020-12) and its terms: the components that a subscription needs, whether it is a
standard change, whether a fee applies (`config/change-catalogue.toml`). A parameter that is unknown, of another type or
outside of what is said here is refused with its place, `ports[0].inside`; nothing is stored then. What a change is
judged against after that is what the device runs: see the refusals below. How a new entry is made is told in the
[tick list](../tick-lists/new-change-type.md).
"""
_REFUSALS_TEXT = """\
What an entry itself says about a device, as the `code` of a refused request; the checks of every push
([the commit path](../explanation/commit-path.md)) come on top.

"""
_CHECKS = {
    Check.RESERVED: "It would take port 23, or another one that the catalogue reserves for the operator (§5.2.2.1)",
    Check.MANAGEMENT_PORT: "It would take the port at which the box is managed",
    Check.MAPPED: "The port is open already; the reason says to where",
    Check.VOICE: "It would take ports of voice over IP (SIP, RTP) of the line",
    Check.OUTSIDE_LAN: "The host is not on the LAN, nor in the IP pack, nor behind a static route",
    Check.OWN_ADDRESS: "The host is the router itself",
    Check.IN_POOL: "A note, and no refusal: the host is in the DHCP pool without a reservation",
    Check.ABSENT: "What is to be changed or taken away is not there",
    Check.IN_USE: "Something else on the device needs it, or is there instead; as a note where the change goes on",
    Check.OVERLAP: "Two networks of the device would overlap",
    Check.END_USERS: "More end users than a line, or its formula, may have (§3.5)",
    Check.CARRY: "The device's family cannot carry it; the reason names the feature",
    Check.MODEL: "No device can be configured so; the reason names the parameter",
    Check.NOTHING: "It is so already",
}


PAGES: Mapping[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "api.md": api_page,
    "problems.md": problems_page,
    "exit-codes.md": exit_codes_page,
    "metrics.md": metrics_page,
    "events.md": events_page,
    "change-catalogue.md": change_catalogue_page,
}


def main(arguments: Sequence[str]) -> int:
    """0, or 1 when ``--check`` found a page that is behind."""
    behind = []
    for name, page in PAGES.items():
        path, text = FOLDER / name, page()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        behind.append(name)
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if "--check" not in arguments or not behind:
        return 0
    print(f"not what the code says, run make docs: {', '.join(behind)}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
