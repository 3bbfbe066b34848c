"""The configuration language of RouterOS: reading an export, and changing what it describes by commands.

A ``Box`` is an export taken apart, in either of its forms: menus as headings with ``add`` and ``set`` below, or whole
commands on a line each (``terse``). An ``Edit`` changes it: every change shows at once to whoever reads the ``Box``,
and is noted as the command that makes it on the device. An export leaves out what is at its default, so readers say
what the default is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from cpe_manager.domain.errors import InputError

T = TypeVar("T")

OURS: Final = "cpe-"
"""What names and comments of items that we make begin with."""

_CONTINUED: Final = re.compile(r"\\\n[ \t]*")
_TOKEN: Final = re.compile(r'\[[^\]\n]*\]|(?:"(?:[^"\\\n]|\\.)*"|[^\s"\[])+')
_ESCAPED: Final = re.compile(r"(?:\\[0-9A-F]{2})+|\\(.)")
_NAMED: Final = {"n": "\n", "r": "\r", "t": "\t", "_": " ", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_PLAIN: Final = re.compile(r"[A-Za-z0-9._:/,@+-]+")
# Shorter values are words of messages, too.
_SHORTEST_SECRET: Final = 4
_NO_LINE: Final = "\n"
"""What no line begins with."""
_HEAD: Final = re.compile(r"(?:(?P<menu>[^\s\"\[=]+(?: [^\s\"\[=]+)*?) )?(?P<verb>add|set)(?=\s|\Z)")
_SPECIAL: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\", "$": "\\$", "?": "\\?"}
_UNITS: Final = (("w", 604_800), ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))
_TIME: Final = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_CLOCK: Final = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(\d+):(\d\d):(\d\d)")
_VERSION: Final = re.compile(r"^# .* by RouterOS (\d+)\.(\d+)", re.MULTILINE)

# What tells an item from the others of its menu where it has no name. Menus in which the system makes items of its own
# are asked for the others only.
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "ip address": ("address", "interface"),
    "ip route": ("dst-address", "gateway"),
    "ip dhcp-client": ("interface",),
    "ip dhcp-server lease": ("mac-address", "address"),
    "ip dhcp-server network": ("address",),
    "ip firewall filter": ("chain", "action", "comment", "in-interface-list", "connection-nat-state"),
    "ip firewall nat": ("chain", "action", "protocol", "dst-port", "to-addresses", "comment"),
    "ipv6 address": ("address", "interface"),
    "ipv6 route": ("dst-address", "gateway"),
    "ipv6 dhcp-client": ("interface",),
    "interface list member": ("interface", "list"),
}
_DYNAMIC: Final = frozenset(
    {"ip address", "ip route", "ip dhcp-server lease", "ip firewall nat", "ip firewall filter", "ipv6 address"}
    | {"ipv6 route", "interface list member"}
)


def unfolded(text: str) -> str:
    """Every line that goes on below behind a backslash as one: the blanks at the head of the next line are no part."""
    return _CONTINUED.sub("", text) if "\\\n" in text else text


def quoted(value: str) -> str:
    """A value as it is typed: bare when it is one plain word, else in double quotes."""
    if _PLAIN.fullmatch(value):
        return value
    if not value.isprintable() or not value.isascii():
        raise InputError("RouterOS is given printable ASCII only")
    return f'"{"".join(_SPECIAL.get(letter, letter) for letter in value)}"'


def escaped(value: str) -> str:
    """Any text as it stands between double quotes: what is neither printable nor ASCII by the bytes of its UTF-8.

    Raises ``InputError`` for what was no UTF-8 when it was read: nobody knows any more what it was.
    """
    if "\ufffd" in value:
        raise InputError("a value holds letters of another character set than UTF-8 and cannot be typed")
    return "".join(
        _SPECIAL.get(letter) or (letter if " " <= letter <= "~" else "".join(f"\\{b:02X}" for b in letter.encode()))
        for letter in value
    )


def unquoted(word: str) -> str:
    if len(word) < 2 or word[0] != '"' or word[-1] != '"':
        return word
    return _ESCAPED.sub(_letter, word[1:-1])


def _letter(found: re.Match[str]) -> str:
    named = found[1]
    if named is None:
        return bytes.fromhex(found[0].replace("\\", "")).decode("utf-8", "replace")
    return _NAMED.get(named, named)


def seconds(text: str) -> int | None:
    """``1w2d3h4m5s``, ``01:30:00`` or a bare number; None for what is no time."""
    found = _CLOCK.fullmatch(text) or (_TIME.fullmatch(text) if text else None)
    if found is None:
        return int(text) if text.isdecimal() else None
    return sum(int(part or 0) * size for part, (_, size) in zip(found.groups(), _UNITS, strict=True))


def duration(count: int) -> str:
    """Seconds as RouterOS writes them."""
    parts = []
    for unit, size in _UNITS:
        amount, count = divmod(count, size)
        parts.append(f"{amount}{unit}" if amount else "")
    return "".join(parts) or "0s"


@dataclass(slots=True, eq=False)
class Item:
    """An item of a menu, or the one set of values that a menu is.

    ``handle``: how a command names it, for items that are always there (``find default-name=ether1``, ``ssh``) and
    empty for the others. ``values`` are what the export says, never defaults.
    """

    path: str
    values: dict[str, str] = field(default_factory=dict, repr=False)
    handle: str = ""
    single: bool = False

    def text(self, name: str, default: str = "") -> str:
        return self.values.get(name, default)

    def words(self, name: str) -> list[str]:
        return [part for part in self.values.get(name, "").split(",") if part]

    def on(self, name: str, default: bool = False) -> bool:
        value = self.values.get(name, "")
        return value in ("yes", "true") if value else default

    @property
    def active(self) -> bool:
        return not self.on("disabled")

    def is_like(self, wanted: Mapping[str, str]) -> bool:
        return all(self.values.get(name) == value for name, value in wanted.items())


class Box:
    """All menus of an export, each with its items in their order.

    A menu is taken apart when somebody asks for it: most of a long export is in menus that the model has nothing of.
    """

    def __init__(self, text: str) -> None:
        self._menus: dict[str, list[Item]] = {}
        self._unread: dict[str, list[tuple[str, int, list[str]]]] = {}
        self._order: dict[str, None] = {}
        found = _VERSION.search(text)
        self.version = (int(found[1]), int(found[2])) if found else (7, 0)
        path, start, alike = "", _NO_LINE, list[str]()
        for line in unfolded(text).split("\n"):
            if line.startswith(start):
                # In a long export hundreds of lines with the same menu and verb follow one another.
                alike.append(line)
            elif line and not line.startswith("#"):
                path, start, alike = self._read(line, path)

    def _read(self, line: str, path: str) -> tuple[str, str, list[str]]:
        """Take a line in. Gives the menu in which the next one stands, what that one begins with if it has the same
        menu and verb, and the list that it belongs into then."""
        slash = line.startswith("/")
        command = line[1:] if slash else line
        head = _HEAD.match(command)
        if head is None:
            menu = " ".join(part for token in _TOKEN.findall(command) for part in token.split("/"))
            return menu if slash else path, _NO_LINE, []
        where = head["menu"].replace("/", " ") if head["menu"] else "" if slash else path
        end, alike = head.end() + slash, [line]
        self._order[where] = None
        self._unread.setdefault(where, []).append((head["verb"], end, alike))
        return where if slash else path, f"{line[:end]} ", alike

    def _menu(self, path: str) -> list[Item]:
        items = self._menus.setdefault(path, [])
        for verb, end, alike in self._unread.pop(path, ()):
            for line in alike:
                self._take(items, path, verb, _TOKEN.findall(line, end))
        return items

    def _take(self, items: list[Item], path: str, verb: str, tokens: list[str]) -> None:
        if verb == "add":
            items.append(Item(path, _values(tokens)))
        elif tokens and ("=" not in tokens[0] or tokens[0].startswith("[")):
            item = _own(path, tokens[0])
            known = next((other for other in items if other.handle == item.handle), None)
            if known is None:
                items.append(item)
                known = item
            known.values.update(_values(tokens[1:]))
        else:
            self.one(path).values.update(_values(tokens))

    def paths(self) -> tuple[str, ...]:
        """The menus of which something is said, in the order of the text."""
        return tuple(self._order)

    def all(self, path: str, **wanted: str) -> list[Item]:
        """The items of a menu that have these values; a name with a dash is given with an underscore."""
        found = {name.replace("_", "-"): value for name, value in wanted.items()}
        return [item for item in self._menu(path) if item.is_like(found)]

    def first(self, path: str, **wanted: str) -> Item | None:
        return next(iter(self.all(path, **wanted)), None)

    def one(self, path: str) -> Item:
        """The values of a menu that has no items."""
        items = self._menu(path)
        if not items:
            items.append(Item(path, single=True))
        return items[0]

    def own(self, path: str, handle: str, **implied: str) -> Item:
        """An item that is always there, perhaps with nothing in the text to say so. ``handle`` is what a ``find`` finds
        it by, ``default=yes``, or its name."""
        target = f"[find {handle}]" if "=" in handle else handle
        name, sign, value = handle.partition("=")
        known = next((item for item in self._menu(path) if item.handle == target), None)
        if known is None and sign:
            known = self.first(path, **{name.replace("-", "_"): value})
        if known is None:
            known = Item(path, {name.replace("_", "-"): value for name, value in implied.items()}, target)
            self._menu(path).insert(0, known)
        return known

    def insert(self, item: Item, before: Item | None) -> None:
        items = self._menu(item.path)
        items.insert(items.index(before) if before in items else len(items), item)

    def remove(self, item: Item) -> None:
        self._menu(item.path).remove(item)

    def address(self, item: Item) -> str:
        """How a command names this item and no other."""
        if item.single:
            return ""
        if item.handle:
            return f"{item.handle} "
        keys = ("name",) if "name" in item.values else _KEYS.get(item.path, ())
        wanted = {name: item.values[name] for name in keys if name in item.values}
        conditions = [f"{name}={_literal(value)}" for name, value in wanted.items()]
        conditions += ["!dynamic"] if item.path in _DYNAMIC else []
        find = f"find {' and '.join(conditions)}"
        alike = [other for other in self._menu(item.path) if other.is_like(wanted)]
        return f"[{find}] " if len(alike) < 2 else f"[:pick [{find}] {alike.index(item)}] "


def _literal(value: str) -> str:
    return f'"{escaped(value)}"'


def _own(path: str, target: str) -> Item:
    """The item that a ``set`` of an export is about."""
    if not target.startswith("["):
        return Item(path, {"name": unquoted(target)}, target)
    conditions = target.strip("[] ").removeprefix("find").strip()
    name, _, value = conditions.partition("=")
    return Item(path, {name: unquoted(value)} if name else {}, f"[find {conditions}]".replace(" ]", "]"))


def _values(tokens: list[str]) -> dict[str, str]:
    """``name=value`` words. A name that begins with a dot goes on with what stood before the dot of the last one."""
    found: dict[str, str] = {}
    prefix = ""
    for token in tokens:
        name, sign, value = token.partition("=")
        if "." in name:
            name = prefix + name if name.startswith(".") else name
            prefix = name.rpartition(".")[0]
        if name.startswith("!"):
            found.pop(name[1:], None)
        else:
            found[name] = unquoted(value) if sign else "yes"
    return found


class Edit:
    """Changes a ``Box`` and notes the commands that do the same on the device. Nothing is noted for what is so.

    ``any_text``: values may hold any letters, not only those that people are allowed to ask for.
    """

    def __init__(self, box: Box, *, any_text: bool = False) -> None:
        self.box = box
        self._commands: list[str] = []
        self._written = _any_text if any_text else quoted_or_empty

    def put(self, item: Item, **values: str | None) -> None:
        """Set values, a dash in a name given as an underscore; None unsets."""
        self.put_all(item, {name.replace("_", "-"): value for name, value in values.items()})

    def put_all(self, item: Item, values: Mapping[str, str | None]) -> None:
        """As ``put``, for names with dots in them."""
        changed = {name: value for name, value in values.items() if item.values.get(name) != value}
        if not changed:
            return
        words = [f"!{name}" if value is None else f"{name}={self._written(value)}" for name, value in changed.items()]
        self._commands.append(f"/{item.path} set {self.box.address(item)}{' '.join(words)}")
        for name, value in changed.items():
            if value is None:
                item.values.pop(name, None)
            else:
                item.values[name] = value

    def add(self, path: str, values: Mapping[str, str | None], before: Item | None = None) -> Item:
        """A new item, at the end of its menu or before another one; what is None is left out."""
        given = {name: value for name, value in values.items() if value is not None}
        item = Item(path, dict(given))
        words = [f"{name}={self._written(value)}" for name, value in given.items()]
        if before is not None:
            words.append(f"place-before={self.box.address(before).strip()}")
        self.box.insert(item, before)
        self._commands.append(f"/{path} add {' '.join(words)}")
        return item

    def drop(self, item: Item | None) -> None:
        if item is not None:
            self._commands.append(f"/{item.path} remove {self.box.address(item).strip()}")
            self.box.remove(item)

    def drop_all(self, path: str, comment: str) -> None:
        """All items of a menu with a comment of ours, in one command."""
        if items := self.box.all(path, comment=comment):
            more = " and !dynamic" if path in _DYNAMIC else ""
            self._commands.append(f"/{path} remove [find comment={_literal(comment)}{more}]")
            for item in items:
                self.box.remove(item)

    def commands(self) -> tuple[str, ...]:
        return tuple(self._commands)


def quoted_or_empty(value: str) -> str:
    return quoted(value) if value else '""'


def _any_text(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else f'"{escaped(value)}"'


def command_path(command: str) -> str:
    """The menu and the verb of a command, without any of its values: fit for a message."""
    words: list[str] = []
    for word in command.split(" "):
        if word.startswith(("[", '"', "!")) or "=" in word:
            break
        words.append(word)
        if word in ("add", "set", "remove"):
            break
    return " ".join(words) or "command"


def without_values(message: str, command: str) -> str:
    """A box's answer without the values of the command that it answers, should it repeat one: they may be secret."""
    for token in _TOKEN.findall(command):
        _, sign, value = token.partition("=")
        for form in sorted({value, unquoted(value), value.strip('"')}, key=len, reverse=True):
            if sign and len(form) >= _SHORTEST_SECRET:
                message = message.replace(form, "...")
    return message
