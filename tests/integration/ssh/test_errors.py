"""No exception of asyncssh gets past the table."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import pkgutil
import socket
from collections.abc import Iterator

import asyncssh
import pytest

from cpe_manager.adapters.ssh.errors import device_error, kind_of
from cpe_manager.domain import errors as ours


def exception_classes() -> Iterator[type[Exception]]:
    """Those of every module that can be imported here; some need another operating system or optional software."""
    seen: set[type[Exception]] = set()
    for info in pkgutil.walk_packages(asyncssh.__path__, "asyncssh."):
        with contextlib.suppress(ImportError):
            for thing in vars(importlib.import_module(info.name)).values():
                if isinstance(thing, type) and issubclass(thing, Exception) and thing.__module__.startswith("asyncssh"):
                    seen.add(thing)
    yield from sorted(seen, key=lambda kind: kind.__qualname__)


def blank(kind: type[Exception]) -> Exception:
    """An instance without running a constructor whose arguments differ from class to class."""
    error = kind.__new__(kind)
    for name, value in (("code", 0), ("reason", ""), ("lang", "")):
        if isinstance(error, asyncssh.Error):
            setattr(error, name, value)
    return error


def test_the_walk_finds_the_classes_that_do_not_derive_from_its_base_error() -> None:
    outside = {kind.__name__ for kind in exception_classes() if not issubclass(kind, asyncssh.Error)}
    assert len(list(exception_classes())) > 40
    assert {"PasswordChangeRequired", "ChannelListenError", "KeyImportError", "PacketDecodeError"} <= outside


@pytest.mark.parametrize("kind", list(exception_classes()), ids=lambda kind: kind.__qualname__)
def test_every_exception_class_of_asyncssh_has_a_place_in_our_tree(kind: type[Exception]) -> None:
    mapped = kind_of(blank(kind))
    assert mapped is not None
    assert issubclass(mapped, ours.DeviceError)
    assert mapped is not ours.DeviceError


def test_every_disconnect_code_has_a_meaning() -> None:
    codes = [value for name, value in vars(asyncssh).items() if name.startswith("DISC_")]
    kinds = {kind_of(asyncssh.DisconnectError(code, "reason")) for code in codes}
    assert len(codes) >= 15
    assert {ours.ConnectFailed, ours.SessionDropped, ours.AuthFailed, ours.NegotiationFailed} <= kinds


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (asyncssh.PermissionDenied("no"), ours.AuthFailed),
        (asyncssh.DisconnectError(2, "Too many authentication failures"), ours.AuthFailed),
        (asyncssh.ProtocolError("Too many authentication failures"), ours.AuthFailed),
        (asyncssh.ProtocolError("bad packet"), ours.ProtocolError),
        (asyncssh.KeyExchangeFailed("none"), ours.NegotiationFailed),
        (asyncssh.ConnectionLost("gone"), ours.SessionDropped),
        (asyncssh.ChannelOpenError(asyncssh.OPEN_REQUEST_PTY_FAILED, ""), ours.CommandRefused),
        (asyncssh.ChannelOpenError(asyncssh.OPEN_RESOURCE_SHORTAGE, ""), ours.SessionDropped),
        (asyncssh.DisconnectError(999, "private"), ours.ProtocolError),
        (ConnectionResetError("reset"), ours.SessionDropped),
        (ConnectionRefusedError("refused"), ours.ConnectFailed),
        (BrokenPipeError("pipe"), ours.SessionDropped),
        (socket.gaierror("name"), ours.ConnectFailed),
        (TimeoutError(), ours.DeviceTimeout),
        (asyncio.IncompleteReadError(b"", 1), ours.SessionDropped),
        (asyncio.InvalidStateError(), ours.ProtocolError),
    ],
)
def test_well_known_failures_have_the_meaning_that_decides_about_retries(
    error: Exception, kind: type[ours.DeviceError]
) -> None:
    assert kind_of(error) is kind


def test_before_log_in_a_lost_connection_is_a_device_that_was_not_reached() -> None:
    lost = asyncssh.ConnectionLost("gone")
    assert type(device_error(lost, "h:22", logged_in=False)) is ours.ConnectFailed
    assert type(device_error(lost, "h:22", logged_in=True)) is ours.SessionDropped


def test_our_own_errors_pass_as_they_are_and_defects_come_out() -> None:
    mine = ours.PromptLost("x")
    assert device_error(mine, "h:22", logged_in=True) is mine
    with pytest.raises(ZeroDivisionError):
        device_error(ZeroDivisionError(), "h:22", logged_in=True)


def test_the_message_names_the_place_and_stays_on_one_line() -> None:
    text = str(device_error(asyncssh.ConnectionLost("first\nsecond"), "10.0.0.1:22", logged_in=True))
    assert text.startswith("10.0.0.1:22: first")
    assert "\n" not in text
