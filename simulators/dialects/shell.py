"""A small shell: command lists, pipes, redirections, `$?`, and the tools that every Unix box has."""

from __future__ import annotations

import dataclasses
import fnmatch
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from simulators.dialects.shell_words import Command, ShellSyntaxError, expand, parse_line
from simulators.personas.base import Effect, Reply

# Where a box keeps what a restart loses; a path inside the virtual box, not of this machine.
TMP = "/tmp/"  # noqa: S108


class Files(Protocol):
    """The files of a box, as far as they exist. Bytes that are no text are surrogate escapes, see `as_bytes`."""

    def read(self, path: str) -> str | None: ...

    def write(self, path: str, text: str) -> bool:
        """False where the box does not let itself be written."""
        ...

    def remove(self, path: str) -> bool: ...

    def paths(self) -> list[str]: ...

    def is_config(self, path: str) -> bool:
        """Whether a file is part of the box's configuration."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool: in which shell, with which arguments, with what on standard input."""

    shell: Shell
    words: list[str]
    stdin: str


Tool = Callable[[Call], Reply]


@dataclass
class Shell:
    """One shell, with the status of its last command. name: what it calls itself in errors, `-ash`; unknown: what it
    says of a command that it does not find."""

    name: str
    files: Files
    tools: Mapping[str, Tool]
    unknown: str = "not found"
    status: int = 0
    variables: dict[str, str] = field(default_factory=dict)

    def run(self, line: str, stdin: str = "") -> Reply:
        """Run a line and return all that it printed, with the last status."""
        try:
            commands = parse_line(line)
            return self._list(commands, stdin)
        except ShellSyntaxError as error:
            self.status = 2
            return Reply(error=f"{self.name}: syntax error: {error}\n", status=2)

    def _list(self, commands: list[Command], stdin: str) -> Reply:
        total = Reply()
        index = 0
        while index < len(commands):
            end = index + 1
            while end < len(commands) and commands[end].after == "|":
                end += 1
            after = commands[index].after
            if not ((after == "&&" and self.status) or (after == "||" and not self.status)):
                total = join(total, self._pipeline(commands[index:end], stdin))
                if total.effect is not Effect.NONE:
                    break
            index = end
        return dataclasses.replace(total, status=self.status)

    def _pipeline(self, commands: list[Command], stdin: str) -> Reply:
        result, errors = Reply(text=stdin), ""
        for command in commands:
            result = self._simple(command, result.lead + result.text + result.trail)
            errors += result.error
            self.status = result.status
        return dataclasses.replace(result, error=errors)

    def _simple(self, command: Command, stdin: str) -> Reply:
        words = [expanded for word in command.words for expanded in self._glob(word)]
        if not words:
            return Reply()
        tool = self.tools.get(words[0])
        result = tool(Call(self, words[1:], stdin)) if tool else self._missing(words[0])
        return self._redirect(command, result)

    def _missing(self, name: str) -> Reply:
        return Reply(error=f"{self.name}: {name}: {self.unknown}\n", status=127)

    def _glob(self, word: str) -> list[str]:
        plain = expand(word, {"?": str(self.status), **self.variables})
        if "*" in word and "'" not in word and '"' not in word:
            there = {path for file in self.files.paths() for path in (file, *_folders(file))}
            return sorted(path for path in there if _globbed(path, plain)) or [plain]
        return [plain]

    def _redirect(self, command: Command, result: Reply) -> Reply:
        text, error, config = result.text, result.error, result.config
        if command.targets.get(2) == "&1":
            text, error = text + error, ""
        elif 2 in command.targets and not self._store(command, 2, error):
            return self._unwritable(command.targets[2])
        else:
            error = "" if 2 in command.targets else error
        if command.targets.get(1) == "&2":
            text, error, config = "", error + text, False
        elif 1 in command.targets:
            if not self._store(command, 1, text):
                return self._unwritable(command.targets[1])
            text, config = "", False
        return dataclasses.replace(result, text=text, error=error, config=config)

    def _store(self, command: Command, stream: int, text: str) -> bool:
        path = command.targets[stream]
        if path == "/dev/null":
            return True
        before = (self.files.read(path) or "") if stream in command.appends else ""
        return self.files.write(path, before + text)

    def _unwritable(self, path: str) -> Reply:
        return Reply(error=f"{self.name}: can't create {path}: Permission denied\n", status=1)


def as_bytes(text: str) -> bytes:
    """A file's content, or what a tool printed, as the bytes that it stands for."""
    return text.encode("utf-8", "surrogateescape")


def _folders(path: str) -> list[str]:
    """Those that a file lies in, but the root."""
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(2, len(parts))]


def _globbed(path: str, pattern: str) -> bool:
    """As a shell matches: a star stays within a name, and leaves hidden names alone."""
    names, patterns = path.split("/"), pattern.split("/")
    return len(names) == len(patterns) and all(
        fnmatch.fnmatchcase(name, wanted) and (wanted.startswith(".") or not name.startswith("."))
        for name, wanted in zip(names, patterns, strict=True)
    )


def join(first: Reply, second: Reply) -> Reply:
    """Two outputs one after the other. What lies between two pieces of configuration counts as configuration."""
    error, effect = first.error + second.error, second.effect
    if first.config and second.config:
        middle = first.text + first.trail + second.lead + second.text
        return Reply(middle, error, second.status, True, effect, first.lead, second.trail)
    if first.config:
        return Reply(first.text, error, second.status, True, effect, first.lead, first.trail + second.text)
    if second.config:
        return Reply(second.text, error, second.status, True, effect, first.text + second.lead, second.trail)
    return Reply(first.text + second.text, error, second.status, False, effect)


def _cat(call: Call) -> Reply:
    total = Reply()
    status = 0
    for path in [word for word in call.words if word != "-"] or [""]:
        text = call.shell.files.read(path) if path else call.stdin
        if text is None:
            total = join(total, Reply(error=f"cat: can't open '{path}': No such file or directory\n"))
            status = 1
        else:
            total = join(total, Reply(text, config=bool(path) and call.shell.files.is_config(path)))
    return dataclasses.replace(total, status=status)


def _echo(call: Call) -> Reply:
    bare = call.words[:1] == ["-n"]
    return Reply(" ".join(call.words[1:] if bare else call.words) + ("" if bare else "\n"))


def _printf(call: Call) -> Reply:
    if not call.words:
        return Reply(error=f"{call.shell.name}: printf: usage: printf FORMAT [ARG]\n", status=2)
    form = call.words[0].replace("\\n", "\n").replace("\\t", "\t").replace("\\r", "\r")
    places = re.split(r"%([sd%])", form)
    arguments, text = call.words[1:], ""
    while True:
        used = False
        for index, part in enumerate(places):
            if not index % 2:
                text += part
            elif part == "%":
                text += "%"
            else:
                text, used = text + (arguments.pop(0) if arguments else {"s": "", "d": "0"}[part]), True
        # The format is used again for as long as arguments are left.
        if not (used and arguments):
            return Reply(text)


def _ls(call: Call) -> Reply:
    wanted = [word for word in call.words if not word.startswith("-")] or ["/"]
    flags = "".join(word[1:] for word in call.words if word.startswith("-"))
    names: set[str] = set()
    errors = ""
    for place in wanted:
        base = place.rstrip("/") + "/"
        below = {path.removeprefix(base).split("/")[0] for path in call.shell.files.paths() if path.startswith(base)}
        if not below and place not in call.shell.files.paths():
            errors += f"ls: {place}: No such file or directory\n"
        elif "d" in flags:
            names.add(base if below and "p" in flags else place)
        else:
            names |= below or {place}
    return Reply("".join(f"{name}\n" for name in sorted(names)), errors, status=1 if errors else 0)


def _sums_hold(call: Call) -> Reply:
    """`sha256sum -c --status FILE`."""
    text = call.shell.files.read(call.words[-1])
    if text is None:
        return Reply(error=f"sha256sum: can't open '{call.words[-1]}': No such file or directory\n", status=1)
    for line in text.splitlines():
        digest, _, path = line.partition("  ")
        own = call.shell.files.read(path)
        if own is None or hashlib.sha256(as_bytes(own)).hexdigest() != digest:
            return Reply(status=1)
    return Reply()


def _sha256sum(call: Call) -> Reply:
    if call.words[:2] == ["-c", "--status"]:
        return _sums_hold(call)
    total, status = Reply(), 0
    for path in call.words or ["-"]:
        text = call.stdin if path == "-" else call.shell.files.read(path)
        if text is None:
            total = join(total, Reply(error=f"sha256sum: can't open '{path}': No such file or directory\n"))
            status = 1
            continue
        digest = hashlib.sha256(as_bytes(text)).hexdigest()
        total = join(total, Reply(f"{digest}  {path}\n"))
    return dataclasses.replace(total, status=status)


def _wc(call: Call) -> Reply:
    paths = [word for word in call.words if not word.startswith("-")]
    text = call.shell.files.read(paths[0]) if paths else call.stdin
    if text is None:
        return Reply(error=f"wc: {paths[0]}: No such file or directory\n", status=1)
    flags = "".join(word[1:] for word in call.words if word.startswith("-")) or "lwc"
    counts = {"l": text.count("\n"), "w": len(text.split()), "c": len(as_bytes(text))}
    return Reply(
        " ".join(str(counts[flag]) for flag in flags if flag in counts) + "".join(f" {p}" for p in paths) + "\n"
    )


def _grep(call: Call) -> Reply:
    flags = "".join(word[1:] for word in call.words if word.startswith("-"))
    rest = [word for word in call.words if not word.startswith("-")]
    text = (call.shell.files.read(rest[1]) or "") if len(rest) > 1 else call.stdin
    if not rest:
        return Reply(error="usage: grep [-vqcxFf] PATTERN [FILE]\n", status=2)
    wanted = (call.shell.files.read(rest[0]) or "").splitlines() if "f" in flags else [rest[0]]

    def found(line: str) -> bool:
        return line in wanted if "x" in flags else any(word in line for word in wanted)

    kept = [line for line in text.splitlines() if found(line) != ("v" in flags)]
    shown = f"{len(kept)}\n" if "c" in flags else "".join(f"{line}\n" for line in kept)
    return Reply("" if "q" in flags else shown, status=0 if kept else 1)


def _head_or_tail(call: Call, last: bool) -> Reply:
    numbers = [word.lstrip("-n") for word in call.words if word.lstrip("-n").isdecimal()]
    paths = [word for word in call.words if word.startswith("/")]
    lines = ((call.shell.files.read(paths[0]) or "") if paths else call.stdin).splitlines(keepends=True)
    count = int(numbers[0]) if numbers else 10
    return Reply("".join(lines[-count:] if last else lines[:count]))


def _head(call: Call) -> Reply:
    return _head_or_tail(call, last=False)


def _tail(call: Call) -> Reply:
    return _head_or_tail(call, last=True)


def _test(call: Call) -> Reply:
    words = call.words[:-1] if call.words[-1:] == ["]"] else call.words
    if len(words) == 3 and words[1] in ("=", "!=", "-eq", "-ne"):
        equal = words[0] == words[2]
        return Reply(status=int(equal == (words[1] in ("!=", "-ne"))))
    if words[:1] == ["!"]:
        return Reply(status=int(not _test(dataclasses.replace(call, words=words[1:])).status))
    if (
        len(words) == 2
        and words[0] in ("-d", "-e")
        and any(path.startswith(f"{words[1]}/") for path in call.shell.files.paths())
    ):
        return Reply()
    if len(words) == 2 and words[0] in ("-f", "-e", "-s", "-r", "-x"):
        text = call.shell.files.read(words[1])
        return Reply(status=0 if (text if words[0] == "-s" else text is not None) else 1)
    if len(words) == 2 and words[0] == "-d":
        return Reply(status=1)
    if len(words) == 2 and words[0] in ("-n", "-z"):
        return Reply(status=int(bool(words[1]) == (words[0] == "-z")))
    return Reply(status=0 if words else 1)


def _cp(call: Call) -> Reply:
    """One file, or several into a folder that is there."""
    *sources, target = [word for word in call.words if not word.startswith("-")] or [""]
    folder = len(sources) > 1 or any(path.startswith(f"{target.rstrip('/')}/") for path in call.shell.files.paths())
    for path in sources:
        text = call.shell.files.read(path)
        place = f"{target.rstrip('/')}/{path.rpartition('/')[2]}" if folder else target
        if text is None or not call.shell.files.write(place, text):
            return Reply(error=f"cp: can't copy '{path}'\n", status=1)
    return Reply(status=0 if sources else 1)


def _mv(call: Call) -> Reply:
    """Files as `cp`; or a whole folder to a name that is free, which with `-T` is seen to."""
    paths = [word for word in call.words if not word.startswith("-")]
    files = call.shell.files
    below = [path for path in files.paths() if path.startswith(f"{paths[0]}/")] if paths else []
    if len(paths) == 2 and below and files.read(paths[0]) is None:
        if "-T" in call.words and any(path.startswith(f"{paths[1]}/") for path in files.paths()):
            return Reply(error=f"mv: cannot move '{paths[0]}' to '{paths[1]}': Directory not empty\n", status=1)
        for path in below:
            files.write(paths[1] + path.removeprefix(paths[0]), files.read(path) or "")
        files.remove(paths[0])
        return Reply()
    done = _cp(call)
    if not done.status:
        for path in paths[:-1]:
            files.remove(path)
    return dataclasses.replace(done, error=done.error.replace("cp: can't copy", "mv: can't rename"))


def _rm(call: Call) -> Reply:
    paths = [word for word in call.words if not word.startswith("-")]
    gone = [call.shell.files.remove(path) for path in paths]
    if all(gone) or "-f" in call.words or "-rf" in call.words:
        return Reply()
    return Reply(error="rm: No such file or directory\n", status=1)


def _nothing(_call: Call) -> Reply:
    return Reply()


def _false(_call: Call) -> Reply:
    return Reply(status=1)


def _exit(call: Call) -> Reply:
    status = int(call.words[0]) if call.words and call.words[0].isdecimal() else call.shell.status
    return Reply(status=status, effect=Effect.CLOSE)


def _reboot(_call: Call) -> Reply:
    return Reply(effect=Effect.RESTART)


def common_tools() -> dict[str, Tool]:
    """The tools that all Unix families have."""
    return {
        "cat": _cat, "echo": _echo, "printf": _printf, "ls": _ls, "sha256sum": _sha256sum, "wc": _wc, "grep": _grep,
        "head": _head, "tail": _tail, "test": _test, "[": _test, "cp": _cp, "rm": _rm, "mkdir": _nothing,
        "mv": _mv, "umask": _nothing,
        "true": _nothing, ":": _nothing, "sync": _nothing, "sleep": _nothing, "stty": _nothing, "export": _nothing,
        "false": _false, "exit": _exit, "logout": _exit, "reboot": _reboot,
    }  # fmt: skip
