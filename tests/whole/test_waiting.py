"""Agents whose stream is of our making: a provider that answers whole and takes its time, or is gone in the middle."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from clients import messages_body

from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile, save_profile

SAID = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1763700000,
    "model": "slow-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "At last."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
}
SLOW_S = 1.5
PROGRAM = """
import sys
from pathlib import Path
from ringlet_mitm.addons.master import Setup, run
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import load_profile
home = home_of({"RINGLET_HOME": sys.argv[1]})
run(Setup(home, load_profile(home, "work"), {}, announce=lambda rules, address: print(address, flush=True), ping_s=0.2))
"""


class SlowVendor(ThreadingHTTPServer):
    """Answers a Chat call after a while: whole, with an error, or not at all."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Slow)
        self.bodies: list[dict[str, object]] = []


class _Slow(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        assert isinstance(self.server, SlowVendor)
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.bodies.append(asked)
        if asked["model"] == "cut-1":
            self._cut()
            return
        time.sleep(0 if asked["model"] == "quick-1" else SLOW_S)
        if asked["model"] == "dead-1":
            self.close_connection = True
            return
        broken = asked["model"] == "broken-1"
        said = json.dumps({"error": {"message": "too many", "type": "rate_limit"}} if broken else SAID).encode()
        self.send_response(429 if broken else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def _cut(self) -> None:
        """Begin a stream, and be gone."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        chunk = {"id": "c", "model": "cut-1", "choices": [{"index": 0, "delta": {"content": "Half a"}}]}
        line = f"data: {json.dumps(chunk)}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.wfile.flush()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def slow() -> Iterator[SlowVendor]:
    with SlowVendor() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def address(tmp_path: Path, slow: SlowVendor) -> Iterator[str]:
    home = home_of({"RINGLET_HOME": str(tmp_path)})
    save_profile(home, Profile(name="work", port=0))
    home.providers_dir.mkdir(parents=True)
    (home.providers_dir / "slow.toml").write_text(
        f'name = "slow"\nshape = "openai"\nendpoint = "http://127.0.0.1:{slow.server_port}/v1"\nstreaming = false\n'
    )
    (home.providers_dir / "streaming.toml").write_text(
        f'name = "streaming"\nshape = "openai"\nendpoint = "http://127.0.0.1:{slow.server_port}/v1"\n'
    )
    home.routing_file("work").write_text(
        '[[rule]]\nmatch = { model-equals = "cut-1" }\nto = "streaming"\nmodel = "cut-1"\n'
        + "".join(
            f'[[rule]]\nmatch = {{ model-equals = "{name}" }}\nto = "slow"\nmodel = "{name}"\n'
            for name in ("slow-1", "quick-1", "broken-1", "dead-1")
        )
    )
    words = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://{process.stdout.readline().strip()}"
        process.terminate()
        process.wait(20)


def events(address: str, model: str) -> list[str]:
    """The names of the events that an agent gets."""
    body = json.loads(messages_body(stream=True)) | {"model": model}
    answer = httpx.post(f"{address}/v1/messages", json=body, timeout=20)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
    return [line.removeprefix("event: ") for line in answer.text.splitlines() if line.startswith("event: ")]


def test_pings_come_while_the_provider_thinks(address: str, slow: SlowVendor) -> None:
    found = events(address, "slow-1")
    assert found[:3] == ["ping"] * 3
    assert found.index("message_start") < found.index("content_block_delta") < found.index("message_stop")
    assert slow.bodies[-1].get("stream") in (None, False)


def test_a_quick_answer_needs_no_ping(address: str) -> None:
    assert events(address, "quick-1")[0] == "message_start"


@pytest.mark.parametrize("model", ["broken-1", "dead-1"])
def test_what_fails_after_a_ping_ends_in_an_error_event(address: str, model: str) -> None:
    found = events(address, model)
    assert (found[0], found[-1]) == ("ping", "error")
    assert "message_stop" not in found


@pytest.mark.parametrize(
    "path", ["/v1/messages", "/v1/responses", "/v1beta/models/cut-1:streamGenerateContent?alt=sse"]
)
def test_a_provider_that_is_gone_in_the_middle_ends_in_an_error_event(address: str, path: str) -> None:
    asked = {
        "/v1/messages": json.loads(messages_body(stream=True)) | {"model": "cut-1"},
        "/v1/responses": {"model": "cut-1", "input": "hi", "stream": True},
    }.get(path, {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]})
    answer = httpx.post(f"{address}{path}", json=asked, timeout=20)
    assert (answer.status_code, "Half a" in answer.text) == (200, True)
    last = answer.text.rstrip().splitlines()[-1]
    assert "error" in last and "broke off" in last
