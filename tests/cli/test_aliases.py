"""Functions that shells really read, and the start-up file afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ringlet_mitm.cli import aliases
from ringlet_mitm.cli.aliases import command
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile, save_profile

RC = {"bash": ".bashrc", "zsh": ".zshrc", "fish": ".config/fish/config.fish"}
SAYS_WORDS = '#!/bin/sh\necho "{}:"\nfor word in "$@"; do printf "<%s>" "$word"; done\n'


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with two agents, one of them not on PATH, and a stand-in for us that says what it is called with."""
    for name in ("ZDOTDIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RINGLET_HOME", str(tmp_path / "it's ours"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    program(tmp_path / "bin/claude", SAYS_WORDS.format("the agent itself"))
    program(tmp_path / ".opencode/bin/opencode", SAYS_WORDS.format("the agent itself"))
    program(tmp_path / "bin/cursor-agent", SAYS_WORDS.format("not routable"))
    program(tmp_path / "venv/bin/ringlet-mitm", SAYS_WORDS.format("ringlet-mitm"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv/bin/python"))
    save_profile(home_of(os.environ), Profile(name="work", port=9001))
    return tmp_path


def call(*words: str, keys: str = "") -> Result:
    return CliRunner().invoke(command, words, input=keys, catch_exceptions=False)


def in_shell(shell: str, line: str) -> str:
    """What a line prints in a new interactive shell."""
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run(
        (found, "-i", "-c", line), capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )
    return done.stdout


WORDS = """claude -p 'it is a "test"' '' '$HOME' '*'"""
ARRIVES = """<-p><it is a "test"><><$HOME><*>"""


@pytest.mark.parametrize("shell", RC)
def test_its_name_starts_an_agent_through_us(shell: str, person: Path) -> None:
    rc = person / RC[shell]
    rc.parent.mkdir(parents=True, exist_ok=True)
    rc.write_bytes(b"true")
    assert call("install", "work", "--shell", shell, "-y").exit_code == 0
    assert in_shell(shell, WORDS) == "ringlet-mitm:\n<run><--profile><work><--><claude>" + ARRIVES
    by_path = in_shell(shell, "opencode run x")
    assert by_path == f"ringlet-mitm:\n<run><--profile><work><--><{person}/.opencode/bin/opencode><run><x>"
    assert "not routable" in in_shell(shell, "cursor-agent")
    (person / "venv/bin/ringlet-mitm").unlink()
    assert in_shell(shell, WORDS) == "the agent itself:\n" + ARRIVES
    assert call("uninstall").output == f"taken out of ~/{RC[shell]}; open shells keep them until they end\n"
    assert rc.read_bytes() == b"true"
    assert in_shell(shell, WORDS) == "the agent itself:\n" + ARRIVES


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_aliases_of_a_persons_own_are_no_error(shell: str, person: Path) -> None:
    own = "alias claude='claude --verbose'\nalias opencode=~/.opencode/bin/opencode\n"
    (person / RC[shell]).write_text(own)
    call("install", "work", "--shell", shell, "-y")
    assert in_shell(shell, "eval 'claude x'").endswith("<--><claude><--verbose><x>")
    assert in_shell(shell, "eval 'opencode x'").startswith("ringlet-mitm:")


def test_what_is_written_is_shown_and_asked_for(person: Path) -> None:
    refused = call("install", "work", "--shell", "bash", keys="n\n")
    assert refused.exit_code == 1
    assert "~/.bashrc, as its last line:" in refused.output
    assert "function claude {" in refused.output
    assert not (person / ".bashrc").exists()
    assert not (person / "it's ours/aliases.bash").exists()
    assert call("install", "work", "--shell", "bash", keys="y\n").exit_code == 0
    assert (person / ".bashrc").exists()


def test_installing_again_changes_nothing(person: Path) -> None:
    call("install", "work", "--shell", "zsh", "-y")
    before = (person / ".zshrc").read_bytes()
    again = call("install", "work", "--shell", "zsh")
    assert again.output == "these go through 'work' already: claude, opencode\n"
    assert (person / ".zshrc").read_bytes() == before


def test_another_profile_takes_its_place(person: Path) -> None:
    save_profile(home_of(os.environ), Profile(name="play", port=9002))
    call("install", "work", "--shell", "zsh", "-y")
    before = (person / ".zshrc").read_bytes()
    call("install", "play", "--shell", "zsh", "-y")
    assert (person / ".zshrc").read_bytes() == before
    assert [line.split() for line in call("list").output.splitlines()[1:]] == [
        ["zsh", "~/.zshrc", "claude", "play"],
        ["zsh", "~/.zshrc", "opencode", "play"],
    ]
    assert call("uninstall", "work").output == "there were none\n"
    assert aliases.aliased(home_of(os.environ), {**os.environ, "SHELL": "/bin/zsh"}) == dict.fromkeys(
        ("claude", "opencode"), "play"
    )
    call("uninstall", "play")
    assert call("list").output.startswith("none;")
    assert not (person / ".zshrc").exists()


def test_a_profile_that_is_not_there(person: Path) -> None:
    with pytest.raises(UsageError, match="nobody"):
        call("install", "nobody", "--shell", "bash", "-y")


def test_no_agents(person: Path) -> None:
    (person / "bin/claude").unlink()
    (person / ".opencode/bin/opencode").unlink()
    if shutil.which("claude") is None and not Path("/usr/local/bin/claude").exists():
        with pytest.raises(UsageError, match="agents list --all"):
            call("install", "work", "--shell", "bash", "-y")


def test_powershell_on_paper(person: Path) -> None:
    done = call("install", "work", "--shell", "powershell", "-y")
    assert "ringlet-mitm' run --profile 'work' -- 'claude' @args" in done.output
    assert (person / ".config/powershell/Microsoft.PowerShell_profile.ps1").read_text().startswith("if (Test-Path '")
