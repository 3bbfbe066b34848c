"""systemd on a Debian box, as far as units of one's own go, and the tools that scripts on such a box call."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from simulators.dialects.shell import Call, Shell
from simulators.dialects.vtysh import VtyshDialogue
from simulators.personas.base import Effect, Reply
from simulators.state import Alarm, DeviceState

RELOAD = "/usr/lib/frr/frr-reload.py"
_WANTS = "/etc/systemd/system/sysinit.target.wants/"
_LINK = "-> "


def boot(state: DeviceState, shell: Shell) -> None:
    """What is linked into sysinit.target runs before any daemon; then FRR reads its file."""
    for path in sorted(path for path in state.flash if path.startswith(_WANTS)):
        unit = shell.files.read(state.flash[path].removeprefix(_LINK)) or ""
        needs = re.findall(r"^ConditionPathExists=(\S+)$", unit, re.MULTILINE)
        starts = re.findall(r"^ExecStart=(.+)$", unit, re.MULTILINE)
        if all(shell.files.read(need) is not None for need in needs):
            for line in starts:
                shell.run(line)
    state.running = state.startup


def _sh(_state: DeviceState, call: Call) -> Reply:
    """`sh FILE [WORD]` and `sh -c LINE`, in a shell with variables of its own."""
    if not call.words:
        return call.shell.run(call.stdin)
    text = call.words[1] if call.words[0] == "-c" else call.shell.files.read(call.words[0])
    if text is None:
        return Reply(error=f"sh: 0: cannot open {call.words[0]}: No such file\n", status=2)
    given = {str(number): word for number, word in enumerate(call.words[1:], 1)} if call.words[0] != "-c" else {}
    reply = Shell("sh", call.shell.files, call.shell.tools, unknown="not found", variables=given).run(text)
    # It is the script that ends with `exit`, not whoever called it.
    return replace(reply, effect=Effect.NONE) if reply.effect is Effect.CLOSE else reply


def _called(call: Call, words: list[str]) -> Reply:
    """A program that another one starts."""
    tool = call.shell.tools.get(words[0]) if words else None
    if tool is None:
        return Reply(error=f"{' '.join(words[:1])}: No such file or directory\n", status=127)
    return tool(Call(call.shell, words[1:], ""))


def _setsid(_state: DeviceState, call: Call) -> Reply:
    return _called(call, call.words[1:] if call.words[:1] in (["-w"], ["--wait"], ["-f"], ["--fork"]) else call.words)


def _xargs(_state: DeviceState, call: Call) -> Reply:
    """`xargs -r -d '\\n' COMMAND`, the one form that copes with any name."""
    if call.words[:3] != ["-r", "-d", "\\n"]:
        return Reply(error="xargs: this box is asked for -r -d '\\n' alone\n", status=1)
    given = call.stdin.splitlines()
    return _called(call, [*call.words[3:], *given]) if given else Reply()


def _cmp(_state: DeviceState, call: Call) -> Reply:
    texts = [call.stdin if word == "-" else call.shell.files.read(word) for word in call.words if word != "-s"]
    if len(texts) != 2 or None in texts:
        return Reply(error="cmp: No such file or directory\n", status=2)
    return Reply(status=int(texts[0] != texts[1]))


def _ln(_state: DeviceState, call: Call) -> Reply:
    target, path = [word for word in call.words if not word.startswith("-")]
    return Reply(status=0 if call.shell.files.write(path, _LINK + target) else 1)


def _systemctl(state: DeviceState, call: Call) -> Reply:
    verb, *units = [word for word in call.words if not word.startswith("-")]
    if verb == "daemon-reload":
        return Reply()
    if verb != "stop":
        return Reply(error=f"Unknown command verb {verb}.\n", status=1)
    status, error = 0, ""
    for unit in units:
        if state.alarms.pop(unit, None) is None:
            status, error = 5, f"Failed to stop {unit}: Unit {unit} not loaded.\n"
    return Reply(error=error, status=status)


def _systemd_run(state: DeviceState, call: Call) -> Reply:
    """A transient timer: it goes on without the session that made it, and a restart loses it."""
    options = [word for word in call.words if word.startswith("--")]
    words = call.words[len(options) :]
    values = dict(option.removeprefix("--").split("=", 1) for option in options if "=" in option)
    unit, seconds = f"{values.get('unit', 'run-r1')}.timer", values.get("on-active", "")
    if not seconds.isdecimal() or not words:
        return Reply(error="Failed to start transient timer unit: Invalid argument\n", status=1)
    if unit in state.alarms:
        return Reply(error=f"Failed to start transient timer unit: Unit {unit} was already loaded.\n", status=1)

    def act(_state: DeviceState) -> None:
        # What it prints goes to the journal.
        _called(call, words)

    due = state.clock() + timedelta(seconds=int(seconds))
    state.set_alarm(unit, Alarm(due, act))
    return Reply(error="" if "--quiet" in options else f"Running timer as unit: {unit}\n")


def _frr_reload(state: DeviceState, call: Call) -> Reply:
    """`frr-reload.py --reload FILE`: what runs becomes what the file says, when vtysh knows all its lines. A file that
    is not FRR's own is written into that at the end."""
    text = call.shell.files.read(call.words[-1]) if "--reload" in call.words[:-1] else None
    if text is None:
        return Reply(error="usage: frr-reload.py [-h] (--reload | --test) filename\n", status=2)
    body = text.removeprefix("!\n").removesuffix("end\n")
    tried = VtyshDialogue(copy.copy(state)).run_file(body.splitlines(), dry=True)
    if tried.status:
        return Reply(error=tried.error, status=1)
    state.replace_running(body, "frr-reload")
    if call.words[-1] != "/etc/frr/frr.conf":
        state.save()
    return Reply()


TOOLS: dict[str, Callable[[DeviceState, Call], Reply]] = {
    "sh": _sh, "/bin/sh": _sh, "setsid": _setsid, "xargs": _xargs, "cmp": _cmp, "ln": _ln, "systemctl": _systemctl,
    "systemd-run": _systemd_run, RELOAD: _frr_reload,
}  # fmt: skip
