"""The README is tried: its commands run, its files load, its tables and its report are what the program prints."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from forking import run
from seeded import seeded

from ringlet_mitm.addons.usage.ledger import insert, transaction, writing
from ringlet_mitm.cli.demo.stage import program
from ringlet_mitm.rules.agents import presets
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.matching import reference
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.rulebook import load_rulebook

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
BLOCKS = [(kind, words.strip(), text) for kind, words, text in BLOCK.findall(README)]
COMMANDS = [line.partition(" #")[0].strip() for kind, _, text in BLOCKS if kind == "sh" for line in text.splitlines()]
# Proxies and demos are started by the tests of the whole, and so is what writes into a person's shell; agents are other
# people's.
# Providers are tried by the tests of `providers test` and `login`, against stand-ins, and prices are fetched from one.
ELSEWHERE = (
    *("ringlet-mitm --profile work", "claude", "export ", "pip install ", 'eval "$(ringlet-mitm env'),
    *("ringlet-mitm providers test", "ringlet-mitm providers login", "ringlet-mitm models update"),
    *(f"ringlet-mitm {name}" for name in ("run", "start", "service", "init", "aliases", "completion")),
)
# Options that make a file, and say so.
WRITING = ("--html", "--parquet")
OURS = [line for line in COMMANDS if line and not line.startswith(("make ", *ELSEWHERE))]


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A home with the README's profile and provider in it."""
    home = tmp_path_factory.mktemp("home")
    (home / "providers").mkdir()
    (home / "request.json").write_text((ROOT / "fixtures/captures/claude-009-post-v1-messages.json").read_text())
    (home / "new.toml").write_text('[default]\nto = "passthrough"\n')
    for kind, words, text in BLOCKS:
        if (kind, words) == ("toml", "provider"):
            (home / "providers" / "mine.toml").write_text(text)
        if (kind, words) == ("toml", "config"):
            (home / "config.toml").write_text(text)
    found = {**os.environ, "RINGLET_HOME": str(home)}
    subprocess.run(program("profiles", "create", "work"), env=found, check=True, capture_output=True)
    for kind, words, text in BLOCKS:
        if (kind, words) == ("toml", ""):
            (home / "profiles" / "work" / "routing.toml").write_text(text)
    return found


@pytest.mark.parametrize("line", OURS)
def test_a_command(line: str, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    name, *words = shlex.split(line)
    assert name == "ringlet-mitm"
    if words[:3] == ["profiles", "create", "work"]:
        words[2] = "another"
    monkeypatch.chdir(environ["RINGLET_HOME"])
    done = run(*words, environ=environ)
    told = done.stderr.splitlines()
    if any(word in WRITING for word in words):
        assert told.pop(0).startswith("wrote ")
    assert (done.returncode, told) == (0, [])


def test_the_env_command(environ: dict[str, str]) -> None:
    line = next(line for line in COMMANDS if line.startswith("eval "))
    words = shlex.split(line.removeprefix('eval "$(').removesuffix(')"'))
    done = subprocess.run(program(*words[1:]), env=environ, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("export HTTPS_PROXY=http://127.0.0.1:8484\n")


def test_make_targets_are_there() -> None:
    wanted = {line.split()[1] for line in COMMANDS if line.startswith("make ")}
    there = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert wanted <= there


def test_every_provider_is_named() -> None:
    for spec in registry({}).list_providers():
        assert re.search(rf"[ `]{re.escape(spec.provider_id)}[,` ]", README), spec.provider_id


def test_the_rules_load() -> None:
    texts = [text for kind, words, text in BLOCKS if (kind, words) == ("toml", "")]
    assert texts
    for text in texts:
        assert load_rulebook(text, "README.md", registry({}, {})).rules


def test_the_table_of_conditions_is_the_programs() -> None:
    for example, meaning in reference():
        assert f"| `{example}` | {meaning} |" in README


def test_the_report_is_the_demos(tmp_path: Path) -> None:
    """Rules, counts and costs; the date is the day's."""
    report = next(text for kind, _, text in BLOCKS if kind == "text")
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    said = subprocess.run(program("demo"), env=environ, capture_output=True, text=True, timeout=60).stdout
    table = report[report.index("RULE") :].strip()
    assert table in said


def test_the_other_reports_are_of_the_made_up_ledger(tmp_path: Path) -> None:
    """Of tests/seeded.py, to the character."""
    home = home_of({"RINGLET_HOME": str(tmp_path)})
    with writing(home.database) as connection, transaction(connection):
        insert(connection, [(made.row, ()) for made in seeded()])
    shown = next(text for kind, _, text in BLOCKS if kind == "console" and "$ ringlet-mitm usage" in text)
    reports = re.split(r"^\$ ringlet-mitm (.*)\n", shown, flags=re.MULTILINE)[1:]
    assert len(reports) == 4
    for words, report in zip(reports[::2], reports[1::2], strict=True):
        environ = {**os.environ, "RINGLET_HOME": str(tmp_path)}
        said = subprocess.run(program(*shlex.split(words)), env=environ, capture_output=True, text=True, timeout=60)
        assert said.stdout == report


def test_the_agents_of_the_table_are_known() -> None:
    known = {preset.agent_id for preset in presets()}
    commands = set(re.findall(r"^\|[^|]+\| `([a-z]+)` \|", README, re.MULTILINE))
    assert commands
    assert commands <= known


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["serve"],
        ["env"],
        ["usage"],
        ["rules"],
        ["profiles"],
        ["providers"],
        ["models"],
        ["status"],
        ["dashboard"],
        ["demo"],
        *([name] for name in ("run", "start", "stop", "logs", "service", "agents", "aliases", "completion", "ca")),
        *([name] for name in ("doctor", "init")),
    ],
)
def test_help_is_there(words: list[str]) -> None:
    assert "Usage:" in run(*words, "--help", environ=os.environ).stdout
