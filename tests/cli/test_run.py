"""`run` from the command line, as far as no proxy is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ringlet_mitm.cli.main import group
from ringlet_mitm.cli.profile_choice import chosen
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import Profile, save_profile


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_of({"RINGLET_HOME": str(tmp_path)})


def run(home: Home, *words: str) -> Result:
    return CliRunner(env={"RINGLET_HOME": str(home.config), "HOME": str(home.config), "PATH": "/nowhere"}).invoke(
        group, ("run", *words)
    )


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("vibe", "vibe is not installed, or not on PATH; install it:  uv tool install mistral-vibe"),
        ("no-such-agent", "no-such-agent is not installed, or not on PATH"),
        ("./no-such-agent", "./no-such-agent is not installed, or not on PATH"),
    ],
)
def test_an_agent_that_is_not_there(home: Home, program: str, said: str) -> None:
    save_profile(home, Profile(name="work"))
    for words in (("--", program), ("--profile", "work", "--", program, "--help")):
        done = run(home, *words)
        assert (done.exit_code, done.stderr) == (127, f"ringlet-mitm: {said}\n")
    assert not home.leases_dir.exists()


def test_nothing_to_run(home: Home) -> None:
    save_profile(home, Profile(name="work"))
    assert "say what to run:  ringlet-mitm run --profile work -- claude" in str(run(home).exception)


def test_the_profiles_own_agent(home: Home) -> None:
    save_profile(home, Profile(name="work", agent="vibe"))
    assert "vibe is not installed" in run(home).stderr


@pytest.mark.parametrize(
    ("there", "name", "meant"),
    [
        ([], None, "default"),
        (["work"], None, "work"),
        (["default", "work"], None, "default"),
        (["work"], "other", "other"),
    ],
    ids=["none", "one", "several and the default", "named"],
)
def test_which_profile_is_meant(home: Home, there: list[str], name: str | None, meant: str) -> None:
    for one in there:
        save_profile(home, Profile(name=one))
    assert chosen(home, name) == meant


def test_nobody_can_tell_which_profile_is_meant(home: Home) -> None:
    for one in ("play", "work"):
        save_profile(home, Profile(name=one))
    with pytest.raises(UsageError, match="say which profile with --profile; there are play, work"):
        chosen(home, None)


def test_a_proxy_is_started_before_what_takes_long_is_imported() -> None:
    code = (
        "import sys, ringlet_mitm.cli.run\n"
        "print([name for name in ('pydantic', 'mitmproxy', 'duckdb', 'rich') if name in sys.modules])"
    )
    words = (sys.executable, "-c", code)
    assert subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout == "[]\n"
