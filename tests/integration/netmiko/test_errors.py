"""No exception of netmiko or paramiko gets past the table."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import netmiko
import paramiko
import pytest
from netmiko import exceptions as netmikos

from cpe_manager.adapters.netmiko.errors import device_error, kind_of
from cpe_manager.domain import errors as ours


def exception_classes() -> Iterator[type[Exception]]:
    seen = {thing for thing in vars(netmikos).values() if _is_exception(thing)}
    for info in pkgutil.iter_modules(paramiko.__path__, "paramiko."):
        if info.name not in {"paramiko.win_pageant", "paramiko.win_openssh", "paramiko._winapi"}:
            module = importlib.import_module(info.name)
            seen |= {thing for thing in vars(module).values() if _is_exception(thing)}
    yield from sorted(seen, key=lambda kind: kind.__qualname__)


def _is_exception(thing: object) -> bool:
    places = ("netmiko", "paramiko")
    return isinstance(thing, type) and issubclass(thing, Exception) and thing.__module__.startswith(places)


CLASSES = list(exception_classes())
# These never come out of a client's connection: a buffer's own time-out, SFTP, tests of keys, an SSH server's side.
INSIDE = {"PipeTimeout", "SFTPError", "UnknownKeyType", "BERException", "InvalidHostKey", "NeedRekeyException"}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__qualname__)
def test_every_exception_class_has_a_place_in_our_tree(kind: type[Exception]) -> None:
    if kind.__qualname__ in INSIDE:
        return
    mapped = kind_of(kind.__new__(kind))
    assert mapped is not None
    assert issubclass(mapped, ours.DeviceError)
    assert mapped is not ours.DeviceError


def test_the_walk_has_found_them() -> None:
    names = {kind.__qualname__ for kind in CLASSES}
    assert {"NetmikoTimeoutException", "ReadTimeout", "IncompatiblePeer", "BadAuthenticationType"} <= names
    assert netmiko.BaseConnection is not None


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (netmikos.ReadTimeout("Pattern not detected"), "timeout", True),
        (netmikos.ReadException("closed"), "dropped", True),
        (paramiko.AuthenticationException("no"), "auth_failed", False),
        (netmikos.ConfigInvalidException("no"), "refused", False),
        (NotImplementedError(), "refused", False),
        (EOFError(), "dropped", True),
        (ValueError("Unable to find prompt: "), "prompt", True),
    ],
)
def test_what_an_error_means_for_whoever_acts_on_it(error: Exception, code: str, retryable: bool) -> None:
    found = device_error(error, "10.0.0.1:22", logged_in=True)
    assert (found.code, found.retryable) == (code, retryable)
    assert str(found).startswith("10.0.0.1:22: ")


def test_an_unknown_exception_is_a_defect_and_comes_out_unchanged() -> None:
    with pytest.raises(ZeroDivisionError):
        device_error(ZeroDivisionError(), "p", logged_in=True)


def test_before_the_log_in_a_lost_connection_means_that_the_device_was_not_reached() -> None:
    assert device_error(EOFError(), "p", logged_in=False).code == "connect_failed"
