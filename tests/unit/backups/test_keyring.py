from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from backups import keyring
from backups.keyfile import KeyFile
from cpe_manager.domain.errors import Conflict, KeyringError, NotFound, StoreError
from tests.unit.backups.support import NOW


class CountingIds:
    def __init__(self, start: int = 0) -> None:
        self._count = start

    def new(self) -> str:
        self._count += 1
        return f"{self._count:032x}"

    def jitter(self) -> float:
        return 0.0


@pytest.fixture
def key_file(tmp_path: Path) -> KeyFile:
    file = KeyFile(tmp_path / "keys" / "keyring.json", CountingIds())
    file.create(NOW)
    return file


def test_a_ring_survives_its_form_as_bytes() -> None:
    ring = keyring.generate("k-1", NOW).with_new_active("k-2", NOW)
    again = keyring.from_bytes(keyring.to_bytes(ring))
    assert again == ring
    assert again.ring_id == ring.ring_id


def test_no_key_material_is_printed() -> None:
    ring = keyring.generate("k-1", NOW)
    shown = repr(ring) + str(ring) + repr(ring.keys)
    material = [ring.fingerprint_key, ring.active.secret]
    assert not [secret for secret in material if repr(secret) in shown or secret.hex() in shown]


def test_the_ring_id_outlives_rotations_and_differs_between_rings() -> None:
    ring = keyring.generate("k-1", NOW)
    assert ring.with_new_active("k-2", NOW).without("k-1").ring_id == ring.ring_id
    assert keyring.generate("k-1", NOW).ring_id != ring.ring_id


def test_the_active_key_stays_and_an_unknown_one_is_not_found() -> None:
    ring = keyring.generate("k-1", NOW)
    with pytest.raises(Conflict):
        ring.without("k-1")
    with pytest.raises(NotFound):
        ring.without("k-9")


def test_a_changed_digit_anywhere_in_the_file_is_noticed() -> None:
    ring = keyring.generate("k-1", NOW)
    body = json.loads(keyring.to_bytes(ring))
    for name in ("ring_id", "fingerprint_key", "active", "check"):
        value = body[name]
        damaged = {**body, name: ("A" if value[0] != "A" else "B") + value[1:]}
        with pytest.raises(KeyringError, match="damaged"):
            keyring.from_bytes(json.dumps(damaged).encode())
    key = body["keys"][0]
    other = {**key, "key": key["key"][::-1].lstrip("=") + "="}
    with pytest.raises(KeyringError, match="damaged"):
        keyring.from_bytes(json.dumps({**body, "keys": [other]}).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'{"format": "cpe-manager keyring"}'])
def test_what_is_no_key_file_is_refused_in_one_line_without_its_contents(data: bytes) -> None:
    with pytest.raises(KeyringError) as caught:
        keyring.from_bytes(data)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_new_key_file_is_for_its_owner_alone(key_file: KeyFile) -> None:
    assert key_file.path.stat().st_mode & 0o777 == 0o600
    assert key_file.path.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in key_file.path.parent.iterdir()] == ["keyring.json"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_file_open_to_others_is_refused(key_file: KeyFile, mode: int) -> None:
    key_file.path.chmod(mode)
    with pytest.raises(KeyringError, match=r"open to others .* chmod 600"):
        KeyFile(key_file.path, CountingIds()).ring()


def test_keys_are_never_overwritten_by_a_new_ring(key_file: KeyFile) -> None:
    before = key_file.path.read_bytes()
    with pytest.raises(Conflict, match="exists already"):
        key_file.create(NOW)
    assert key_file.path.read_bytes() == before


def test_a_rotation_by_another_process_is_seen(key_file: KeyFile) -> None:
    other = KeyFile(key_file.path, CountingIds(100))
    first = key_file.ring().active_id
    second = other.rotate(NOW)
    assert key_file.ring().active_id == second
    assert [(info.key_id, info.active) for info in key_file.infos()] == [(first, False), (second, True)]
    key_file.retire(first)
    assert [info.key_id for info in other.infos()] == [second]


def test_rotations_at_the_same_time_lose_no_key(key_file: KeyFile) -> None:
    made: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: made.append(KeyFile(key_file.path, CountingIds(n * 1000)).rotate(NOW)))
        for n in range(1, 9)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(made) <= {info.key_id for info in key_file.infos()}
    assert len(key_file.infos()) == 9


def test_a_key_file_that_vanishes_or_breaks_stops_sealing_at_once(key_file: KeyFile) -> None:
    good = key_file.path.read_bytes()
    key_file.path.write_bytes(good[:-40])
    with pytest.raises(KeyringError, match=r"keyring\.json: the key file is damaged"):
        key_file.ring()
    key_file.path.unlink()
    with pytest.raises(KeyringError, match="No such file"):
        key_file.ring()


def test_a_key_file_exchanged_for_another_installations_is_refused(key_file: KeyFile, tmp_path: Path) -> None:
    other = KeyFile(tmp_path / "other.json", CountingIds(7))
    other.create(NOW)
    os.replace(other.path, key_file.path)  # noqa: PTH105
    with pytest.raises(KeyringError, match="another installation"):
        key_file.ring()


def test_a_linked_key_file_is_changed_where_it_lies(key_file: KeyFile, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(key_file.path)
    made = KeyFile(link, CountingIds(50)).rotate(NOW)
    assert link.is_symlink()
    assert key_file.ring().active_id == made


def test_a_directory_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        KeyFile(tmp_path / "file" / "keyring.json", CountingIds()).create(NOW)
