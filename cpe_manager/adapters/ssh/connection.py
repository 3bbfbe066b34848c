"""Opening and closing one connection, within deadlines and without leaving anything behind."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass

import asyncssh
from asyncssh.saslprep import saslprep

from cpe_manager.adapters.ssh.algorithms import LEGACY, MODERN, Algorithms, host_key_order
from cpe_manager.adapters.ssh.client import HandshakeClient
from cpe_manager.adapters.ssh.errors import device_error
from cpe_manager.adapters.ssh.offers import nothing_in_common
from cpe_manager.domain.errors import AuthFailed, ConnectFailed, DeviceTimeout, HostKeyChanged, LegacyCryptoNeeded
from cpe_manager.ports.shell import Target


@dataclass(frozen=True, slots=True)
class Connection:
    """An authenticated connection and the host key it was made with."""

    ssh: asyncssh.SSHClientConnection
    host_key: str
    place: str


def base_options(algorithms: Algorithms = MODERN) -> asyncssh.SSHClientConnectionOptions:
    """What all connections with these algorithms share; made once, it costs more than a handshake's arithmetic.

    Nothing is read from this machine's user: no configuration, no known_hosts, no keys, no agent, no Kerberos.
    """
    return asyncssh.SSHClientConnectionOptions(
        config=None,
        # Three empty lists: no key is known here, so the client is asked about each one.
        known_hosts=((), (), ()),
        kex_algs=algorithms.key_exchange,
        encryption_algs=algorithms.ciphers,
        mac_algs=algorithms.macs,
        compression_algs=None,
        signature_algs=algorithms.host_keys,
        server_host_key_algs=algorithms.host_keys,
        x509_trusted_certs=None,
        x509_trusted_cert_paths=(),
        username="",
        client_keys=None,
        agent_path=None,
        gss_host=None,
        host_based_auth=False,
        preferred_auth=("publickey", "password", "keyboard-interactive"),
        client_version="cpe-manager",
        tcp_keepalive=False,
        keepalive_interval=0,
        login_timeout=0,
        encoding=None,
    )


async def connect(
    target: Target, username: str, client: HandshakeClient, base: asyncssh.SSHClientConnectionOptions
) -> Connection:
    """Connect and log in within ``target.connect_timeout``. Raises a ``DeviceError``."""
    place = f"{target.host}:{target.port}"
    try:
        async with asyncio.timeout(target.connect_timeout):
            ssh = await _handshake(target, username, client, base)
    except TimeoutError as error:
        raise DeviceTimeout(f"{place}: no session within {target.connect_timeout:g} s") from error
    except Exception as error:
        if client.refused_key:
            message = f"{place}: shows another host key than the pinned one"
            raise HostKeyChanged(message, offered=client.refused_key) from error
        offer, legacy = client.offer(), target.legacy_crypto
        if offer and (
            ours := nothing_in_common(offer, LEGACY if legacy else MODERN, place, None if legacy else LEGACY)
        ):
            raise ours from error
        found = device_error(error, place, logged_in=False)
        if isinstance(found, AuthFailed) and not target.legacy_crypto and client.key_needs_sha1():
            message = (
                f"{place}: takes an RSA key with SHA-1 signatures alone; legacy_crypto=yes on this device allows it"
            )
            raise LegacyCryptoNeeded(message) from error
        raise found from error
    return Connection(ssh, client.host_key, place)


async def _handshake(
    target: Target, username: str, client: HandshakeClient, base: asyncssh.SSHClientConnectionOptions
) -> asyncssh.SSHClientConnection:
    """asyncssh.connect() without what it does per call: a thread for the options, host name canonicalisation, tunnels.

    A copy of ready options is what its own ``options`` argument would give, at a fraction of the cost.
    """
    loop = asyncio.get_running_loop()
    authenticated: asyncio.Future[None] = loop.create_future()
    options = copy.copy(base)
    options.host = options.orig_host = target.host
    options.port = target.port
    options.username = username if username.isascii() else saslprep(username)
    offered = (LEGACY if target.legacy_crypto else MODERN).host_keys
    options.server_host_key_algs = host_key_order(target.pinned_keys, offered)
    options.protocol_factory = lambda: client
    options.waiter = authenticated
    ssh: asyncssh.SSHClientConnection | None = None
    try:
        _, ssh = await loop.create_connection(
            lambda: asyncssh.SSHClientConnection(loop, options, wait="auth"), target.host, target.port
        )
        await authenticated
        if ssh.is_closed():
            raise ConnectFailed(f"{target.host}:{target.port}: closed during log-in")
    except BaseException:
        # Cancellation included: whoever gives up on a handshake must not leave its socket behind.
        if ssh is not None:
            ssh.abort()
        _settle(authenticated)
        raise
    return ssh


def _settle(future: asyncio.Future[None]) -> None:
    """Mark an outcome that nobody will read as read; asyncio reports it as lost otherwise."""
    if not future.cancel() and not future.cancelled():
        future.exception()


async def close(connection: Connection, within: float) -> None:
    """Say goodbye, wait for the end for at most ``within`` seconds, then cut. A cancelled wait cuts at once."""
    connection.ssh.close()
    try:
        async with asyncio.timeout(within):
            await connection.ssh.wait_closed()
    except TimeoutError:
        connection.ssh.abort()
    except asyncio.CancelledError:
        connection.ssh.abort()
        raise
