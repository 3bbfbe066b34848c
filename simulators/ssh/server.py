"""The SSH service of a virtual CPE: who may log in, and what answers a TCP connection."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, cast

import asyncssh

from simulators.faults.kinds import AuthFailure, BannerHang, HostKeyChanged, Refuse
from simulators.personas.base import Admitting
from simulators.ssh.hostkeys import impostor_key, same_public_key
from simulators.ssh.session import CpeSession

if TYPE_CHECKING:
    from simulators.device import Device

# The cheap algorithms first; old boxes' finite-field groups would cost milliseconds a connection.
_KEX = ("curve25519-sha256", "ecdh-sha2-nistp256", "diffie-hellman-group14-sha256")
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes256-ctr")
_MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-256")


class CpeServer(asyncssh.SSHServer):
    """One connection's login."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._deny = device.faults.take(AuthFailure) is not None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._device.connection_opened(conn)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._device.connection_closed(self._connection)

    def begin_auth(self, _username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return bool(self._device.spec.authorized_keys)

    def validate_password(self, username: str, password: str) -> bool:
        spec = self._device.spec
        persona, name = self._device.persona, self._name(username)
        own = name == spec.username and password == spec.secrets.login
        given = isinstance(persona, Admitting) and persona.admits(self._device.state, name, password)
        accepted = not self._deny and (own or given)
        self._device.stats.logged_in(accepted)
        return accepted

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        spec = self._device.spec
        known = any(same_public_key(line, key) for line in spec.authorized_keys)
        return not self._deny and self._name(username) == spec.username and known

    def _name(self, username: str) -> str:
        """The user name without the options that some families take behind it."""
        separator = self._device.persona.traits.login_options
        return username.partition(separator)[0] if separator else username

    def auth_completed(self) -> None:
        self._device.stats.auth_completed += 1

    def session_requested(self) -> CpeSession:
        return CpeSession(self._device, self._connection)


class _Slam(asyncio.Protocol):
    """Resets a connection at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        linger_off(transport.get_extra_info("socket"))
        cast("asyncio.Transport", transport).abort()


class _Mute(asyncio.Protocol):
    """Takes a connection and never says a word."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast and no isinstance: uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)
        self._device.mute.add(self._transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._device.mute.discard(self._transport)


def linger_off(sock: socket.socket | None) -> None:
    """Make the next close of a TCP socket a reset and not an orderly end."""
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def reset(connection: asyncssh.SSHServerConnection) -> None:
    """Cut an SSH connection with a TCP reset."""
    linger_off(connection.get_extra_info("socket"))
    connection.abort()


def options_for(device: Device, key: asyncssh.SSHKey) -> asyncssh.SSHServerConnectionOptions:
    """A box's SSH options with one host key. Building them takes longer than a key exchange: make them once."""
    return asyncssh.SSHServerConnectionOptions(
        server_factory=lambda: CpeServer(device),
        server_host_keys=[key],
        kex_algs=_KEX,
        encryption_algs=_CIPHERS,
        mac_algs=_MACS,
        compression_algs=None,
        server_version=device.persona.traits.ssh_software,
        gss_host=None,
        encoding=None,
        line_editor=False,
        agent_forwarding=False,
        x11_forwarding=False,
        allow_scp=False,
        login_timeout=120,
    )


def answer(device: Device, place: str) -> asyncio.BaseProtocol:
    """The protocol for one new TCP connection that comes in at an address of the box."""
    device.stats.connections += 1
    if device.is_away or not device.answers_at(place) or device.faults.take(Refuse):
        return _Slam()
    if device.faults.take(BannerHang):
        return _Mute(device)
    changed = device.faults.take(HostKeyChanged)
    options = options_for(device, impostor_key(device.spec)) if changed else device.options()
    return asyncssh.SSHServerConnection(asyncio.get_running_loop(), options)
