"""Posts over httpx, to addresses that were looked at first.

A name is resolved here, once, and the connection goes to the address that was judged: a name that means another address
a moment later leads nowhere else. The certificate is that of the name all the same.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

import httpx

from cpe_manager.domain.errors import ConnectFailed, DeviceTimeout, InputError, ProtocolError, SessionDropped
from cpe_manager.ports.posts import Posted

_RETRY_AFTER_MOST: Final = 86_400.0
_CONNECT: Final = 4.0
_IDLE: Final = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=15.0)


class HttpPosts:
    """Implements ``ports.posts.Posts``.

    ``private``: addresses that are not of the public internet may be posted to: loopback, link-local, private ranges.
    ``ca_file``: PEM of the authorities that servers are to be believed by, instead of the machine's.
    """

    def __init__(self, *, private: bool, ca_file: Path | None = None, user_agent: str = "cpe-manager") -> None:
        self._private = private
        self._user_agent = user_agent
        self._made: httpx.AsyncClient | None = None
        self._trust: ssl.SSLContext | None = None
        if ca_file is not None:
            try:
                self._trust = ssl.create_default_context(cafile=str(ca_file))
            except (OSError, ssl.SSLError) as error:
                raise InputError(f"{ca_file}: holds no certificates of authorities ({error})") from error

    @property
    def _http(self) -> httpx.AsyncClient:
        """Made when it is needed: reading the machine's authorities takes a while. A proxy of the environment is left
        alone: it would connect to what it likes."""
        if self._made is None:
            trust = self._trust or ssl.create_default_context()
            headers = {"User-Agent": self._user_agent}
            self._made = httpx.AsyncClient(
                verify=trust, follow_redirects=False, trust_env=False, limits=_IDLE, headers=headers
            )
        return self._made

    def check(self, url: str) -> None:
        read_url(url)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, seconds: float, most: int = 0) -> Posted:
        asked = read_url(url)
        place = _place(asked)
        try:
            async with asyncio.timeout(seconds):
                address = await self._address(asked.host, asked.port or (443 if asked.scheme == "https" else 80), place)
                request = self._request(asked, address, body, headers)
                return await self._send(request, _place(asked), most)
        except TimeoutError as error:
            raise DeviceTimeout(f"{place}: no answer within {seconds:g} s") from error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise ConnectFailed(f"{place}: {_reason(error)}") from error
        except httpx.TimeoutException as error:
            raise DeviceTimeout(f"{place}: no answer in time") from error
        except (httpx.RemoteProtocolError, httpx.LocalProtocolError, httpx.DecodingError) as error:
            kind = SessionDropped if "disconnected" in str(error).lower() else ProtocolError
            raise kind(f"{place}: {_reason(error)}") from error
        except httpx.TransportError as error:
            raise SessionDropped(f"{place}: {_reason(error)}") from error

    async def close(self) -> None:
        if self._made is not None:
            await self._made.aclose()

    def _request(
        self, asked: httpx.URL, address: IPv4Address | IPv6Address, body: bytes, headers: Mapping[str, str]
    ) -> httpx.Request:
        """The whole has its deadline already; of the parts connecting alone has one: nothing was sent then."""
        return self._http.build_request(
            "POST",
            asked.copy_with(host=str(address)),
            content=body,
            headers={**headers, "Host": asked.netloc.decode("ascii"), "Accept-Encoding": "identity"},
            timeout=httpx.Timeout(None, connect=_CONNECT),
            extensions={"sni_hostname": asked.host},
        )

    async def _send(self, request: httpx.Request, place: str, most: int) -> Posted:
        response = await self._http.send(request, stream=True)
        try:
            read = bytearray()
            if most:
                async for piece in response.aiter_bytes():
                    read += piece
                    if len(read) > most:
                        raise ProtocolError(f"{place}: the answer is longer than {most} bytes")
            return Posted(response.status_code, bytes(read), _retry_after(response.headers.get("Retry-After", "")))
        finally:
            await response.aclose()

    async def _address(self, host: str, port: int, place: str) -> IPv4Address | IPv6Address:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            # In words: an error number in brackets behind the name reads as a part of the URL.
            words = error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
            raise ConnectFailed(f"{place}: the name means no address ({words})") from error
        addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
        # One that is not allowed among them: the next answer may have it alone.
        if not self._private and (bad := next((a for a in addresses if not _public(a)), None)) is not None:
            raise ConnectFailed(f"{place}: {bad} is not a public address, and private ones are not allowed")
        return addresses[0]


def read_url(url: str) -> httpx.URL:
    """A URL that can be posted to. Raises ``InputError``; the message never repeats what may be a password in it."""
    try:
        read = httpx.URL(url)
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise InputError(f"not a URL: {error}") from error
    if read.scheme not in {"http", "https"} or not read.host:
        raise InputError("not a URL of a server: it starts with https:// or http://")
    if read.port is not None and not 0 < read.port < 65536:
        raise InputError(f"not a URL: there is no port {read.port}")
    if read.userinfo:
        raise InputError("a URL with a user name or a password in it would be shown to whoever looks at it")
    if read.fragment:
        raise InputError("the part behind # is never sent: leave it out")
    return read


def plain_text_allowed(url: str) -> bool:
    """Whether what is posted can be read by nobody on the way: it goes over TLS, or stays on this machine."""
    read = read_url(url)
    if read.scheme == "https" or read.host == "localhost":
        return True
    try:
        return ip_address(read.host).is_loopback
    except ValueError:
        return False


def _public(address: IPv4Address | IPv6Address) -> bool:
    inner = address.ipv4_mapped or address.sixtofour if isinstance(address, IPv6Address) else None
    return address.is_global and not address.is_multicast and (inner is None or _public(inner))


def _place(url: httpx.URL) -> str:
    """Without path and query: either may hold a secret."""
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _retry_after(text: str) -> float | None:
    """Seconds; the form with a date is left alone."""
    return min(float(text), _RETRY_AFTER_MOST) if text.isascii() and text.isdigit() else None
