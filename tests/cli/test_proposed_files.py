"""Files that are shown before they are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringlet_mitm.cli.proposed_files import ProposedFile, shown
from ringlet_mitm.rules.errors import ConfigError


def test_a_new_file_is_shown_whole(tmp_path: Path) -> None:
    file = ProposedFile.at(tmp_path / "deep" / "a.toml", "a = 1\n\nb = 2\n")
    assert shown([file]) == f"{file.path} (new):\n\n  a = 1\n\n  b = 2"
    assert not file.overwrites
    file.write()
    assert file.path.read_text() == "a = 1\n\nb = 2\n"


def test_of_a_file_that_is_there_the_changes_are_shown(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("a = 1\nb = 2\n")
    file = ProposedFile.at(tmp_path / "a.toml", "a = 1\nb = 3\n")
    assert shown([file]).splitlines()[2:] == ["  @@ -1,2 +1,2 @@", "   a = 1", "  -b = 2", "  +b = 3"]
    assert file.overwrites


def test_one_that_says_it_already_stays(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("a = 1\n")
    file = ProposedFile.at(tmp_path / "a.toml", "a = 1\n")
    assert (file.is_there, file.overwrites) == (True, False)
    assert shown([file]) == f"{file.path} stays as it is"


def test_what_cannot_be_read_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        ProposedFile.at(tmp_path / "a.toml", "")


def test_what_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"a\.toml: cannot be written"):
        ProposedFile.at(tmp_path / "file" / "a.toml", "").write()
