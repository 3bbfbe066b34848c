"""The credentials file: who may read it, where secrets come from, and that none of them leaks into a message."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cpe_manager.adapters.secrets import CredentialFile
from cpe_manager.domain.errors import CredentialMissing, SettingsError

CORE = '[credentials.core-ios]\nusername = "backup"\npassword = "hunter2"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "credentials.toml"


def put(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def opened(path: Path, text: str = CORE, **env: str) -> CredentialFile:
    return CredentialFile(put(path, text), env)


def test_a_credential_holds_what_the_file_says(path: Path) -> None:
    put(path.parent / "key", "KEY TEXT\n")
    text = CORE + 'enable_password = "en"\nprivate_key_file = "key"\n'
    got = opened(path, text).get("core-ios")
    assert (got.username, got.password, got.enable_password, got.private_key) == (
        "backup",
        "hunter2",
        "en",
        "KEY TEXT\n",
    )
    assert "hunter2" not in repr(got)


def test_a_name_that_is_not_there_is_answered_with_those_that_are(path: Path) -> None:
    credentials = opened(path)
    assert credentials.names() == ("core-ios",)
    with pytest.raises(CredentialMissing, match=r"no credential 'edge'; known: core-ios"):
        credentials.get("edge")
    with pytest.raises(CredentialMissing, match="known: none"):
        opened(path, "# nothing yet\n").get("edge")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o610])
def test_a_file_that_others_can_touch_is_refused_in_one_line(path: Path, mode: int) -> None:
    put(path, CORE, mode)
    with pytest.raises(SettingsError) as caught:
        CredentialFile(path, {}).check()
    assert str(caught.value) == f"credentials file {path} is open to others (mode {mode:04o}); run: chmod 600 {path}"


def test_a_file_is_read_again_when_it_has_changed(path: Path) -> None:
    credentials = opened(path)
    assert credentials.get("core-ios").password == "hunter2"
    put(path, CORE.replace("hunter2", "changed"))
    assert credentials.get("core-ios").password == "changed"


def test_a_change_of_the_same_size_is_seen_by_its_time(path: Path) -> None:
    credentials = opened(path)
    credentials.check()
    put(path, CORE.replace("hunter2", "hunter3"))
    os.utime(path, ns=(1, 1))
    assert credentials.get("core-ios").password == "hunter3"


@pytest.mark.parametrize("spoil", ["mode", "text", "gone"])
def test_a_file_that_turns_bad_fails_the_device_and_old_secrets_are_not_used_on(path: Path, spoil: str) -> None:
    credentials = opened(path)
    credentials.check()
    if spoil == "mode":
        put(path, CORE + "\n", 0o644)
    elif spoil == "text":
        put(path, CORE + "[broken")
    else:
        path.unlink()
    with pytest.raises(CredentialMissing, match="credential 'core-ios': credentials file"):
        credentials.get("core-ios")


def test_a_password_may_come_from_the_environment_or_from_a_file(path: Path) -> None:
    put(path.parent / "pw", "from file \n")
    text = (
        '[credentials.a]\nusername = "u"\npassword_env = "A_PW"\n'
        '[credentials.b]\nusername = "u"\npassword_file = "pw"\nenable_password_file = "pw"\n'
    )
    credentials = opened(path, text, A_PW="from env")
    assert credentials.get("a").password == "from env"
    assert (credentials.get("b").password, credentials.get("b").enable_password) == ("from file ", "from file ")


def test_the_override_in_the_environment_goes_first(path: Path) -> None:
    credentials = opened(
        path,
        CPE_MANAGER_CREDENTIAL_CORE_IOS_PASSWORD="override",
        CPE_MANAGER_CREDENTIAL_CORE_IOS_ENABLE_PASSWORD="en",
    )
    got = credentials.get("core-ios")
    assert (got.password, got.enable_password) == ("override", "en")


def test_systemd_credentials_are_found_by_relative_name_and_not_judged_by_mode(path: Path, tmp_path: Path) -> None:
    directory = tmp_path / "systemd"
    directory.mkdir()
    put(directory / "pw", "from systemd", 0o440)
    put(tmp_path / "pw", "from beside")
    text = '[credentials.a]\nusername = "u"\npassword_file = "pw"\n'
    assert opened(path, text, CREDENTIALS_DIRECTORY=str(directory)).get("a").password == "from systemd"
    assert opened(path, text).get("a").password == "from beside"


def test_a_password_file_that_others_can_read_is_refused(path: Path) -> None:
    put(path.parent / "pw", "hunter2", 0o644)
    credentials = opened(path, '[credentials.a]\nusername = "u"\npassword_file = "pw"\n')
    with pytest.raises(CredentialMissing, match=r"password file .*pw is open to others") as caught:
        credentials.get("a")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[credentials.a\n", "is not valid TOML at line 1"),
        ('[other]\nx = "y"\n', "'other' is unknown"),
        ('credentials = "x"\n', "not a table of tables"),
        ('[credentials]\na = "x"\n', r"\[credentials.a\] is not a table"),
        ('[credentials.a]\npassword = "hunter2"\n', "has no username"),
        ('[credentials.a]\nusername = "u"\npasswd = "hunter2"\n', "unknown key 'passwd'"),
        ('[credentials.a]\nusername = "u"\npassword = 12345\n', "password is not text"),
        (
            '[credentials.a]\nusername = "u"\npassword = "hunter2"\npassword_env = "X"\n',
            "password and password_env; keep",
        ),
        (CORE + CORE.replace("core-ios", "core_ios"), "'core-ios' and 'core_ios' share"),
    ],
)
def test_a_wrong_file_says_where_and_why_and_not_what_is_in_it(path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        opened(path, text).check()
    chain: BaseException | None = caught.value
    while chain is not None:
        assert "hunter2" not in str(chain)
        assert "12345" not in str(chain)
        chain = chain.__cause__


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("", "neither a password nor a private key"),
        ('password_env = "NOWHERE"', "environment variable NOWHERE"),
        ('password_file = "nowhere"', "password file .*No such file"),
        ('private_key_file = "."', "not a regular file"),
    ],
)
def test_a_secret_that_is_not_to_be_had_fails_only_its_own_credential(path: Path, entry: str, words: str) -> None:
    credentials = opened(path, CORE + f'[credentials.a]\nusername = "u"\n{entry}\n')
    with pytest.raises(CredentialMissing, match=words):
        credentials.get("a")
    assert credentials.get("core-ios").password == "hunter2"
    assert credentials.names() == ("a", "core-ios")


MONITOR = CORE + 'snmp_user = "monitor"\nsnmp_auth_password = "auth-secret"\nsnmp_priv_password = "priv-secret"\n'


def test_a_credential_says_how_its_devices_are_asked_by_snmp(path: Path) -> None:
    assert opened(path).get("core-ios").snmp is None
    access = opened(path, CORE + 'snmp_community = "c0mmunity"\n').get("core-ios").snmp
    assert access is not None
    assert (access.community, access.user) == ("c0mmunity", "")
    access = opened(path, MONITOR + 'snmp_auth_protocol = "SHA-256"\n').get("core-ios").snmp
    assert access is not None
    assert (access.user, access.auth_protocol, access.priv_protocol) == ("monitor", "SHA-256", "AES")
    assert access.secrets() == ("auth-secret", "priv-secret")
    assert "secret" not in repr(access)


def test_snmp_secrets_come_from_files_and_the_environment_like_all_others(path: Path) -> None:
    put(path.parent / "community", "from-a-file\n")
    text = CORE + 'snmp_community_file = "community"\n'
    got = opened(path, text).get("core-ios").snmp
    assert got is not None
    assert got.community == "from-a-file"
    got = opened(path, text, CPE_MANAGER_CREDENTIAL_CORE_IOS_SNMP_COMMUNITY="over").get("core-ios").snmp
    assert got is not None
    assert got.community == "over"


def test_snmp_secrets_are_no_passwords_of_the_device_and_stay_in_backups(path: Path) -> None:
    got = opened(path, CORE + 'snmp_community = "c0mmunity"\n').get("core-ios")
    assert got.secrets() == ("hunter2",)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('snmp_auth_protocol = "CRC"', "unknown snmp_auth_protocol 'CRC'; known: MD5, SHA, SHA-224"),
        ('snmp_priv_protocol = "ROT13"', "unknown snmp_priv_protocol 'ROT13'; known: DES, AES, AES-192, AES-256"),
        ('snmp_priv_protocol = "AES-256"', "AES-256 needs one of SHA-256, SHA-384, SHA-512, not SHA"),
    ],
)
def test_an_snmp_protocol_that_is_none_is_refused_when_the_file_is_read(path: Path, line: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        opened(path, f"{MONITOR}{line}\n").check()


def test_an_snmp_user_needs_two_passwords_of_eight_characters(path: Path) -> None:
    short = MONITOR.replace("priv-secret", "short")
    with pytest.raises(CredentialMissing, match=r"needs snmp_priv_password, 8 characters or more"):
        opened(path, short).get("core-ios")
