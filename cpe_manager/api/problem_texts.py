"""What every code of a problem means, and what whoever gets one can do: the pages behind ``type`` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ProblemText:
    """``title`` is part of every problem; ``meaning`` and ``remedy`` are for its page."""

    title: str
    meaning: str
    remedy: str


_DEVICE: Final = "The device or the way to it failed"
"""Title of every code of a device."""
_AGAIN: Final = "Try again later; when it stays, look at the daemon's log for the request's id."

PROBLEMS: Final[Mapping[str, ProblemText]] = {
    "input": ProblemText(
        "The input was refused; nothing was changed",
        "The request could be read, but something in it is wrong: a field that is missing, unknown or of another type, "
        "or a value that no device or no rule allows. `errors` has everything that is wrong; `pointer` is the place in "
        "the body (RFC 6901), `parameter` the name of a parameter of path, query or header.",
        "Correct what `errors` names and send it again.",
    ),
    "bad_request": ProblemText(
        "The request cannot be read",
        "The request is not well-formed HTTP or its body is not what its headers say.",
        "Send JSON with `Content-Type: application/json`.",
    ),
    "unauthorised": ProblemText(
        "No valid token",
        "There is no token, or the one that was sent is unknown, revoked or expired.",
        "Send `Authorization: Bearer TOKEN`; an administrator makes tokens with `cpe-manager token create`.",
    ),
    "forbidden": ProblemText(
        "Who asks may not do that",
        "It is known who asks, and that they may not do this.",
        "Use an account or a token that may, or ask an administrator for the right; `detail` names what is missing.",
    ),
    "not_found": ProblemText(
        "No such thing",
        "There is nothing of that name, or nothing that whoever asks may know of: both look the same.",
        "List what there is and use its name or id.",
    ),
    "method_not_allowed": ProblemText(
        "The path exists, the method does not",
        "The path is right, but not for this method.",
        "`Allow` has the methods that it has.",
    ),
    "conflict": ProblemText(
        "Not in the state that this needs",
        "The thing is there, but what was asked is not possible as it stands: it ended already, its name is taken, or "
        "the idempotency key was used for another request.",
        "Read it again; `detail` says what stands against it.",
    ),
    "precondition_failed": ProblemText(
        "It is not what was read any more",
        "The request names what it is based on (`If-Match`), and somebody changed it meanwhile. Nothing was done.",
        "Read it again, look at what changed, and send the request with the new `ETag`.",
    ),
    "too_large": ProblemText(
        "The request body is too large",
        "The body is larger than this path takes: 1 MiB, imports and roll-outs more.",
        "Send it in parts.",
    ),
    "throttled": ProblemText(
        "Too many tries; wait as long as it says",
        "The same caller asked, or guessed, too often in a short time.",
        "Wait for as many seconds as `Retry-After` says.",
    ),
    "provider": ProblemText(
        "The provider of log-ins did not do its part",
        "The provider that people log in at did not answer, or answered something that cannot be trusted.",
        "Try again; log in with a password meanwhile, where the account has one.",
    ),
    "settings": ProblemText(
        "The daemon's own configuration is wrong",
        "A file of the daemon's configuration cannot be used; `detail` names it.",
        "An operator corrects the file; no restart is needed for credentials.",
    ),
    "key": ProblemText(
        "A sealing key is missing, wrong or damaged",
        "What is sealed cannot be opened or sealed with the keys that the daemon has.",
        "Look at `cpe-manager key list`; a key file can be restored from its copy.",
    ),
    "seal_broken": ProblemText(
        "A sealed object does not open",
        "A stored object is not what was sealed: it was damaged or exchanged.",
        "Use another version; `cpe-manager backup verify` says which others are damaged.",
    ),
    "store": ProblemText("The database refused", "The database answered with an error.", _AGAIN),
    "store_busy": ProblemText(
        "The database is locked",
        "Somebody else holds the database for too long.",
        "Try again after `Retry-After` seconds; nothing was changed.",
    ),
    "store_full": ProblemText(
        "No space left",
        "The database or the disk has no space.",
        "Make room; what was being done goes on by itself then.",
    ),
    "fence_lost": ProblemText(
        "A newer owner holds the device",
        "Another process took the device over meanwhile.",
        "Nothing is to be done: the newer owner goes on with it.",
    ),
    "not_ready": ProblemText(
        "The daemon cannot do its work now",
        "The process is alive, but something that it needs is not there; `detail` says what.",
        "Try again after `Retry-After` seconds.",
    ),
    "internal": ProblemText(
        "Something unforeseen went wrong",
        "This is a defect of cpe-manager. The cause is in the daemon's log, under the id in `instance`.",
        "Report it with that part of the log.",
    ),
    "device": ProblemText(_DEVICE, "The device or the way to it did something that was not expected.", _AGAIN),
    "connect_failed": ProblemText(
        _DEVICE,
        "No connection came about: refused, no route, or reset before the log-in.",
        "Is the device on, and its address right? Is its line up?",
    ),
    "timeout": ProblemText(
        _DEVICE, "The device did not answer in time.", "Try again; slow devices have settings for their time."
    ),
    "dropped": ProblemText(_DEVICE, "The connection was lost in the middle.", "Try again; is the line steady?"),
    "negotiation": ProblemText(
        _DEVICE,
        "The device and the daemon have no algorithm in common.",
        "The device needs newer software, or other settings of its SSH server.",
    ),
    "legacy_crypto": ProblemText(
        _DEVICE,
        "The device offers outdated algorithms alone.",
        "Set `legacy_crypto` for it where that risk is accepted.",
    ),
    "telnet_refused": ProblemText(
        _DEVICE,
        "Telnet is not allowed for the device, or not for what was asked; nothing was sent.",
        "Use SSH; or set `allow_telnet` on its group where that risk is accepted.",
    ),
    "auth_failed": ProblemText(
        _DEVICE,
        "The device refused the log-in. It is not tried again by itself, so that no account is locked.",
        "Correct the credential that the device's group names.",
    ),
    "host_key": ProblemText(
        _DEVICE,
        "The device showed another host key than the one that is pinned: it is other hardware, or somebody is between.",
        "Find out which; `cpe-manager devices accept-key` pins the new one.",
    ),
    "credential": ProblemText(
        _DEVICE, "There is no credential of the name that the device uses.", "Add it to the credential file."
    ),
    "family": ProblemText(_DEVICE, "No driver has that name.", "`cpe-manager families` lists those there are."),
    "protocol": ProblemText(_DEVICE, "The other side broke the protocol.", "Is it the right port?"),
    "prompt": ProblemText(_DEVICE, "The device's prompt never came back, or is another one.", "Try again."),
    "refused": ProblemText(
        _DEVICE, "The device answered a command with an error.", "`detail` has its answer; is the family right?"
    ),
    "incomplete": ProblemText(
        _DEVICE, "The device's text ended before its own sign of the end.", "Try again; nothing half was stored."
    ),
    "foreign_text": ProblemText(
        _DEVICE, "What was read is not this device's configuration.", "Is the address another device's now?"
    ),
}
"""By code. Those of ``domain/errors.py`` that can reach a client, and those of HTTP itself."""

STATUS: Final[Mapping[str, int]] = {
    "method_not_allowed": 405, "too_large": 413, "bad_request": 400, "not_ready": 503,
    "internal": 500,
}  # fmt: skip
"""HTTP status of codes that are no error of the tree; the others are in ``domain/outcomes.py``."""

ELSEWHERE: Final = frozenset({"unreachable", "address_in_use"})
"""Codes of errors that never reach a client of the API."""


def title(code: str) -> str:
    found = PROBLEMS.get(code)
    return found.title if found is not None else _DEVICE
