"""Requests of agents through one proxy to providers that fail: how they are asked, what came, what was written down."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx
from clients import client
from verdicts import Verdict, read_answer

from ringlet_mitm.cli.demo.faults import Step
from ringlet_mitm.cli.demo.faulty import Alpn
from ringlet_mitm.cli.demo.stage import RunningProxy

# No answer of a local proxy takes longer, faults and time-outs of these tests included, not even on a busy machine.
BOUND_S = 30.0
# Below a name of its own, so that one wildcard certificate does for all.
DOMAIN = "faulty.test"
KEY = {"FAULTY_KEY": "key-of-the-proxy-5e0d"}
SHAPES = {
    "messages": 'shape = "anthropic"\nendpoint = "https://{host}"\n',
    "chat": 'shape = "openai"\nendpoint = "https://{host}/v1"\n',
    "responses": 'shape = "openai"\nendpoint = "https://{host}/v1"\n[paths]\nopenai-responses = "/responses"\n',
    "gemini": 'shape = "gemini"\nendpoint = "https://{host}"\n',
}
AGENT_KEY = "key-of-the-agent-c0ffee"
CREDENTIALS = {
    "messages": {"x-api-key": AGENT_KEY, "anthropic-version": "2023-06-01"},
    "gemini": {"x-goog-api-key": AGENT_KEY},
}
URLS = {
    "messages": "https://api.anthropic.com/v1/messages",
    "chat": "https://api.openai.com/v1/chat/completions",
    "responses": "https://api.openai.com/v1/responses",
}
GEMINI_URL = "https://generativelanguage.googleapis.com/v1beta/models/{model}:{method}"


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider with a host of its own, its format, and what will happen there."""

    name: str
    style: str = "messages"
    alpn: Alpn = "http/1.1"
    steps: tuple[Step, ...] = ()

    @property
    def host(self) -> str:
        """Where it is asked."""
        return f"{self.name}.{DOMAIN}"

    @property
    def file(self) -> str:
        """Its provider file."""
        top, _, tables = SHAPES[self.style].partition("[")
        said = f'name = "{self.name}"\nkey-env = "FAULTY_KEY"\n{top}'.format(host=self.host)
        return said + (f"[{tables}" if tables else "")


@dataclass(slots=True)
class Came:
    """What an agent got: `status` 0 where the connection ended instead; `verdict` is what it makes of it."""

    status: int
    body: bytes = field(repr=False)
    seconds: float
    verdict: Verdict
    headers: httpx.Headers = field(default_factory=httpx.Headers, repr=False)


def said_by(model: str, provider: Provider) -> str:
    """The right answer, in words."""
    return f"This is {model} at {provider.host}. I have read your message and have nothing to add."


def rule(model: str, to: Provider, **keys: Any) -> str:
    """A rule for one model."""
    lines = [f"{name.replace('_', '-')} = {json.dumps(value)}" for name, value in keys.items()]
    return "\n".join(["[[rule]]", f'match = {{ model-equals = "{model}" }}', f'to = "{to.name}"', *lines, "", ""])


class Agents:
    """Clients by thread and version: mitmproxy offers a provider the versions that the agent has offered it.

    A thread has its own, so that what goes wrong on one agent's connection is nobody else's.
    """

    def __init__(self, proxy: RunningProxy) -> None:
        self._proxy = proxy
        self._own = threading.local()
        self._made: list[httpx.Client] = []

    def of(self, alpn: Alpn) -> httpx.Client:
        """This thread's."""
        found: httpx.Client | None = getattr(self._own, alpn, None)
        if found is None:
            found = client(self._proxy, http2=alpn == "h2")
            setattr(self._own, alpn, found)
            self._made.append(found)
        return found

    def __enter__(self) -> Agents:
        return self

    def __exit__(self, *error: object) -> None:
        for one in self._made:
            one.close()


def ask(http: httpx.Client, style: str, model: str, *, stream: bool) -> Came:
    """One request, as an agent of this format makes it."""
    began = time.monotonic()
    status, body, headers = 0, b"", httpx.Headers()
    url, content = _request(style, model, stream)
    sent = CREDENTIALS.get(style, {"authorization": f"Bearer {AGENT_KEY}"})
    try:
        with http.stream("POST", url, json=content, headers=sent, timeout=BOUND_S) as answer:
            status, headers = answer.status_code, answer.headers
            for piece in answer.iter_bytes():
                body += piece
        verdict = read_answer(style, stream, status, body)
    except httpx.HTTPError as error:
        verdict = Verdict("broken", why=f"{error!r} after {status}, {body[-100:]!r}")
    return Came(status, body, time.monotonic() - began, verdict, headers)


def _request(style: str, model: str, stream: bool) -> tuple[str, dict[str, Any]]:
    turn = {"role": "user", "content": "hello"}
    if style == "gemini":
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return GEMINI_URL.format(model=model, method=method), {
            "contents": [{"role": "user", "parts": [{"text": "hi"}]}]
        }
    body = {
        "messages": {"max_tokens": 100, "messages": [turn]},
        "chat": {"messages": [turn]},
        "responses": {"input": [turn]},
    }[style]
    return URLS[style], {"model": model, **body, "stream": stream}


@dataclass(frozen=True, slots=True)
class Ledger:
    """What was written down, by the model asked for: the request's rows, and the attempts' in their order."""

    requests: dict[str, list[dict[str, Any]]]
    attempts: dict[str, list[dict[str, Any]]]


def ledger(proxy: RunningProxy) -> Ledger:
    """All of it."""
    requests = _by_model(_query(proxy, "SELECT * FROM requests ORDER BY started_us"))
    joined = "SELECT requested_model, a.* FROM attempts a JOIN requests r ON a.request_id = r.id"
    return Ledger(requests, _by_model(_query(proxy, f"{joined} ORDER BY r.id, a.number")))


def _query(proxy: RunningProxy, sql: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(proxy.run("usage", "--sql", sql, "--json"))
    return found


def _by_model(found: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    sorted_out: dict[str, list[dict[str, Any]]] = {}
    for row in found:
        sorted_out.setdefault(row["requested_model"], []).append(row)
    return sorted_out
