"""Tools of BusyBox on such a box that are more than a line: dumps of files, scripts, and what goes on behind."""

from __future__ import annotations

import base64
import re
from datetime import timedelta

from simulators.dialects.shell import Call, as_bytes
from simulators.personas.base import Reply
from simulators.state import Alarm, DeviceState


def _content(call: Call) -> tuple[str | None, str, bool]:
    """A tool's last argument as a file's content, its path, and whether it is configuration."""
    paths = [word for word in call.words if word.startswith("/")]
    if not paths:
        return call.stdin, "-", False
    return call.shell.files.read(paths[-1]), paths[-1], call.shell.files.is_config(paths[-1])


def base64_tool(_state: DeviceState, call: Call) -> Reply:
    text, path, config = _content(call)
    if text is None:
        return Reply(error=f"base64: can't open '{path}': No such file or directory\n", status=1)
    return Reply(base64.encodebytes(as_bytes(text)).decode(), config=config)


def hexdump_tool(_state: DeviceState, call: Call) -> Reply:
    """`-v -e '1/1 "%02x"'`, the one format that is asked for, and `-C` without its columns of letters."""
    text, path, config = _content(call)
    if text is None:
        return Reply(error=f"hexdump: {path}: No such file or directory\n", status=1)
    data = as_bytes(text)
    if '1/1 "%02x"' in call.words:
        return Reply(data.hex(), config=config)
    rows = (f"{at:08x}  {data[at : at + 16].hex(' ')}\n" for at in range(0, len(data), 16))
    return Reply("".join(rows) + f"{len(data):08x}\n", config=config)


def script(call: Call, words: list[str]) -> Reply:
    """`sh FILE` and `sh -c LINE`."""
    if words[:1] == ["-c"] and len(words) > 1:
        return call.shell.run(words[1])
    text = call.shell.files.read(words[0]) if words else ""
    if text is None:
        return Reply(error=f"sh: can't open '{words[0]}': No such file or directory\n", status=2)
    return call.shell.run(text)


def sh(_state: DeviceState, call: Call) -> Reply:
    return script(call, call.words)


def start_stop_daemon(state: DeviceState, call: Call) -> Reply:
    """`-S -b [-m -p PIDFILE] -x PROGRAM -- ARGUMENTS` starts something behind, `-K -p PIDFILE` ends it.

    What is started may sleep first; it goes on without the session that started it.
    """
    own, _, arguments = (
        (call.words[: call.words.index("--")], "--", call.words[call.words.index("--") + 1 :])
        if ("--" in call.words)
        else (call.words, "", [])
    )
    pid_file = own[own.index("-p") + 1] if "-p" in own else ""
    name = f"daemon {pid_file or len(state.alarms)}"
    if "-K" in own:
        there = state.alarms.pop(name, None) is not None
        call.shell.files.remove(pid_file)
        return Reply(error="" if there else "no process killed\n", status=0 if there else 1)
    if "-S" not in own or "-b" not in own or arguments[:1] != ["-c"]:
        return Reply(error="Usage: start-stop-daemon [OPTIONS] [-S|-K] ... [-- ARGS...]\n", status=1)
    waits = re.match(r"sleep (\d+); *", arguments[1])
    line = arguments[1][waits.end() :] if waits else arguments[1]
    if pid_file:
        call.shell.files.write(pid_file, f"{2000 + len(state.alarms)}\n")

    def act(_state: DeviceState) -> None:
        call.shell.files.remove(pid_file)
        call.shell.run(line)

    due = state.clock() + timedelta(seconds=int(waits[1]) if waits else 0)
    state.set_alarm(name, Alarm(due, act, restart=line.split() == ["reboot"]))
    return Reply()
