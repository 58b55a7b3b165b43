"""A proxy inside mitmweb with some traffic in it: an agent's turns routed, translated, failed and passed through."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from clients import AGENT_KEY, KEYS, client, post_messages
from forking import ForkedProxy

from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Vendor
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile, save_profile

PATIENCE_S = 15
RULES = """
[[rule]]
name = "plan with thought"
match = { thinking = true, tool-result = false }
to = "anthropic"
model = "claude-opus-4-6"

[[rule]]
name = "tool results"
match = { tool-result = true }
to = "groq"
model = "llama-3.3-70b-versatile"

[default]
to = "anthropic"
model = "claude-haiku-4-5"
"""
READ = {
    "name": "Read",
    "description": "Reads a file of the project.",
    "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
}
SEARCH = {
    "name": "Search",
    "description": "Finds a text in the project's files.",
    "input_schema": {"type": "object", "properties": {"text": {"type": "string"}}},
}
ASKED = "Why does the retry loop in queue.py never give up?"
PLAN: dict[str, Any] = {
    "model": "claude-opus-4-8",
    "max_tokens": 8000,
    "stream": True,
    "thinking": {"type": "enabled", "budget_tokens": 4000},
    "system": "You are a careful programmer. Read before you write.",
    "tools": [READ, SEARCH],
    "messages": [{"role": "user", "content": ASKED}],
}
SAID = [
    {"type": "thinking", "thinking": "The loop must be in queue.py; let me read it.", "signature": "c2lnbmF0dXJl"},
    {"type": "text", "text": "I will read the file first."},
    {"type": "tool_use", "id": "toolu_01", "name": "Read", "input": {"path": "queue.py"}},
]
LOOP = """def run(job):
    tries = 0
    while True:
        try:
            return job()
        except OSError:
            tries += 1
"""
RESULT = [{"type": "tool_result", "tool_use_id": "toolu_01", "content": LOOP}]
WORK = {
    **PLAN,
    "top_k": 40,
    "messages": [*PLAN["messages"], {"role": "assistant", "content": SAID}, {"role": "user", "content": RESULT}],
}
NAMING = {
    "model": "claude-haiku-4-5",
    "max_tokens": 32,
    "system": "Name the conversation in three words.",
    "messages": [{"role": "user", "content": ASKED}],
}


@dataclass(frozen=True, slots=True)
class Web:
    """A proxy and the address of its page, with what lets one in; `flows` asks the page what it lists."""

    proxy: RunningProxy
    url: str

    def ask(self, path: str, **query: str) -> httpx.Response:
        """What the page would get."""
        base, _, token = self.url.partition("?")
        headers = {"authorization": f"Bearer {token.partition('=')[2]}"} if token else {}
        return httpx.get(f"{base}{path}", params=query, headers=headers, trust_env=False, timeout=PATIENCE_S)

    def flows(self) -> list[dict[str, Any]]:
        """All that are listed."""
        found = self.ask("flows").json()
        assert isinstance(found, list)
        return found

    def done(self, count: int) -> list[dict[str, Any]]:
        """The flows once so many are over."""
        end = time.monotonic() + PATIENCE_S
        while True:
            flows = self.flows()
            if sum(bool(flow["comment"]) and "running" not in flow["comment"] for flow in flows) >= count:
                return flows
            assert time.monotonic() < end, [flow["comment"] for flow in flows]

    def view(self, flow_id: str, part: str, name: str = "Auto") -> str:
        """What a content view says."""
        said = self.ask(f"flows/{flow_id}/{part}/content/{name}").json()
        if "text" in said:
            return str(said["text"])
        return "\n".join("".join(text for _, text in line) for line in said["lines"])


def free_port() -> int:
    """One that nobody has, a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mitmweb(
    home: Path, vendor: Vendor, rules: str = RULES, *, capture: Any = "metadata", keys: Any = KEYS
) -> Iterator[Web]:
    """A proxy of a profile `work` inside mitmweb."""
    place = home_of({"RINGLET_HOME": str(home)})
    save_profile(place, Profile(name="work", capture=capture))
    place.routing_file("work").write_text(rules)
    options = ("--web", "--web-port", str(free_port()))
    with ForkedProxy(home, vendor, profile="work", keys=keys, options=options) as proxy:
        url = next(line for line in proxy.said if line.startswith("watch it at ")).removeprefix("watch it at ")
        yield Web(proxy, url)


def work(web: Web) -> None:
    """A short session: a plan, a tool's result to another provider, and a question that names the session."""
    session = json.dumps({"session_id": "5f3a0b6e-0000-4000-8000-7c0ffee00001"})
    with client(web.proxy) as http:
        for body in (NAMING, PLAN, WORK):
            sent = {**body, "metadata": {"user_id": session}}
            post_messages(http, json.dumps(sent).encode(), user_agent="claude-cli/2.1.0 (external, cli)").read()


__all__ = ["AGENT_KEY", "Web", "mitmweb", "work"]
