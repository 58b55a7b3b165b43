"""Providers fail and the agent does not notice: a real proxy, real sockets, and a vendor that does as it is told."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

import anthropic
import httpx
import openai
import pytest
from clients import StartProxy, client
from faulty_runs import AGENT_KEY, KEY, Agents, Came, Ledger, Provider, ask, ledger, rule, said_by
from google import genai

from ringlet_mitm.cli.demo.faults import (
    Step,
    delay,
    drop,
    error_first,
    garbage,
    go_away_before,
    ok,
    reset,
    reset_stream,
    silent,
    status,
    wrong_certificate,
)
from ringlet_mitm.cli.demo.faulty import Alpn, FaultyVendor
from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Vendor

QUICK = {"retries": 2, "backoff_ms": 20, "timeout_first_byte_ms": 2_000, "timeout_idle_ms": 2_000}
WAITED_MS = 300
Attempts = list[tuple[str, int | None, str]]


@dataclass(frozen=True, slots=True)
class Case:
    """What happens at the first provider and what is written down of it: place, status, kind of each attempt.

    The last attempt is the answer's; `alone` has no fallback.
    """

    name: str
    steps: tuple[Step, ...]
    tried: Attempts
    stream: bool = True
    alone: bool = False
    alpn: Alpn = "http/1.1"
    spare_style: str = "chat"
    keys: tuple[tuple[str, Any], ...] = ()

    @property
    def main(self) -> Provider:
        """Where the rule sends it."""
        return Provider(f"main-{self.name}", "messages", self.alpn, self.steps)

    @property
    def spare(self) -> Provider:
        """Where it goes next."""
        return Provider(f"spare-{self.name}", self.spare_style)

    @property
    def rule(self) -> str:
        """The rule for it."""
        more = {} if self.alone else {"fallback": [self.spare.name]}
        return rule(self.name, self.main, **{**QUICK, **dict(self.keys)}, **more)


SOON = status(429, headers={"retry-after-ms": str(WAITED_MS)})
LIMITED, BUSY, DOWN = ("main", 429, "rate-limited"), ("main", 529, "overloaded"), ("main", 503, "overloaded")
GONE, SLOW = ("main", None, "unreachable"), ("main", None, "timed-out")
WELL, SPARE = ("main", 200, ""), ("spare", 200, "")
ONE_TRY = (("retries", 0),)

NOT_NOTICED = [
    Case("limited-then-well", (SOON, ok()), [LIMITED, WELL], alone=True),
    Case("limited-then-well-whole", (SOON, ok()), [LIMITED, WELL], stream=False, alone=True),
    Case("limited-http2", (SOON, ok()), [LIMITED, WELL], alone=True, alpn="h2"),
    Case("limited-for-long", (status(429, headers={"retry-after": "3600"}),), [LIMITED, SPARE]),
    Case("busy-twice", (status(529), status(529), ok()), [BUSY, BUSY, WELL], alone=True),
    Case("busy-twice-http2", (status(529), status(529), ok()), [BUSY, BUSY, WELL], alone=True, alpn="h2"),
    Case("down", (status(503),), [DOWN, DOWN, DOWN, SPARE]),
    Case("down-whole", (status(503),), [DOWN, DOWN, DOWN, SPARE], stream=False),
    Case("down-same-wire", (status(503),), [DOWN, DOWN, DOWN, SPARE], spare_style="messages"),
    Case("down-to-gemini", (status(503),), [DOWN, DOWN, DOWN, SPARE], spare_style="gemini"),
    Case("down-no-retries", (status(503),), [DOWN, SPARE], keys=ONE_TRY),
    Case("server-error", (status(500), ok()), [("main", 500, "server-error"), WELL], alone=True),
    Case("refused", (), [GONE, SPARE], keys=ONE_TRY),
    Case("reset", (reset(), ok()), [GONE, WELL], alone=True),
    Case("reset-http2", (reset(), ok()), [GONE, WELL], alone=True, alpn="h2"),
    Case("rst-stream", (reset_stream(), ok()), [GONE, WELL], alone=True, alpn="h2"),
    Case("goaway", (go_away_before(), ok()), [GONE, WELL], alone=True, alpn="h2"),
    Case("garbage", (garbage(), ok()), [GONE, WELL], alone=True),
    Case("certificate", (wrong_certificate(), ok()), [GONE, WELL], alone=True),
    Case("our-key", (status(401),), [("main", 401, "auth"), SPARE]),
    Case("our-key-forbidden", (status(403),), [("main", 403, "auth"), SPARE]),
    Case("no-quota", (status(429, word="billing_error"),), [("main", 429, "quota"), SPARE]),
    Case("no-model", (status(404, word="model_not_found"),), [("main", 404, "no-such-model"), SPARE]),
    Case("error-first", (error_first(), ok()), [("main", 200, "overloaded"), WELL], alone=True),
    Case("error-first-http2", (error_first(), ok()), [("main", 200, "overloaded"), WELL], alone=True, alpn="h2"),
    Case("error-first-for-good", (error_first(),), [("main", 200, "overloaded")] * 3 + [SPARE]),
    Case("silent", (silent(),), [SLOW, SPARE], keys=(*ONE_TRY, ("timeout_first_byte_ms", 400))),
    Case("silent-http2", (silent(),), [SLOW, SPARE], keys=(*ONE_TRY, ("timeout_first_byte_ms", 400)), alpn="h2"),
    Case("late-but-in-time", (delay(400, ok()),), [WELL]),
]
BROKEN = [
    Case("breaks-off", (drop(4), ok()), [("main", 200, "broken-stream")]),
    Case("breaks-off-http2", (reset_stream(4), ok()), [("main", 200, "broken-stream")], alpn="h2"),
    Case("falls-silent", (silent(4), ok()), [("main", 200, "timed-out")], keys=(("timeout_idle_ms", 400),)),
]
GIVEN_BACK = [
    Case("bad-request", (status(400),), [("main", 400, "refused-request")]),
    Case("bad-request-whole", (status(400),), [("main", 400, "refused-request")], stream=False),
    Case("nobody-left", (status(529),), [BUSY, BUSY, BUSY], alone=True),
]
CASES = [*NOT_NOTICED, *BROKEN, *GIVEN_BACK]
WAITING = Provider("main-waiting", steps=(status(503, headers={"retry-after-ms": "2500"}), ok()))
SDK = {
    style: Provider(f"main-sdk-{style}", style, steps=(status(529), reset(), ok()))
    for style in ("messages", "chat", "responses", "gemini")
}
REFUSING = "refused"


@dataclass(frozen=True, slots=True)
class Setting:
    """What runs, and what came of the cases."""

    vendor: FaultyVendor
    proxy: RunningProxy
    came: dict[str, Came]
    ledger: Ledger


def _providers() -> list[Provider]:
    return [*(one for case in CASES for one in (case.main, case.spare)), WAITING, *SDK.values()]


def _rules() -> str:
    sdks = [rule(f"sdk-{style}", provider, **QUICK) for style, provider in SDK.items()]
    return "".join([*(case.rule for case in CASES), rule("waiting", WAITING, **QUICK), *sdks])


@pytest.fixture(scope="module")
def setting(shared_proxy: StartProxy) -> Iterator[Setting]:
    """All cases at once, through one proxy."""
    providers = _providers()
    refusing = [one.host for one in providers if one.name == f"main-{REFUSING}"]
    hosts = {one.host: one.alpn for one in providers if one.host not in refusing}
    files = {one.name: one.file for one in providers}
    with FaultyVendor(hosts, refusing=refusing) as vendor:
        for one in providers:
            vendor.script(one.host, *one.steps)
        proxy = shared_proxy(_rules(), keys=KEY, providers=files, vendor=cast(Vendor, vendor))
        with Agents(proxy) as agents, ThreadPoolExecutor(12) as threads:
            answers = threads.map(
                lambda case: ask(agents.of(case.alpn), "messages", case.name, stream=case.stream), CASES
            )
            came = {case.name: answer for case, answer in zip(CASES, answers, strict=True)}
        yield Setting(vendor, proxy, came, ledger(proxy))


def named(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


@named(NOT_NOTICED)
def test_the_agent_gets_a_right_answer(setting: Setting, case: Case) -> None:
    came = setting.came[case.name]
    winner = case.main if case.tried[-1][0] == "main" else case.spare
    assert (came.status, came.verdict.kind, came.verdict.why) == (200, "right", "")
    assert came.verdict.text == said_by(case.name, winner)


@named(CASES)
def test_every_try_is_a_row(setting: Setting, case: Case) -> None:
    tried = [(row["provider"], row["status"], row["error_class"]) for row in setting.ledger.attempts[case.name]]
    assert tried == [(f"{place}-{case.name}", code, kind) for place, code, kind in case.tried]
    assert [row["number"] for row in setting.ledger.attempts[case.name]] == list(range(1, len(case.tried) + 1))
    assert {row["key_label"] for row in setting.ledger.attempts[case.name]} == {"env:FAULTY_KEY"}


@named(CASES)
def test_the_request_has_the_count_and_the_winner(setting: Setting, case: Case) -> None:
    (row,) = setting.ledger.requests[case.name]
    place, _, kind = case.tried[-1]
    assert (row["attempts"], row["provider"], row["error_class"]) == (len(case.tried), f"{place}-{case.name}", kind)
    assert row["status"] == setting.came[case.name].status


@named([case for case in CASES if case.name != REFUSING])
def test_nobody_was_asked_more_often(setting: Setting, case: Case) -> None:
    """And where a request arrived at all, it was whole."""
    for provider, place in ((case.main, "main"), (case.spare, "spare")):
        heard = setting.vendor.at(provider.host)
        expected = [one for one in case.tried if one[0] == place]
        # A certificate that is not trusted is seen before the request is sent.
        assert len(heard) == len(expected) - (case.name == "certificate" and place == "main")
        assert all(one.body and AGENT_KEY not in str(one.headers) for one in heard)
        assert {one.version for one in heard if place == "main"} <= {"2" if case.alpn == "h2" else "1.1"}


@named([case for case in NOT_NOTICED if case.steps[:1] == (SOON,)])
def test_it_waits_as_long_as_the_provider_says(setting: Setting, case: Case) -> None:
    first, second = setting.vendor.at(case.main.host)
    assert second.at - first.at >= WAITED_MS / 1000 * 0.98
    assert [row["wait_ms"] >= WAITED_MS for row in setting.ledger.attempts[case.name]] == [False, True]


@named(BROKEN)
def test_what_breaks_after_bytes_have_gone_ends_in_an_error_event(setting: Setting, case: Case) -> None:
    came = setting.came[case.name]
    assert (came.status, came.verdict.kind, came.verdict.why) == (200, "error", "")
    assert b"event: content_block_delta" in came.body


@named(GIVEN_BACK)
def test_what_cannot_be_helped_comes_back_as_it_is(setting: Setting, case: Case) -> None:
    came = setting.came[case.name]
    assert (came.status, came.verdict.kind) == (case.tried[-1][1], "error")
    assert f"as scripted: {came.status}" in came.verdict.text


def test_an_agent_that_goes_away_while_we_wait_sends_nothing_more(setting: Setting) -> None:
    vendor, proxy = setting.vendor, setting.proxy
    with client(proxy) as http, pytest.raises(httpx.ReadTimeout):
        http.post(
            "https://api.anthropic.com/v1/messages",
            json={"model": "waiting", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
            headers={"x-api-key": AGENT_KEY},
            timeout=httpx.Timeout(10, read=0.5),
        )
    assert vendor.until(lambda: len(vendor.at(WAITING.host)) == 1)
    assert not vendor.until(lambda: len(vendor.at(WAITING.host)) > 1, 3)
    (row,) = ledger(proxy).requests["waiting"]
    assert (row["attempts"], row["error_class"]) == (1, "client-gone")


def test_an_agent_that_goes_away_is_cancelled_upstream(setting: Setting) -> None:
    """On a connection that stays silent: the provider sees that nobody waits any more."""
    vendor, proxy = setting.vendor, setting.proxy
    host = NOT_NOTICED[0].main.host
    vendor.script(host, silent())
    before = len(vendor.at(host))
    with client(proxy) as http, pytest.raises(httpx.ReadTimeout):
        http.post(
            "https://api.anthropic.com/v1/messages",
            json={"model": NOT_NOTICED[0].name, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
            headers={"x-api-key": AGENT_KEY},
            timeout=httpx.Timeout(10, read=0.5),
        )
    assert vendor.until(lambda: bool(vendor.at(host)[before:]) and vendor.at(host)[-1].cancelled is not None, 1.2)


ASK: list[Any] = [{"role": "user", "content": "hello"}]


def _anthropic() -> str:
    with (
        anthropic.Anthropic(api_key=AGENT_KEY, max_retries=0) as api,
        api.messages.stream(model="sdk-messages", max_tokens=64, messages=ASK) as stream,
    ):
        return "".join(stream.text_stream)


def _chat() -> str:
    with openai.OpenAI(api_key=AGENT_KEY, max_retries=0) as api:
        return api.chat.completions.create(model="sdk-chat", messages=ASK).choices[0].message.content or ""


def _responses() -> str:
    with openai.OpenAI(api_key=AGENT_KEY, max_retries=0) as api:
        stream = api.responses.create(model="sdk-responses", input="hello", stream=True)
        return "".join(event.delta for event in stream if event.type == "response.output_text.delta")


def _gemini() -> str:
    with genai.Client(api_key=AGENT_KEY) as api:
        chunks = api.models.generate_content_stream(model="sdk-gemini", contents="hello")
        return "".join(chunk.text or "" for chunk in chunks)


@pytest.mark.parametrize(
    ("style", "call"),
    {"messages": _anthropic, "chat": _chat, "responses": _responses, "gemini": _gemini}.items(),
    ids=SDK,
)
def test_sdks_that_do_not_retry_themselves_see_success(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, style: str, call: Callable[[], str]
) -> None:
    """With nothing but what a shell would set."""
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, setting.proxy.url)
    monkeypatch.setenv("SSL_CERT_FILE", str(setting.proxy.ca_file))
    provider = SDK[style]
    assert call() == said_by(f"sdk-{style}", provider)
    assert [heard.step for heard in setting.vendor.at(provider.host)] == ["status 529", "reset before headers", "ok"]


def test_the_proxy_is_still_there(setting: Setting) -> None:
    socket.create_connection(("127.0.0.1", setting.proxy.port), 5).close()
    assert not [line for line in setting.proxy.said if "Traceback" in line]
