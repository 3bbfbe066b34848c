"""Where posts go, and where they do not."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cpe_manager.adapters.http_posts import HttpPosts, plain_text_allowed, read_url
from cpe_manager.domain.errors import ConnectFailed, InputError, ProtocolError
from tests.support.hook_server import HookServer


@pytest.fixture
async def server() -> AsyncIterator[HookServer]:
    async with HookServer() as running:
        yield running


async def test_private_addresses_are_refused_unless_they_are_allowed(server: HookServer) -> None:
    posts = HttpPosts(private=False)
    strange = (
        "10.0.0.1",
        "[::ffff:10.0.0.1]",
        "169.254.169.254",
        "[fe80::1]",
        "0.0.0.0",
        "100.64.0.1",
        "[2002:a00:1::]",
    )
    ours = (server.url, server.url.replace("127.0.0.1", "localhost"))
    for url in (*ours, *(f"http://{host}/" for host in strange)):
        with pytest.raises(ConnectFailed, match="not a public address"):
            await posts.post(url, b"{}", {}, seconds=5)
    assert server.calls == []
    await posts.close()


async def test_redirects_are_not_followed_and_the_host_is_the_one_that_was_asked_for(server: HookServer) -> None:
    posts = HttpPosts(private=True)
    server.answer = lambda document, headers: (307, {})
    server.more_headers = {"Location": "http://127.0.0.1:1/", "Retry-After": "120"}
    posted = await posts.post(server.url.replace("127.0.0.1", "localhost"), b"{}", {"X": "y"}, seconds=5)
    assert (posted.status, posted.taken, posted.retry_after, posted.body) == (307, False, 120.0, b"")
    headers = server.calls[0][1]
    assert headers["host"].startswith("localhost:")
    assert headers["x"] == "y"
    await posts.close()


async def test_no_more_of_an_answer_is_read_than_is_wanted(server: HookServer) -> None:
    posts = HttpPosts(private=True)
    server.answer = lambda document, headers: (200, "x" * 5000)
    assert (await posts.post(server.url, b"{}", {}, seconds=5, most=5000)).body == b"x" * 5000
    with pytest.raises(ProtocolError, match="longer than 4999"):
        await posts.post(server.url, b"{}", {}, seconds=5, most=4999)
    await posts.close()


async def test_a_name_that_means_nothing_was_not_told_anything() -> None:
    posts = HttpPosts(private=True)
    with pytest.raises(ConnectFailed):
        await posts.post("https://nobody.invalid/", b"{}", {}, seconds=10)
    await posts.close()


@pytest.mark.parametrize(
    "url", ["", "ftp://x/", "https://", "https://u:p@x/", "https://x/#a", "https://x:99999/", "x", "https://[::1/"]
)
def test_what_cannot_be_posted_to_is_refused_at_once(url: str) -> None:
    with pytest.raises(InputError) as refusal:
        read_url(url)
    assert "u:p" not in str(refusal.value)


def test_plain_text_stays_on_this_machine() -> None:
    assert [plain_text_allowed(url) for url in ("https://x/", "http://localhost:1/", "http://[::1]/", "http://x/")] == [
        True, True, True, False,
    ]  # fmt: skip
