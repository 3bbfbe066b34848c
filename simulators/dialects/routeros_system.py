"""Commands of RouterOS that are no menu's: what the box tells of itself, files, backups, scripts, leaving."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from simulators.dialects import routeros_print as printing
from simulators.dialects import routeros_uplink as uplink
from simulators.dialects.routeros_box import Box
from simulators.dialects.routeros_menus import MENUS, Menu
from simulators.dialects.routeros_parse import Part, Word, program
from simulators.dialects.routeros_script import Interpreter, Run, Value, applied, shown
from simulators.dialects.routeros_text import ConsoleError, duration
from simulators.dialects.routeros_tree import Item


class Host(Protocol):
    """What these commands need of the console that they are typed at."""

    box: Box
    interpreter: Interpreter

    def run(self, source: str, menu: str = "") -> Run: ...

    def value(self, run: Run, parts: Sequence[Part]) -> Value: ...

    def named(self, run: Run, words: Sequence[Word], name: str) -> Value | None: ...

    def targets(self, run: Run, menu: Menu, words: Sequence[Word]) -> tuple[list[Item], Sequence[Word]]: ...

    def export(self, run: Run, path: str, words: Sequence[Word]) -> Value: ...


Other = Callable[[Host, Run, str, Sequence[Word]], Value]


def _export_all(console: Host, run: Run, where: str, words: Sequence[Word]) -> Value:
    return console.export(run, where, words)


def _facts(make: Callable[[Box], Sequence[tuple[str, str]]]) -> tuple[Other, Other]:
    """`print` and `get` of a menu that only tells."""

    def show(console: Host, run: Run, _where: str, _words: Sequence[Word]) -> Value:
        run.put(printing.pairs(make(console.box)))
        return ""

    def get(console: Host, run: Run, _where: str, words: Sequence[Word]) -> Value:
        name = shown(console.value(run, words[0].parts)) if words else ""
        found = dict(make(console.box))
        if name not in found:
            raise ConsoleError(f"input does not match any value of value-name (line 1 column {words[0].column})"
                               if words else "missing value(s) of argument(s) value-name")  # fmt: skip
        return found[name]

    return show, get


def _resource(box: Box) -> Sequence[tuple[str, str]]:
    return (
        ("uptime", duration(int(box.state.uptime))), ("version", f"{box.version} (stable)"),
        ("build-time", "2024-07-24 13:39:10"), ("factory-software", "7.5"), ("free-memory", "781.3MiB"),
        ("total-memory", "1024.0MiB"), ("cpu", "ARM64"), ("cpu-count", "4"), ("cpu-frequency", "864MHz"),
        ("cpu-load", "1%"), ("free-hdd-space", "92.7MiB"), ("total-hdd-space", "128.5MiB"),
        ("architecture-name", "arm64"), ("board-name", box.board), ("platform", "MikroTik"),
    )  # fmt: skip


def _routerboard(box: Box) -> Sequence[tuple[str, str]]:
    return (
        ("routerboard", "yes"), ("board-name", box.board), ("model", box.model), ("serial-number", box.serial),
        ("firmware-type", "ipq6000"), ("factory-firmware", "7.5"), ("current-firmware", box.version),
        ("upgrade-firmware", box.version),
    )  # fmt: skip


def _packages(console: Host, run: Run, _where: str, _words: Sequence[Word]) -> Value:
    run.put(
        "Columns: NAME, VERSION, BUILD-TIME, SIZE\n#  NAME          VERSION  BUILD-TIME           SIZE\n"
        f"0  routeros      {console.box.version}   2024-07-24 13:39:10  11.6MiB\n"
        f"1  wifi-qcom     {console.box.version}   2024-07-24 13:39:10   8.9MiB\n"
    )
    return ""


def _files(console: Host, run: Run, _where: str, words: Sequence[Word]) -> Value:
    rows = [f'{number} name="{name}" type="{_type_of(name)}" size={len(text)}'
            for number, (name, text) in enumerate(sorted(console.box.state.flash.items()))]  # fmt: skip
    if any(word.text == "count-only" for word in words):
        run.put(f"{len(rows)}\n")
        return len(rows)
    run.put("".join(f"{row}\n" for row in rows))
    return ""


def _type_of(name: str) -> str:
    return {"rsc": "script", "backup": "backup"}.get(name.rpartition(".")[2], ".txt file")


def _file_of(console: Host, run: Run, words: Sequence[Word]) -> str:
    files = sorted(console.box.state.flash)
    plain = [word for word in words if not word.sign or word.name in ("numbers", "name", "file-name", "file")]
    if not plain:
        raise ConsoleError("missing value(s) of argument(s) name")
    wanted = console.value(run, plain[0].parts)
    name = shown(wanted[0] if isinstance(wanted, list) and wanted else wanted)
    if name.isdecimal() and int(name) < len(files):
        return files[int(name)]
    fitting = [file for file in (name, f"{name}.rsc", f"{name}.backup") if file in files]
    if not fitting:
        raise ConsoleError("no such item")
    return fitting[0]


def _find_file(console: Host, _run: Run, _where: str, words: Sequence[Word]) -> Value:
    files = sorted(console.box.state.flash)
    for word in words:
        if word.name == "name":
            files = [name for name in files if applied(word.sign, name, word.text)]
    return list(files)


def _get_file(console: Host, run: Run, _where: str, words: Sequence[Word]) -> Value:
    name = _file_of(console, run, words)
    text = console.box.state.flash[name]
    told: dict[str, Value] = {"contents": text, "size": len(text), "name": name, "type": _type_of(name)}
    return told.get(words[-1].text, "")


def _remove_file(console: Host, run: Run, _where: str, words: Sequence[Word]) -> Value:
    wanted = console.value(run, words[0].parts) if words else ""
    if isinstance(wanted, list):
        for name in wanted:
            console.box.state.flash.pop(shown(name), None)
        return ""
    del console.box.state.flash[_file_of(console, run, words)]
    return ""


def _seal(console: Host, run: Run, words: Sequence[Word]) -> str:
    """The first line of a backup, which its password alone gives; without one there is none."""
    password = console.named(run, words, "password") or ""
    return f"# sealed {hashlib.sha256(shown(password).encode()).hexdigest()}\n" if password else ""


def _save_backup(console: Host, run: Run, _where: str, words: Sequence[Word]) -> Value:
    name = console.named(run, words, "name")
    stem = shown(name) if name is not None else console.box.hostname
    console.box.flush()
    console.box.write(f"{stem.removesuffix('.backup')}.backup", _seal(console, run, words) + console.box.state.running)
    run.put("Saving system configuration\nConfiguration backup saved\n")
    return ""


def _load_backup(console: Host, run: Run, _where: str, words: Sequence[Word]) -> Value:
    kept, seal = console.box.state.flash[_file_of(console, run, words)], _seal(console, run, words)
    if (kept.partition("\n")[0] + "\n" if kept.startswith("# sealed ") else "") != seal:
        raise ConsoleError("failure: wrong password")
    console.box.restore(kept.removeprefix(seal))
    run.put("System configuration restored, rebooting now\n")
    run.restart = True
    return ""


def _import(console: Host, run: Run, _where: str, words: Sequence[Word]) -> Value:
    text = console.box.state.flash[_file_of(console, run, words)]
    run.put("\n")
    console.interpreter.statements(Run("", run.chunks, {}, run.depth), program(text))
    run.put("Script file loaded and executed successfully\n")
    return ""


def _execute(console: Host, run: Run, _where: str, words: Sequence[Word]) -> Value:
    """`:execute script="..." [as-string]`: with it what the script printed is the value, else it runs by itself."""
    source = console.named(run, words, "script")
    plain = [word for word in words if not word.sign and word.text != "as-string"]
    if source is None and plain:
        source = console.value(run, plain[0].parts)
    inner = console.run(shown(source if source is not None else ""))
    if any(word.text == "as-string" for word in words):
        return inner.text
    # What runs by itself has nobody to ask.
    run.restart = run.restart or inner.restart or bool(inner.question)
    return "*1"


def _run_script(console: Host, run: Run, _where: str, words: Sequence[Word]) -> Value:
    menu = MENUS["system script"]
    items, _ = console.targets(run, menu, words)
    for item in items:
        inner = Run("", run.chunks, {}, run.depth)
        console.interpreter.run(inner, item.values.get("source", ""))
    return ""


def _reboot(_console: Host, run: Run, _where: str, _words: Sequence[Word]) -> Value:
    run.question = "Reboot, yes? [y/N]: "
    return ""


def _quit(_console: Host, run: Run, _where: str, _words: Sequence[Word]) -> Value:
    run.over = True
    return ""


def _history(console: Host, run: Run, _where: str, _words: Sequence[Word]) -> Value:
    run.put(console.box.history())
    return ""


def _log(_console: Host, _run: Run, _where: str, _words: Sequence[Word]) -> Value:
    return ""


def _find_interface(console: Host, run: Run, _where: str, words: Sequence[Word]) -> Value:
    name = console.named(run, words, "name")
    return [str(name)] if name is not None and uplink.running(console.box, str(name)) is not None else []


def _get_interface(console: Host, run: Run, _where: str, words: Sequence[Word]) -> Value:
    """`get NAME running`; of an interface that is not there it says so."""
    given = console.value(run, words[0].parts) if words else ""
    name = shown(given)
    runs = uplink.running(console.box, name)
    if runs is None:
        raise ConsoleError("no such item")
    if [word.text for word in words[1:]] != ["running"]:
        raise ConsoleError("missing value(s) of argument(s) value-name")
    return runs


def _ping(console: Host, run: Run, _where: str, words: Sequence[Word]) -> Value:
    """`ping ADDRESS count=N`: a table, and the number of echoes as its value."""
    target = shown(console.value(run, words[0].parts)) if words else ""
    count = int(shown(console.named(run, words, "count") or 4))
    try:
        came = uplink.echoes(console.box, target, count)
    except ValueError:
        raise ConsoleError("invalid value for argument address") from None
    run.put("  SEQ HOST                                     SIZE TTL TIME       STATUS\n")
    for number in range(count):
        run.put(f"  {number:>3} {target:<40} {'56  57 4ms' if came else '              timeout'}\n")
    run.put(f"    sent={count} received={came} packet-loss={0 if came else 100}%\n")
    return came


_RESOURCE, _BOARD = _facts(_resource), _facts(_routerboard)
OTHERS: Mapping[tuple[str, str], Other] = {
    ("", "export"): _export_all, ("", "import"): _import, ("", "quit"): _quit, ("", "execute"): _execute,
    ("system resource", "print"): _RESOURCE[0], ("system resource", "get"): _RESOURCE[1],
    ("system routerboard", "print"): _BOARD[0], ("system routerboard", "get"): _BOARD[1],
    ("system package", "print"): _packages, ("file", "print"): _files, ("file", "get"): _get_file,
    ("file", "remove"): _remove_file, ("file", "find"): _find_file, ("system backup", "save"): _save_backup,
    ("system backup", "load"): _load_backup, ("system script", "run"): _run_script, ("system", "reboot"): _reboot,
    ("interface", "find"): _find_interface, ("interface", "get"): _get_interface, ("", "ping"): _ping,
    ("system history", "print"): _history, ("log", "print"): _log,
}  # fmt: skip
