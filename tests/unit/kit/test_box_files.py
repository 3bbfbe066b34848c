"""A box's own backup file leaves its log-in behind and keeps everything else."""

from __future__ import annotations

import gzip
import io
import re
import tarfile

import pytest

from cpe_manager.kit.box_files import without_login
from cpe_manager.kit.redaction import REMOVED
from cpe_manager.ports.driver import SecretRule

RULES = (SecretRule(re.compile(r"option key '(?P<secret>[^']*)'"), "wifi"),)
LOGIN = "Str0ng-Device-Pass"


def packed(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime, member.uid = len(data), 0o600, 1_700_000_000, 7
            archive.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("etc/localtime")
        link.type, link.linkname = tarfile.SYMTYPE, "/tmp/localtime"
        archive.addfile(link)
    return made.getvalue()


def unpacked(content: bytes) -> dict[str, tuple[bytes, int, int, int]]:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        return {
            one.name: (file.read() if (file := archive.extractfile(one)) else b"", one.mode, int(one.mtime), one.uid)
            for one in archive
            if one.isreg()
        }


FILES = {
    "etc/config/wireless": f"option key 'home sweet home'\noption note '{LOGIN}'\n".encode(),
    "etc/shadow": b"root:$1$abc$def:0:0:99999:7:::\n",
    "./etc/shadow-": b"root:$1$old$old:0:0:99999:7:::\n",
    "etc/dropbear/key": bytes(range(256)),
}


def test_hashes_are_left_out_and_log_in_passwords_removed_and_the_rest_is_as_it_was() -> None:
    old, new = unpacked(packed(FILES)), unpacked(without_login(packed(FILES), RULES, [LOGIN]))
    assert sorted(new) == ["etc/config/wireless", "etc/dropbear/key"]
    assert new["etc/dropbear/key"] == old["etc/dropbear/key"]
    text, *rest = new["etc/config/wireless"]
    assert text.decode() == f"option key 'home sweet home'\noption note '{REMOVED}'\n"
    assert tuple(rest) == old["etc/config/wireless"][1:]


def test_a_link_stays_a_link() -> None:
    with tarfile.open(fileobj=io.BytesIO(without_login(packed(FILES), RULES, [])), mode="r:gz") as archive:
        assert archive.getmember("etc/localtime").linkname == "/tmp/localtime"


def test_the_same_content_gives_the_same_bytes_and_a_second_pass_changes_nothing() -> None:
    once = without_login(packed(FILES), RULES, [LOGIN])
    assert once == without_login(packed(FILES), RULES, [LOGIN]) == without_login(once, RULES, [LOGIN])


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", packed(FILES)[:200], gzip.compress(b"x" * 700)],
    ids=["empty", "text", "cut", "no tar"],
)
def test_what_is_no_such_file_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="no gzipped tar file"):
        without_login(content, RULES, [])
