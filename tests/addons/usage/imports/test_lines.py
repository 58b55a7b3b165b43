from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from alone import memory_of
from logged import written

from ringlet_mitm.addons.usage.imports import lines as reading
from ringlet_mitm.addons.usage.imports.calls import Section
from ringlet_mitm.addons.usage.imports.lines import TOO_LONG, lines, oldest_first


def test_lines_and_what_is_not_one_yet(tmp_path: Path) -> None:
    file = written(tmp_path / "log", [b"one\n", b"\n", b"three"])
    assert [(line.text, line.whole) for line in lines(file, Section())] == [
        (b"one\n", True),
        (b"\n", True),
        (b"three", False),
    ]


def test_a_line_that_is_too_long_is_left_out_and_the_next_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LONGEST", 10)
    section = Section()
    file = written(tmp_path / "log", [b"a" * 35 + b"\n", b"123456789\n", b"b" * 30])
    assert [line.text for line in lines(file, section)] == [b"123456789\n"]
    assert section.skipped == {TOO_LONG: 2}


def all_lines_of(file: Path) -> Callable[[], None]:
    def are_read() -> None:
        assert sum(1 for _ in lines(file, Section())) == 100

    return are_read


def test_a_large_file_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    file = written(tmp_path / "log", (b"x" * 1_000_000 + b"\n" for _ in range(100)))
    assert memory_of(all_lines_of, file).peak < 10_000_000


def test_files_go_by_their_age_and_what_is_gone_or_no_file_is_left_out(tmp_path: Path) -> None:
    old, new = written(tmp_path / "b", []), written(tmp_path / "a", [])
    os.utime(old, (1, 1))
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    assert oldest_first([new, old, tmp_path / "folder", tmp_path / "dangling", tmp_path / "gone"]) == [old, new]
