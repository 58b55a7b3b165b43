"""Appending survives what disks and processes do."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from children import child
from ledgers import request

from ringlet_mitm.addons.usage.rows import encode_line, new_id
from ringlet_mitm.addons.usage.spool import Spool, all_files, contents, sealed_files

APPEND_1000 = """
spool = Spool(spool_dir, "work", rotate_bytes=200_000)
for _ in range(1000):
    row = request(id=new_id())
    spool.append(row, ())
    say(row.id)
"""
# Signal 25 would end the process; Python ignores it, and the write fails as on a full disk.
FILL = """
spool = Spool(spool_dir, "work")
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
for _ in range(20):
    row = request(id=new_id(), note="x" * 100)
    spool.append(row, ())
    say(row.id)
say(spool.unsaved, spool.retry())
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
say(spool.retry(), spool.unsaved)
"""


def ids(folder: Path) -> list[str]:
    return [row.id for path in all_files(folder) for row, _ in contents(path).exchanges]


def append(spool: Spool, count: int = 1, **given: object) -> list[str]:
    rows = [request(id=new_id(), **given) for _ in range(count)]
    for row in rows:
        spool.append(row, ())
    return [row.id for row in rows]


def test_a_file_is_live_until_it_is_sealed(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "work")
    first = append(spool, 2)
    assert (ids(tmp_path), sealed_files(tmp_path)) == (first, [])
    spool.seal()
    assert sealed_files(tmp_path) == all_files(tmp_path)
    second = append(spool)
    assert ids(tmp_path) == first + second
    assert len(sealed_files(tmp_path)) == 1
    spool.close()
    assert len(sealed_files(tmp_path)) == 2


def test_sealing_without_rows_leaves_no_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "work")
    spool.seal()
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_files_rotate(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "work", rotate_bytes=5000)
    written = append(spool, 20)
    assert len(all_files(tmp_path)) > 3
    assert ids(tmp_path) == written
    assert len(sealed_files(tmp_path)) == len(all_files(tmp_path)) - 1


def test_files_are_the_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "spool"
    append(Spool(folder, "work"))
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o600]


@pytest.mark.parametrize("profile", ["../../etc", "a.b", "größe", "."])
def test_any_profile_name_makes_a_file_here(tmp_path: Path, profile: str) -> None:
    spool = Spool(tmp_path / "spool", profile)
    written = append(spool)
    spool.seal()
    assert ids(tmp_path / "spool") == written
    assert sealed_files(tmp_path / "spool") == list((tmp_path / "spool").iterdir())


def test_a_process_killed_in_the_middle_of_1000_appends(tmp_path: Path) -> None:
    """What it had appended is there, once, and its last file is sealed with its death."""
    with child(APPEND_1000, tmp_path) as process:
        said = process.lines(400)
        assert len(sealed_files(tmp_path / "spool")) == len(all_files(tmp_path / "spool")) - 1
        said += process.kill()
    found = ids(tmp_path / "spool")
    assert len(found) == len(set(found))
    # It may have been killed between an append and saying so.
    assert found[: len(said)] == said and len(found) <= len(said) + 1
    assert sealed_files(tmp_path / "spool") == all_files(tmp_path / "spool")
    assert not any(contents(path).torn for path in all_files(tmp_path / "spool"))


def test_a_full_disk(tmp_path: Path) -> None:
    """Rows wait in memory in their order; the part of a line that still found room is taken back."""
    with child(FILL, tmp_path) as process:
        written = process.lines(20)
        unsaved, retried = process.line().split()
        assert 0 < int(unsaved) < 20 and retried == "False"
        assert process.rest() == ["True 0"]
    assert ids(tmp_path / "spool") == written
    assert [contents(path).bad_lines for path in all_files(tmp_path / "spool")] == [0]


def test_a_place_that_takes_no_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "in-the-way" / "spool"
    folder.parent.write_text("a file")
    spool = Spool(folder, "work")
    written = append(spool, 3)
    assert (spool.unsaved, spool.retry(), spool.unsaved) == (3, False, 3)
    folder.parent.unlink()
    # Only `retry` tries again: an append could wait for a disk that does not answer.
    written += append(spool)
    assert spool.unsaved == 4
    assert (spool.retry(), spool.unsaved, ids(folder)) == (True, 0, written)
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]
    assert ids(folder) + append(spool) == ids(folder)


def test_memory_is_bounded_and_the_loss_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "in-the-way" / "spool"
    folder.parent.write_text("a file")
    spool = Spool(folder, "work", queue_lines=5)
    written = append(spool, 12)
    assert (spool.unsaved, spool.dropped) == (5, 7)
    assert len([record for record in caplog.records if "dropped" in record.message]) == 1
    folder.parent.unlink()
    spool.close()
    assert ids(folder) == written[-5:]


def test_closing_says_what_is_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "in-the-way").write_text("a file")
    spool = Spool(tmp_path / "in-the-way", "work")
    append(spool, 2)
    spool.close()
    assert "2 usage rows are lost" in caplog.text


@pytest.mark.parametrize(
    ("between", "bad_lines", "torn"),
    [
        pytest.param(b"", 0, False, id="nothing"),
        pytest.param(b"hello\n\n", 2, False, id="foreign lines"),
        pytest.param(b'{"v": 1, "request": {"id": "x"\n', 1, False, id="a torn line with others after it"),
        pytest.param(b"\0" * 4096, 1, False, id="zeros, after a power cut"),
    ],
)
def test_what_is_none_of_ours_is_counted_and_the_rest_read(
    tmp_path: Path, between: bytes, bad_lines: int, torn: bool
) -> None:
    first, second = request(id="1"), request(id="2")
    path = tmp_path / "work.1.1.jsonl"
    path.write_bytes(encode_line(first, ()) + between + encode_line(second, ()))
    found = contents(path)
    expected = [first] if b"\0" in between else [first, second]
    assert ([row for row, _ in found.exchanges], found.bad_lines, found.torn) == (expected, bad_lines, torn)


def test_a_line_without_an_end_is_not_there_yet(tmp_path: Path) -> None:
    path = tmp_path / "work.1.1.jsonl"
    path.write_bytes(encode_line(request(id="1"), ()) + encode_line(request(id="2"), ())[:-1])
    found = contents(path)
    assert ([row.id for row, _ in found.exchanges], found.bad_lines, found.torn) == (["1"], 0, True)


def test_other_files_and_no_folder_at_all(tmp_path: Path) -> None:
    assert all_files(tmp_path / "nowhere") == []
    for name in ("notes.txt", "work.1.1.bad", "work.1.2.new", ".jsonl"):
        (tmp_path / name).write_text("x")
    assert all_files(tmp_path) == []
