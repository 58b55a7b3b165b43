"""How shells are spoken to."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from ringlet_mitm.cli.shell import SHELLS, named_agent
from ringlet_mitm.rules.errors import UsageError


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("bash", "export X='it'\"'\"'s $a'"),
        ("fish", "set -gx X 'it\\'s $a';"),
        ("powershell", "$env:X = 'it''s $a'"),
    ],
)
def test_quoting(shell: str, line: str) -> None:
    assert SHELLS[shell].set("X", "it's $a") == line


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("value", ["", "it's", 'a "b" $c `d` \\e \\\\ \\\'', "one\ntwo", "*?[x]~{a,b}", "é ☃"])
def test_any_value_comes_through(shell: str, value: str) -> None:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    lines = "\n".join([*SHELLS[shell].lines({"RINGLET_X": value, "RINGLET_Y": None}), 'printf %s "$RINGLET_X"'])
    assert subprocess.run((found, "-c", lines), capture_output=True, timeout=60, check=True).stdout.decode() == value


def test_an_agent_by_its_name() -> None:
    assert named_agent("claude").file.name == "Claude Code"
    with pytest.raises(UsageError, match="known are aider, claude"):
        named_agent("zzz")
