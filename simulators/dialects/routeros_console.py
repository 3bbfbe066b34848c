"""The commands of RouterOS's menus, on the configuration tree of one box."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from simulators.dialects import routeros_print as printing
from simulators.dialects.routeros_box import Box
from simulators.dialects.routeros_menus import MENUS, Menu, submenus
from simulators.dialects.routeros_parse import Statement, Word, program
from simulators.dialects.routeros_script import Interpreter, Run, Value, applied, shown
from simulators.dialects.routeros_text import ConsoleError, duration
from simulators.dialects.routeros_tree import Item

_VERBS = frozenset({"add", "set", "remove", "print", "export", "enable", "disable", "move", "find", "get", "comment",
                    "unset"})  # fmt: skip
_PRINT_FLAGS = frozenset({"detail", "terse", "brief", "as-value", "count-only", "without-paging", "proplist", "stats",
                          "value-list", "show-ids"})  # fmt: skip
_JOINED = frozenset({"and", "&&", "or", "||", "where"})


class Console:
    """Runs command lines on a box. Whoever has a session keeps the menu that it stands in."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._interpreter = Interpreter(self._command)

    def run(self, source: str, menu: str = "") -> Run:
        """A whole command line or script. An error is the last thing in what was printed, as on a terminal."""
        run = Run(menu)
        try:
            self._interpreter.run(run, source)
        except ConsoleError as error:
            run.put(f"{error}\n")
            run.failed = True
        return run

    def _command(self, run: Run, statement: Statement) -> Value:
        """One command. A line that is a menu and nothing more goes there."""
        path, rest = self._resolved(run.menu, statement)
        where = " ".join(path)
        if not rest:
            run.menu = where
            return ""
        verb, words = rest[0].text.lstrip(":"), rest[1:]
        own = _OTHERS.get((where, verb)) or _OTHERS.get(("", verb))
        on_menu = where in MENUS and verb in _VERBS
        if rest[0].sign or not (on_menu or own):
            raise _bad(statement, rest[0])
        # What stands in brackets behind a command is run in the command's own menu.
        before, run.menu = run.menu, where
        try:
            if on_menu:
                return self._on_menu(run, MENUS[where], verb, words)
            assert own is not None
            return own(self, run, where, words)
        finally:
            run.menu = before

    def _resolved(self, menu: str, statement: Statement) -> tuple[list[str], list[Word]]:
        """The menu that a statement's first words lead to, and the words after them."""
        words = list(statement.words)
        path = menu.split()
        first = words[0].text
        if first.startswith("/"):
            path = []
        while words and not words[0].sign and not words[0].quoted:
            steps = [step for step in words[0].text.split("/") if step]
            used = 0
            for step in steps:
                if step == "..":
                    path = path[:-1]
                elif (full := _word_of(step, submenus(" ".join(path)))) is not None:
                    path.append(full)
                else:
                    break
                used += 1
            if used < len(steps):
                left = words[0]._replace(parts=(steps[used],))
                if used + 1 < len(steps):
                    raise _bad(statement, left)
                return path, [left, *words[1:]]
            if not steps and words[0].text != "/":
                return path, words
            words.pop(0)
        return path, words

    def _on_menu(self, run: Run, menu: Menu, verb: str, words: Sequence[Word]) -> Value:
        if verb == "print":
            return self._print(run, menu, words)
        if verb == "export":
            return self.export(run, menu.path, words)
        if verb == "find":
            return [item.id for item in self._matching(run, menu, words)]
        if verb == "get":
            return self._get(run, menu, words)
        if menu.kind == "single":
            if verb not in ("set", "unset"):
                raise ConsoleError(f"bad command name {verb} (line 1 column 1)")
            self._set(run, menu, words, [self._box.tree.single(menu.path)])
            return ""
        if menu.kind == "fixed" and verb in ("add", "remove", "move"):
            raise ConsoleError(f"bad command name {verb} (line 1 column 1)")
        return self._edit(run, menu, verb, words)

    def _edit(self, run: Run, menu: Menu, verb: str, words: Sequence[Word]) -> Value:
        tree = self._box.tree
        if verb == "add":
            values, before = self._given(run, menu, words), self._named(run, words, "place-before")
            item = tree.add(menu.path, values)
            if before is not None:
                tree.move(menu.path, [item], next(iter(self._items(menu, before)), None))
            self._box.changed(f"{menu.path} added")
            return item.id
        items, rest = self._targets(run, menu, words)
        if verb in ("set", "unset", "comment"):
            self._set(run, menu, rest, items)
            return ""
        if verb == "move":
            wanted = [self._interpreter.value(run, word.parts) for word in rest if not word.sign]
            wanted += [value for value in [self._named(run, rest, "destination")] if value is not None]
            tree.move(menu.path, items, next(iter(self._items(menu, wanted[0])), None) if wanted else None)
        elif verb == "remove":
            tree.remove(menu.path, items)
        else:
            tree.change(menu.path, items, {"disabled": "yes" if verb == "disable" else "no"})
        if items:
            self._box.changed(f"{menu.path} {verb}")
        return ""

    def _set(self, run: Run, menu: Menu, words: Sequence[Word], items: Collection[Item]) -> None:
        values = self._given(run, menu, words)
        unset = [word.text[1:] for word in words if not word.sign and word.text.startswith("!")]
        for name in unset:
            if name not in menu.properties:
                raise ConsoleError(f"expected end of command (line 1 column {words[0].column})")
        self._box.tree.change(menu.path, items, values, unset)
        if items and (values or unset):
            self._box.changed(f"{menu.path} changed")

    def _given(self, run: Run, menu: Menu, words: Sequence[Word]) -> dict[str, str]:
        """`name=value` words; `.name` goes on with the last name's prefix."""
        found: dict[str, str] = {}
        prefix = ""
        for word in words:
            name = prefix + word.name if word.name.startswith(".") else word.name
            prefix = name.rpartition(".")[0] or prefix
            if word.sign == "=" and name in menu.properties:
                value = self._interpreter.value(run, word.parts)
                found[name] = ("yes" if value else "no") if isinstance(value, bool) else shown(value)
            elif not word.sign and word.text in menu.properties and menu.properties[word.text].type == "flag":
                found[word.text] = "yes"
            elif word.name not in ("place-before", "destination", "numbers") and not word.text.startswith("!"):
                raise ConsoleError(f"expected end of command (line 1 column {word.column})")
        return found

    def _named(self, run: Run, words: Sequence[Word], name: str) -> Value | None:
        return next((self._interpreter.value(run, word.parts) for word in words if word.name == name), None)

    def _targets(self, run: Run, menu: Menu, words: Sequence[Word]) -> tuple[list[Item], Sequence[Word]]:
        """The items that a command is about, and the words after them."""
        if (numbers := self._named(run, words, "numbers")) is not None:
            return self._items(menu, numbers), words
        if not words or words[0].sign:
            raise ConsoleError("missing value(s) of argument(s) numbers")
        return self._items(menu, self._interpreter.value(run, words[0].parts)), words[1:]

    def _items(self, menu: Menu, wanted: Value) -> list[Item]:
        """Items by internal id, number or name. Raises ConsoleError when there is none such."""
        items = self._box.tree.menus[menu.path]
        names = wanted if isinstance(wanted, list) else [part for part in shown(wanted).split(",") if part]
        found = []
        for value in names:
            name = shown(value)
            by_number = name.isdecimal() and int(name) < len(items)
            item = (
                items[int(name)]
                if by_number
                else next((i for i in items if name in (i.id, i.values.get("name"))), None)
            )
            if item is None:
                raise ConsoleError("no such item")
            found.append(item)
        return found

    def _matching(self, run: Run, menu: Menu, words: Sequence[Word]) -> list[Item]:
        """The items for which the conditions hold; words that stand beside each other are all meant."""
        items = self._box.tree.menus[menu.path]
        return [item for item in items if self._holds(run, menu, item, words)]

    def _holds(self, run: Run, menu: Menu, item: Item, words: Sequence[Word]) -> bool:
        result, joint = True, "and"
        for word in words:
            if not word.sign and word.text in _JOINED:
                joint = word.text if word.text != "where" else "and"
                continue
            holds = self._condition(run, menu, item, word)
            result = result or holds if joint in ("or", "||") else result and holds
            joint = "and"
        return result

    def _condition(self, run: Run, menu: Menu, item: Item, word: Word) -> bool:
        name = word.name if word.sign else word.text
        negated, name = name.startswith("!"), name.lstrip("!")
        if name in ("dynamic", "invalid"):
            has = "no"
        elif name == ".id":
            has = item.id
        elif name in menu.properties or name in item.values:
            has = self._box.tree.value(menu.path, item, name)
        else:
            raise ConsoleError(f"expected end of command (line 1 column {word.column})")
        if not word.sign:
            return (has not in ("", "no")) != negated
        wanted = shown(self._interpreter.value(run, word.parts))
        wanted = {"true": "yes", "false": "no"}.get(wanted, wanted)
        return bool(applied(word.sign, has, wanted)) != negated

    def _get(self, run: Run, menu: Menu, words: Sequence[Word]) -> Value:
        tree = self._box.tree
        if menu.kind == "single":
            items, rest = [tree.single(menu.path)], words
        else:
            items, rest = self._targets(run, menu, words)
        name = next((shown(self._interpreter.value(run, word.parts)) for word in rest), "")
        if name not in menu.properties:
            raise ConsoleError(f"input does not match any value of value-name (line 1 column {words[-1].column})"
                               if words else "missing value(s) of argument(s) value-name")  # fmt: skip
        value = tree.value(menu.path, items[0], name)
        return {"yes": True, "no": False}.get(value, value) if menu.properties[name].type == "bool" else value

    def _print(self, run: Run, menu: Menu, words: Sequence[Word]) -> Value:
        tree = self._box.tree
        flags = {word.text for word in words if not word.sign}
        at = next((index for index, word in enumerate(words) if word.text == "where" and not word.sign), len(words))
        for word in words[:at]:
            if (word.name or word.text) not in (*_PRINT_FLAGS, "from", "interval", "file"):
                raise ConsoleError(f"expected end of command (line 1 column {word.column})")
        if menu.kind == "single":
            if "as-value" in flags:
                return printing.as_value(tree, menu, tree.menus[menu.path])
            run.put(printing.single(tree, menu))
            return ""
        items = self._matching(run, menu, words[at + 1 :])
        if (start := self._named(run, words, "from")) is not None:
            items = self._items(menu, start)
        if "count-only" in flags:
            run.put(f"{len(items)}\n")
            return len(items)
        if "as-value" in flags:
            return printing.as_value(tree, menu, items)
        form = printing.detail if "detail" in flags else printing.terse if "terse" in flags else printing.table
        run.put(form(tree, menu, items))
        return ""

    def export(self, run: Run, path: str, words: Sequence[Word]) -> Value:
        """`export` of one menu or of all; to a file with `file=`."""
        flags = {word.text for word in words if not word.sign}
        for word in words:
            if (word.name or word.text) not in _EXPORT_WORDS:
                raise ConsoleError(f"expected end of command (line 1 column {word.column})")
        text = self._box.export(path, flags)
        if (name := self._named(run, words, "file")) is not None:
            self._box.write(f"{shown(name).removesuffix('.rsc')}.rsc", text)
        else:
            run.put(text, config=not path)
        return ""


_EXPORT_WORDS = frozenset({"terse", "verbose", "compact", "show-sensitive", "hide-sensitive", "file"})


def _bad(statement: Statement, word: Word) -> ConsoleError:
    return ConsoleError(f"bad command name {word.name or word.text} (line {statement.line} column {word.column})")


def _word_of(step: str, known: Collection[str]) -> str | None:
    """The menu that a word names, also when it is cut short."""
    if step in known:
        return step
    fitting = [name for name in known if name.startswith(step)]
    return fitting[0] if len(fitting) == 1 and step not in _VERBS and step.isidentifier() else None


Other = Callable[[Console, Run, str, Sequence[Word]], Value]


def _export_all(console: Console, run: Run, where: str, words: Sequence[Word]) -> Value:
    return console.export(run, where, words)


def _facts(make: Callable[[Box], Sequence[tuple[str, str]]]) -> tuple[Other, Other]:
    """`print` and `get` of a menu that only tells."""

    def show(console: Console, run: Run, _where: str, _words: Sequence[Word]) -> Value:
        run.put(printing.pairs(make(console._box)))
        return ""

    def get(console: Console, run: Run, _where: str, words: Sequence[Word]) -> Value:
        name = shown(console._interpreter.value(run, words[0].parts)) if words else ""
        found = dict(make(console._box))
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


def _packages(console: Console, run: Run, _where: str, _words: Sequence[Word]) -> Value:
    run.put(
        "Columns: NAME, VERSION, BUILD-TIME, SIZE\n#  NAME          VERSION  BUILD-TIME           SIZE\n"
        f"0  routeros      {console._box.version}   2024-07-24 13:39:10  11.6MiB\n"
        f"1  wifi-qcom     {console._box.version}   2024-07-24 13:39:10   8.9MiB\n"
    )
    return ""


def _files(console: Console, run: Run, _where: str, words: Sequence[Word]) -> Value:
    rows = [f'{number} name="{name}" type="{_type_of(name)}" size={len(text)}'
            for number, (name, text) in enumerate(sorted(console._box.state.flash.items()))]  # fmt: skip
    if any(word.text == "count-only" for word in words):
        run.put(f"{len(rows)}\n")
        return len(rows)
    run.put("".join(f"{row}\n" for row in rows))
    return ""


def _type_of(name: str) -> str:
    return {"rsc": "script", "backup": "backup"}.get(name.rpartition(".")[2], ".txt file")


def _file_of(console: Console, run: Run, words: Sequence[Word]) -> str:
    files = sorted(console._box.state.flash)
    plain = [word for word in words if not word.sign or word.name in ("numbers", "name", "file-name", "file")]
    if not plain:
        raise ConsoleError("missing value(s) of argument(s) name")
    wanted = console._interpreter.value(run, plain[0].parts)
    name = shown(wanted[0] if isinstance(wanted, list) and wanted else wanted)
    if name.isdecimal() and int(name) < len(files):
        return files[int(name)]
    fitting = [file for file in (name, f"{name}.rsc", f"{name}.backup") if file in files]
    if not fitting:
        raise ConsoleError("no such item")
    return fitting[0]


def _find_file(console: Console, _run: Run, _where: str, words: Sequence[Word]) -> Value:
    files = sorted(console._box.state.flash)
    for word in words:
        if word.name == "name":
            files = [name for name in files if applied(word.sign, name, word.text)]
    return list(files)


def _get_file(console: Console, run: Run, _where: str, words: Sequence[Word]) -> Value:
    name = _file_of(console, run, words)
    text = console._box.state.flash[name]
    told: dict[str, Value] = {"contents": text, "size": len(text), "name": name, "type": _type_of(name)}
    return told.get(words[-1].text, "")


def _remove_file(console: Console, run: Run, _where: str, words: Sequence[Word]) -> Value:
    wanted = console._interpreter.value(run, words[0].parts) if words else ""
    if isinstance(wanted, list):
        for name in wanted:
            console._box.state.flash.pop(shown(name), None)
        return ""
    del console._box.state.flash[_file_of(console, run, words)]
    return ""


def _save_backup(console: Console, run: Run, _where: str, words: Sequence[Word]) -> Value:
    name = console._named(run, words, "name")
    stem = shown(name) if name is not None else console._box.hostname
    console._box.write(f"{stem.removesuffix('.backup')}.backup", console._box.state.running)
    run.put("Saving system configuration\nConfiguration backup saved\n")
    return ""


def _load_backup(console: Console, run: Run, _where: str, words: Sequence[Word]) -> Value:
    console._box.restore(console._box.state.flash[_file_of(console, run, words)])
    run.put("System configuration restored, rebooting now\n")
    run.restart = True
    return ""


def _import(console: Console, run: Run, _where: str, words: Sequence[Word]) -> Value:
    text = console._box.state.flash[_file_of(console, run, words)]
    run.put("\n")
    console._interpreter.statements(Run("", run.chunks, {}, run.depth), program(text))
    run.put("Script file loaded and executed successfully\n")
    return ""


def _execute(console: Console, run: Run, _where: str, words: Sequence[Word]) -> Value:
    """`:execute script="..." [as-string]`: with it what the script printed is the value, else it runs by itself."""
    source = console._named(run, words, "script")
    plain = [word for word in words if not word.sign and word.text != "as-string"]
    if source is None and plain:
        source = console._interpreter.value(run, plain[0].parts)
    inner = console.run(shown(source if source is not None else ""))
    return inner.text if any(word.text == "as-string" for word in words) else "*1"


def _run_script(console: Console, run: Run, _where: str, words: Sequence[Word]) -> Value:
    menu = MENUS["system script"]
    items, _ = console._targets(run, menu, words)
    for item in items:
        inner = Run("", run.chunks, {}, run.depth)
        console._interpreter.run(inner, item.values.get("source", ""))
    return ""


def _reboot(_console: Console, run: Run, _where: str, _words: Sequence[Word]) -> Value:
    run.question = "Reboot, yes? [y/N]: "
    return ""


def _quit(_console: Console, run: Run, _where: str, _words: Sequence[Word]) -> Value:
    run.over = True
    return ""


def _history(console: Console, run: Run, _where: str, _words: Sequence[Word]) -> Value:
    run.put(console._box.history())
    return ""


def _log(_console: Console, _run: Run, _where: str, _words: Sequence[Word]) -> Value:
    return ""


_RESOURCE, _BOARD = _facts(_resource), _facts(_routerboard)
_OTHERS: Mapping[tuple[str, str], Other] = {
    ("", "export"): _export_all, ("", "import"): _import, ("", "quit"): _quit, ("", "execute"): _execute,
    ("system resource", "print"): _RESOURCE[0], ("system resource", "get"): _RESOURCE[1],
    ("system routerboard", "print"): _BOARD[0], ("system routerboard", "get"): _BOARD[1],
    ("system package", "print"): _packages, ("file", "print"): _files, ("file", "get"): _get_file,
    ("file", "remove"): _remove_file, ("file", "find"): _find_file, ("system backup", "save"): _save_backup,
    ("system backup", "load"): _load_backup, ("system script", "run"): _run_script, ("system", "reboot"): _reboot,
    ("system history", "print"): _history, ("log", "print"): _log,
}  # fmt: skip
