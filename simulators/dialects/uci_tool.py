"""The `uci` command: reads with staged changes in sight, writes to the stage, commits to the files.

Committed packages live in the state's running text, staged changes as command lines in its scratch space, one entry a
package: a restart forgets them, as it does on a box where they are below /tmp.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulators.dialects.shell import TMP
from simulators.dialects.shell_words import split_words
from simulators.dialects.uci import (
    Package,
    Section,
    UciError,
    Value,
    export,
    parse_package,
    parse_packages,
    show,
    show_value,
    split_packages,
)  # fmt: skip
from simulators.personas.base import Reply
from simulators.state import DeviceState

_STAGE = f"{TMP}.uci/"
_NOT_FOUND = "uci: Entry not found\n"
_USAGE = "Usage: uci [<options>] <command> [<arguments>]\n"


_MISSING = Reply(error=_NOT_FOUND, status=1)
_BAD_ARGUMENT = Reply(error="uci: Invalid argument\n", status=1)


@dataclass(frozen=True, slots=True)
class _Path:
    package: str
    section: str = ""
    option: str = ""

    @classmethod
    def read(cls, text: str) -> _Path:
        parts = text.split(".")
        if not parts[0] or len(parts) > 3:
            raise UciError(text)
        return cls(*parts)


def committed(state: DeviceState) -> dict[str, Package]:
    return parse_packages(state.running)


def staged_view(state: DeviceState) -> dict[str, Package]:
    """All packages as they would be after a commit."""
    packages = committed(state)
    for name in packages:
        for line in _stage_of(state, name):
            _apply(packages[name], line)
    return packages


def run(state: DeviceState, words: list[str], stdin: str) -> Reply:
    """Run `uci` with these arguments."""
    words = [word for word in words if word not in ("-q", "-n", "-N", "-X")]
    if not words:
        return Reply(error=_USAGE, status=1)
    verb, arguments = words[0], words[1:]
    handler = _VERBS.get(verb)
    if verb == "batch":
        return _batch(state, stdin)
    if verb == "import":
        return _import(state, arguments, stdin)
    if handler is None:
        return Reply(error=_USAGE, status=1)
    try:
        return handler(state, arguments)
    except UciError:
        return _BAD_ARGUMENT


def _stage_of(state: DeviceState, package: str) -> list[str]:
    return [line for line in state.scratch.get(_STAGE + package, "").split("\x00") if line]


def _stage(state: DeviceState, line: str, package: str) -> Reply:
    packages = staged_view(state)
    if package not in packages:
        return _MISSING
    before = len(packages[package].sections)
    if not _apply(packages[package], line):
        return _MISSING
    state.scratch[_STAGE + package] = state.scratch.get(_STAGE + package, "") + line + "\x00"
    added = len(packages[package].sections) > before and line.startswith("add\x01")
    return Reply(f"{packages[package].sections[-1].name}\n" if added else "")


def _apply(package: Package, line: str) -> bool:
    """Apply one staged command, `verb SOH path SOH value`. False if the path leads nowhere."""
    verb, target, value = line.split("\x01")
    path = _Path.read(target)
    if verb == "add":
        package.add(value)
        return True
    section = package.find(path.section)
    if verb == "set" and not path.option:
        return _set_section(package, section, path.section, value)
    if section is None:
        return False
    if verb == "delete" and not path.option:
        package.sections.remove(section)
        return True
    return _apply_option(section, verb, path.option, value)


def _set_section(package: Package, section: Section | None, name: str, kind: str) -> bool:
    if section is not None:
        section.kind = kind
    elif name.startswith("@"):
        return False
    else:
        package.add(kind, name)
    return True


def _apply_option(section: Section, verb: str, option: str, value: str) -> bool:
    present = section.options.get(option)
    if verb == "delete":
        return section.options.pop(option, None) is not None
    if verb == "set":
        section.options[option] = value
    elif verb == "add_list":
        section.options[option] = [*_as_list(present), value]
    elif verb == "del_list":
        left = [item for item in _as_list(present) if item != value]
        section.options[option] = left
    return True


def _as_list(value: Value | None) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else value


def _get(state: DeviceState, arguments: list[str]) -> Reply:
    path = _Path.read(arguments[0] if arguments else "")
    package = staged_view(state).get(path.package)
    section = package.find(path.section) if package else None
    if section is None:
        return _MISSING
    if not path.option:
        return Reply(f"{section.kind}\n")
    value = section.options.get(path.option)
    if value is None:
        return _MISSING
    return Reply((value if isinstance(value, str) else " ".join(value)) + "\n")


def exported(state: DeviceState) -> str:
    """What `uci export` prints for all packages. Without staged changes that is the committed text as it stands:
    parsing it for nothing would be most of the work of a fleet under load."""
    staged = any(path.startswith(_STAGE) and lines for path, lines in state.scratch.items())
    return export(staged_view(state)) if staged else state.running


def _export(state: DeviceState, arguments: list[str]) -> Reply:
    text = exported(state)
    if not arguments:
        return Reply(text)
    bodies = dict(split_packages(text))
    if arguments[0] not in bodies:
        return _MISSING
    return Reply(f"package {arguments[0]}{bodies[arguments[0]]}")


def _show(state: DeviceState, arguments: list[str]) -> Reply:
    packages = staged_view(state)
    if not arguments:
        return Reply("".join(f"{line}\n" for package in packages.values() for line in show(package)))
    path = _Path.read(arguments[0])
    package = packages.get(path.package)
    if package is None:
        return _MISSING
    section = package.find(path.section) if path.section else None
    if path.section and section is None:
        return _MISSING
    if section is not None and path.option:
        value = section.options.get(path.option)
        return _MISSING if value is None else Reply(f"{arguments[0]}={show_value(value)}\n")
    return Reply("".join(f"{line}\n" for line in show(package, section)))


def _writer(verb: str, state: DeviceState, arguments: list[str]) -> Reply:
    target, separator, value = (arguments[0] if arguments else "").partition("=")
    if not target or (verb != "delete" and not separator):
        return _BAD_ARGUMENT
    return _stage(state, f"{verb}\x01{target}\x01{value}", _Path.read(target).package)


def _set(state: DeviceState, arguments: list[str]) -> Reply:
    return _writer("set", state, arguments)


def _delete(state: DeviceState, arguments: list[str]) -> Reply:
    return _writer("delete", state, arguments)


def _add_list(state: DeviceState, arguments: list[str]) -> Reply:
    return _writer("add_list", state, arguments)


def _del_list(state: DeviceState, arguments: list[str]) -> Reply:
    return _writer("del_list", state, arguments)


def _add(state: DeviceState, arguments: list[str]) -> Reply:
    if len(arguments) != 2:
        return Reply(error=_USAGE, status=1)
    return _stage(state, f"add\x01{arguments[0]}\x01{arguments[1]}", arguments[0])


def _commit(state: DeviceState, arguments: list[str]) -> Reply:
    packages = committed(state)
    if arguments and arguments[0] not in packages:
        return _MISSING
    merged = staged_view(state)
    for name in arguments[:1] or list(packages):
        packages[name] = merged[name]
        state.scratch.pop(_STAGE + name, None)
    state.replace_running(export(packages), state.spec.username)
    # Committed files are on flash: a restart keeps them.
    state.save()
    return Reply()


def _revert(state: DeviceState, arguments: list[str]) -> Reply:
    if not arguments:
        return Reply(error=_USAGE, status=1)
    path = _Path.read(arguments[0])
    kept = [line for line in _stage_of(state, path.package) if path.section and not _under(line, arguments[0])]
    state.scratch[_STAGE + path.package] = "".join(f"{line}\x00" for line in kept)
    return Reply()


def _under(line: str, prefix: str) -> bool:
    target = line.split("\x01")[1]
    return target == prefix or target.startswith(prefix + ".")


def _changes(state: DeviceState, arguments: list[str]) -> Reply:
    names = arguments[:1] or package_names(state)
    lines = [_change_line(line) for name in names for line in _stage_of(state, name)]
    return Reply("".join(f"{line}\n" for line in lines))


def _change_line(line: str) -> str:
    verb, target, value = line.split("\x01")
    if verb == "delete":
        return f"-{target}"
    sign = {"add_list": "+=", "del_list": "-=", "set": "="}.get(verb, "=")
    return f"{target}{sign}{show_value(value)}"


def _import(state: DeviceState, arguments: list[str], stdin: str) -> Reply:
    names = [word for word in arguments if not word.startswith("-")]
    packages = committed(state)
    try:
        if names and not stdin.lstrip().startswith("package"):
            packages[names[0]] = parse_package(names[0], stdin)
        else:
            packages.update(parse_packages(stdin))
    except UciError as error:
        return Reply(error=f"uci: Parse error ({error})\n", status=1)
    state.replace_running(export(packages), state.spec.username)
    state.save()
    return Reply()


def _batch(state: DeviceState, stdin: str) -> Reply:
    out, err = "", ""
    for line in stdin.splitlines():
        words = split_words(line)
        if words:
            result = run(state, words, "")
            out, err = out + result.text, err + result.error
    return Reply(out, err)


def file_of(state: DeviceState, package: str) -> str | None:
    """The text of /etc/config/PACKAGE, staged changes not included."""
    body = dict(split_packages(state.running)).get(package)
    # The body begins with the rest of the package line.
    return None if body is None else body[1:]


def package_names(state: DeviceState) -> list[str]:
    return [name for name, _ in split_packages(state.running)]


_VERBS = {
    "get": _get, "set": _set, "delete": _delete, "add": _add, "add_list": _add_list, "del_list": _del_list,
    "export": _export, "show": _show, "commit": _commit, "revert": _revert, "changes": _changes,
}  # fmt: skip
