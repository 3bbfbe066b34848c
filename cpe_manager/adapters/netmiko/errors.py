"""netmiko's, paramiko's and the socket's exceptions as ours: a table over classes, looked up along the ancestors."""

from __future__ import annotations

import socket
from typing import Final

import paramiko
from netmiko import exceptions as theirs

from cpe_manager.adapters.netmiko.client import LEGACY, HostKeyRefused, PinnedClient
from cpe_manager.adapters.ssh.offers import nothing_in_common, read_offer
from cpe_manager.domain.errors import (
    AuthFailed,
    CommandRefused,
    ConnectFailed,
    DeviceError,
    DeviceTimeout,
    HostKeyChanged,
    NegotiationFailed,
    PromptLost,
    ProtocolError,
    SessionDropped,
)

_BY_CLASS: Final[dict[type[BaseException], type[DeviceError]]] = {
    HostKeyRefused: HostKeyChanged,
    paramiko.BadHostKeyException: HostKeyChanged,
    paramiko.AuthenticationException: AuthFailed,
    paramiko.PasswordRequiredException: AuthFailed,
    paramiko.ssh_exception.IncompatiblePeer: NegotiationFailed,
    paramiko.ChannelException: CommandRefused,
    paramiko.ssh_exception.MessageOrderError: ProtocolError,
    paramiko.ssh_exception.NoValidConnectionsError: ConnectFailed,
    paramiko.ProxyCommandFailure: ConnectFailed,
    theirs.NetmikoTimeoutException: DeviceTimeout,
    paramiko.SSHException: ProtocolError,
    theirs.ConfigInvalidException: CommandRefused,
    theirs.ReadTimeout: DeviceTimeout,
    theirs.NetmikoParsingException: ProtocolError,
    theirs.ReadException: SessionDropped,
    theirs.WriteException: SessionDropped,
    theirs.ConnectionException: ConnectFailed,
    theirs.NetmikoBaseException: ProtocolError,
    TimeoutError: DeviceTimeout,
    ConnectionRefusedError: ConnectFailed,
    socket.gaierror: ConnectFailed,
    OSError: SessionDropped,
    EOFError: SessionDropped,
    UnicodeError: ConnectFailed,  # a host name that IDNA refuses
    # netmiko's own words for a prompt that it does not find, and for a mode that it does not get into.
    ValueError: PromptLost,
    NotImplementedError: CommandRefused,
}


def kind_of(error: BaseException) -> type[DeviceError] | None:
    """Our class for an exception; None when it is unknown to the table."""
    for ancestor in type(error).__mro__:
        if ancestor in _BY_CLASS:
            return _BY_CLASS[ancestor]
    return None


def device_error(error: Exception, place: str, *, logged_in: bool) -> DeviceError:
    """The exception as a ``DeviceError`` that names the place; one that the table does not know comes out unchanged."""
    if isinstance(error, DeviceError):
        return error
    kind = kind_of(error)
    if kind is None:
        raise error
    if kind is SessionDropped and not logged_in:
        kind = ConnectFailed
    message = f"{place}: {_reason(error)}"
    return HostKeyChanged(message, offered="") if kind is HostKeyChanged else kind(message)


def handshake_error(error: Exception, client: PinnedClient | None, place: str) -> DeviceError:
    """What kept a session from being opened, told by what paramiko said and not by what netmiko made of it."""
    failure = client.failure if client is not None else None
    if client is None or not isinstance(failure, Exception):
        return device_error(error, place, logged_in=client is not None and bool(client.host_key))
    if client.refused_key:
        return HostKeyChanged(f"{place}: shows another host key than the pinned one", offered=client.refused_key)
    offer = read_offer(client.offered())
    more = None if client.algorithms is LEGACY else LEGACY
    if offer is not None and (ours := nothing_in_common(offer, client.algorithms, place, more)):
        return ours
    if _timed_out(failure):
        return DeviceTimeout(f"{place}: {_reason(failure)}")
    if isinstance(failure, paramiko.SSHException) and "banner" in str(failure):
        return ConnectFailed(f"{place}: no SSH service answers")
    return device_error(failure, place, logged_in=False)


def _timed_out(failure: BaseException) -> bool:
    """paramiko tells silence in several ways: as a time-out, by its words, or as what came of one."""
    before, said = failure.__context__, str(failure).lower()
    # "No existing session": it stopped waiting for the key exchange, and went on as if it had been made.
    words = "timeout" in said or "no existing session" in said
    return words or isinstance(failure, TimeoutError) or isinstance(before, TimeoutError)


def _reason(error: BaseException) -> str:
    text = [line.strip() for line in str(error).splitlines() if line.strip()]
    return text[0] if text else type(error).__name__
