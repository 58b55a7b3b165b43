"""Our line in a start-up file, and the file without it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.cli.rc_files import Piece, has_line, rc_file, with_line, without_line
from ringlet_mitm.rules.errors import ConfigError

MARK = "ringlet-mitm aliases"
LINE = f". /x  # {MARK}"
CONTENTS: dict[str, bytes | None] = {
    "none": None,
    "empty": b"",
    "a line": b"alias a=b\n",
    "an open line": b"alias a=b",
    "only a line's end": b"\n",
    "lines of Windows": b"alias a=b\r\n",
    "an open one": b"a\r\nb",
    "bytes that are no text": b"\xff\xfe\x00",
    "speaks of us": b"# ringlet-mitm aliases are nice\n",
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_as_it_was(content: bytes | None) -> None:
    there = with_line(content, LINE, MARK)
    assert has_line(there, MARK)
    assert without_line(there, MARK) == content


@given(st.none() | st.binary(max_size=40), st.sampled_from([LINE, f". /y  # {MARK}"]))
def test_any_file(content: bytes | None, other: str) -> None:
    there = with_line(content, other, MARK)
    assert with_line(there, LINE, MARK) == with_line(content, LINE, MARK)
    assert without_line(with_line(there, LINE, MARK), MARK) == content


@pytest.mark.parametrize("content", [b"a\n", b"a"])
def test_what_a_person_added_since_stays(content: bytes) -> None:
    there = with_line(content, LINE, MARK) + b"added\n"
    assert without_line(there, MARK) == b"a\nadded\n"


def test_what_was_added_to_a_file_that_we_made_stays() -> None:
    assert without_line(with_line(None, LINE, MARK) + b"added\n", MARK) == b"added\n"


def test_two_marks_know_each_other_not() -> None:
    other = "ringlet-mitm completion"
    both = with_line(with_line(b"a", LINE, MARK), f". /y  # {other}", other)
    assert without_line(without_line(both, other) or b"", MARK) == b"a"
    assert without_line(without_line(both, MARK) or b"", other) in (b"a", b"a\n")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


@pytest.mark.parametrize(
    ("shell", "variables", "path"),
    [
        ("zsh", {}, ".zshrc"),
        ("zsh", {"ZDOTDIR": "zsh"}, "zsh/.zshrc"),
        ("fish", {}, ".config/fish/config.fish"),
        ("fish", {"XDG_CONFIG_HOME": "else"}, "else/fish/config.fish"),
    ],
)
def test_where_it_is(shell: str, variables: dict[str, str], path: str, environ: dict[str, str], tmp_path: Path) -> None:
    around = environ | {name: str(tmp_path / value) for name, value in variables.items()}
    assert rc_file(shell, around).path == tmp_path / path


def put(piece: Piece, environ: dict[str, str], text: str = "x") -> bool:
    return piece.put(text, environ, lambda start: True)


def test_a_link_stays_one_and_the_mode_too(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "dotfiles").mkdir()
    real = tmp_path / "dotfiles" / "zshrc"
    real.write_bytes(b"a")
    real.chmod(0o640)
    (tmp_path / ".zshrc").symlink_to(real)
    piece = Piece("zsh", tmp_path / "ours", MARK)
    assert put(piece, environ)
    assert not put(piece, environ)
    assert (tmp_path / ".zshrc").is_symlink()
    assert real.read_bytes().startswith(b"a\n[ ! -f ")
    assert real.stat().st_mode & 0o777 == 0o640
    assert piece.take(environ).endswith("/.zshrc")
    assert (real.read_bytes(), list((tmp_path / "ours").iterdir())) == (b"a", [])


def test_a_file_that_we_made_goes(tmp_path: Path, environ: dict[str, str]) -> None:
    piece = Piece("fish", tmp_path / "ours", MARK)
    assert put(piece, environ)
    assert (tmp_path / ".config/fish/config.fish").stat().st_mode & 0o777 == 0o644
    piece.take(environ)
    assert not (tmp_path / ".config/fish/config.fish").exists()
    assert piece.take(environ) == ""


def test_what_is_not_agreed_to_is_not_written(tmp_path: Path, environ: dict[str, str]) -> None:
    assert not Piece("zsh", tmp_path / "ours", MARK).put("x", environ, lambda start: False)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_read(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / ".zshrc").mkdir()
    with pytest.raises(ConfigError, match="zshrc"):
        rc_file("zsh", environ)


def test_another_text_is_written(tmp_path: Path, environ: dict[str, str]) -> None:
    piece = Piece("zsh", tmp_path / "it's ours", MARK)
    assert put(piece, environ)
    assert put(piece, environ, "y")
    assert piece.text(environ) == "y"
    (tmp_path / ".zshrc").write_bytes(b"")
    assert piece.text(environ) == ""
    assert [file.name for file in (tmp_path / "it's ours").iterdir()] == ["aliases.zsh"]
