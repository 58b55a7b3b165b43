"""`status` from the command line, with and without proxies."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from clients import StartProxy, client, messages_body, post_messages
from local_servers import LocalServer, closed_port

from ringlet_mitm.cli import status
from ringlet_mitm.cli.demo import faults
from ringlet_mitm.cli.demo.faults import Step
from ringlet_mitm.cli.demo.faulty import FaultyVendor
from ringlet_mitm.cli.demo.lines import Line
from ringlet_mitm.cli.demo.stage import program
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import Profile, save_profile

HEALTH = {
    "status": "ok",
    "rules": ["tool-use → groq"],
    "default": "default → anthropic",
    "requests": 12,
    "unsaved_rows": 0,
    "uptime_s": 75,
    "in_flight": 1,
}
RESTING = {"provider": "groq", "key": "env:GROQ_API_KEY", "state": "resting", "failures": 5, "reason": "overloaded"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("RINGLET_HOME", str(tmp_path))
    return home_of({"RINGLET_HOME": str(tmp_path)})


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as open_until_the_end:
        yield open_until_the_end


def call(*words: str) -> Result:
    return CliRunner().invoke(status.command, words, catch_exceptions=False)


def running(home: Home, stack: ExitStack, name: str, says: str | None = None, **more: Any) -> int:
    """A profile, and a server at its address that speaks as the proxy of `says`, or of that very profile."""
    server = stack.enter_context(LocalServer({"/health": {**HEALTH, "profile": says or name, **more}}))
    save_profile(home, Profile(name=name, port=server.port))
    return server.port


def test_one_profile_is_told_in_full(home: Home, stack: ExitStack) -> None:
    port = running(home, stack, "work", resting=[{**RESTING, "rests_for_s": 11.5}])
    said = (
        f"work is running at http://127.0.0.1:{port}, up 1 min 15 s\n"
        "requests  12, 1 in flight\n"
        "rules     tool-use → groq\n"
        "          default → anthropic\n"
        "resting   groq  env:GROQ_API_KEY  overloaded, 5 failures in a row; tried again in 12 s\n"
    )
    for words in ((), ("--profile", "work")):
        done = call(*words)
        assert (done.output, done.exit_code) == (said, 0)


def test_several_are_a_table_and_the_running_ones_in_full(home: Home, stack: ExitStack) -> None:
    port, nobody = running(home, stack, "work", resting=[RESTING]), closed_port()
    save_profile(home, Profile(name="play", port=nobody))
    done = call()
    table, details, hints = done.output.split("\n\n")
    assert re.sub("  +", "  ", table).splitlines() == [
        "PROFILE  PROXY  ADDRESS  UP  REQUESTS  REMARKS",
        f"play  not running  http://127.0.0.1:{nobody}",
        f"work  running  http://127.0.0.1:{port}  1 min 15 s  12  1 provider resting",
    ]
    assert details.startswith("work is running at ")
    assert hints == "play: start it:  ringlet-mitm --profile play\n"
    assert done.exit_code == 0
    assert call("--profile", "play").exit_code == 1


class TestNotRunning:
    def test_nobody_is_there(self, home: Home) -> None:
        save_profile(home, Profile(name="work", port=closed_port()))
        done = call("--profile", "work")
        assert done.output == "work: not running\nstart it:  ringlet-mitm --profile work\n"
        assert done.exit_code == 1

    def test_the_proxy_of_another_profile_is_there(self, home: Home, stack: ExitStack) -> None:
        port = running(home, stack, "work", says="play")
        assert call("--profile", "work").output == (
            f"work: not running\nthe proxy of profile 'play' is at http://127.0.0.1:{port}; "
            "give this one another port:  ringlet-mitm profiles set work --port 8484\n"
        )

    def test_something_else_is_there(self, home: Home, stack: ExitStack) -> None:
        server = stack.enter_context(LocalServer({}))
        save_profile(home, Profile(name="work", port=server.port))
        done = call()
        assert done.output == (
            f"work: not running\nwhat listens at {server.url} is not ringlet-mitm; "
            "give the profile another port:  ringlet-mitm profiles set work --port 8484\n"
        )
        assert done.exit_code == 1

    def test_a_free_port_at_each_start_cannot_be_known(self, home: Home, stack: ExitStack) -> None:
        port = running(home, stack, "work")
        save_profile(home, Profile(name="work", port=0))
        done = call()
        assert done.output == (
            "work: cannot be found\nits port is 0, a free one at each start; say which with --port, "
            "or give it one:  ringlet-mitm profiles set work --port 8484\n"
        )
        assert done.exit_code == 1
        assert call("--port", str(port)).output.startswith(f"work is running at http://127.0.0.1:{port}")

    def test_no_profile_at_all(self, home: Home) -> None:
        done = call()
        assert (done.output, done.exit_code) == (
            "no profiles yet; start one with:  ringlet-mitm --profile NAME\n",
            1,
        )
        assert json.loads(call("--json").output) == []


class TestJson:
    def test_exactly_what_the_proxy_says(self, home: Home, stack: ExitStack) -> None:
        running(home, stack, "work", resting=[RESTING], of_tomorrow={"a": [1]})
        said = {**HEALTH, "profile": "work", "resting": [RESTING], "of_tomorrow": {"a": [1]}, "running": True}
        assert json.loads(call("--json").output) == [said]

    def test_and_what_is_not_running(self, home: Home) -> None:
        save_profile(home, Profile(name="work", port=closed_port()))
        done = call("--json", "--profile", "work")
        hint = "start it:  ringlet-mitm --profile work"
        assert json.loads(done.output) == [{"profile": "work", "running": False, "state": "not running", "hint": hint}]
        assert done.exit_code == 1


class TestErrors:
    def test_a_profile_that_is_not_there(self, home: Home) -> None:
        save_profile(home, Profile(name="work"))
        with pytest.raises(UsageError, match=r"did you mean 'work'\?"):
            call("--profile", "wrok")

    def test_a_port_of_one_of_several(self, home: Home) -> None:
        for name in ("play", "work"):
            save_profile(home, Profile(name=name))
        with pytest.raises(UsageError, match="say which profile with --profile; there are play, work"):
            call("--port", "9000")

    def test_a_broken_profile_does_not_hide_the_others(self, home: Home, stack: ExitStack) -> None:
        running(home, stack, "work")
        home.profile_dir("torn").mkdir()
        home.profile_file("torn").write_text("port = ")
        done = call()
        assert done.exit_code == 2
        assert "\nwork is running at " in done.output
        assert re.search(r"^torn +not readable +-$", done.output, re.MULTILINE)
        assert re.search(r"^torn: .*profile\.toml:1: is not TOML", done.output, re.MULTILINE)


def test_a_real_proxy(start_proxy: StartProxy, tmp_path: Path) -> None:
    proxy = start_proxy('[[rule]]\nmatch = { tool-use = true }\nto = "groq"\n')
    with client(proxy) as http:
        assert post_messages(http, messages_body()).status_code == 200
    at = ("--profile", "work", "--port", str(proxy.port))
    lines = proxy.run("status", *at).splitlines()
    assert lines[0].startswith(f"work is running at {proxy.url}, up ")
    assert re.fullmatch(r"requests +1(, 0 in flight)?", lines[1])
    (said,) = json.loads(proxy.run("status", *at, "--json"))
    assert (said["running"], said["profile"], said["requests"]) == (True, "work", 1)
    proxy.stop()
    gone = subprocess.run(program("status", *at), env=proxy.environ, capture_output=True, text=True, timeout=60)
    assert (gone.returncode, gone.stdout.splitlines()[0], gone.stderr) == (1, "work: not running", "")


LIMITED = """
[[rule]]
match = { model-equals = "slow" }
to = "groq"

[[rule]]
match = { model-equals = "weak" }
to = "openrouter"
retries = 0
backoff-ms = 1

[limits]
usd-per-day = { warn = 0.000_1, switch = 900, refuse = 1_000, to = "groq" }

[limits.groq]
parallel = 1
requests-per-minute = 5_000
"""


def held_until(told: threading.Event) -> Step:
    """The right answer, when the test says so."""

    async def play(line: Line) -> None:
        await asyncio.to_thread(told.wait, 20)
        await faults.ok().play(line)

    return Step("held", play)


def test_a_real_proxy_in_trouble(start_proxy: StartProxy) -> None:
    """A provider that rests, a queue, and limits, in the proxy's own words."""
    goes_on = threading.Event()
    with FaultyVendor(dict.fromkeys(("api.anthropic.com", "api.groq.com", "openrouter.ai"), "http/1.1")) as vendor:
        vendor.script("openrouter.ai", faults.status(529))
        vendor.script("api.groq.com", held_until(goes_on))
        proxy = start_proxy(LIMITED, vendor=vendor)
        with client(proxy) as http, ThreadPoolExecutor(3) as agents:
            for _ in range(5):
                assert post_messages(http, messages_body(model="weak")).status_code == 529
            assert post_messages(http, messages_body()).status_code == 200
            waiting = [agents.submit(post_messages, http, messages_body(model="slow")) for _ in range(3)]
            while json.loads(httpx.get(f"{proxy.url}/health", trust_env=False).text)["in_flight"] < 3:
                pass
            lines = proxy.run("status", "--profile", "work", "--port", str(proxy.port)).splitlines()
            goes_on.set()
            assert [one.result().status_code for one in waiting] == [200, 200, 200]
    assert lines[1] == "requests  6, 3 in flight"
    assert re.fullmatch(
        r"resting   openrouter  env:OPENROUTER_API_KEY  overloaded, 5 failures in a row; tried again in \d+ s", lines[5]
    )
    assert lines[6] == "queues    groq  1 of 1 running, 2 waiting"
    assert re.fullmatch(
        r"limits    usd-per-day +\$0\.00\d\d used, warns at \$0\.0001 \(now\), goes to groq at \$900\.00, "
        r"refuses at \$1,000\.00",
        lines[7],
    )
    assert re.fullmatch(r" +requests-per-minute  groq  \d used, refuses at 5,000", lines[8])


def test_it_does_without_mitmproxy_and_the_database() -> None:
    """Each takes longer to import than all of the rest."""
    code = (
        "import sys, ringlet_mitm.cli.status; print([name for name in ('mitmproxy', 'duckdb') if name in sys.modules])"
    )
    words = (program()[0], "-c", code)
    assert subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout == "[]\n"
