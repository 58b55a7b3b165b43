"""No row is lost or doubled: not by kill -9, two proxies, a locked database; and no key is in any of it."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import httpx
import pytest
from clients import AGENT_KEY, KEYS, StartProxy, client, messages_body, post_messages, rows
from forking import ForkedProxy

from ringlet_mitm.cli.demo.stage import RunningProxy, program
from ringlet_mitm.cli.demo.upstream import Vendor

RULES = """
[[rule]]
match = { model-equals = "to-minimax" }
to = "minimax"

[[rule]]
match = { model-equals = "never-asked" }
to = "groq"
"""
LOCK = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("locked", flush=True)
sys.stdin.readline()
"""
# A writer that does not spare the machine.
RESTLESS = {"ringlet_mitm.addons.usage.apart.LEAST_S": 0.1, "ringlet_mitm.addons.usage.apart.REST": 0}


def test_kill_9_in_the_middle_of_1000_requests(start_proxy: StartProxy) -> None:
    """Whatever an agent holds a whole answer of is in the report, once."""
    proxy = start_proxy(RULES)
    answered: list[int] = []

    def agent() -> None:
        with client(proxy) as http:
            try:
                for _ in range(250):
                    if post_messages(http, messages_body()).status_code == 200:
                        answered.append(1)
            except httpx.HTTPError:
                return

    agents = [threading.Thread(target=agent) for _ in range(4)]
    for one in agents:
        one.start()
    while len(answered) < 500:
        time.sleep(0.01)
    proxy.kill()
    for one in agents:
        one.join()
    found = rows(proxy, "count(*) AS all, count(DISTINCT id) AS different", "")[0]
    assert found["all"] == found["different"]
    # At most the four that were under way may be recorded without having been read to the end.
    assert len(answered) <= found["all"] <= len(answered) + 4
    again = start_proxy(RULES)
    with client(again) as http:
        post_messages(http, messages_body())
    again.stop()
    assert rows(proxy, "count(*) AS all", "")[0]["all"] == found["all"] + 1


def test_two_proxies_and_a_report_at_once(start_proxy: StartProxy) -> None:
    proxies = [start_proxy(RULES), start_proxy(RULES)]

    def agent(proxy: RunningProxy) -> None:
        with client(proxy) as http:
            for _ in range(60):
                post_messages(http, messages_body())

    agents = [threading.Thread(target=agent, args=(proxy,)) for proxy in proxies]
    for one in agents:
        one.start()
    while any(one.is_alive() for one in agents):
        rows(proxies[0], "count(*) AS all", "")
    for proxy in proxies:
        proxy.stop()
    assert rows(proxies[0], "count(*) AS all, count(DISTINCT id) AS ids", "") == [{"all": 120, "ids": 120}]


def test_a_database_that_another_program_has_open(start_proxy: StartProxy) -> None:
    proxy = start_proxy(RULES, constants=RESTLESS)
    with client(proxy) as http:
        post_messages(http, messages_body())
        assert len(rows(proxy, "id")) == 1
        database = proxy.home / "data" / "usage.duckdb"
        until(database.exists)
        with _held(database):
            for _ in range(10):
                assert post_messages(http, messages_body()).status_code == 200
            until(database.with_name(f".{database.name}.first").exists)  # the writer has found it in use
    proxy.stop()
    assert rows(proxy, "count(*) AS all, count(DISTINCT id) AS ids", "") == [{"all": 11, "ids": 11}]


@contextmanager
def _held(database: Path) -> Iterator[None]:
    """Another process has the database open for writing; the proxy's writer may have it for a moment first."""
    words, pipe = [sys.executable, "-c", LOCK, str(database)], subprocess.PIPE
    while True:
        with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            if process.stdout.readline():
                yield
                process.stdin.close()
                return


def until(true: Callable[[], bool]) -> None:
    """Wait for another process."""
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


def test_a_person_may_open_the_database_while_the_proxy_runs(start_proxy: StartProxy) -> None:
    proxy = start_proxy(RULES, constants=RESTLESS)
    with client(proxy) as http:
        post_messages(http, messages_body())
    database = proxy.home / "data" / "usage.duckdb"

    def found() -> bool:
        with suppress(duckdb.Error), duckdb.connect(str(database), read_only=True) as connection:
            return connection.execute("SELECT 1 FROM requests").fetchall() == [(1,)]
        return False

    until(found)


def test_a_place_that_takes_no_files(start_proxy: StartProxy) -> None:
    """The agent is served all the same, the proxy says what is wrong, and writes the rows when it can."""
    proxy = start_proxy(RULES)
    state = proxy.home / "state"
    proxy.stop()
    if state.exists():
        state.rename(proxy.home / "state-away")
    state.write_text("in the way")
    proxy = start_proxy(RULES, constants=RESTLESS)
    with client(proxy) as http:
        assert post_messages(http, messages_body()).status_code == 200
        assert _unsaved(proxy) == 1
        assert any("cannot be written" in line for line in proxy.said)
        state.unlink()
        until(lambda: _unsaved(proxy) == 0)
    assert rows(proxy, "count(*) AS all", "") == [{"all": 1}]


def _unsaved(proxy: RunningProxy) -> int:
    found = httpx.get(f"{proxy.url}/health", trust_env=False).json()["unsaved_rows"]
    assert isinstance(found, int)
    return found


def test_an_agent_that_goes_away_leaves_one_row(start_proxy: StartProxy) -> None:
    with Vendor(delay_ms=50) as slow:
        proxy = start_proxy("", vendor=slow)
        with client(proxy) as http:
            headers = {"x-api-key": AGENT_KEY}
            url = "https://api.anthropic.com/v1/messages"
            with http.stream("POST", url, content=messages_body(stream=True), headers=headers) as answer:
                next(answer.iter_bytes())
        until(lambda: bool(rows(proxy)))
        proxy.stop()  # it would have another to write
    assert [(row["error_class"], row["status"], row["stream"]) for row in rows(proxy)] == [("client-gone", 200, True)]


def test_no_key_is_in_any_file_or_output(start_proxy: StartProxy) -> None:
    """Ours and the agent's, in headers and in the query; streams, errors and refusals as well."""
    proxy = start_proxy(RULES)
    with client(proxy) as http:
        for body in (
            messages_body(),
            messages_body(stream=True),
            messages_body().replace(b"claude-opus-4-8", b"to-minimax"),
            b"{",
        ):
            post_messages(http, body)
        http.post(
            f"https://generativelanguage.googleapis.com/v1beta/models/gemini-3.8-flash:generateContent?key={AGENT_KEY}",
            json={"contents": []},
        )
        http.post(
            "https://api.openai.com/v1/chat/completions",
            json={"model": "gpt-5"},
            headers={"authorization": f"Bearer {AGENT_KEY}"},
        )
    said = [proxy.run("usage", "--by-rule"), proxy.run("usage", "--sql", "SELECT * FROM requests", "--csv")]
    said += [proxy.run("usage", "--sql", "SELECT * FROM attempts", "--json"), proxy.run("providers", "list")]
    said += [proxy.run("profiles", "show", "work"), httpx.get(f"{proxy.url}/health", trust_env=False).text]
    proxy.stop()
    said += proxy.said
    secrets = [AGENT_KEY, *KEYS.values()]
    files = [path for path in proxy.home.rglob("*") if path.is_file()]
    assert files
    assert not [key for key in secrets if key in "\n".join(said)]
    assert not [(path, key) for path in files for key in secrets if key.encode() in path.read_bytes()]


def test_files_are_nobody_elses_business(start_proxy: StartProxy) -> None:
    proxy = start_proxy("")
    with client(proxy) as http:
        post_messages(http, messages_body())
    proxy.stop()
    open_files = {"bundle.pem", "mitmproxy-dhparam.pem", "routing.toml"}
    readable = {path.name for path in proxy.home.rglob("*") if path.is_file() and path.stat().st_mode & 0o077}
    assert readable <= open_files


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_it_ends_at_a_signal_and_writes_what_it_has(start_proxy: StartProxy, number: signal.Signals) -> None:
    proxy = start_proxy("")
    with client(proxy) as http:
        post_messages(http, messages_body())
    os.kill(proxy.pid, number)
    assert proxy.stop() == 0
    assert not list((proxy.home / "state" / "spool").glob("*.jsonl"))
    assert len(rows(proxy, "id")) == 1


def test_a_profile_that_is_not_there_is_made_and_said(tmp_path: Path, vendor: Vendor) -> None:
    with ForkedProxy(tmp_path, vendor, profile="fresh") as proxy:
        assert any("profile 'fresh' is new: everything passes through and is recorded" in line for line in proxy.said)
        with client(proxy) as http:
            assert post_messages(http, messages_body()).status_code == 200
        assert (tmp_path / "profiles" / "fresh" / "profile.toml").exists()
        assert rows(proxy)[0]["rule"] == "default → passthrough"


def test_the_demo(tmp_path: Path) -> None:
    """As `make demo` runs it; it is done within 15 seconds on an idle machine, and leaves nothing behind."""
    environ = {**os.environ, "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(program("demo"), env=environ, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    for rule in (
        "tool-use → anthropic",
        "input-tokens-lt → groq",
        "input-tokens-gt → anthropic",
        "default → anthropic",
    ):
        assert done.stdout.count(rule) >= 2, "once in the story, once in the report"
    assert "TOTAL" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_demo_stays_up_for_a_real_agent(tmp_path: Path) -> None:
    environ = {**os.environ, "TMPDIR": str(tmp_path), "HOME": str(tmp_path), "SHELL": "/bin/bash"}
    process = subprocess.Popen(program("demo", "--serve"), env=environ, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stdout:
        said.append(line.strip())
        if "Ctrl-C" in line:
            break
    exports = dict(line.removeprefix("export ").split("=", 1) for line in said if line.startswith("export HTTPS"))
    certificate = next(line.partition("=")[2] for line in said if line.startswith("export NODE_EXTRA_CA_CERTS="))
    context = ssl.create_default_context(cafile=certificate)
    with httpx.Client(proxy=exports["HTTPS_PROXY"], verify=context) as http:
        assert post_messages(http, messages_body(system="s" * 9000)).json()["model"] == "claude-haiku-4-5"
    process.send_signal(signal.SIGINT)
    rest = process.stdout.read()
    assert (process.wait(20), "default → anthropic" in rest) == (0, True)
    assert list(tmp_path.iterdir()) == []


def test_a_provider_that_is_not_there_leaves_a_row(start_proxy: StartProxy) -> None:
    with Vendor(hosts=("api.anthropic.com",)) as gone:
        proxy = start_proxy("", vendor=gone)
    with client(proxy) as http:
        answer = post_messages(http, messages_body())
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], "anthropic" in error["message"]) == (502, "api_error", True)
    (row,) = rows(proxy)
    assert (row["error_class"], row["status"], row["attempts"], row["cost_total"]) == ("unreachable", 502, 3, None)
