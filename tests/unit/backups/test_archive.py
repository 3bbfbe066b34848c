from __future__ import annotations

import random
import subprocess
import sys
import textwrap
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from backups.archive import from_lines, read_archive, to_lines, verify, write_archive
from backups.stream import CHUNK, ScryptCost
from cpe_manager.domain.errors import InputError, KeyringError, SealBroken, StoreError

CHEAP = ScryptCost(log2_n=4, r=8, p=1)
PASSPHRASE = "correct horse"
HEADER = 8 + 3 + 4 + 16 + 7 + 32
SEALED_CHUNK = CHUNK + 16


def noise(count: int) -> bytes:
    """Bytes that do not compress, the same each time."""
    return random.Random(count).randbytes(count)


def write(path: Path, sections: dict[str, bytes]) -> Path:
    with write_archive(path, PASSPHRASE, cost=CHEAP) as archive:
        for name, contents in sections.items():
            archive.section(name, [contents])
    return path


def read(path: Path, passphrase: str = PASSPHRASE) -> dict[str, bytes]:
    with read_archive(path, passphrase) as archive:
        return {name: b"".join(contents) for name, contents in archive.sections()}


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """An archive of several encrypted chunks."""
    return write(tmp_path / "a.cpe", {"manifest.json": b"{}", "big": noise(5 * CHUNK), "last": b"end"})


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 1_000_003])
def test_what_was_archived_comes_back(tmp_path: Path, size: int) -> None:
    sections = {"manifest.json": b'{"v":1}', "data": noise(size), "leer/ü": b""}
    assert read(write(tmp_path / "a.cpe", sections)) == sections


def test_a_name_may_come_again_and_sections_may_be_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a.cpe"
    with write_archive(path, PASSPHRASE, cost=CHEAP) as archive:
        for batch in (b"one", b"two"):
            archive.begin("table/device")
            archive.write(batch)
            archive.write(b"!")
            archive.end()
    with read_archive(path, PASSPHRASE) as reader:
        assert [(name, b"".join(contents)) for name, contents in reader.sections()] == [
            ("table/device", b"one!"),
            ("table/device", b"two!"),
        ]
    assert verify(path, PASSPHRASE) == ["table/device", "table/device"]


def test_an_archive_is_for_its_owner_alone_and_shows_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.cpe", {"keyring.json": b"key material" * 9})
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"keyring" not in path.read_bytes()
    assert b"material" not in path.read_bytes()


def test_a_wrong_passphrase_is_told(long: Path) -> None:
    with pytest.raises(KeyringError, match="wrong passphrase or damaged archive") as caught:
        read(long, "wrong horse")
    assert not isinstance(caught.value, SealBroken)


def test_the_same_passphrase_in_another_unicode_form_opens(tmp_path: Path) -> None:
    path = tmp_path / "a.cpe"
    with write_archive(path, "caf\u00e9", cost=CHEAP) as archive:
        archive.section("x", [b"y"])
    assert read(path, "cafe\u0301") == {"x": b"y"}


def test_an_empty_passphrase_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError), write_archive(tmp_path / "a.cpe", "", cost=CHEAP):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_archive_is_told(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"CPEM")
    (tmp_path / "other").write_bytes(b"PK\x03\x04" + bytes(200))
    for name in ("short", "other"):
        with pytest.raises(KeyringError, match="not an archive"):
            read(tmp_path / name)
    with pytest.raises(StoreError, match="cannot read"):
        read(tmp_path / "missing")


def test_an_archive_cut_anywhere_is_noticed(long: Path) -> None:
    data = long.read_bytes()
    chunk_edges = [HEADER + n * SEALED_CHUNK for n in range(6)]
    for length in sorted({*range(0, len(data), len(data) // 40), *chunk_edges, len(data) - 1}):
        long.write_bytes(data[:length])
        with pytest.raises(KeyringError):
            read(long)


@pytest.mark.parametrize(
    "order", [(1, 0, 2), (0, 2, 1), (0, 0, 1, 2), (0, 2), (1, 2), (0, 1)], ids=lambda order: "".join(map(str, order))
)
def test_chunks_moved_doubled_or_left_out_are_noticed(long: Path, order: tuple[int, ...]) -> None:
    data = long.read_bytes()
    head, body = data[:HEADER], data[HEADER:]
    chunks = [body[n : n + SEALED_CHUNK] for n in range(0, len(body), SEALED_CHUNK)]
    first = chunks[:3]
    long.write_bytes(head + b"".join(first[n] for n in order) + b"".join(chunks[3:]))
    with pytest.raises(SealBroken):
        read(long)


def test_bytes_after_the_end_are_noticed(long: Path) -> None:
    long.write_bytes(long.read_bytes() + b"\0")
    with pytest.raises(SealBroken):
        read(long)


def test_a_flipped_bit_in_header_or_body_is_noticed(long: Path) -> None:
    data = long.read_bytes()
    for index in (*range(8, HEADER), HEADER + 5, len(data) // 2, len(data) - 1):
        long.write_bytes(data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :])
        with pytest.raises(KeyringError):
            read(long)


def test_a_header_that_asks_for_too_much_memory_is_refused_at_once(long: Path) -> None:
    data = long.read_bytes()
    for index, value in ((8, 40), (9, 200), (10, 200), (8, 0)):
        long.write_bytes(data[:index] + bytes([value]) + data[index + 1 :])
        with pytest.raises(KeyringError, match="damaged archive"):
            read(long)


def test_a_failure_while_writing_keeps_the_older_archive_and_no_half_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.cpe", {"old": b"old"})

    def breaking() -> Iterator[bytes]:
        yield noise(CHUNK * 2)
        raise ValueError("broke")

    with pytest.raises(ValueError, match="broke"), write_archive(path, PASSPHRASE, cost=CHEAP) as archive:
        archive.section("new", breaking())
    assert read(path) == {"old": b"old"}
    assert [found.name for found in tmp_path.iterdir()] == ["a.cpe"]


def test_misuse_of_sections_is_refused(tmp_path: Path) -> None:
    with write_archive(tmp_path / "a.cpe", PASSPHRASE, cost=CHEAP) as archive:
        with pytest.raises(InputError):
            archive.write(b"outside")
        with pytest.raises(InputError):
            archive.begin("")
        archive.begin("one")
        with pytest.raises(InputError):
            archive.begin("two")
        with pytest.raises(InputError):
            archive.finish()
        archive.end()


def test_a_full_disk_is_told_and_leaves_no_half_file(tmp_path: Path) -> None:
    program = """
        import random, resource, sys
        from pathlib import Path
        from backups.archive import write_archive
        from backups.stream import ScryptCost
        from cpe_manager.domain.errors import StoreFull
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        try:
            with write_archive(Path(sys.argv[1]), "pass", cost=ScryptCost(log2_n=4)) as archive:
                archive.section("big", (random.randbytes(50_000) for _ in range(20)))
        except StoreFull as error:
            print("full:", error)
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "a.cpe")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.startswith("full: cannot write"), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_writing_and_reading_take_constant_memory_even_for_what_compresses_well(tmp_path: Path) -> None:
    total, piece = 200, bytes(1_000_000)
    pieces: Iterator[bytes] = (piece for _ in range(total))
    tracemalloc.start()
    try:
        with write_archive(tmp_path / "a.cpe", PASSPHRASE, cost=CHEAP) as archive:
            archive.section("zeros", pieces)
        with read_archive(tmp_path / "a.cpe", PASSPHRASE) as reader:
            size = sum(len(part) for _, contents in reader.sections() for part in contents)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size == total * len(piece)
    assert peak < 20_000_000


def test_rows_survive_as_json_lines_wherever_pieces_are_cut() -> None:
    rows = [{"id": n, "text": "zeile\nmit ü", "none": None} for n in range(20)]
    data = to_lines(rows)
    for step in (1, 7, len(data)):
        assert list(from_lines(data[n : n + step] for n in range(0, len(data), step))) == rows
    assert list(from_lines([data.rstrip(b"\n")])) == rows


@pytest.mark.parametrize("data", [b"{", b"[]\n", b"\n", b"\xff\n"])
def test_what_is_no_row_is_refused(data: bytes) -> None:
    with pytest.raises(SealBroken):
        list(from_lines([data]))
