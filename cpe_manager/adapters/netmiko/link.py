"""The blocking side of one session: netmiko logs in and knows the modes, our prompt engine reads.

Everything here runs in the session's own thread, but for ``cut``.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import paramiko
from netmiko.exceptions import ReadTimeout

from cpe_manager.adapters.netmiko.client import PinnedClient
from cpe_manager.adapters.netmiko.errors import device_error, handshake_error
from cpe_manager.adapters.netmiko.platforms import Pinned, budget, class_of, is_unix, overrides
from cpe_manager.domain.errors import (
    AuthFailed,
    CommandRefused,
    DeviceError,
    DeviceTimeout,
    FetchIncomplete,
    SessionDropped,
)
from cpe_manager.kit.prompt import Phase, PromptEngine
from cpe_manager.ports.shell import Credential, PromptRules, Target

# A word that may have a user before it and a mode or a path behind it, and the sign that asks for a command.
_PROMPT: Final = (
    r"[<\[({*]{0,2}[ ]?(?:[\w.-]+@)?(?P<host>[A-Za-z0-9][\w.-]*)[^\s#>$%]{0,64}(?:[ ][^\s#>$%]{1,48}){0,3}"
    r"[ ]?[#>$%\]]{1,2}"
)
_PAGER: Final = re.compile(
    r"-{2,}[ ]?\(?more\)?[ ]?-{2,}|<-{2,}[ ]?more[ ]?-{2,}>|\bmore:|press (?:any|<?space>?)"
    r"|\(?q(?:uit)?[/,].*(?:space|next)|^more\.{0,3}$|lines \d+-\d+",
    re.IGNORECASE,
)
Verb = Callable[[Pinned], str]
_NAME: Final = re.compile(r"(?:[\w.-]+@)?(?P<host>[A-Za-z0-9][\w.-]*)")
_ASKED: Final = re.compile(r"assword[^\n]*:\s*\Z")


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """output_bytes: a reply longer than this is an error. settle: a prompt is believed to be the end when nothing
    follows it for so many seconds, where nothing else proves the end."""

    output_bytes: int = 16 * 1024 * 1024
    settle: float = 1.0


class Link:
    """One device's connection."""

    def __init__(self, target: Target, device_type: str, credential: Credential, limits: LinkLimits) -> None:
        self._target, self._credential, self._limits = target, credential, limits
        self._kind = class_of(device_type)
        self._device_type = device_type
        self._client: PinnedClient | None = None
        self._connection: Pinned | None = None
        self._sock: socket.socket | None = None
        self._is_cut = self._has_failed = False
        self._rules = PromptRules(re.compile(_PROMPT), pager=_PAGER)
        self._engine = PromptEngine(self._rules)
        self.place = f"{target.host}:{target.port}"
        self.hostname = ""
        self.unix = is_unix(self._kind)
        self.commits = overrides(self._kind, "commit")
        self.saves = overrides(self._kind, "save_config") and not self.unix

    @property
    def host_key(self) -> str:
        return self._client.host_key if self._client is not None else ""

    def cut(self) -> None:
        """End whatever the thread waits for, from another thread; never waits itself."""
        self._is_cut = True
        if self._sock is not None:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)

    def open(self) -> None:
        """Connect, log in, make the session ready, become privileged. Raises a ``DeviceError``."""
        target = self._target
        try:
            self._client = PinnedClient(target, self._credential)
            self._sock = socket.create_connection((target.host, target.port), timeout=target.connect_timeout)
            if self._is_cut:
                raise SessionDropped(f"{self.place}: given up")
            self._connection = self._make(self._client, self._sock)
            self._connection._open()
            self._elevate(self._connection)
            self._learn(self._connection)
        except Exception as error:
            self._has_failed = True
            raise handshake_error(error, self._client, self.place) from error

    def close(self) -> None:
        """Say goodbye as the platform does, then close everything. Raises nothing."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                # A session that has failed is not said goodbye to: netmiko would wait for answers.
                if not self._is_cut and not self._has_failed:
                    connection.disconnect()
            with suppress(Exception):
                connection.forget()
        with suppress(Exception):
            if self._client is not None:
                self._client.close()
        if self._sock is not None:
            self._sock.close()

    def show(self, command: str, evidence: re.Pattern[str] | None, errors: re.Pattern[str]) -> str:
        text, complete = self._converse(command, evidence, patient=evidence is None)
        refusal = errors.search(text)
        if refusal and not (evidence is not None and complete):
            raise CommandRefused(f"{command!r}: {_last_line(refusal.group())}")
        if not complete:
            raise FetchIncomplete(f"{command!r}: the prompt came back without the end of the reply")
        return text

    def enter(self, line: str) -> str:
        said = self._converse(line, None, patient=False)[0]
        self._follow_name()
        return said

    def begin(self) -> str:
        return self._known("configuration mode", lambda connection: connection.config_mode())

    def commit(self) -> str:
        return self._known("commit", lambda connection: connection.commit())

    def end(self) -> str:
        return self._known("leaving the configuration mode", lambda connection: connection.exit_config_mode())

    def save(self) -> str:
        return self._known("saving", lambda connection: connection.save_config())

    def _make(self, client: PinnedClient, sock: socket.socket) -> Pinned:
        target, credential = self._target, self._credential
        connection = self._kind(
            device_type=self._device_type,
            host=target.host,
            port=target.port,
            username=credential.username,
            password=credential.password,
            secret=credential.enable_password,
            conn_timeout=target.connect_timeout,
            auth_timeout=target.connect_timeout,
            banner_timeout=target.connect_timeout,
            blocking_timeout=target.command_timeout,
            read_timeout_override=target.command_timeout,
            sock=sock,
            auto_connect=False,
        )
        connection.ours = client
        # Colours in a prompt are no part of it, on whatever platform.
        connection.ansi_escape_codes = True
        connection.secrets_left = budget(credential)
        return connection

    def _elevate(self, connection: Pinned) -> None:
        """Become privileged where the platform has such a mode and the credential a password for it.

        On a Unix box the same verb of netmiko's is sudo: only when it is asked for.
        """
        wanted = self._target.options.get("elevate", "no" if self.unix else "yes")
        if wanted != "yes" or not self._credential.enable_password or connection.check_enable_mode():
            return
        try:
            connection.enable()
        except (ValueError, ReadTimeout) as error:
            if isinstance(error, ValueError) or _ASKED.search(connection.tail):
                raise AuthFailed(f"{self.place}: the privileged mode was refused") from error
            raise

    def _learn(self, connection: Pinned) -> None:
        """Let the prompt engine see the prompt that netmiko has found."""
        prompt = connection.find_prompt()
        found = _NAME.search(prompt)
        self.hostname = found["host"] if found else ""
        known = f"{_PROMPT}|{re.escape(prompt)}"
        self._rules = PromptRules(re.compile(known), pager=_PAGER)
        self._engine = PromptEngine(self._rules)
        self._engine.expect_login()
        self._send(connection.RETURN)
        self._read(patient=False)
        self._engine.learn()

    def _converse(self, command: str, evidence: re.Pattern[str] | None, *, patient: bool) -> tuple[str, bool]:
        """What a command printed, and whether the evidence was in it."""
        try:
            connection = self._alive()
            connection.clear_buffer(backoff=False)
            self._engine.expect(command, evidence)
            self._send(command + connection.RETURN)
            self._read(patient=patient)
        except Exception as error:
            raise self._ours(error) from error
        complete = self._engine.evidence_seen
        return self._engine.take(), complete

    def _send(self, text: str) -> None:
        channel = self._channel()
        channel.settimeout(self._target.command_timeout)
        channel.sendall(text.encode())

    def _read(self, *, patient: bool) -> None:
        """Feed the engine until it is content. ``patient``: its word is taken when silence confirms it."""
        channel, settle = self._channel(), min(self._limits.settle, self._target.command_timeout / 2)
        deadline = time.monotonic() + self._target.command_timeout
        quiet = deadline
        while True:
            now = time.monotonic()
            if now >= quiet and quiet < deadline:
                return
            if now >= deadline:
                raise DeviceTimeout(f"not complete within {self._target.command_timeout:g} s")
            channel.settimeout(max(min(quiet, deadline) - now, 0.001))
            try:
                data = channel.recv(65536)
            except TimeoutError:
                continue
            if not data:
                raise SessionDropped("the device closed its shell")
            progress = self._engine.feed(data)
            if progress.reply:
                channel.sendall(progress.reply)
            if progress.phase is Phase.READY and not patient:
                return
            quiet = time.monotonic() + settle if progress.phase in (Phase.READY, Phase.LIKELY) else deadline
            if self._engine.received > self._limits.output_bytes:
                raise FetchIncomplete(f"the reply is longer than {self._limits.output_bytes} bytes")

    def _known(self, what: str, verb: Verb) -> str:
        """One of netmiko's own verbs; afterwards the prompt is learned anew, since the mode may be another."""
        try:
            connection = self._alive()
            said = str(verb(connection))
            self._engine.expect_login()
            connection.clear_buffer(backoff=False)
            self._send(connection.RETURN)
            self._read(patient=False)
            self._engine.learn()
            self._follow_name()
        except Exception as error:
            ours = self._ours(error)
            raise type(ours)(f"{what}: {ours}") from error
        return said

    def _follow_name(self) -> None:
        """netmiko goes by the name that it saw at log-in; a line may have changed it."""
        name, before = self._engine.hostname, self.hostname
        if name and name != before:
            connection = self._alive()
            connection.base_prompt = connection.base_prompt.replace(before, name) if before else name
            self.hostname = name

    def _ours(self, error: Exception) -> DeviceError:
        self._has_failed = True
        if isinstance(error, DeviceError):
            return error if str(error).startswith(self.place) else type(error)(f"{self.place}: {error}")
        return device_error(error, self.place, logged_in=True)

    def _alive(self) -> Pinned:
        if self._connection is None or self._is_cut:
            raise SessionDropped("the session is over")
        return self._connection

    def _channel(self) -> paramiko.Channel:
        channel = self._alive().remote_conn
        if not isinstance(channel, paramiko.Channel):
            raise SessionDropped("the session is over")
        return channel


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
