"""Mails over aiosmtplib: with TLS from the first byte or after STARTTLS, and a log-in from the credentials file."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from pathlib import Path
from typing import Final, Literal

import aiosmtplib

from cpe_manager.domain.errors import CpeManagerError, SettingsError
from cpe_manager.domain.telling.mail import Delivery, Mail, message_id, one_line
from cpe_manager.ports.sessions import Credentials

Security = Literal["starttls", "tls", "none"]
PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}
_MOST_REASON: Final = 200


@dataclass(frozen=True, slots=True)
class Route:
    """How the mail server is reached. ``port`` 0: the usual one. ``credential``: a name in the credentials file; empty:
    no log-in. ``seconds``: for each step of the dialogue. ``ca_file``: PEM of the authorities to believe, instead of
    the machine's. A certificate that is not the host's is refused, and without TLS no password is sent."""

    host: str
    sender: str
    port: int = 0
    security: Security = "starttls"
    credential: str = ""
    seconds: float = 30.0
    ca_file: Path | None = None

    @property
    def domain(self) -> str:
        return self.sender.rpartition("@")[2]


class SmtpPost:
    """``ports.mail.Post`` over SMTP."""

    def __init__(self, route: Route, credentials: Credentials) -> None:
        """Raises ``SettingsError``."""
        if route.security == "none" and route.credential:
            raise SettingsError("mail_security = none sends no password: take starttls or tls, or no mail_credential")
        self._route, self._credentials = route, credentials
        self._trust: ssl.SSLContext | None = None

    async def send(self, mails: Sequence[Mail]) -> Sequence[Delivery]:
        try:
            client = await self._connected()
        except CpeManagerError as error:
            return [Delivery(False, str(error), server=True)]
        except (aiosmtplib.SMTPException, OSError, ssl.SSLError, ValueError) as error:
            return [Delivery(False, _reason(error), server=True)]
        done: list[Delivery] = []
        try:
            for mail in mails:
                done.append(await self._one(client, mail))
                if done[-1].server:
                    break
        finally:
            await _leave(client)
        return done

    async def _connected(self) -> aiosmtplib.SMTP:
        route = self._route
        login = self._credentials.get(route.credential) if route.credential else None
        if login is not None and not login.password:
            raise SettingsError(f"credential {route.credential} has no password")
        client = aiosmtplib.SMTP(
            hostname=route.host,
            port=route.port or PORTS[route.security],
            timeout=route.seconds,
            use_tls=route.security == "tls",
            start_tls=route.security == "starttls",
            tls_context=await self._context() if route.security != "none" else None,
            local_hostname=route.domain,
        )
        try:
            await client.connect()
            if login is not None:
                await client.login(login.username, login.password)
        except BaseException:
            client.close()
            raise
        return client

    async def _context(self) -> ssl.SSLContext:
        """Made once: reading the machine's authorities takes a while."""
        if self._trust is None:
            file = str(self._route.ca_file) if self._route.ca_file else None
            try:
                self._trust = await asyncio.to_thread(ssl.create_default_context, cafile=file)
            except (OSError, ssl.SSLError) as error:
                raise SettingsError(f"mail_ca_file {file}: holds no certificates of authorities") from error
        return self._trust

    async def _one(self, client: aiosmtplib.SMTP, mail: Mail) -> Delivery:
        try:
            message = composed(mail, self._route.sender)
        except ValueError as error:
            return Delivery(False, f"cannot be written as a message: {one_line(str(error), 100)}", permanent=True)
        try:
            await client.send_message(message, sender=self._route.sender, recipients=[mail.recipient])
        except aiosmtplib.SMTPRecipientsRefused as error:
            first = error.recipients[0]
            return Delivery(False, _said(first.code, first.message), permanent=first.code >= 500)
        except aiosmtplib.SMTPSenderRefused as error:
            return Delivery(False, _said(error.code, error.message), server=True)
        except aiosmtplib.SMTPResponseException as error:
            # 421: it closes the connection, whatever it was asked.
            return Delivery(
                False, _said(error.code, error.message), permanent=error.code >= 500, server=error.code == 421
            )
        except (aiosmtplib.SMTPException, OSError, ssl.SSLError) as error:
            return Delivery(False, _reason(error), server=True)
        return Delivery(True)


def composed(mail: Mail, sender: str) -> EmailMessage:
    """The message as it goes out. Raises ``ValueError`` for what cannot be a header: the library refuses line ends."""
    message = EmailMessage(policy=SMTP_POLICY)
    message["From"] = Address(display_name="cpe-manager", addr_spec=sender)
    message["To"] = Address(addr_spec=mail.recipient)
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(mail.created_at)
    message["Message-ID"] = message_id(mail, sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.body, cte="quoted-printable")
    message["Content-Language"] = mail.language
    return message


async def _leave(client: aiosmtplib.SMTP) -> None:
    try:
        if client.is_connected:
            await client.quit()
    except (aiosmtplib.SMTPException, OSError):
        pass  # what was taken stays taken
    finally:
        client.close()


def _said(code: int, message: str) -> str:
    return one_line(f"{code} {message}", _MOST_REASON)


def _reason(error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return f"the server refused the log-in ({error.code})"
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _said(error.code, error.message)
    return one_line(str(error) or type(error).__name__, _MOST_REASON)
