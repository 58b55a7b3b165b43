"""The file that a running proxy keeps: whole, its owner's, and honest about who is gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ringlet_mitm.addons.usage.running import is_running
from ringlet_mitm.addons.usage.snapshot import Session, Snapshot, Stream, Sums, all_of, clear, file_of, read, write

SNAPSHOT = Snapshot(
    profile="work",
    pid=os.getpid(),
    address="127.0.0.1:8484",
    started_us=1,
    written_us=2,
    day_us=0,
    day_ends_us=9,
    today=Sums(3, 1, 1000, 20, Decimal("0.1234567891"), 1, 1),
    sessions=[Session(session="s", provider="groq", model="llama", context=12)],
    streams=[Stream(id="1", started_us=1, phase="waiting")],
    streams_in_all=1,
)


@pytest.fixture
def gone() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def written(folder: Path, snapshot: Snapshot) -> Path:
    path = file_of(folder, snapshot.profile, snapshot.pid)
    write(path, snapshot)
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "running", SNAPSHOT)
    assert read(path) == SNAPSHOT
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_money_is_a_number_with_every_digit(tmp_path: Path) -> None:
    text = written(tmp_path, SNAPSHOT).read_text()
    assert '"usd":0.1234567891' in text
    assert json.loads(text)["sessions"][0]["context"] == 12


def test_a_disk_that_is_full_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, SNAPSHOT)

    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write(path, replace(SNAPSHOT, written_us=3))
    assert read(path) == SNAPSHOT
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"v":1}', "\xff", "null"], ids=repr)
def test_a_file_that_is_none_of_ours(tmp_path: Path, text: str) -> None:
    path = tmp_path / "work.1.json"
    path.write_text(text, encoding="latin-1")
    assert read(path) is None
    assert all_of(tmp_path) == []


def test_the_running_ones_come_first_then_the_last_written(tmp_path: Path, gone: int) -> None:
    written(tmp_path, replace(SNAPSHOT, profile="dead", pid=gone, written_us=9))
    written(tmp_path, replace(SNAPSHOT, profile="ended", running=False, written_us=8))
    written(tmp_path, replace(SNAPSHOT, profile="old"))
    written(tmp_path, replace(SNAPSHOT, profile="new", written_us=5))
    assert [(one.profile, one.running) for one in all_of(tmp_path)] == [
        ("new", True),
        ("old", True),
        ("dead", False),
        ("ended", False),
    ]


def test_what_dead_proxies_of_the_profile_left_is_cleared(tmp_path: Path, gone: int) -> None:
    written(tmp_path, replace(SNAPSHOT, pid=gone))
    written(tmp_path, replace(SNAPSHOT, pid=gone, profile="play"))
    kept = written(tmp_path, SNAPSHOT)
    (tmp_path / "work.77.json").write_text("torn")
    clear(tmp_path, "work")
    assert {one.name for one in tmp_path.iterdir()} == {kept.name, f"play.{gone}.json"}


def test_there_is_no_folder_yet(tmp_path: Path) -> None:
    assert all_of(tmp_path / "nowhere") == []
    clear(tmp_path / "nowhere", "work")


def test_processes(gone: int) -> None:
    assert is_running(os.getpid())
    assert is_running(1)
    assert not is_running(gone)
    assert not is_running(0)
    assert not is_running(-1)


SUMS = st.builds(
    Sums, *[st.integers(0, 10**12)] * 4, st.decimals(0, 10**6, places=10), st.integers(0, 99), st.integers(0, 99)
)


@given(SUMS, SUMS, SUMS)
def test_sums_add_up_in_any_order(one: Sums, two: Sums, three: Sums) -> None:
    assert one + (two + three) == (three + one) + two
    assert one + Sums() == one
