"""Host keys, credentials and algorithms, against a real SSH server."""

from __future__ import annotations

import asyncio

import asyncssh
import pytest

from cpe_manager.adapters.ssh.algorithms import MODERN, host_key_order
from cpe_manager.domain.errors import (
    AuthFailed,
    ConnectFailed,
    CredentialMissing,
    DeviceTimeout,
    HostKeyChanged,
    NegotiationFailed,
)
from cpe_manager.ports.shell import Credential
from tests.integration.ssh.box import Manners, running, sessions


async def test_first_contact_accepts_the_key_and_reports_it() -> None:
    async with running() as box:
        async with sessions().open(box.target()) as opened:
            assert opened.host_key == box.public()
        assert box.users == ["noc"]
        await box.all_gone()


async def test_a_pinned_key_with_a_comment_is_the_same_key() -> None:
    async with running() as box, sessions().open(box.target(pinned_keys=(f"{box.public()} root@box",))) as opened:
        assert opened.host_key == box.public()


async def test_a_changed_key_is_reported_with_the_offer_and_no_secret_is_sent() -> None:
    other = " ".join(asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().split()[:2])
    async with running() as box:
        with pytest.raises(HostKeyChanged) as caught:
            async with sessions().open(box.target(pinned_keys=(other,))):
                pytest.fail("a session was opened")
        assert caught.value.offered == box.public()
        assert (box.users, box.secrets_seen) == ([], [])
        await box.all_gone()


@pytest.mark.parametrize("pinned", [0, 1, 2])
async def test_a_box_with_several_keys_is_asked_for_the_pinned_one(pinned: int) -> None:
    kinds = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")
    async with (
        running(Manners(key_types=kinds)) as box,
        sessions().open(box.target(pinned_keys=(box.public(pinned),))) as opened,
    ):
        assert opened.host_key == box.public(pinned)


def test_pinned_algorithms_go_first_and_none_is_lost() -> None:
    assert host_key_order(()) == MODERN.host_keys
    assert host_key_order(("ssh-rsa AAAA",))[:2] == ("rsa-sha2-256", "rsa-sha2-512")
    assert set(host_key_order(("ecdsa-sha2-nistp521 AAAA", "no-such-alg AAAA"))) == set(MODERN.host_keys)


@pytest.mark.parametrize("method", ["password", "keyboard-interactive"])
async def test_the_password_works_by_either_method(method: str) -> None:
    async with running(Manners(methods=frozenset({method}))) as box, sessions().open(box.target()):
        assert box.secrets_seen == ["right"]


async def test_a_wrong_password_is_sent_once_even_when_two_methods_would_take_it() -> None:
    manners = Manners(methods=frozenset({"password", "keyboard-interactive"}))
    async with running(manners) as box:
        with pytest.raises(AuthFailed):
            async with sessions(Credential("noc", "wrong")).open(box.target()):
                pytest.fail("a session was opened")
        assert box.secrets_seen == ["wrong"]
        await box.all_gone()


@pytest.mark.parametrize("questions", [(("Password: ", True),), (("Password: ", False), ("Token: ", False))])
async def test_a_challenge_that_asks_for_more_than_a_hidden_password_gets_no_answer(
    questions: tuple[tuple[str, bool], ...],
) -> None:
    manners = Manners(methods=frozenset({"keyboard-interactive"}), questions=questions)
    async with running(manners) as box:
        with pytest.raises(AuthFailed):
            async with sessions().open(box.target()):
                pytest.fail("a session was opened")
        assert box.secrets_seen == []


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"])
async def test_a_private_key_logs_in_and_is_parsed_once(kind: str) -> None:
    key = asyncssh.generate_private_key(kind)
    credential = Credential("noc", private_key=key.export_private_key().decode())
    manners = Manners(methods=frozenset({"publickey"}), authorized=key.export_public_key().decode())
    async with running(manners) as box:
        opener = sessions(credential)
        for _ in range(2):
            async with opener.open(box.target()) as opened:
                assert (await opened.shell.execute("true")).exit_status == 0


async def test_a_private_key_that_is_none_is_a_missing_credential() -> None:
    async with running() as box:
        with pytest.raises(CredentialMissing):
            async with sessions(Credential("noc", private_key="not a key")).open(box.target()):
                pytest.fail("a session was opened")
        assert box.accepted == 0


async def test_an_unknown_credential_reference_touches_no_device() -> None:
    async with running() as box:
        with pytest.raises(CredentialMissing):
            async with sessions().open(box.target(credential_ref="nowhere")):
                pytest.fail("a session was opened")
        assert box.accepted == 0


async def test_no_common_algorithm_is_a_failed_negotiation() -> None:
    manners = Manners(options={"encryption_algs": ["arcfour256"]})
    async with running(manners) as box:
        with pytest.raises(NegotiationFailed):
            async with sessions().open(box.target()):
                pytest.fail("a session was opened")


async def test_a_closed_port_is_a_failed_connection() -> None:
    async with running() as box:
        target = box.target()
    with pytest.raises(ConnectFailed):
        async with sessions().open(target):
            pytest.fail("a session was opened")


async def test_a_box_that_says_nothing_runs_into_the_connect_deadline_and_leaves_no_socket() -> None:
    closed = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        closed.set()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with running() as box:
            with pytest.raises(DeviceTimeout):
                async with sessions().open(box.target(port=port, connect_timeout=0.2)):
                    pytest.fail("a session was opened")
        await closed.wait()


async def test_a_handshake_that_is_cancelled_leaves_no_socket() -> None:
    arrived, closed = asyncio.Event(), asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read()
        writer.close()
        closed.set()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server, running() as box:
        port = server.sockets[0].getsockname()[1]

        async def attempt() -> None:
            async with sessions().open(box.target(port=port)):
                pytest.fail("a session was opened")

        task = asyncio.create_task(attempt(), name="attempt")
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await closed.wait()
