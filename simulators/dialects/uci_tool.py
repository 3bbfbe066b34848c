"""The `uci` command: reads with staged changes in sight, writes to the stage, commits to the files."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from simulators.dialects.shell import TMP
from simulators.dialects.shell_words import split_words
from simulators.dialects.uci import (
    Package,
    UciError,
    export,
    parse_package,
    parse_packages,
    quote,
    show,
    show_section,
    show_value,
    split_packages,
)
from simulators.dialects.uci_stage import INVALID, NOT_FOUND, STAGE, Delta, Refused, Target, UciStage, is_name
from simulators.personas.base import Reply
from simulators.state import DeviceState

_VERBS = (
    ("batch", ""), ("export", "[<config>]"), ("import", "[<config>]"), ("changes", "[<config>]"),
    ("commit", "[<config>]"), ("add", "<config> <section-type>"), ("add_list", "<config>.<section>.<option>=<string>"),
    ("del_list", "<config>.<section>.<option>=<string>"), ("show", "[<config>[.<section>[.<option>]]]"),
    ("get", "<config>.<section>[.<option>]"), ("set", "<config>.<section>[.<option>]=<value>"),
    ("delete", "<config>[.<section>[.<option>]]"), ("rename", "<config>.<section>[.<option>]=<name>"),
    ("revert", "<config>[.<section>[.<option>]]"), ("reorder", "<config>.<section>=<position>"),
)  # fmt: skip
_USAGE = "Usage: uci [<options>] <command> [<arguments>]\n\nCommands:\n" + "".join(
    f"\t{verb:<10} {words}".rstrip() + "\n" for verb, words in _VERBS
)
_MISUSED = Reply(error=_USAGE, status=255)
_SIGNS = {"add": "+", "delete": "-", "rename": "@", "reorder": "^", "add_list": "|", "del_list": "~", "set": ""}
_SHOWN = {"+": "=", "@": "=", "^": "=", "|": "+=", "~": "-=", "": "="}
_WITH_ARGUMENT = "cCdfpPt"


@dataclass(slots=True)
class _Options:
    savedir: str = STAGE
    quiet: bool = False
    extended: bool = True
    delimiter: str = " "
    keep: bool = False
    file: str = ""


class UciTool:
    """`uci` on one box, for one call or for many: see `UciStage` for what it keeps in between."""

    def __init__(self, state: DeviceState) -> None:
        self._state = state
        self.options = _Options()
        self.stage = UciStage(state)

    def run(self, words: list[str], stdin: str = "") -> Reply:
        """Run `uci` with these arguments."""
        options, rest = _Options(), list(words)
        while rest and re.fullmatch(r"-[a-zA-Z]\S*", rest[0]):
            word = rest.pop(0)
            if word[1] in _WITH_ARGUMENT and not word[2:] and not rest:
                return Reply(error=_USAGE)
            value = (word[2:] or rest.pop(0)) if word[1] in _WITH_ARGUMENT else ""
            if not _take(options, word[1], value):
                return Reply(error=_USAGE)
        if (options.savedir, options.keep) != (self.options.savedir, self.options.keep):
            self.stage = UciStage(self._state, options.savedir, keep=options.keep)
        self.options = options
        if not rest:
            return Reply(error=_USAGE)
        if options.file:
            stdin = self._state.scratch.get(options.file, "")
        return _batch(self, stdin) if rest[0] == "batch" else self.call(rest, stdin)

    def call(self, words: list[str], stdin: str = "") -> Reply:
        """One command with the options of the present call."""
        handler = _HANDLERS.get(words[0].lower())
        try:
            reply = handler(self, words[1:], stdin) if handler else _MISUSED
        except (Refused, UciError) as error:
            text = str(error) if isinstance(error, Refused) else f"Parse error ({error})"
            reply = Reply(error=f"uci: {text}\n", status=3 if words[0] == "add" else 1)
        return replace(reply, error="") if self.options.quiet else reply


def _take(options: _Options, letter: str, value: str) -> bool:
    """Take over one option; False for one that there is not."""
    if letter in "tP":
        options.savedir, options.keep = _real(value.rstrip("/")), letter == "P"
    elif letter == "f":
        options.file = _real(value)
    elif letter == "d":
        options.delimiter = value
    else:
        options.quiet |= letter == "q"
        options.extended &= letter != "X"
    return letter in "cCdfLmnNpPqsStX"


def _real(path: str) -> str:
    """/var is a link to /tmp."""
    return TMP + path.removeprefix("/var/") if path.startswith("/var/") else path


def _writer(verb: str) -> _Handler:
    def write(tool: UciTool, words: list[str], _stdin: str) -> Reply:
        if len(words) != 1:
            return _MISUSED
        target = tool.stage.target(words[0])
        for delta in _changes_of(verb, target):
            tool.stage.add(target.package, delta)
        return Reply()

    return write


def _changes_of(verb: str, target: Target) -> Iterator[Delta]:
    """The changes to be staged: none where nothing would differ. Raises Refused.

    What libuci stages and then passes over as nonsense when it reads it back is not staged here.
    """
    sign = _SIGNS[verb]
    if verb in ("delete", "rename") and not target.complete:
        raise Refused(NOT_FOUND)
    if verb == "reorder" and (target.found is None or target.value is None):
        raise Refused(NOT_FOUND)
    if verb == "set":
        yield from _setting(target)
        return
    section = target.existing()
    if verb == "delete":
        yield Delta("-", target.section, target.option)
    elif verb == "reorder":
        number = int("0" + "".join(itertools.takewhile(str.isdigit, target.given())))
        if target.package.sections.index(section) != min(number, len(target.package.sections) - 1):
            yield Delta(sign, target.section, "", str(number))
    elif verb == "rename":
        if is_name(target.given()):
            yield Delta(sign, target.section, target.option, target.given())
    else:
        value, present = target.given(), section.options.get(target.option)
        if target.option and (verb == "add_list" or isinstance(present, list)):
            yield Delta(sign, target.section, target.option, value)


def _setting(target: Target) -> Iterator[Delta]:
    value = target.given()
    if not target.section or (target.option and target.found is None):
        raise Refused(INVALID)
    if not value:
        # To set nothing is to delete; what is not there is gone already.
        if target.complete:
            yield Delta("-", target.section, target.option)
        return
    if not target.option and not re.fullmatch(r"[!-~]+", value):
        raise Refused(INVALID)
    if target.section.startswith("@"):
        return
    present = None if target.found is None else target.found.options.get(target.option, "")
    if target.found is not None and not target.option:
        present = target.found.kind
    if present != value:
        yield Delta("", target.section, target.option, value)


def _get(tool: UciTool, words: list[str], _stdin: str) -> Reply:
    if len(words) != 1:
        return _MISUSED
    target = tool.stage.target(words[0])
    if not target.complete:
        raise Refused(NOT_FOUND)
    if target.found is None:
        return Reply()
    if not target.option:
        return Reply(f"{target.found.kind}\n")
    value = target.found.options[target.option]
    if isinstance(value, str):
        return Reply(f"{value}\n")
    items = (quote(item) if re.search(r"\s", item) else item for item in value)
    return Reply(tool.options.delimiter.join(items) + "\n")


def _export(tool: UciTool, words: list[str], _stdin: str) -> Reply:
    if len(words) > 1:
        return _MISUSED
    if not words:
        return Reply(tool.stage.exported())
    package = tool.stage.target(words[0]).package
    return Reply(export({package.name: package}))


def _show(tool: UciTool, words: list[str], _stdin: str) -> Reply:
    """Whole packages, or one section or option, which goes by its own name even where that is a generated one."""
    if len(words) > 1:
        return _MISUSED
    delimiter, extended = tool.options.delimiter, tool.options.extended
    if not words:
        packages = [tool.stage.package(name) for name in tool.stage.names()]
        return Reply("".join(f"{line}\n" for package in packages for line in show(package, extended, delimiter)))
    target = tool.stage.target(words[0])
    if not target.complete:
        raise Refused(NOT_FOUND)
    if target.found is None:
        lines = show(target.package, extended, delimiter)
    elif target.option:
        value = show_value(target.found.options[target.option], delimiter)
        lines = [f"{target.package.name}.{target.section}.{target.option}={value}"]
    else:
        lines = show_section(target.found, f"{target.package.name}.{target.section}", delimiter)
    return Reply("".join(f"{line}\n" for line in lines))


def _add(tool: UciTool, words: list[str], _stdin: str) -> Reply:
    if len(words) != 2:
        return _MISUSED
    package = tool.stage.target(words[0]).package
    if not re.fullmatch(r"[!-~]+", words[1]):
        raise Refused(INVALID)
    name = Package(package.name, [], package.made).add(words[1]).name
    tool.stage.add(package, Delta("+", name, "", words[1]))
    return Reply(f"{name}\n")


def _commit(tool: UciTool, words: list[str], _stdin: str) -> Reply:
    if len(words) > 1:
        return _MISUSED
    names = [tool.stage.target(words[0]).package.name] if words else tool.stage.names()
    changed = [name for name in names if tool.stage.commit(name)]
    if changed:
        tool.stage.write()
    return Reply()


def _revert(tool: UciTool, words: list[str], _stdin: str) -> Reply:
    if len(words) != 1:
        return _MISUSED
    tool.stage.revert(tool.stage.target(words[0]))
    return Reply()


def _changes(tool: UciTool, words: list[str], _stdin: str) -> Reply:
    if len(words) > 1:
        return _MISUSED
    lines = []
    for name in [tool.stage.target(words[0]).package.name] if words else tool.stage.names():
        for delta in tool.stage.changes(name):
            path = f"{name}.{delta.section}" + (f".{delta.option}" if delta.option else "")
            lines.append(f"-{path}\n" if delta.sign == "-" else f"{path}{_SHOWN[delta.sign]}{quote(delta.value)}\n")
    return Reply("".join(lines))


def _import(tool: UciTool, words: list[str], stdin: str) -> Reply:
    if len(words) > 1:
        return _MISUSED
    if words and not stdin.lstrip().startswith("package"):
        tool.stage.write({words[0]: parse_package(words[0], stdin)})
    else:
        tool.stage.write(parse_packages(stdin))
    return Reply()


def _batch(tool: UciTool, stdin: str) -> Reply:
    out, err = "", ""
    for line in stdin.splitlines():
        words = split_words(line)
        if words[:1] == ["exit"]:
            break
        if words:
            result = tool.call(words)
            out, err = out + result.text, err + ("Unknown command\n" if result.status == 255 else result.error)
    return Reply(out, err)


_Handler = Callable[[UciTool, list[str], str], Reply]
_HANDLERS: dict[str, _Handler] = {
    **{verb: _writer(verb) for verb in ("set", "delete", "add_list", "del_list", "rename", "reorder")},
    "get": _get, "add": _add, "export": _export, "show": _show, "commit": _commit, "revert": _revert,
    "changes": _changes, "import": _import, "del": _writer("delete"), "ren": _writer("rename"),
}  # fmt: skip


def run(state: DeviceState, words: list[str], stdin: str) -> Reply:
    """Run `uci` once."""
    return UciTool(state).run(words, stdin)


def exported(state: DeviceState) -> str:
    """What `uci export` prints for all packages."""
    return UciStage(state).exported()


def file_of(state: DeviceState, package: str) -> str | None:
    """The text of /etc/config/PACKAGE, staged changes not included."""
    body = dict(split_packages(state.running)).get(package)
    # The body begins with the rest of the package line.
    return None if body is None else body[1:]


def write_file(state: DeviceState, package: str, text: str) -> None:
    """Write /etc/config/PACKAGE. Raises UciError."""
    UciStage(state).write({package: parse_package(package, text)})


def package_names(state: DeviceState) -> list[str]:
    return [name for name, _ in split_packages(state.running)]
