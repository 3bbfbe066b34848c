"""asyncssh's, asyncio's and the socket's exceptions as ours.

A table over exception classes, looked up along the class's ancestors; a test walks asyncssh's classes so that none is
left to chance. Several of them do not derive from ``asyncssh.Error``.
"""

from __future__ import annotations

import asyncio
import binascii
import socket
from typing import Final

import asyncssh
from asyncssh.asn1 import ASN1Error
from asyncssh.config import ConfigParseError
from asyncssh.gss import GSSError  # type: ignore[attr-defined]  # one of two classes, by platform
from asyncssh.misc import SoftEOFReceived
from asyncssh.packet import PacketDecodeError
from asyncssh.pbe import KeyEncryptionError
from asyncssh.public_key import KeyExportError, KeyGenerationError, KeyImportError
from asyncssh.saslprep import SASLPrepError

from cpe_manager.domain.errors import (
    AuthFailed,
    CommandRefused,
    ConnectFailed,
    CredentialMissing,
    DeviceError,
    DeviceTimeout,
    NegotiationFailed,
    ProtocolError,
    SessionDropped,
)

_BY_CLASS: Final[dict[type[BaseException], type[DeviceError]]] = {
    asyncssh.PermissionDenied: AuthFailed,
    asyncssh.IllegalUserName: AuthFailed,
    asyncssh.PasswordChangeRequired: AuthFailed,
    GSSError: AuthFailed,
    asyncssh.KeyExchangeFailed: NegotiationFailed,
    asyncssh.ProtocolNotSupported: NegotiationFailed,
    asyncssh.ConnectionLost: SessionDropped,
    asyncssh.ServiceNotAvailable: ConnectFailed,
    # A changed key is told apart by the client, which knows what was offered; what is left here is an unreadable one.
    asyncssh.HostKeyNotVerifiable: ProtocolError,
    asyncssh.ProtocolError: ProtocolError,
    asyncssh.MACError: ProtocolError,
    asyncssh.CompressionError: ProtocolError,
    asyncssh.ChannelListenError: ProtocolError,
    asyncssh.SFTPError: ProtocolError,
    asyncssh.BreakReceived: ProtocolError,
    asyncssh.SignalReceived: ProtocolError,
    SoftEOFReceived: ProtocolError,
    asyncssh.TerminalSizeChanged: ProtocolError,
    asyncssh.TimeoutError: DeviceTimeout,
    asyncssh.ProcessError: CommandRefused,
    asyncssh.Error: ProtocolError,
    KeyImportError: CredentialMissing,
    KeyEncryptionError: CredentialMissing,
    SASLPrepError: CredentialMissing,
    KeyExportError: ProtocolError,
    KeyGenerationError: ProtocolError,
    PacketDecodeError: ProtocolError,
    ASN1Error: ProtocolError,
    ConfigParseError: ProtocolError,
    binascii.Error: ProtocolError,
    TimeoutError: DeviceTimeout,
    ConnectionRefusedError: ConnectFailed,
    socket.gaierror: ConnectFailed,
    UnicodeError: ConnectFailed,  # a host name that IDNA refuses
    OSError: SessionDropped,
    EOFError: SessionDropped,  # asyncio.IncompleteReadError among them
    asyncio.InvalidStateError: ProtocolError,
    asyncio.LimitOverrunError: ProtocolError,
    asyncio.QueueEmpty: ProtocolError,
    asyncio.QueueFull: ProtocolError,
}
_BY_DISCONNECT: Final[dict[int, type[DeviceError]]] = {
    asyncssh.DISC_HOST_NOT_ALLOWED_TO_CONNECT: ConnectFailed,
    asyncssh.DISC_PROTOCOL_ERROR: ProtocolError,
    asyncssh.DISC_KEY_EXCHANGE_FAILED: NegotiationFailed,
    asyncssh.DISC_RESERVED: ProtocolError,
    asyncssh.DISC_MAC_ERROR: ProtocolError,
    asyncssh.DISC_COMPRESSION_ERROR: ProtocolError,
    asyncssh.DISC_SERVICE_NOT_AVAILABLE: ConnectFailed,
    asyncssh.DISC_PROTOCOL_VERSION_NOT_SUPPORTED: NegotiationFailed,
    asyncssh.DISC_HOST_KEY_NOT_VERIFIABLE: ProtocolError,
    asyncssh.DISC_CONNECTION_LOST: SessionDropped,
    asyncssh.DISC_BY_APPLICATION: SessionDropped,
    asyncssh.DISC_TOO_MANY_CONNECTIONS: ConnectFailed,
    asyncssh.DISC_AUTH_CANCELLED_BY_USER: AuthFailed,
    asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE: AuthFailed,
    asyncssh.DISC_ILLEGAL_USER_NAME: AuthFailed,
}
_REFUSED_OPENS: Final = frozenset(
    {
        asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED,
        asyncssh.OPEN_UNKNOWN_CHANNEL_TYPE,
        asyncssh.OPEN_REQUEST_X11_FORWARDING_FAILED,
        asyncssh.OPEN_REQUEST_PTY_FAILED,
        asyncssh.OPEN_REQUEST_SESSION_FAILED,
    }
)


def kind_of(error: Exception) -> type[DeviceError] | None:
    """Our class for an exception; None when it is unknown to the table."""
    if isinstance(error, asyncssh.ChannelOpenError):
        return CommandRefused if error.code in _REFUSED_OPENS else SessionDropped
    if isinstance(error, asyncssh.DisconnectError) and _too_many_attempts(error):
        return AuthFailed
    for ancestor in type(error).__mro__:
        if ancestor is asyncssh.DisconnectError and isinstance(error, asyncssh.DisconnectError):
            return _BY_DISCONNECT.get(error.code, ProtocolError)
        if ancestor in _BY_CLASS:
            return _BY_CLASS[ancestor]
    return None


def device_error(error: Exception, place: str, *, logged_in: bool) -> DeviceError:
    """The exception as a ``DeviceError`` that names the place (``host:port``); raise it ``from`` the original.

    Before log-in a lost connection means that the device could not be reached, after it that a session was dropped.
    An exception that the table does not know is a defect and comes out unchanged.
    """
    if isinstance(error, DeviceError):
        return error
    kind = kind_of(error)
    if kind is None:
        raise error
    if kind is SessionDropped and not logged_in:
        kind = ConnectFailed
    return kind(f"{place}: {_reason(error)}")


def _too_many_attempts(error: asyncssh.DisconnectError) -> bool:
    """OpenSSH hangs up with a mere protocol error after a refused password; repeating it would lock the account."""
    return error.code == asyncssh.DISC_PROTOCOL_ERROR and "authentication failures" in error.reason.lower()


def _reason(error: Exception) -> str:
    text = str(error).splitlines()
    return text[0] if text and text[0] else type(error).__name__
