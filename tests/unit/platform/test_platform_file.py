"""platforms.toml: what is wrong with it is told by file and line; what is right of it stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cpe_manager.adapters.platform.file import PlatformFile, read_file
from cpe_manager.adapters.platform.frr_edge import FrrEdge
from cpe_manager.adapters.platform.hook import Hook
from cpe_manager.domain.errors import CredentialMissing, InputError
from cpe_manager.ports.shell import Credential
from cpe_manager.settings import FIRST_PLATFORMS
from tests.fakes.clock import SimulatedClock
from tests.fakes.sessions import ScriptedSessions

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHd0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVz"
EDGE = f'[platforms.edge-1]\nkind = "frr"\naddress = "10.0.0.1"\ncredential = "edge"\nhost_key = "{KEY}"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "platforms.toml"
    path.write_text(text)
    path.chmod(0o600)
    return path


def platforms(path: Path, **env: str) -> PlatformFile:
    return PlatformFile(path, ScriptedSessions(Credential("edge", "x")), SimulatedClock(), env)


async def test_each_kind_is_made_once_by_name(tmp_path: Path) -> None:
    more = '[platforms.bras]\nkind = "command"\ncommand = ["/bin/true"]\n[platforms.o]\nkind = "http"\nurl = "https://o.example/x"\n'
    file = platforms(written(tmp_path, EDGE + more))
    file.check()
    assert file.names() == ("bras", "edge-1", "o")
    assert isinstance(file.get("edge-1"), FrrEdge)
    assert isinstance(file.get("bras"), Hook)
    assert file.get("o") is file.get("o")
    with pytest.raises(InputError, match=r"no platform 'edge-2'.*known: bras, edge-1, o"):
        file.get("edge-2")
    await file.close()


def test_the_first_file_is_a_good_one_with_nothing_in_it_and_none_has_nothing_too(tmp_path: Path) -> None:
    assert read_file(written(tmp_path, FIRST_PLATFORMS)) == {}
    assert platforms(tmp_path / "none.toml").names() == ()


def test_what_the_first_file_shows_is_right_when_it_is_put_into_force(tmp_path: Path) -> None:
    lines = [line.removeprefix("# ") for line in FIRST_PLATFORMS.splitlines()[1:] if line != "#"]
    text = "\n".join(lines).replace("SHA256:...", "SHA256:" + "A" * 43).replace("/usr/local/lib/bras-hook", "/bin/true")
    assert sorted(read_file(written(tmp_path, text))) == ["bras", "edge-1", "orchestrator"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("x = 1\n", 1, "'x' is unknown"),
        ("[platforms.a]\nkind = 'frr\n", 2, "not valid TOML"),
        ("[platforms.a]\naddress = '10.0.0.1'\n", 1, "kind is one of frr, command, http"),
        ("[platforms.a]\nkind = 'ftp'\n", 2, "kind is one of"),
        (EDGE + "prot = 22\n", 6, "'prot' is unknown for frr; known: address"),
        (EDGE + "port = '22'\n", 6, "port is a whole number"),
        (EDGE + "port = 0\n", 6, "port is from 1 to 65535"),
        (EDGE + "save = 1\n", 6, "save is true or false"),
        (EDGE + "distance = 255\n", 6, "distance is from 1 to 254"),
        (EDGE + "source = '1; reboot'\n", 6, "source is an address or an interface"),
        (EDGE + "vtysh = 'maybe'\n", 6, "vtysh is one of auto"),
        (EDGE.replace(KEY, "anything"), 5, "host_key is a fingerprint"),
        (EDGE.replace(f'host_key = "{KEY}"\n', ""), 2, "has no host_key"),
        (EDGE + "[platforms.b]\nkind = 'command'\ncommand = ['hook']\n", 8, "the whole path of 'hook'"),
        ("[platforms.b]\nkind = 'command'\ncommand = ['/no/such/hook']\n", 3, "no program that can be run"),
        ("[platforms.b]\nkind = 'command'\ncommand = []\n", 2, "has no command"),
        ("[platforms.b]\nkind = 'command'\ncommand = ['/bin/true']\nseconds = 0\n", 4, "seconds is from 1 to 300"),
        ("[platforms.b]\nkind = 'http'\nurl = 'https://o/'\nseconds = 301\n", 4, "seconds is from 1 to 300"),
        ("[platforms.b]\nkind = 'http'\nurl = 'http://o.example/'\n", 3, "write https://"),
        ("[platforms.b]\nkind = 'http'\nurl = 'https://u:pass@o.example/'\n", 3, "would be shown"),
        ("[platforms.'b b']\nkind = 'http'\nurl = 'https://o.example/'\n", 1, "is no name"),
        (
            "[platforms.b]\nkind = 'http'\nurl = 'https://o/'\ntoken_env = 'A'\ntoken_file = 'b'\n",
            4,
            "keep one of them",
        ),
    ],
)
def test_what_is_wrong_is_told_by_file_line_and_reason(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as refusal:
        platforms(path).check()
    assert (refusal.value.file, refusal.value.line) == (str(path), line)
    assert words in refusal.value.reason
    assert "pass@" not in str(refusal.value)


def test_a_file_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, EDGE)
    path.chmod(0o666)
    with pytest.raises(InputError, match="chmod go-w"):
        platforms(path).check()


async def test_a_change_is_read_and_what_stays_the_same_keeps_its_session(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path, EDGE + EDGE.replace("edge-1", "edge-2"))
    file = platforms(path)
    kept, changed = file.get("edge-1"), file.get("edge-2")
    path.write_text(EDGE + EDGE.replace("edge-1", "edge-2").replace("10.0.0.1", "10.0.0.2"))
    os.utime(path, ns=(1, 1))
    assert file.get("edge-1") is kept
    assert file.get("edge-2") is not changed
    path.write_text("[platforms.edge-1]\nkind = 'no'\n")
    assert file.get("edge-1") is kept
    assert "kind is one of" in caplog.text
    with pytest.raises(InputError):
        file.check()
    path.write_text("")
    assert file.names() == ()
    await file.close()


async def test_a_token_comes_from_a_file_or_a_variable_and_its_absence_is_told(tmp_path: Path) -> None:
    http = "[platforms.o]\nkind = 'http'\nurl = 'https://o.example/x'\n"
    file = platforms(written(tmp_path, f"{http}token_env = 'HOOK'\n"))
    with pytest.raises(CredentialMissing, match="HOOK"):
        file.get("o")
    file = platforms(written(tmp_path, f"{http}token_file = 'o.token'\n"))
    with pytest.raises(CredentialMissing, match=r"o\.token"):
        file.get("o")
    (tmp_path / "o.token").write_text("secret\n")
    file.get("o")
    await file.close()
