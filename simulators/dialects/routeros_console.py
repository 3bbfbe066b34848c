"""The commands of RouterOS's menus, on the configuration tree of one box."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from simulators.dialects import routeros_print as printing
from simulators.dialects import routeros_uplink as uplink
from simulators.dialects.routeros_box import Box
from simulators.dialects.routeros_menus import MENUS, Menu, submenus
from simulators.dialects.routeros_parse import Part, Statement, Word
from simulators.dialects.routeros_script import Interpreter, Run, Value, applied, shown
from simulators.dialects.routeros_system import OTHERS
from simulators.dialects.routeros_text import ConsoleError
from simulators.dialects.routeros_tree import Item

_VERBS = frozenset({"add", "set", "remove", "print", "export", "enable", "disable", "move", "find", "get", "comment",
                    "unset"})  # fmt: skip
_PRINT_FLAGS = frozenset({"detail", "terse", "brief", "as-value", "count-only", "without-paging", "proplist", "stats",
                          "value-list", "show-ids"})  # fmt: skip
_JOINED = frozenset({"and", "&&", "or", "||", "where"})


class _Condition(NamedTuple):
    """One condition of a `find`; without a sign it is that the property is set or true."""

    name: str
    negated: bool
    sign: str
    wanted: str

    def holds(self, has: str) -> bool:
        if not self.sign:
            return (has not in ("", "no")) != self.negated
        if self.sign == "=":
            return (has == self.wanted) != self.negated
        return bool(applied(self.sign, has, self.wanted)) != self.negated


class Console:
    """Runs command lines on a box. Whoever has a session keeps the menu that it stands in."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.interpreter = Interpreter(self._command)

    def run(self, source: str, menu: str = "") -> Run:
        """A whole command line or script. An error is the last thing in what was printed, as on a terminal."""
        run = Run(menu)
        try:
            self.interpreter.run(run, source)
        except ConsoleError as error:
            run.put(f"{error}\n")
            run.failed = True
        self.box.flush()
        return run

    def _command(self, run: Run, statement: Statement) -> Value:
        """One command. A line that is a menu and nothing more goes there."""
        path, rest = self._resolved(run.menu, statement)
        where = " ".join(path)
        if not rest:
            run.menu = where
            return ""
        verb, words = rest[0].text.lstrip(":"), rest[1:]
        own = OTHERS.get((where, verb)) or OTHERS.get(("", verb))
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
            self._set(run, menu, words, [self.box.tree.single(menu.path)])
            return ""
        if menu.kind == "fixed" and verb in ("add", "remove", "move"):
            raise ConsoleError(f"bad command name {verb} (line 1 column 1)")
        return self._edit(run, menu, verb, words)

    def _edit(self, run: Run, menu: Menu, verb: str, words: Sequence[Word]) -> Value:
        tree = self.box.tree
        if verb == "add":
            values, before = self._given(run, menu, words), self.named(run, words, "place-before")
            if menu.path == "system scheduler":
                values = {**self.box.now(), **values}
            item = tree.add(menu.path, values)
            if before is not None:
                tree.move(menu.path, [item], next(iter(self._items(menu, before)), None))
            self.box.changed(f"{menu.path} added")
            return item.id
        items, rest = self.targets(run, menu, words)
        if verb in ("set", "unset", "comment"):
            self._set(run, menu, rest, items)
            return ""
        if verb == "move":
            wanted = [self.interpreter.value(run, word.parts) for word in rest if not word.sign]
            wanted += [value for value in [self.named(run, rest, "destination")] if value is not None]
            tree.move(menu.path, items, next(iter(self._items(menu, wanted[0])), None) if wanted else None)
        elif verb == "remove":
            tree.remove(menu.path, items)
        else:
            tree.change(menu.path, items, {"disabled": "yes" if verb == "disable" else "no"})
        if items:
            self.box.changed(f"{menu.path} {verb}")
        return ""

    def _set(self, run: Run, menu: Menu, words: Sequence[Word], items: Collection[Item]) -> None:
        values = self._given(run, menu, words)
        unset = [word.text[1:] for word in words if not word.sign and word.text.startswith("!")]
        for name in unset:
            if name not in menu.properties:
                raise ConsoleError(f"expected end of command (line 1 column {words[0].column})")
        self.box.tree.change(menu.path, items, values, unset)
        if items and (values or unset):
            self.box.changed(f"{menu.path} changed")

    def _given(self, run: Run, menu: Menu, words: Sequence[Word]) -> dict[str, str]:
        """`name=value` words; `.name` goes on with the last name's prefix."""
        found: dict[str, str] = {}
        prefix = ""
        for word in words:
            name = prefix + word.name if word.name.startswith(".") else word.name
            prefix = name.rpartition(".")[0] or prefix
            if word.sign == "=" and name in menu.properties:
                value = self.interpreter.value(run, word.parts)
                found[name] = ("yes" if value else "no") if isinstance(value, bool) else shown(value)
            elif not word.sign and word.text in menu.properties and menu.properties[word.text].type == "flag":
                found[word.text] = "yes"
            elif word.name not in ("place-before", "destination", "numbers") and not word.text.startswith("!"):
                raise ConsoleError(f"expected end of command (line 1 column {word.column})")
        return found

    def value(self, run: Run, parts: Sequence[Part]) -> Value:
        return self.interpreter.value(run, parts)

    def named(self, run: Run, words: Sequence[Word], name: str) -> Value | None:
        return next((self.interpreter.value(run, word.parts) for word in words if word.name == name), None)

    def targets(self, run: Run, menu: Menu, words: Sequence[Word]) -> tuple[list[Item], Sequence[Word]]:
        """The items that a command is about, and the words after them."""
        if (numbers := self.named(run, words, "numbers")) is not None:
            return self._items(menu, numbers), words
        if not words or words[0].sign:
            raise ConsoleError("missing value(s) of argument(s) numbers")
        return self._items(menu, self.interpreter.value(run, words[0].parts)), words[1:]

    def _items(self, menu: Menu, wanted: Value) -> list[Item]:
        """Items by internal id, number or name. Raises ConsoleError when there is none such."""
        items = self.box.tree.menus[menu.path]
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

    def _matching(self, run: Run, menu: Menu, words: Sequence[Word], *, live: bool = False) -> list[Item]:
        """The items for which the conditions hold; words that stand beside each other are all meant. ``live``: those
        that the box made by itself as well."""
        conditions: list[tuple[bool, _Condition]] = []
        either = False
        for word in words:
            if not word.sign and word.text in _JOINED:
                either = word.text in ("or", "||")
            else:
                conditions.append((either, self._condition(run, menu, word)))
                either = False
        made = uplink.dynamic(self.box, menu.path) if live else []
        return [item for item in (*self.box.tree.menus[menu.path], *made) if self._holds(menu, item, conditions)]

    def _holds(self, menu: Menu, item: Item, conditions: Sequence[tuple[bool, _Condition]]) -> bool:
        result = True
        for either, condition in conditions:
            if result == either:
                continue
            has = item.id if condition.name == ".id" else self.box.tree.value(menu.path, item, condition.name)
            if (menu.path, condition.name) == ("ip route", "active"):
                has = "yes" if uplink.active(self.box, item) else "no"
            result = condition.holds(has)
        return result

    def _condition(self, run: Run, menu: Menu, word: Word) -> _Condition:
        name = word.name if word.sign else word.text
        negated, name = name.startswith("!"), name.lstrip("!")
        known = (
            *menu.properties,
            menu.handle,
            "dynamic",
            "invalid",
            ".id",
            *(("active",) if menu.path == "ip route" else ()),
        )
        if name not in known:
            raise ConsoleError(f"expected end of command (line 1 column {word.column})")
        wanted = shown(self.interpreter.value(run, word.parts)) if word.sign else ""
        return _Condition(name, negated, word.sign, {"true": "yes", "false": "no"}.get(wanted, wanted))

    def _get(self, run: Run, menu: Menu, words: Sequence[Word]) -> Value:
        tree = self.box.tree
        if menu.kind == "single":
            items, rest = [tree.single(menu.path)], words
        else:
            items, rest = self.targets(run, menu, words)
        name = next((shown(self.interpreter.value(run, word.parts)) for word in rest), "")
        if name not in menu.properties:
            raise ConsoleError(f"input does not match any value of value-name (line 1 column {words[-1].column})"
                               if words else "missing value(s) of argument(s) value-name")  # fmt: skip
        value = tree.value(menu.path, items[0], name)
        return {"yes": True, "no": False}.get(value, value) if menu.properties[name].type == "bool" else value

    def _print(self, run: Run, menu: Menu, words: Sequence[Word]) -> Value:
        tree = self.box.tree
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
        items = self._matching(run, menu, words[at + 1 :], live=at < len(words))
        if (start := self.named(run, words, "from")) is not None:
            items = self._items(menu, start)
        if menu.path == "ip route":
            items = [uplink.seen(self.box, item) for item in items]
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
        text = self.box.export(path, flags)
        if (name := self.named(run, words, "file")) is not None:
            self.box.write(f"{shown(name).removesuffix('.rsc')}.rsc", text)
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
