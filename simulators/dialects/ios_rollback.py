"""Configuration archive, replace and timed rollback of a virtual IOS router.

What waits for a confirmation is kept in the box's volatile memory, and its timer on the box's clock: it fires whether
anybody is connected or not, and a restart forgets it together with what was to be confirmed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta

from simulators.dialects.ios_editor import IosEditor, Refusal
from simulators.dialects.tree import Node, parse
from simulators.state import Alarm, DeviceState

_PENDING = "rollback"
_ALARM = "rollback"
_MOST = 10
_COUNT = re.compile(r"^\d+ (?=permit|deny|remark|evaluate)")
OFF = "%Please turn config archive on before using this command\n"
NONE_PENDING = "%No Rollback Confirmed Change pending\n"


def _archive(state: DeviceState) -> dict[str, str]:
    """The settings below `archive`, by their first word."""
    block = next((node for node in parse(state.running).children if node.text == "archive"), None)
    return {line.words[0]: line.text.partition(" ")[2] for line in block.children} if block else {}


def enabled(state: DeviceState) -> bool:
    return "path" in _archive(state)


def _base(state: DeviceState) -> str:
    path = _archive(state)["path"].replace("$h", state.spec.name)
    return path.partition(":")[2].lstrip("/") if ":" in path else path


def _archived(state: DeviceState) -> list[str]:
    """The archived files, the oldest first."""
    found = [
        (int(m[1]), name) for name in state.flash if (m := re.fullmatch(re.escape(_base(state)) + r"-.*-(\d+)", name))
    ]
    return [name for _, name in sorted(found)]


def archive_now(state: DeviceState) -> str:
    """`archive config`: one more file; the oldest goes when there are too many."""
    if not enabled(state):
        return OFF
    files = _archived(state)
    number = int(files[-1].rpartition("-")[2]) + 1 if files else 0
    now = state.clock()
    stamp = f"{now.strftime('%b')}-{now.day:>02}-{now.strftime('%H-%M-%S')}.{now.microsecond // 1000:03d}"
    state.flash[f"{_base(state)}-{stamp}-{number}"] = f"!\n{state.running}end\n"
    most = int(_archive(state).get("maximum", str(_MOST)))
    for name in _archived(state)[:-most]:
        del state.flash[name]
    return ""


def saved(state: DeviceState) -> None:
    """The configuration was saved: with `write-memory` it is archived, too."""
    if enabled(state) and "write-memory" in _archive(state):
        archive_now(state)


def shown(state: DeviceState) -> str:
    """`show archive`."""
    if not enabled(state):
        return "Archive feature not enabled\n"
    files, most = _archived(state), int(_archive(state).get("maximum", str(_MOST)))
    number = int(files[-1].rpartition("-")[2]) + 1 if files else 0
    rows = "".join(
        f"   {index:<10}flash:{name}{' <- Most Recent' if name == files[-1] else ''}\n"
        for index, name in enumerate(files, 1)
    )
    return (
        f"The maximum archive configurations allowed is {most}.\n"
        f"There are currently {len(files)} archive configurations saved.\n"
        f"The next archive file will be named flash:{_base(state)}-<timestamp>-{number}\n Archive #  Name\n{rows}"
    )


def arm(state: DeviceState, before: str, minutes: int) -> str:
    """Go back to `before` in so many minutes unless somebody confirms."""
    if not enabled(state):
        return OFF
    now = state.clock()
    pending = {"config": before, "user": state.spec.username, "set": now.strftime("%H:%M:%S %Z %a %b %d %Y")}
    state.scratch[_PENDING] = json.dumps({**pending, "minutes": minutes})
    state.set_alarm(_ALARM, Alarm(now + timedelta(minutes=minutes), revert))
    archive_now(state)
    return f"Rollback Confirmed Change: Backing up current running config to flash:{_archived(state)[-1]}\n"


def revert(state: DeviceState) -> None:
    """Take back what nobody confirmed."""
    pending = state.scratch.pop(_PENDING, "")
    state.alarms.pop(_ALARM, None)
    if pending:
        state.replace_running(json.loads(pending)["config"], "rollback")


def pending(state: DeviceState) -> bool:
    return _PENDING in state.scratch


def confirm(state: DeviceState) -> str:
    """`configure confirm`."""
    if not pending(state):
        return NONE_PENDING
    del state.scratch[_PENDING]
    state.alarms.pop(_ALARM, None)
    return "Confirming the change\n"


def postpone(state: DeviceState, minutes: int) -> str:
    """`configure revert timer`: the time begins anew."""
    if not pending(state):
        return NONE_PENDING
    known = json.loads(state.scratch[_PENDING])
    state.scratch[_PENDING] = json.dumps({**known, "minutes": minutes})
    state.set_alarm(_ALARM, Alarm(state.clock() + timedelta(minutes=minutes), revert))
    return ""


def timer_shown(state: DeviceState) -> str:
    """`show archive config rollback timer`."""
    if not pending(state):
        return NONE_PENDING
    known = json.loads(state.scratch[_PENDING])
    left = max(0.0, (state.alarms[_ALARM].due - state.clock()).total_seconds()) if _ALARM in state.alarms else 0.0
    return (
        f"Time configured(or reconfigured): {known['set']}\nTimer type: absolute timer\n"
        f"Timer value: {known['minutes']} min\nUser: {known['user']}\nTime left: {int(left)} sec\n"
    )


def meaningful(text: str) -> Iterator[str]:
    """The lines of a configuration file that are commands."""
    for line in text.splitlines():
        if line.strip() == "end":
            return
        if not line.startswith(("Building configuration", "Current configuration", "Using ", "ntp clock-period")):
            yield line


def merged(state: DeviceState, text: str) -> tuple[str, str]:
    """A file typed into the running configuration, and what the box says to its lines."""
    editor, said = IosEditor(state.running), ""
    for line in meaningful(text):
        said += typed(editor, line)
    return editor.text(), said


def typed(editor: IosEditor, line: str) -> str:
    """One line of a file; what the box says when it does not take it."""
    word = line.strip()
    if not editor.in_banner:
        if not word or word.startswith("!"):
            return ""
        if word in ("exit", "quit"):
            editor.leave()
            return ""
    outcome = editor.enter(line)
    if not isinstance(outcome, Refusal):
        return ""
    if outcome.incomplete:
        return f"{word}\n% Incomplete command.\n\n"
    return outcome.text or f"{word}\n ^\n% Invalid input detected at '^' marker.\n\n"


def replaced(state: DeviceState, text: str) -> tuple[str, list[str]]:
    """The configuration that a complete file makes, and the lines of it that the box does not take.

    Interfaces that are built in stay, without what was configured on them.
    """
    built_in = re.findall(r"^interface (?!Loopback|Dialer|Vlan|Tunnel|BVI)[^\n.]+$", state.running, re.MULTILINE)
    editor = IosEditor("".join(f"{header}\n" for header in built_in))
    refused = [line.strip() for line in meaningful(text) if typed(editor, line)]
    return editor.text(), refused


def is_whole(text: str) -> bool:
    """Whether a file can be a complete configuration."""
    return re.search(r"^hostname \S", text, re.MULTILINE) is not None and text.rstrip().endswith("end")


def differences(one: str, other: str) -> str:
    """`show archive config differences`: lines of the second file that are new, and of the first that are gone."""
    old, new = _paths(one), _paths(other)
    rows = [*_marked("+", [path for path in new if path not in set(old)])]
    rows += _marked("-", [path for path in old if path not in set(new)])
    return "!Contextual Config Diffs:\n" + ("".join(rows) or "!No changes were found\n")


def _paths(text: str) -> list[tuple[str, ...]]:
    """Each line with the headers above it."""
    found: list[tuple[str, ...]] = []

    def walk(node: Node, above: tuple[str, ...]) -> None:
        for child in node.children:
            if child.text != "end" and not child.text.startswith("!") and not child.text.startswith("ntp clock-period"):
                line = _COUNT.sub("", child.text)
                found.append((*above, line))
                walk(child, (*above, line))

    walk(parse("".join(f"{line}\n" for line in meaningful(text))), ())
    return found


def _marked(mark: str, paths: list[tuple[str, ...]]) -> Iterator[str]:
    shown: tuple[str, ...] = ()
    changed = set(paths)
    for path in paths:
        for depth in range(1, len(path)):
            if shown[:depth] != path[:depth] and path[:depth] not in changed:
                yield f"{' ' * (depth - 1)}{path[depth - 1]}\n"
        shown = path
        yield f"{' ' * (len(path) - 1)}{mark}{path[-1]}\n"


def incremental(state: DeviceState, text: str) -> str:
    """`show archive config incremental-diffs`: the commands of a file that would change the running configuration."""
    rows = ""
    present = set(_paths(f"{state.running}end\n"))
    pending_headers: tuple[str, ...] = ()
    for path in _paths(text):
        wanted = path[-1].startswith("no ") or path not in present
        if not wanted:
            continue
        for depth in range(1, len(path)):
            if pending_headers[:depth] != path[:depth]:
                rows += f"{' ' * (depth - 1)}{path[depth - 1]}\n"
        pending_headers = path
        rows += f"{' ' * (len(path) - 1)}{path[-1]}\n"
    return f"!List of Commands:\n{rows}end\n" if rows else "!List of Commands:\nend\n!No changes were found\n"
