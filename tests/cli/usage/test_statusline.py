"""One line for Claude Code and tmux: what it says, that it always says something, and how little it takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ringlet_mitm.addons.usage.snapshot import Session, Snapshot, Stream, Sums, file_of, write
from ringlet_mitm.cli.main import group
from ringlet_mitm.cli.usage import statusline
from ringlet_mitm.cli.usage.statusline import DEFAULT, line, options_of, pieces, seen
from ringlet_mitm.cli.usage.statusline_fields import FIELDS, Seen
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.folders import SNAPSHOTS, folder
from ringlet_mitm.rules.home import Home, home_of

NOW = 1_790_000_000.0
NOW_US = round(NOW * 1e6)
PROGRAM = [sys.executable, "-m", "ringlet_mitm.cli.entry", "usage", "statusline"]
SESSION = Session(
    session="abc",
    sums=Sums(12, 0, 120_000, 4000, Decimal("0.42"), 0, 0),
    provider="anthropic",
    model="claude-sonnet-4-5",
    rule="tool-use → anthropic",
    context=48_000,
    last_us=NOW_US,
)
SNAPSHOT = Snapshot(
    profile="work",
    pid=os.getpid(),
    address="127.0.0.1:8484",
    started_us=NOW_US - 10**9,
    written_us=NOW_US,
    day_us=NOW_US - 10**9,
    day_ends_us=NOW_US + 10**9,
    today=Sums(40, 2, 900_000, 20_000, Decimal("3.1"), 1, 1),
    minute=Sums(3, 0, 30_000, 500, Decimal("0.1"), 0, 0),
    sessions=[SESSION, Session(session="other", model="m", sums=Sums(requests=1))],
    streams=[Stream(id="1", started_us=1, phase="streaming"), Stream(id="2", started_us=1, phase="in line")],
)
# As Claude Code 2.1 says it.
AGENT: dict[str, Any] = {
    "hook_event_name": "Status",
    "session_id": "abc",
    "transcript_path": "/home/u/.claude/projects/x/abc.jsonl",
    "cwd": "/home/u/house",
    "model": {"id": "claude-opus-4-8", "display_name": "Opus 4.8"},
    "workspace": {"current_dir": "/home/u/house/src", "project_dir": "/home/u/house"},
    "version": "2.1.197",
    "cost": {"total_cost_usd": Decimal("0.37"), "total_duration_ms": 67_065},
    "context_window": {"context_window_size": 200_000, "used_percentage": 26, "current_usage": None},
    "rate_limits": {"five_hour": {"used_percentage": Decimal("23.5"), "resets_at": 1_738_425_600}, "seven_day": None},
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("RINGLET_HOME", str(tmp_path))
    for name in ("HTTPS_PROXY", "https_proxy", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return home_of({"RINGLET_HOME": str(tmp_path)})


def written(home: Home, *snapshots: Snapshot) -> str:
    for snapshot in snapshots:
        write(file_of(home.snapshots_dir, snapshot.profile, snapshot.pid), snapshot)
    return str(home.snapshots_dir)


def says(where: str, template: str = DEFAULT, agent: dict[str, Any] | None = None, **given: Any) -> str:
    return line(seen(where, agent or {}, given.pop("environ", {}), now=NOW, **given), template, "none")


def test_where_the_files_are_is_said_once() -> None:
    for environ in ({"HOME": "/u"}, {"RINGLET_HOME": "/one"}, {"HOME": "/u", "XDG_STATE_HOME": "/x"}):
        assert str(home_of(environ).snapshots_dir) == f"{folder('state', environ)}/{SNAPSHOTS}"


def test_the_line(home: Home) -> None:
    assert says(written(home, SNAPSHOT), agent=AGENT) == (
        "anthropic/claude-sonnet-4-5 · $0.42 session · ≥~$3.10 today · 48K (24%) context · 1 running · 1 waiting"
        " · 2 failed"
    )


FIELD_CASES = {
    "target": "anthropic/claude-sonnet-4-5",
    "provider": "anthropic",
    "model": "claude-sonnet-4-5",
    "rule": "tool-use → anthropic",
    "session": "$0.42",
    "session_requests": "12",
    "session_tokens": "120K / 4.0K",
    "context": "48K (24%)",
    "context_share": "24%",
    "today": "≥~$3.10",
    "today_requests": "40",
    "today_tokens": "~900K / 20K",
    "failing": "2 failed",
    "streams": "1",
    "waiting": "1",
    "per_minute": "3",
    "tokens_per_minute": "30K",
    "profile": "work",
    "proxy": "",
    "agent_model": "Opus 4.8",
    "agent_cost": "$0.37",
    "five_hour": "24%",
    "seven_day": "",
    "project": "house",
}


def test_every_field_has_a_case() -> None:
    assert list(FIELD_CASES) == list(FIELDS)


@pytest.mark.parametrize("name", FIELDS)
def test_a_field(home: Home, name: str) -> None:
    assert says(written(home, SNAPSHOT), f"{{{name}}}", AGENT) == FIELD_CASES[name]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        pytest.param(
            "{model}|{seven_day} of 7 days|{five_hour}", "claude-sonnet-4-5 · 24%", id="an empty part is left out"
        ),
        pytest.param("on {profile}: {session} / {today}", "on work: $0.42 / ≥~$3.10", id="several in one"),
        pytest.param("words", "words", id="no field"),
        pytest.param("{model}||{profile}", "claude-sonnet-4-5 · work", id="nothing between"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_templates(home: Home, template: str, expected: str) -> None:
    assert says(written(home, SNAPSHOT), template, AGENT) == expected


@pytest.mark.parametrize(
    ("sums", "expected"),
    [
        pytest.param({"usd": Decimal("1.5")}, "$1.50", id="known"),
        pytest.param({"usd": Decimal("1.5"), "unpriced": 1}, "≥$1.50", id="a part"),
        pytest.param({"usd": 0, "unpriced": 1}, "?", id="nothing known"),
        pytest.param({"usd": 0, "estimated": 1}, "~$0.00", id="estimated"),
        pytest.param({}, "", id="nobody counted"),
    ],
)
def test_unknown_is_not_nothing(sums: dict[str, Any], expected: str) -> None:
    found = Seen({}, {"sums": sums}, {}, NOW_US)
    assert FIELDS["session"][1](found) == expected


class TestWhose:
    """Which proxy and which session it is about."""

    def test_the_one_that_knows_the_session(self, home: Home) -> None:
        where = written(home, SNAPSHOT, replace(SNAPSHOT, profile="play", written_us=NOW_US + 1, sessions=[]))
        assert says(where, "{profile}", AGENT) == "work"

    def test_the_one_that_the_agent_uses(self, home: Home) -> None:
        other = replace(SNAPSHOT, profile="play", address="127.0.0.1:9000", written_us=NOW_US - 5)
        where = written(home, SNAPSHOT, other)
        for name in ("HTTPS_PROXY", "https_proxy"):
            assert says(where, "{profile}", environ={name: "http://127.0.0.1:9000/"}) == "play"

    def test_the_running_one_before_the_last(self, home: Home) -> None:
        ended = replace(SNAPSHOT, profile="play", running=False, written_us=NOW_US + 9)
        assert says(written(home, ended, SNAPSHOT), "{profile}") == "work"

    def test_the_one_asked_for(self, home: Home) -> None:
        where = written(home, SNAPSHOT, replace(SNAPSHOT, profile="play", written_us=1))
        assert says(where, "{profile}", AGENT, profile="play") == "play"
        assert says(where, "{profile}|{proxy}", AGENT, profile="none") == "ringlet-mitm is not running"

    def test_without_an_agent_the_session_that_asked_last(self, home: Home) -> None:
        assert says(written(home, SNAPSHOT), "{session}") == "$0.42"

    def test_a_session_that_has_not_asked_yet(self, home: Home) -> None:
        assert says(written(home, SNAPSHOT), "{session}|{today}", {"session_id": "new"}) == "≥~$3.10"


class TestNobodyRuns:
    """It ended, it was killed, it never was."""

    def test_today_is_still_known(self, home: Home) -> None:
        where = written(home, replace(SNAPSHOT, running=False))
        assert says(where, agent=AGENT).endswith(
            "≥~$3.10 today · 48K (24%) context · 2 failed · ringlet-mitm is not running"
        )

    def test_killed(self, home: Home) -> None:
        process = subprocess.Popen([sys.executable, "-c", ""])
        process.wait()
        where = written(home, replace(SNAPSHOT, pid=process.pid))
        assert says(where, "{streams}|{per_minute}|{proxy}") == "ringlet-mitm is not running"

    def test_yesterdays_sum_is_not_todays(self, home: Home) -> None:
        where = written(home, replace(SNAPSHOT, running=False, day_ends_us=NOW_US - 1))
        assert says(where, "{today}|{failing}|{session}") == "$0.42"

    def test_never(self, home: Home) -> None:
        assert says(str(home.snapshots_dir), agent=AGENT) == "ringlet-mitm is not running"


class TestColours:
    """By option, and nothing that a terminal or tmux obeys besides."""

    def test_ansi(self, home: Home) -> None:
        full = {"context_window": {"context_window_size": 50_000}}
        found = seen(written(home, SNAPSHOT), full, {}, now=NOW)
        assert line(found, "{model}|{context}|{today}", "ansi") == (
            "\033[36mclaude-sonnet-4-5\033[0m\033[2m · \033[0m\033[31m48K (96%)\033[0m\033[2m · \033[0m≥~$3.10"
        )

    def test_tmux(self, home: Home) -> None:
        found = seen(written(home, SNAPSHOT), {}, {}, now=NOW)
        assert line(found, "{failing}", "tmux") == "#[fg=yellow]2 failed#[default]"

    def test_what_a_model_is_called_is_not_obeyed(self, home: Home) -> None:
        session = replace(SESSION, model="a\033[2J\n#(rm -r x)")
        found = seen(written(home, replace(SNAPSHOT, sessions=[session])), {}, {}, now=NOW)
        assert line(found, "{model}", "none") == "a\ufffd[2J\ufffd#(rm -r x)"
        assert line(found, "{model}", "tmux") == "#[fg=cyan]a\ufffd[2J\ufffd##(rm -r x)#[default]"


class TestOptions:
    """What the short way takes by itself; all else is left to click."""

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            ([], {}),
            (["--profile", "work", "--color=tmux"], {"profile": "work", "color": "tmux"}),
            (["--format", "{today}"], {"format": "{today}"}),
            (["--help"], None),
            (["--format"], None),
            (["--format", "{todya}"], None),
            (["--format", "{today"], None),
            (["--color", "red"], None),
            (["word"], None),
            (["--nothing=1"], None),
        ],
        ids=str,
    )
    def test_words(self, words: list[str], expected: dict[str, str] | None) -> None:
        assert options_of(words) == expected

    @given(st.text(alphabet="{}|atody :"))
    def test_any_template_is_taken_or_refused(self, template: str) -> None:
        known = pieces(template) is not None
        assert known == (options_of(["--format", template]) is not None)
        if known:
            line(Seen({}, {}, {}, 0), template, "ansi")

    def test_a_field_that_is_not_there(self) -> None:
        with pytest.raises(UsageError, match=r"--format: there is no field '\{todya\}'; did you mean '\{today\}'\?"):
            CliRunner().invoke(group, ["usage", "statusline", "--format", "{todya}"], catch_exceptions=False)

    def test_help_lists_every_field(self) -> None:
        shown = CliRunner().invoke(group, ["usage", "statusline", "--help"], catch_exceptions=False).output
        assert [name for name in FIELDS if f"\n    {name} " not in shown and f"  {name} " not in shown] == []


class TestProgram:
    """As Claude Code and tmux run it."""

    def run(self, home: Home, said: str, *words: str) -> str:
        done = subprocess.run([*PROGRAM, *words], input=said, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    @pytest.fixture
    def live(self, home: Home) -> Iterator[Home]:
        now = time.time_ns() // 1000
        written(home, replace(SNAPSHOT, day_ends_us=now + 10**10))
        yield home

    def test_for_claude_code(self, live: Home) -> None:
        said = json.dumps(AGENT, default=float)
        assert self.run(live, said, "--format", "{session}|{today}") == "$0.42\033[2m · \033[0m≥~$3.10\n"
        assert self.run(live, said, "--format", "{session}", "--color", "none") == "$0.42\n"

    @pytest.mark.parametrize("said", ["", "{", "[1]", "null", '{"cost": 5, "model": [], "session_id": 7}'], ids=repr)
    def test_whatever_is_said(self, live: Home, said: str) -> None:
        assert "$3.10 today" in self.run(live, said)

    def test_a_pipe_that_nobody_closes(self, live: Home) -> None:
        reader, writer = os.pipe()
        try:
            done = subprocess.run(PROGRAM, stdin=reader, capture_output=True, text=True, timeout=30)
        finally:
            os.close(reader)
            os.close(writer)
        assert "$3.10 today" in done.stdout

    def test_the_way_over_click_says_the_same(self, live: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        done = CliRunner().invoke(group, ["usage", "statusline", "--color", "none"], input="", catch_exceptions=False)
        assert done.output == self.run(live, "", "--color", "none")

    def test_errors_are_clicks(self, home: Home) -> None:
        done = subprocess.run(
            [*PROGRAM, "--colour"], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 2
        assert "--color" in done.stderr

    def test_it_imports_little(self, live: Home) -> None:
        heavy = ("click", "msgspec", "duckdb", "pydantic", "dataclasses", "rich", "mitmproxy", "subprocess", "asyncio")
        # Without `site`, which an editable installation has import much before us.
        rooms = Path(statusline.__file__).parents[2]
        code = (
            "import sys, types\n"
            "for name in ('ringlet_mitm', 'ringlet_mitm.cli', 'ringlet_mitm.addons', 'ringlet_mitm.rules'):\n"
            "    module = sys.modules[name] = types.ModuleType(name)\n"
            f"    module.__path__ = [{str(rooms)!r} + '/' + name.partition('.')[2]]\n"
            "sys.argv = ['ringlet', 'usage', 'statusline']\n"
            "from ringlet_mitm.cli.entry import main\n"
            "try:\n    main()\n"
            f"finally:\n    print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)\n"
        )
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", code],
            env={"RINGLET_HOME": str(live.config)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert "$3.10 today" in done.stdout
        assert done.stderr.strip() == "[]"

    @pytest.mark.skipif(not hasattr(os, "wait4"), reason="processor time of a child is asked for")
    def test_it_takes_little_more_than_python_itself(self, live: Home) -> None:
        """It has 50 ms in all; processor time, since a busy machine says nothing about it."""
        assert least_ms(PROGRAM) - least_ms([sys.executable, "-c", "pass"]) < 35


def least_ms(command: list[str]) -> float:
    """Of eight runs, the least processor time."""
    found = []
    for _ in range(8):
        with Path(os.devnull).open("r+b") as nothing:
            process = subprocess.Popen(command, stdin=nothing, stdout=nothing)
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0
        found.append((used.ru_utime + used.ru_stime) * 1000)
    return min(found)
