"""Configuration mode of VyOS: a working copy for each session, and the commands that change and commit it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from simulators.dialects import vyos_box
from simulators.dialects.vyos_config import (
    Path,
    RefusedError,
    Tree,
    compared,
    copied,
    delete_path,
    exists,
    locate,
    marked,
    parse_boot,
    parse_set_lines,
    set_lines,
    set_path,
    subtree,
)
from simulators.dialects.vyos_schema import Schema
from simulators.personas.base import Reply
from simulators.state import DeviceState

COMMANDS = (
    "confirm", "comment", "commit", "commit-confirm", "compare", "copy", "delete", "discard", "edit", "exit", "load",
    "merge", "rename", "rollback", "rollback-soft", "run", "save", "set", "show", "top", "up",
)  # fmt: skip
_NO_CHANGES = "No configuration changes to commit\n"
_LOCKED = "Configuration system temporarily locked due to another commit in progress\n"


def aside(text: str) -> str:
    """Text as configuration mode prints what it has to say of a command."""
    return "\n" + "".join(f"  {line}\n" for line in text.split("\n")) + "\n"


def failed(text: str, verb: str) -> Reply:
    return Reply(aside(f"{text}\n{verb} failed"), status=1)


@dataclass
class ConfigSession:
    """A working copy: what the box runs, and the changes of this session on top of it.

    Sessions do not see each other's changes before they are committed; who commits later builds on what is there then.
    """

    state: DeviceState
    who: str
    level: Path = ()
    unsaved: bool = False
    _changes: list[tuple[str, Path]] = field(default_factory=list)
    _base: str = ""
    _tree: Tree = field(default_factory=dict)

    @property
    def tree(self) -> Tree:
        """The working copy as it is now. Not to be changed."""
        if self._base != self.state.running:
            self._base = self.state.running
            self._tree = vyos_box.running(self.state)
            for verb, path in self._changes:
                self._do(verb, path)
        return self._tree

    @property
    def changed(self) -> bool:
        return bool(self._changes) and set_lines(self.tree) != self.state.running

    def _do(self, verb: str, path: Path) -> str:
        """Change the working copy. Returns what the box says, empty when it says nothing."""
        change = set_path if verb == "set" else delete_path
        try:
            change(self._tree, vyos_box.schema(self.state), path)
        except RefusedError as refusal:
            return str(refusal)
        return ""

    def change(self, verb: str, words: Sequence[str]) -> Reply:
        """`set` or `delete` below the present level."""
        _ = self.tree
        path = (*self.level, *words)
        said = self._do(verb, path)
        if not said:
            self._changes.append((verb, path))
            return Reply()
        harmless = said.endswith("already exists") or said.startswith("Nothing to delete")
        return Reply(aside(said)) if harmless else failed(said, verb.capitalize())

    def replace(self, tree: Tree) -> None:
        """Make a whole configuration the working copy."""
        old, new = set_lines(self.tree).splitlines(), set_lines(tree).splitlines()
        gone, come = set(old) - set(new), set(new) - set(old)
        self._tree = copied(tree)
        self._changes += [("delete", _path_of(line)) for line in old if line in gone]
        self._changes += [("set", _path_of(line)) for line in new if line in come]

    def discard(self) -> Reply:
        had = self.changed
        self._forget()
        return Reply(aside(f"{'Changes' if had else 'No changes'} have been discarded"))

    def _forget(self) -> None:
        self._changes.clear()
        self._base = ""

    def commit(self, comment: str = "commit", *, archive: bool = True) -> Reply:
        if not self.changed:
            return Reply(_NO_CHANGES, status=1)
        if vyos_box.LOCK in self.state.scratch:
            return Reply(_LOCKED, status=1)
        said = vyos_box.commit(self.state, copied(self.tree), who=self.who, comment=comment, archive=archive)
        self.unsaved = True
        if not said:
            self._forget()
        return Reply(f"{said}\n" if said else "", status=int(bool(said)))

    def show(self, words: Sequence[str]) -> Reply:
        root = vyos_box.schema(self.state)
        try:
            place = locate(root, (*self.level, *words), check=False)
        except RefusedError as refusal:
            return failed(str(refusal), "Show")
        path = place.path
        old, new = subtree(vyos_box.running(self.state), path), subtree(self.tree, path)
        if not old and not new:
            there = exists(self.tree, path)
            return Reply("" if there else aside("Configuration under specified path is empty"))
        if place.schema.kind in ("leaf", "multi") or (place.schema.kind == "tag" and not place.value):
            above = locate(root, path[:-1], check=False).schema
            return Reply(marked({path[-1]: old} if old else {}, {path[-1]: new} if new else {}, above))
        assert isinstance(old, dict)
        assert isinstance(new, dict)
        return Reply(marked(old, new, place.schema))

    def compare(self, words: Sequence[str]) -> Reply:
        """Nothing, `saved`, `commands`, or one or two revisions."""
        state, root = self.state, vyos_box.schema(self.state)
        old, new = vyos_box.running(state), self.tree
        between = "working and active"
        if words == ["commands"]:
            text = "".join(f"{line}\n" for line in _as_commands(set_lines(old), set_lines(new)))
            return Reply(text or f"No changes between {between} configurations.\n\n")
        if words == ["saved"]:
            old, between = parse_set_lines(state.startup), "working and saved"
        elif words:
            try:
                old = parse_set_lines(vyos_box.revision(state, int(words[0])))
                new = parse_set_lines(vyos_box.revision(state, int(words[1]))) if len(words) > 1 else new
            except (KeyError, ValueError):
                return Reply(f"Invalid revision number {words[-1]}\n", status=1)
            between = f"working and revision {words[0]}"
        return Reply(compared(old, new, root) or f"No changes between {between} configurations.\n\n")

    def edit(self, words: Sequence[str]) -> Reply:
        root = vyos_box.schema(self.state)
        try:
            place = locate(root, (*self.level, *words), check=True)
        except RefusedError as refusal:
            return failed(str(refusal), "Edit")
        if not place.path or (place.schema.kind == "tag") != place.value or place.schema.kind in ("leaf", "multi"):
            return failed('The "edit" command cannot be issued at the specified level', "Edit")
        if not exists(self.tree, place.path):
            self.level = ()
            self.change("set", place.path)
        self.level = place.path
        return Reply()

    def up(self) -> Reply:
        root = vyos_box.schema(self.state)
        if not self.level:
            return Reply(aside("Already at the top level"))
        place = locate(root, self.level, check=False)
        self.level = self.level[: -2 if place.schema.kind == "tag" else -1]
        return Reply()

    def save(self, words: Sequence[str], write: Callable[[str, str], bool]) -> Reply:
        """Save the running configuration, which is what `save` saves, to the boot file or another one."""
        target = words[0] if words else vyos_box.BOOT
        warning = "Warning: you have uncommitted changes that will not be saved.\n\n" if self.changed else ""
        self.level = ()
        if not write(target, vyos_box.boot_file(self.state, self.state.running)):
            return Reply(f"{warning}[Errno 13] Permission denied: '{target}'\n", status=1)
        self.unsaved = False
        spoken = self.state.spec.options.get("save", "spoken") == "spoken"
        said = f"Saving configuration to '{target}'...\nDone\n" if spoken else ""
        return Reply(warning + said)

    def load(self, words: Sequence[str], read: Callable[[str], str | None], *, merge: bool = False) -> Reply:
        target = words[0] if words else vyos_box.BOOT
        verb = "merge" if merge else "load"
        if self.changed:
            return Reply(
                f"Cannot {verb}: configuration modified.\n"
                f"Commit or discard the changes before {'merging' if merge else 'loading'} a config file.\n",
                status=1,
            )
        text = read(target)
        if text is None:
            return Reply(f"No such file '{target}'\n", status=1)
        root = vyos_box.schema(self.state)
        try:
            found = parse_boot(text, root)
        except ValueError as problem:
            return Reply(f"Failed to parse config: {problem}\n", status=1)
        self.level = ()
        new = found
        if merge:
            new = copied(self.tree)
            for line in set_lines(found).splitlines():
                _merge(new, root, _path_of(line))
        self.replace(new)
        head = "" if merge else f"Loading configuration from '{target}'\n"
        return Reply(f"{head}{verb.capitalize()} complete. Use 'commit' to make changes effective.\n")


def _merge(tree: Tree, root: Schema, path: Path) -> None:
    try:
        set_path(tree, root, path)
    except RefusedError:
        return


_SET_LINE = re.compile(r"^set (?P<path>.*?)(?: '(?P<value>.*)')?$")


def _path_of(line: str) -> Path:
    found = _SET_LINE.match(line)
    assert found is not None
    path = tuple(found["path"].split(" "))
    return path if found["value"] is None else (*path, found["value"])


def _as_commands(old: str, new: str) -> list[str]:
    before, after = old.splitlines(), new.splitlines()
    gone = [f"delete {line.removeprefix('set ')}" for line in before if line not in set(after)]
    return [*gone, *(line for line in after if line not in set(before))]
