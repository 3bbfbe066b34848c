"""The file systems of a virtual IOS router: `flash:`, and the two configurations by their names."""

from __future__ import annotations

import hashlib
from datetime import datetime

from simulators.dialects.ios_show import running_text, startup_body
from simulators.state import DeviceState

_SIZE = 255_733_760
_RUNNING = frozenset({"running-config", "system:running-config", "system:/running-config"})
_STARTUP = frozenset({"startup-config", "nvram:startup-config", "nvram:/startup-config"})
RUNNING, STARTUP, NULL = "running-config", "startup-config", "null:"


def place(name: str) -> str:
    """What a file's name means: one of the two configurations, `null:`, or the name of a file below `flash:`.

    Empty for a file system that the box does not have.
    """
    low = name.lower()
    if low in _RUNNING or low == "run":
        return RUNNING
    if low in _STARTUP or low == "start":
        return STARTUP
    if low.startswith(NULL):
        return NULL
    if ":" in name and not low.startswith(("flash:", "flash0:", "bootflash:")):
        return ""
    return name.partition(":")[2].lstrip("/") if ":" in name else name.lstrip("/")


def is_file(name: str) -> bool:
    return place(name) not in ("", RUNNING, STARTUP, NULL)


def content(state: DeviceState, name: str) -> str | None:
    """The text of a file or a configuration; None when there is none."""
    where = place(name)
    if where == RUNNING:
        text = running_text(state)
        # What a display puts before it is no part of the file.
        return text[text.index("!\n") :]
    if where == STARTUP:
        return startup_body(state)
    return "" if where == NULL else state.flash.get(where)


def write(state: DeviceState, name: str, text: str) -> None:
    state.flash[place(name)] = text
    state.scratch[f"written/{place(name)}"] = state.clock().isoformat()


def delete(state: DeviceState, name: str) -> bool:
    return state.flash.pop(place(name), None) is not None


def missing(name: str) -> str:
    return f"%Error opening {_full(name)} (No such file or directory)\n"


def _full(name: str) -> str:
    return name if ":" in name else f"flash:/{name}"


def listing(state: DeviceState, name: str) -> str:
    """What `dir` prints, of a file system or of one file."""
    where = place(name or "flash:")
    if where in (RUNNING, STARTUP) or (not where and ":" in name and not name.startswith(("flash", "bootflash"))):
        return f"%Error opening {name} (Invalid argument)\n"
    files = sorted(state.flash) if not where else [file for file in state.flash if file == where]
    if where and not files:
        return missing(name)
    head = f"Directory of {_full(name) if where else 'flash:/'}\n\n"
    rows = "".join(_row(state, number, file) for number, file in enumerate(files, 1))
    used = sum(len(_bytes(text)) for text in state.flash.values())
    return f"{head}{rows or 'No files in directory'}\n{_SIZE} bytes total ({_SIZE - used - 70_000_000} bytes free)\n"


def _row(state: DeviceState, number: int, file: str) -> str:
    written = state.scratch.get(f"written/{file}")
    when = datetime.fromisoformat(written) if written else state.booted_at
    size = len(_bytes(state.flash[file]))
    stamp = f"{when.strftime('%b')} {when.day:>2} {when.strftime('%Y %H:%M:%S')} +00:00"
    return f"{number:>5}  -rw- {size:>11}  {stamp}  {file}\n"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def verified(state: DeviceState, name: str) -> str:
    """What `verify /md5` prints."""
    text = content(state, name)
    if text is None:
        return missing(name)
    digest = hashlib.md5(_bytes(text), usedforsecurity=False).hexdigest()
    return f"{'.' * (len(text) // 4096 + 1)}MD5 of {_full(name)} Done!\nverify /md5 ({_full(name)}) = {digest}\n\n"


def copied(text: str) -> str:
    """What a copy prints when it is done."""
    size = len(_bytes(text))
    return f"{size} bytes copied in 0.124 secs ({int(size / 0.124)} bytes/sec)\n"
