"""How an IOS router stores what was typed: secrets, and lines that it writes in its own way."""

from __future__ import annotations

import hashlib
import re

from simulators.dialects.tree import Node

# The publicly known key of the reversible "type 7" spelling.
_TYPE7_KEY = "dsfd;kfoA,.iyewrkldJKDHSUBsgvca69834ncxv9873254k;fg87"
_HASH_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CLEAR = re.compile(r"(?P<before>(?:ppp chap|sent-username \S+|username \S+) password |wpa-psk ascii )0 (?P<secret>.*)")
_LINE_PASSWORD = re.compile(r"(?P<before>password )(?!7 [0-9A-F]{4})(?:0 )?(?P<secret>.*)")


def secret9(password: str, salt: str) -> str:
    """A spelling that looks as a type 9 secret does; deterministic, and no scrypt: nothing verifies it."""
    digest = hashlib.sha512(f"{salt}:{password}".encode()).digest()
    letters = "".join(_HASH_ALPHABET[byte % 64] for byte in digest)
    return f"$9${letters[:14]}${letters[14:57]}"


def type7(password: str, offset: int = 8) -> str:
    """The reversible spelling that `service password-encryption` gives."""
    encoded = "".join(
        f"{ord(letter) ^ ord(_TYPE7_KEY[(offset + index) % len(_TYPE7_KEY)]):02X}"
        for index, letter in enumerate(password)
    )
    return f"{offset:02d}{encoded}"


def stored(line: str, *, encrypt: bool) -> str:
    """A line, its words in full, in the form in which the box keeps it."""
    found = re.fullmatch(r"((?:enable|username \S+(?: privilege \d+)?) secret) (?![0-9] )(?:0 )?(.+)", line)
    if found:
        return f"{found[1]} 9 {secret9(found[2], found[1])}"
    if line.startswith("transport input "):
        kinds = line.split()[2:]
        return "transport input " + " ".join(sorted(kinds, key=("telnet", "ssh").index) if len(kinds) > 1 else kinds)
    if line.startswith("lease ") and line != "lease infinite":
        return re.sub(r"(?: 0){1,2}$", "", line) if line.count(" ") > 1 else line
    if found := re.fullmatch(r"channel (\d+)", line):
        return f"channel {_frequency(int(found[1]))}"
    if found := re.fullmatch(r"(permit|deny) host (\S+)", line):
        return f"{found[1]} {found[2]}"
    if line.startswith("deny "):
        # Columns: `permit` is two letters longer.
        line = "deny   " + line.removeprefix("deny ")
    if found := re.fullmatch(r"password 0 (.*)", line):
        line = f"password {found[1]}"
    return encrypted_line(line) if encrypt else line


def _frequency(channel: int) -> int:
    """The middle of a channel in MHz, as radios on these routers print it."""
    if channel > 1000:
        return channel
    return 2484 if channel == 14 else 2407 + 5 * channel if channel < 14 else 5000 + 5 * channel


def encrypted_line(line: str) -> str:
    """A line with its readable secret in the reversible spelling."""
    found = _CLEAR.search(line) or _LINE_PASSWORD.fullmatch(line)
    if found is None:
        return line
    secret, tail = found["secret"], ""
    if line.startswith("profile id "):
        secret, blank, rest = secret.partition(" ")
        tail = blank + rest
    return f"{line[: found.start()]}{found['before']}7 {type7(secret)}{tail}"


def encrypted(block: Node) -> None:
    """What `service password-encryption` does to everything that is there already."""
    for node in block.children:
        node.text = encrypted_line(node.text)
        encrypted(node)
