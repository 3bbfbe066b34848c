"""Host keys, log-ins and algorithms with paramiko underneath: as strict as our own SSH."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncssh
import pytest
from structlog.testing import capture_logs

from cpe_manager.adapters.netmiko.client import LEGACY, MODERN
from cpe_manager.adapters.netmiko.sessions import NetmikoSessions
from cpe_manager.adapters.transports import Transports
from cpe_manager.domain.errors import (
    AuthFailed,
    CredentialMissing,
    HostKeyChanged,
    LegacyCryptoNeeded,
    NegotiationFailed,
)
from cpe_manager.ports.sessions import OpenedSession
from cpe_manager.ports.shell import Credential
from tests.fakes.credentials import FixedCredentials
from tests.integration.ssh.box import Manners, Process, RunningBox, running

pytestmark = [
    pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields"),
    pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning"),
]
PROMPT = b"R1#"


async def console(process: Process) -> None:
    """Echoes what is typed, and shows its prompt after each line: all that netmiko needs to feel at home."""
    process.stdout.write(PROMPT)
    line = b""
    while data := await process.stdin.read(1024):
        for byte in data:
            if byte in b"\r\n":
                process.stdout.write(b"\r\n" + PROMPT)
                line = b""
            else:
                line += bytes((byte,))
                process.stdout.write(bytes((byte,)))
    process.exit(0)


def manners(**fields: object) -> Manners:
    return Manners(answer=console, **fields)  # type: ignore[arg-type]


def opener(credential: Credential | None = None) -> NetmikoSessions:
    return NetmikoSessions(FixedCredentials({"box": credential or Credential("noc", "right")}))


@asynccontextmanager
async def opened(
    box: RunningBox, credential: Credential | None = None, **changes: object
) -> AsyncIterator[OpenedSession]:
    target = box.target(**{"family": "netmiko:cisco_ios", **changes})
    async with opener(credential).open(target) as session:
        yield session


async def refused(box: RunningBox, error: type[Exception], credential: Credential | None = None, **changes: object):
    with pytest.raises(error) as caught:
        async with opened(box, credential, **changes):
            pytest.fail("a session was opened")
    await box.all_gone()
    return caught.value


async def test_first_contact_accepts_the_key_and_reports_it() -> None:
    async with running(manners()) as box:
        async with opened(box) as session:
            assert session.host_key == box.public()
        assert box.secrets_seen == ["right"]
        await box.all_gone()


async def test_a_changed_key_is_reported_with_the_offer_and_no_secret_is_sent() -> None:
    other = " ".join(asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().split()[:2])
    async with running(manners()) as box:
        error = await refused(box, HostKeyChanged, pinned_keys=(other,))
        assert error.offered == box.public()
        assert (box.users, box.secrets_seen) == ([], [])


@pytest.mark.parametrize("pinned", [0, 1, 2])
async def test_a_box_with_several_keys_is_asked_for_the_pinned_one(pinned: int) -> None:
    kinds = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")
    async with running(manners(key_types=kinds)) as box:
        async with opened(box, pinned_keys=(f"{box.public(pinned)} a comment",)) as session:
            assert session.host_key == box.public(pinned)
        await box.all_gone()


@pytest.mark.parametrize("method", ["password", "keyboard-interactive"])
async def test_the_password_works_by_either_method(method: str) -> None:
    async with running(manners(methods=frozenset({method}))) as box, opened(box):
        assert box.secrets_seen == ["right"]


@pytest.mark.parametrize(
    "methods", [{"password"}, {"keyboard-interactive"}, {"password", "keyboard-interactive", "publickey"}]
)
async def test_a_wrong_password_is_sent_once_whatever_the_box_would_take(methods: set[str]) -> None:
    async with running(manners(methods=frozenset(methods))) as box:
        error = await refused(box, AuthFailed, Credential("noc", "wrong"))
        assert box.secrets_seen == ["wrong"]
        assert "wrong" not in str(error)


@pytest.mark.parametrize("questions", [(("Password: ", True),), (("Password: ", False), ("Token: ", False))])
async def test_a_challenge_that_asks_for_more_than_a_hidden_password_gets_no_answer(
    questions: tuple[tuple[str, bool], ...],
) -> None:
    async with running(manners(methods=frozenset({"keyboard-interactive"}), questions=questions)) as box:
        await refused(box, AuthFailed)
        assert box.secrets_seen == []


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"])
async def test_a_private_key_logs_in(kind: str) -> None:
    key = asyncssh.generate_private_key(kind)
    # asyncssh writes ECDSA numbers without the sign that OpenSSH's own form has; paramiko wants it.
    form = "pkcs1-pem" if kind.startswith("ecdsa") else "openssh"
    credential = Credential("noc", private_key=key.export_private_key(form).decode())
    allowed = manners(methods=frozenset({"publickey"}), authorized=key.export_public_key().decode())
    async with running(allowed) as box, opened(box, credential) as session:
        assert session.shell.credential is credential


async def test_a_private_key_that_is_none_is_a_missing_credential_and_touches_no_device() -> None:
    async with running(manners()) as box:
        await refused(box, CredentialMissing, Credential("noc", private_key="not a key"))
        assert box.accepted == 0


@pytest.mark.parametrize(
    ("options", "needed"),
    [
        ({"encryption_algs": ["aes128-cbc"]}, True),
        ({"encryption_algs": ["aes128-ctr"], "mac_algs": ["hmac-sha1"]}, True),
        ({"kex_algs": ["diffie-hellman-group14-sha1"]}, False),
        ({"encryption_algs": ["aes128-ctr"], "mac_algs": ["hmac-md5"]}, False),
    ],
)
async def test_old_algorithms_are_used_when_told_as_far_as_the_library_goes(
    options: dict[str, object], needed: bool
) -> None:
    async with running(manners(options=options, key_types=("ssh-rsa",))) as box:
        if needed:
            await refused(box, LegacyCryptoNeeded)
            async with opened(box, legacy_crypto=True) as session:
                assert session.host_key
        else:
            for legacy in (False, True):
                error = await refused(box, NegotiationFailed, legacy_crypto=legacy)
                assert error.code == "negotiation"
                assert next(iter(options.values()))[0] in str(error) or "hmac-md5" in str(error)  # type: ignore[index]


def test_nothing_old_is_offered_unasked_and_md5_never() -> None:
    modern = [name for _, names in MODERN.kinds() for name in names]
    assert not [name for name in modern if name.endswith(("-cbc", "-sha1", "-md5", "-96"))]
    added = {name for _, names in LEGACY.kinds() for name in names} - set(modern)
    assert added == {"aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc", "hmac-sha1"}


async def test_a_session_of_the_long_tail_with_old_algorithms_is_warned_of() -> None:
    async with running(manners()) as box:
        sessions = Transports({}, opener())
        with capture_logs() as logs:
            async with sessions.open(box.target(family="netmiko:cisco_ios", legacy_crypto=True)):
                pass
        assert [entry["why"] for entry in logs if entry["event"] == "session.insecure"] == ["legacy_crypto"]
