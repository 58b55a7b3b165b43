from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from ringlet_mitm.rules.whole_files import write_whole


def test_a_file_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("old")
    write_whole(path, b"new")
    assert path.read_text() == "new"
    assert [one.name for one in tmp_path.iterdir()] == ["a.toml"]
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_where_it_cannot_be_written_nothing_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.mkdir()
    with pytest.raises(OSError):
        write_whole(path, b"new")
    assert [one.name for one in tmp_path.iterdir()] == ["a.toml"]
