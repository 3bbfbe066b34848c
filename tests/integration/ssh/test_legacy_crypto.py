"""Old algorithms: never silently, and still good for boxes that know no others."""

from __future__ import annotations

from pathlib import Path

import asyncssh
import pytest
import structlog
from structlog.testing import capture_logs

from cpe_manager.adapters.ssh.algorithms import LEGACY, MODERN, Algorithms
from cpe_manager.adapters.ssh.offers import lacking, read_offer
from cpe_manager.adapters.transports import Transports
from cpe_manager.domain.errors import DeviceError, LegacyCryptoNeeded, NegotiationFailed
from cpe_manager.ports.shell import Credential, Target
from tests.integration.ssh.box import Manners, running, sessions
from tests.integration.ssh.openssh import openssh_server

# What `cryptography` is about to drop is what such boxes need; the warnings are for us to see in its release notes.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields"),
    pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning"),
]
OLD_BOXES = {
    "group14-sha1": ({"kex_algs": ["diffie-hellman-group14-sha1"]}, "ssh-rsa"),
    "group1-sha1": ({"kex_algs": ["diffie-hellman-group1-sha1"]}, "ssh-rsa"),
    "group-exchange-sha1": ({"kex_algs": ["diffie-hellman-group-exchange-sha1"]}, "ssh-rsa"),
    "ssh-dss": ({"signature_algs": ["ssh-dss"]}, "ssh-dss"),
    "cbc": ({"encryption_algs": ["aes128-cbc", "3des-cbc"]}, "ssh-rsa"),
    "hmac-sha1": ({"encryption_algs": ["aes128-ctr"], "mac_algs": ["hmac-sha1"]}, "ssh-rsa"),
    "all-at-once": (
        {"kex_algs": ["diffie-hellman-group1-sha1"], "encryption_algs": ["3des-cbc"], "mac_algs": ["hmac-sha1"]},
        "ssh-rsa",
    ),
}
every_old_box = pytest.mark.parametrize("which", OLD_BOXES)


def old_box(which: str) -> Manners:
    options, key_type = OLD_BOXES[which]
    return Manners(options=options, key_types=(key_type,))


@every_old_box
async def test_old_algorithms_are_not_used_unasked_and_the_error_names_them_and_the_way_out(which: str) -> None:
    async with running(old_box(which)) as box:
        with pytest.raises(LegacyCryptoNeeded, match="legacy_crypto") as caught:
            async with sessions().open(box.target()):
                pytest.fail("a session was opened")
        offered = [name for names in OLD_BOXES[which][0].values() for name in names]  # type: ignore[attr-defined]
        assert any(name in str(caught.value) for name in offered), caught.value
        assert (box.users, box.secrets_seen) == ([], [])
        await box.all_gone()


@every_old_box
async def test_a_device_that_is_set_to_legacy_crypto_is_reached(which: str) -> None:
    async with running(old_box(which)) as box:
        async with sessions().open(box.target(legacy_crypto=True, pinned_keys=(box.public(),))) as opened:
            assert (await opened.shell.execute("true")).exit_status == 0
        await box.all_gone()


async def test_a_box_that_knows_better_is_spoken_to_in_the_better_way_also_with_legacy_crypto() -> None:
    kinds = ("ssh-rsa", "ssh-ed25519")
    async with running(Manners(key_types=kinds)) as box:
        async with sessions().open(box.target(legacy_crypto=True)) as opened:
            assert opened.host_key == box.public(1)
            (connection,) = box.connections
            chosen = [connection.get_extra_info(name) for name in ("send_cipher", "recv_cipher")]
        assert chosen == ["aes128-gcm@openssh.com"] * 2


async def test_what_even_legacy_crypto_would_not_help_is_a_plain_failed_negotiation() -> None:
    manners = Manners(options={"encryption_algs": ["arcfour256"]})
    async with running(manners) as box:
        for legacy in (False, True):
            with pytest.raises(NegotiationFailed, match="cipher: arcfour256") as caught:
                async with sessions().open(box.target(legacy_crypto=legacy)):
                    pytest.fail("a session was opened")
            assert not isinstance(caught.value, LegacyCryptoNeeded)


@pytest.mark.parametrize("insecure", [True, False])
async def test_every_connect_with_legacy_crypto_is_warned_of(insecure: bool) -> None:
    structlog.reset_defaults()
    async with running() as box:
        opener = Transports({"ssh": sessions()})
        with capture_logs() as logs:
            for _ in range(2):
                async with opener.open(box.target(legacy_crypto=insecure)):
                    pass
    warned = [(entry["log_level"], entry["device"], entry["why"]) for entry in logs if "why" in entry]
    assert warned == [("warning", "box", "legacy_crypto")] * (2 if insecure else 0)


async def test_a_user_key_that_the_box_takes_with_sha1_signatures_alone_is_told_apart_from_a_wrong_key() -> None:
    key = asyncssh.generate_private_key("ssh-rsa")
    credential = Credential("noc", private_key=key.export_private_key().decode())
    manners = Manners(
        methods=frozenset({"publickey"}),
        authorized=key.export_public_key().decode(),
        options={"signature_algs": ["ssh-rsa"]},
    )
    async with running(manners) as box:
        with pytest.raises(LegacyCryptoNeeded, match="RSA key"):
            async with sessions(credential).open(box.target()):
                pytest.fail("a session was opened")
        async with sessions(credential).open(box.target(legacy_crypto=True)) as opened:
            assert (await opened.shell.execute("true")).exit_status == 0


def test_old_algorithms_stand_behind_the_others_and_group_exchange_last() -> None:
    for (kind, modern), (_, legacy) in zip(MODERN.kinds(), LEGACY.kinds(), strict=True):
        if kind != "key exchange":
            assert legacy[: len(modern)] == modern
        assert set(modern) < set(legacy)
    assert [name for name in LEGACY.key_exchange if "group-exchange" in name] == list(LEGACY.key_exchange[-2:])
    assert not [name for _, names in MODERN.kinds() for name in names if "sha1" in name or "cbc" in name]


def kexinit(*lists: str) -> bytes:
    body = b"".join(len(text).to_bytes(4, "big") + text.encode() for text in lists)
    return bytes((20,)) + bytes(16) + body


def test_an_offer_is_read_whole_or_not_at_all() -> None:
    payload = kexinit("a,b", "k", "c1", "other", "m1", "other", "none", "none", "", "")
    assert read_offer(payload) == Algorithms(("a", "b"), ("k",), ("c1",), ("m1",))
    for end in range(len(kexinit("a,b", "k", "c1", "other", "m1", "other"))):
        assert read_offer(payload[:end]) is None
    assert read_offer(b"\x15" + payload[1:]) is None


def test_names_that_are_none_do_not_get_into_a_message() -> None:
    found = read_offer(kexinit("ok,\x1b[31mred,two words," + "x" * 65, "", "", "", "", ""))
    assert found is not None
    assert found.key_exchange == ("ok",)


def test_a_cipher_that_authenticates_by_itself_needs_no_mac() -> None:
    offer = Algorithms(MODERN.key_exchange, MODERN.host_keys, ("aes128-gcm@openssh.com", "aes128-ctr"), ("hmac-md5",))
    assert lacking(offer, MODERN) == {}
    plain = Algorithms(MODERN.key_exchange, MODERN.host_keys, ("aes128-ctr",), ("hmac-md5",))
    assert lacking(plain, MODERN) == {"MAC": ("hmac-md5",)}


async def result(target: Target, credential: Credential, *, legacy: bool) -> str:
    try:
        async with sessions(credential).open(
            Target(**{**_fields(target), "legacy_crypto": legacy})  # type: ignore[arg-type]
        ) as opened:
            return (await opened.shell.execute("echo reached")).stdout.strip()
    except DeviceError as error:
        return error.code


def _fields(target: Target) -> dict[str, object]:
    return {name: getattr(target, name) for name in target.__dataclass_fields__}


@pytest.mark.parametrize(
    "lines",
    [
        ("KexAlgorithms diffie-hellman-group14-sha1",),
        ("KexAlgorithms diffie-hellman-group1-sha1",),
        ("KexAlgorithms diffie-hellman-group-exchange-sha1",),
        ("HostKeyAlgorithms ssh-rsa",),
        ("Ciphers aes128-cbc,3des-cbc", "MACs hmac-sha1"),
        ("KexAlgorithms diffie-hellman-group1-sha1", "HostKeyAlgorithms ssh-rsa", "Ciphers 3des-cbc", "MACs hmac-sha1"),
    ],
    ids=lambda lines: "-".join(line.split()[1] for line in lines),
)  # fmt: skip
async def test_a_real_openssh_server_with_old_algorithms_alone_is_reached_when_told_and_only_then(
    tmp_path: Path, lines: tuple[str, ...]
) -> None:
    async with openssh_server(tmp_path, *lines) as (target, credential):
        assert await result(target, credential, legacy=False) == "legacy_crypto"
        assert await result(target, credential, legacy=True) == "reached"


async def test_a_real_openssh_server_of_today_is_reached_in_the_same_way(tmp_path: Path) -> None:
    async with openssh_server(tmp_path) as (target, credential):
        assert await result(target, credential, legacy=False) == "reached"
        assert await result(target, credential, legacy=True) == "reached"
