"""A real SMTP server (aiosmtpd) whose answers a test gives, in the test's own loop, on a port of its own."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Taken:
    sender: str
    recipient: str
    message: EmailMessage
    tls: bool


@dataclass
class MailServer:
    """``refuse``: what to answer a recipient with; None: take it. ``at_data``: the same after the message.
    ``delay``: seconds before each recipient is answered. ``login``: who may send; None: anybody. ``tls``: a context of
    the server, used after STARTTLS, or from the first byte with ``implicit``."""

    refuse: Callable[[str], str | None] = lambda _recipient: None
    at_data: Callable[[str], str | None] = lambda _recipient: None
    delay: float = 0.0
    login: tuple[str, str] | None = None
    tls: ssl.SSLContext | None = None
    implicit: bool = False
    taken: list[Taken] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Started again, it listens at the port that it had."""
        loop = asyncio.get_running_loop()
        context = self.tls if self.implicit else None
        self._server = await loop.create_server(self._protocol, "127.0.0.1", self.port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def _protocol(self) -> SMTP:
        self.connections += 1
        more: dict[str, Any] = {}
        if self.tls is not None and not self.implicit:
            more |= {"tls_context": self.tls, "require_starttls": True}
        if self.login is not None:
            more |= {"authenticator": self._authenticated, "auth_required": True, "auth_require_tls": not self.implicit}
        with warnings.catch_warnings():
            # It does not see that TLS was there from the first byte.
            warnings.simplefilter("ignore")
            return SMTP(self, hostname="mail.test", loop=asyncio.get_running_loop(), **more)

    def _authenticated(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _kind: str, data: Any
    ) -> AuthResult:
        given = (data.login.decode(), data.password.decode()) if isinstance(data, LoginPassword) else None
        return AuthResult(success=given == self.login)

    # What aiosmtpd asks its handler

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        await asyncio.sleep(self.delay)
        refusal = self.refuse(address)
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 OK"

    async def handle_DATA(self, _server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        refusal = self.at_data(envelope.rcpt_tos[0])
        if refusal is not None:
            return refusal
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        assert envelope.mail_from is not None
        (recipient,) = envelope.rcpt_tos
        self.taken.append(Taken(envelope.mail_from, recipient, message, self.implicit or session.ssl is not None))
        return "250 taken"
