"""Agents that wait: while a retry waits, and in line before a provider with few places."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from clients import KEYS, OnlyHttp2, messages_body
from verdicts import read_answer

from ringlet_mitm.addons.usage.ledger import reading
from ringlet_mitm.cli.demo.faults import Step, delay, ok, status
from ringlet_mitm.cli.demo.faulty import FaultyVendor
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import Profile, save_profile

PING_S = 0.2
PROGRAM = f"""
import json, sys
from pathlib import Path
from ringlet_mitm.addons.connect_to import parse_detour
from ringlet_mitm.addons.master import Setup, run
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import load_profile
home = home_of({{"RINGLET_HOME": sys.argv[1]}})
detours = tuple(map(parse_detour, sys.argv[3:]))
announce = lambda rules, address: print(address, flush=True)
profile = load_profile(home, "work")
run(Setup(home, profile, {KEYS!r}, detours, Path(sys.argv[2]), ping_s={PING_S}, announce=announce))
"""
HOSTS = {
    "messages": "api.anthropic.com",
    "chat": "api.openai.com",
    "responses": "api.openai.com",
    "gemini": "generativelanguage.googleapis.com",
}
PATHS = {
    "messages": "/v1/messages",
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "gemini": "/v1beta/models/m-1:streamGenerateContent?alt=sse",
}
TURN = [{"role": "user", "content": "hello"}]
BODIES: dict[str, dict[str, Any]] = {
    "messages": {"model": "m-1", "max_tokens": 99, "stream": True, "messages": TURN},
    "chat": {"model": "m-1", "stream": True, "messages": TURN},
    "responses": {"model": "m-1", "stream": True, "input": "hello"},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]},
}
MARKS = {"messages": "event: ping", "chat": ": ping", "responses": ": ping", "gemini": '{"modelVersion": "m-1", "resp'}
RULES = """
[default]
to = "passthrough"
retries = 3
[limits.openai]
parallel = 1
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A running proxy and what is behind it."""

    url: str
    vendor: FaultyVendor
    home: Home

    def client(self, *, http2: bool = False) -> httpx.Client:
        """Through the proxy, as agents go."""
        context = OnlyHttp2(ssl.PROTOCOL_TLS_CLIENT) if http2 else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.home.ca_dir / "mitmproxy-ca-cert.pem")
        return httpx.Client(proxy=self.url, verify=context, timeout=30, http1=not http2, http2=http2)

    def asks(self, style: str, *, http2: bool = False) -> httpx.Response:
        """One streamed request."""
        with self.client(http2=http2) as http:
            return http.post(f"https://{HOSTS[style]}{PATHS[style]}", json=BODIES[style], headers={"x-api-key": "sk-a"})

    def attempts(self, host: str) -> list[tuple[Any, ...]]:
        """Of the last request to a host: status, error class, wait."""
        sql = """SELECT a.status, a.error_class, a.wait_ms FROM attempts a JOIN requests r ON r.id = a.request_id
            WHERE r.id = (SELECT max(id) FROM requests WHERE asked_host = ?) ORDER BY a.number"""
        with reading(self.home.database, self.home.spool_dir, views=()) as connection:
            return connection.execute(sql, [host]).fetchall()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("home")
    home = home_of({"RINGLET_HOME": str(folder)})
    save_profile(home, Profile(name="work", port=0))
    home.routing_file("work").write_text(RULES)
    with FaultyVendor(dict.fromkeys(HOSTS.values(), "http/1.1")) as vendor:
        words = [sys.executable, "-c", PROGRAM, str(folder), str(vendor.ca_file), *vendor.connect_to]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            yield Place(f"http://{process.stdout.readline().strip()}", vendor, home)
            process.terminate()
            process.wait(20)


def busy(seconds: int, then: Step) -> tuple[Step, Step]:
    return status(429, headers={"retry-after": str(seconds)}), then


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
@pytest.mark.parametrize("style", HOSTS)
def test_pings_come_while_a_retry_waits(place: Place, style: str, http2: bool) -> None:
    place.vendor.script(HOSTS[style], *busy(2, ok()))
    answer = place.asks(style, http2=http2)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
    assert answer.text.count(MARKS[style]) >= 3, answer.text[:500]
    assert answer.text.startswith((f"{MARKS[style]}", f"data: {MARKS[style]}"))
    found = read_answer(style, True, answer.status_code, answer.content)
    assert found.kind == "right", found
    (first, second) = place.attempts(HOSTS[style])
    assert (first[:2], second[:2]) == ((429, "rate-limited"), (200, ""))
    assert 2000 <= second[2] < 3000


@pytest.mark.parametrize("style", HOSTS)
def test_a_short_wait_needs_no_ping(place: Place, style: str) -> None:
    place.vendor.script(HOSTS[style], status(503), ok())
    answer = place.asks(style)
    assert read_answer(style, True, answer.status_code, answer.content).kind == "right"
    assert not answer.text.startswith(MARKS[style]) or style == "gemini"


@pytest.mark.parametrize("style", HOSTS)
def test_what_fails_in_the_end_is_an_event_of_the_stream(place: Place, style: str) -> None:
    place.vendor.script(HOSTS[style], *busy(1, status(400, word="invalid_request_error")))
    answer = place.asks(style)
    assert answer.status_code == 200
    assert answer.text.count(MARKS[style]) >= 1
    found = read_answer(style, True, answer.status_code, answer.content)
    assert found.kind == "error", found
    assert [row[0] for row in place.attempts(HOSTS[style])] == [429, 400]


def test_an_agent_that_leaves_while_it_waits_is_not_answered_for(place: Place) -> None:
    place.vendor.script(HOSTS["messages"], *busy(2, ok()))
    before = len(place.vendor.at(HOSTS["messages"]))
    with place.client() as http, pytest.raises(httpx.ReadTimeout):
        http.post(f"https://{HOSTS['messages']}/v1/messages", content=messages_body(), timeout=0.5)
    time.sleep(2)
    assert len(place.vendor.at(HOSTS["messages"])) == before + 1


def test_a_line_lets_in_one_after_the_other_and_pings_meanwhile(place: Place) -> None:
    host = HOSTS["chat"]
    at_once = Counted()
    place.vendor.script(host, delay(700, ok()))
    before = len(place.vendor.at(host))
    with ThreadPoolExecutor(4) as pool, at_once.watching(place.url):
        answers = list(pool.map(lambda _: place.asks("chat"), range(4)))
    assert {read_answer("chat", True, one.status_code, one.content).kind for one in answers} == {"right"}
    assert len(place.vendor.at(host)) == before + 4
    assert at_once.most == 1
    assert at_once.waiting >= 2
    assert sum(MARKS["chat"] in one.text for one in answers) >= 2
    with reading(place.home.database, place.home.spool_dir, views=()) as connection:
        sql = "SELECT wait_ms FROM attempts WHERE provider = 'openai' ORDER BY started_us DESC LIMIT 4"
        waits = sorted(row[0] for row in connection.execute(sql).fetchall())
    assert waits[0] < 300 and waits[3] > 1800, waits


def test_who_leaves_the_line_is_never_sent(place: Place) -> None:
    host = HOSTS["chat"]
    place.vendor.script(host, delay(1200, ok()))
    before = len(place.vendor.at(host))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(place.asks, "chat")
        assert place.vendor.until(lambda: len(place.vendor.at(host)) == before + 1)
        with place.client() as http, pytest.raises(httpx.ReadTimeout):
            http.post(f"https://{host}{PATHS['chat']}", json=BODIES["chat"] | {"stream": False}, timeout=0.4)
        assert first.result().status_code == 200
    place.vendor.script(host, ok())
    assert place.asks("chat").status_code == 200
    assert len(place.vendor.at(host)) == before + 2


class Counted:
    """What /health says of the line, looked at all the time."""

    def __init__(self) -> None:
        self.most = self.waiting = 0
        self._over = threading.Event()

    def watching(self, url: str) -> Counted:
        """Until the end of a `with`."""
        self._thread = threading.Thread(target=self._watch, args=(url,), daemon=True)
        return self

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self, url: str) -> None:
        with httpx.Client(trust_env=False) as http:
            while not self._over.wait(0.05):
                for line in json.loads(http.get(f"{url}/health").content)["lines"]:
                    self.most = max(self.most, line["running"])
                    self.waiting = max(self.waiting, line["waiting"])
