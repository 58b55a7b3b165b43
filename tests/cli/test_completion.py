"""What a TAB gives: from click's machinery on stand-ins, and in real shells."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from ringlet_mitm.cli import command_tree
from ringlet_mitm.cli.completing import PROGRAM, VARIABLE, values_of
from ringlet_mitm.cli.completion import command, script
from ringlet_mitm.cli.main import COMMANDS, DEFAULT_COMMAND, group
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile, save_profile

ROUTING = """
[[rule]]
name = "cheap"
match = { tool-use = true }
to = "groq"

[default]
to = "anthropic"
"""
MODELS = '[[model]]\nid = "my-own-model"\nbase-url = "http://127.0.0.1:1/v1"\n'
TAB_S = 60


@pytest.fixture(scope="module")
def tree() -> command_tree.Description:
    return command_tree.described(group)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two profiles, one of them with a rule; a provider and a model of the person's; an agent on PATH."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RINGLET_HOME", str(tmp_path))
    home = home_of(os.environ)
    for name in ("work", "play"):
        save_profile(home, Profile(name=name))
    home.routing_file("work").write_text(ROUTING)
    home.providers_dir.mkdir()
    (home.providers_dir / "my-own-provider.toml").write_text("")
    home.models_file.write_text(MODELS)
    agent = tmp_path / "bin" / "claude"
    agent.parent.mkdir()
    agent.write_text("")
    monkeypatch.setenv("PATH", f"{agent.parent}:{Path(sys.executable).parent}:/usr/bin:/bin")
    return tmp_path


def tabbed(tree: command_tree.Description, line: str) -> list[str]:
    *words, incomplete = line.split(" ")
    stand_in = command_tree.stand_in(PROGRAM, tree, values_of)
    items = ShellComplete(stand_in, {}, PROGRAM, VARIABLE).get_completions(words, incomplete)
    return [item.value if item.type == "plain" else f"({item.type})" for item in items]


EXACTLY = {
    "env --profile ": ["play", "work"],
    "--profile w": ["work"],
    "--profile work --por": ["--port"],
    "agents sh": ["show"],
    "agents show clau": ["claude"],
    "env --agent cod": ["codex"],
    "env --shell f": ["fish"],
    "aliases install p": ["play"],
    "profiles set w": ["work"],
    "profiles create w": [],
    "profiles create x --provider groq --model claude-haiku-4-": ["claude-haiku-4-5"],
    "providers show my": ["my-own-provider"],
    "providers test groq anthro": ["anthropic"],
    "models show my": ["my-own-model"],
    "usage report --rule ": ["cheap", "default"],
    "usage report --profile play --rule ": ["default"],
    "rules check ": ["(file)"],
    "run --profile work -- ": ["claude"],
    "run claude -p ": ["(file)"],
    "profiles show nobody --js": ["--json"],
}


@pytest.mark.parametrize(("line", "found"), EXACTLY.items(), ids=EXACTLY)
def test_a_tab(tree: command_tree.Description, line: str, found: list[str]) -> None:
    assert tabbed(tree, line) == found


def test_all_commands(tree: command_tree.Description) -> None:
    assert tabbed(tree, "") == list(COMMANDS)


def test_options_of_the_command_that_is_meant(tree: command_tree.Description) -> None:
    assert {"--profile", "--port", "--web", "--version"} <= set(tabbed(tree, "--"))
    assert set(tabbed(tree, f"{DEFAULT_COMMAND} --")) <= set(tabbed(tree, "--"))


def commands(real: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, real
    if isinstance(real, click.Group):
        context = click.Context(real)
        for name in real.list_commands(context):
            below = real.get_command(context, name)
            assert below is not None
            yield from commands(below, (*path, name))


def test_stand_ins_have_the_options_of_the_commands(tree: command_tree.Description) -> None:
    for path, real in commands(group):
        stand_in = command_tree.stand_in(PROGRAM, tree, values_of)
        for name in path:
            assert isinstance(stand_in, click.Group)
            found = stand_in.get_command(click.Context(stand_in), name)
            assert found is not None
            stand_in = found
        assert [(one.opts, one.secondary_opts, one.nargs) for one in stand_in.params] == [
            (one.opts, one.secondary_opts, one.nargs) for one in real.params
        ], path


def test_every_parameter_with_names_is_one_of_a_command(tree: command_tree.Description) -> None:
    """A name that is changed there would go on being completed by nothing here."""
    from ringlet_mitm.cli.completing import ANYWHERE, OF_COMMANDS

    there = {(" ".join(path), one.name or "") for path, real in commands(group) for one in real.params}
    first = {(path.partition(" ")[0], name) for path, name in there}
    assert set(OF_COMMANDS) <= there | first
    assert set(ANYWHERE) - {"rule"} <= {name for _, name in there}


def test_the_tree_is_kept_until_the_code_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def make() -> click.Command:
        made.append(1)
        return click.Command("x", help="One.")

    file = tmp_path / "deep" / "tree.json"
    first = command_tree.command_tree(file, make)
    assert command_tree.command_tree(file, make) == first
    assert len(made) == 1
    file.write_text("{")
    assert command_tree.command_tree(file, make) == first
    monkeypatch.setattr(command_tree, "code_stamp", lambda folder: "another")
    assert command_tree.command_tree(file, make) == first
    assert len(made) == 3


def test_the_stamp_is_of_every_file(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "a.py").write_text("1")
    before = command_tree.code_stamp(tmp_path)
    assert command_tree.code_stamp(tmp_path) == before
    (tmp_path / "below" / "a.py").write_text("22")
    assert command_tree.code_stamp(tmp_path) != before


def keep_tree() -> None:
    """As `completion install` does."""
    command_tree.command_tree(home_of(os.environ).cache / "completion.json", lambda: group)


def asked(line: str) -> tuple[str, ...]:
    """A TAB as the program answers it, with the modules that it took."""
    code = (
        "import sys\nfrom ringlet_mitm.cli.entry import main\ntry:\n    main()\nfinally:\n"
        "    heavy = ('pydantic', 'mitmproxy', 'duckdb', 'rich', 'httpx', 'ringlet_mitm.addons', 'asyncio')\n"
        "    print([name for name in sys.modules if name.startswith(heavy)])"
    )
    environ = {**os.environ, VARIABLE: "bash_complete", "COMP_WORDS": f"{PROGRAM} {line}"}
    environ["COMP_CWORD"] = str(len(environ["COMP_WORDS"].split(" ")) - 1)
    done = subprocess.run((sys.executable, "-c", code), env=environ, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return tuple(done.stdout.splitlines())


def test_a_tab_imports_nothing_that_takes_long() -> None:
    keep_tree()
    assert asked("env --profile ") == ("plain,play", "plain,work", "[]")


def typed(shell: str, words: tuple[str, ...], script_file: Path, lines: dict[str, str]) -> None:
    """Read the script in an interactive shell, and type each line and a TAB until it shows what is said beside it."""
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="dumb", PS1="> ")
        os.execv(found, (shell, *words))
    try:
        os.write(terminal, f". {script_file}; echo rea''dy\n".encode())
        _read_until(terminal, "ready\r\n")
        for line, until in lines.items():
            os.write(terminal, f"{line}\t".encode())
            _read_until(terminal, until)
            os.write(terminal, b"\x15")  # away with it
    finally:
        os.close(terminal)
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def _read_until(terminal: int, text: str) -> str:
    shown, end = "", time.monotonic() + TAB_S
    while text not in shown:
        if not select.select([terminal], [], [], max(0, end - time.monotonic()))[0]:
            raise AssertionError(f"no {text!r} in {shown!r}")
        shown += os.read(terminal, 4096).decode(errors="replace")
    return shown


SHELLS = {"bash": ("--norc", "--noprofile", "-i"), "zsh": ("-f", "-i")}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_tab_in_a_real_shell(shell: str, home: Path) -> None:
    keep_tree()
    (home / "script").write_text(script(shell))
    lines = {"ringlet-mitm env --profile w": "profile work", "ringlet agents sh": "agents show"}
    typed(shell, SHELLS[shell], home / "script", lines)


@pytest.mark.parametrize("name", ["ringlet-mitm", "ringlet"])
def test_a_tab_in_fish(name: str, home: Path) -> None:
    fish = shutil.which("fish")
    if fish is None:
        pytest.skip("fish is not installed")
    keep_tree()
    code = f"{script('fish')}\ncomplete -C '{name} env --profile '\ncomplete -C '{name} agents sh'"
    done = subprocess.run((fish, "--no-config", "-c", code), capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["play", "work", "show\tShow where an agent sends"]


@pytest.mark.parametrize(
    ("shell", "rc"), [("bash", ".bashrc"), ("zsh", ".zshrc"), ("fish", ".config/fish/config.fish")]
)
def test_installed_and_taken_away(shell: str, rc: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ZDOTDIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    (home / rc).parent.mkdir(parents=True, exist_ok=True)
    (home / rc).write_bytes(b"true")
    done = CliRunner().invoke(command, ["install", "--shell", shell, "-y"], catch_exceptions=False)
    assert (done.exit_code, (home / f"completion.{shell}").read_text()) == (0, script(shell))
    assert (home / "cache/completion.json").is_file()
    again = CliRunner().invoke(command, ["install", "--shell", shell], catch_exceptions=False)
    assert again.output == "it is there already\n"
    assert CliRunner().invoke(command, ["uninstall"]).output == f"taken out of ~/{rc}\n"
    assert (home / rc).read_bytes() == b"true"


def test_the_script_is_printed() -> None:
    assert CliRunner().invoke(command, ["zsh"], catch_exceptions=False).output == script("zsh")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_read_without_a_word(shell: str, home: Path) -> None:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    (home / "script").write_text(script(shell))
    done = subprocess.run((found, "-c", f". {home}/script"), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
