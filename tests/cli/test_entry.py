"""The program's beginning: all that is no status line is `main.py`'s."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--help"], 0, "ringlet-mitm --profile work"),
        (["usage", "live", "--help"], 0, "--once"),
        (["usage", "statusline", "--help"], 0, "{session}"),
        (["usage", "statusline", "word"], 2, "word"),
        (["nothing"], 2, "nothing"),
    ],
    ids=str,
)
def test_words(words: list[str], code: int, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ringlet_mitm.cli.entry", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_both_names_of_the_program_begin_here() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert set(scripts.values()) == {"ringlet_mitm.cli.entry:main"}
