"""The log of a proxy in the background is bounded, whoever has it open."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ringlet_mitm.cli import proxy_log
from ringlet_mitm.cli.proxy_log import bound, earlier, open_log, text_from


def test_it_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "log" / "work.log"
    fd, begin = open_log(path)
    os.close(fd)
    assert (begin, stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0, 0o600, 0o700)


def test_what_was_there_stays_and_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "work.log"
    path.write_text("before\n")
    path.chmod(0o644)
    fd, begin = open_log(path)
    os.write(fd, b"now\n")
    os.close(fd)
    assert (path.read_text(), text_from(path, begin)) == ("before\nnow\n", "now\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_large_one_begins_anew_under_the_same_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy_log, "LARGEST", 10)
    path = tmp_path / "work.log"
    fd, _ = open_log(path)
    os.write(fd, b"more than ten\n")
    bound(path, fd)
    os.write(fd, b"new\n")
    os.close(fd)
    assert (earlier(path).read_text(), path.read_text()) == ("more than ten\n", "new\n")
    assert stat.S_IMODE(earlier(path).stat().st_mode) == 0o600
