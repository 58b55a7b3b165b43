"""The entry point: lazy commands, the default one, and how errors end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ringlet_mitm.cli.main import COMMANDS, group

RUN = (sys.executable, "-c", "from ringlet_mitm.cli.main import main; main()")


def run(*words: str, home: Path, code: str = RUN[2]) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "RINGLET_HOME": str(home)}
    command = (sys.executable, "-c", code, *words)
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_help_lists_every_command_and_imports_none() -> None:
    code = (
        "import sys\nfrom ringlet_mitm.cli.main import group\ngroup.main(['--help'], standalone_mode=False)\n"
        "print([m for m in sys.modules if m.startswith(('mitmproxy', 'duckdb', 'pydantic', 'ringlet_mitm.addons'))])"
    )
    shown = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True, timeout=60).stdout
    assert all(name in shown for name in COMMANDS)
    assert shown.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_in_the_table_is_the_commands_own(name: str) -> None:
    if find_spec(COMMANDS[name].module.rpartition(".")[0]) is None or find_spec(COMMANDS[name].module) is None:
        pytest.skip("that command is not built yet")
    command = group.get_command(click.Context(group), name)
    assert command is not None
    assert command.get_short_help_str(limit=200) == COMMANDS[name].help


def test_options_without_a_command_go_to_serve() -> None:
    by_default = CliRunner().invoke(group, ["--profile", "work", "--help"])
    by_name = CliRunner().invoke(group, ["serve", "--profile", "work", "--help"])
    assert by_default.exit_code == 0
    assert by_default.output == by_name.output
    assert "--connect-to" in by_default.output


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_is_the_groups_own(option: str) -> None:
    assert "Commands:" in CliRunner().invoke(group, [option]).output


def test_version() -> None:
    assert (
        CliRunner().invoke(group, ["--version"], prog_name="ringlet").output == f"ringlet {version('ringlet-mitm')}\n"
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(("profiles", "show", "nobody"), "ringlet-mitm: there is no profile 'nobody'", id="ours"),
        pytest.param(("providers", "show", "antropic"), "did you mean 'anthropic'?", id="with a suggestion"),
        pytest.param(("frobnicate",), "No such command 'frobnicate'", id="unknown command"),
        pytest.param(("profiles", "create"), "Missing argument 'NAME'", id="missing word"),
    ],
)
def test_errors_are_short_and_end_with_2(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    done = run(*words, home=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_broken_pipe_is_quiet(tmp_path: Path) -> None:
    environ = {**os.environ, "RINGLET_HOME": str(tmp_path)}
    with subprocess.Popen(
        (*RUN, "providers", "list", "--json"), env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        said = child.stderr.read()
        assert child.wait(60) == 1
    assert said == b""


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_an_interrupt_ends_with_130(tmp_path: Path) -> None:
    code = (
        "import os, signal\nfrom ringlet_mitm.cli import main as m\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "@m.group.command()\ndef stuck(): os.kill(os.getpid(), signal.SIGINT)\n"
        f"m.COMMANDS['stuck'] = m.Entry('__main__', '', 'stuck')\nassert {int(signal.SIGINT)}\nm.main()"
    )
    done = run("stuck", home=tmp_path, code=code)
    assert (done.returncode, "Traceback" in done.stderr) == (130, False)
