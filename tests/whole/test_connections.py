"""What is decrypted, what is tunnelled, what is refused; HTTP/1.1 and HTTP/2; the proxy's own address."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess

import httpx
import pytest
from clients import AGENT_KEY, StartProxy, client, messages_body, post_messages, rows, trusting

from ringlet_mitm.cli.demo.stage import RunningProxy, program
from ringlet_mitm.cli.demo.upstream import Vendor


@pytest.fixture(scope="module")
def proxy(shared_proxy: StartProxy) -> RunningProxy:
    return shared_proxy('[[rule]]\nmatch = { tool-use = true }\nto = "anthropic"\nmodel = "claude-haiku-4-5"\n')


def issuer(proxy: RunningProxy, context: ssl.SSLContext, host: str) -> str:
    """Whose certificate a client gets to see for a host."""
    with socket.create_connection(("127.0.0.1", proxy.port), 10) as plain:
        plain.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nhost: {host}:443\r\n\r\n".encode())
        assert b" 200 " in plain.recv(4096)
        with context.wrap_socket(plain, server_hostname=host) as secure:
            certificate = secure.getpeercert() or {}
    return dict(part[0] for part in certificate["issuer"])["commonName"]


def test_llm_hosts_are_decrypted_with_our_certificate(proxy: RunningProxy) -> None:
    assert "stand-in" not in issuer(proxy, trusting(proxy), "api.anthropic.com")


def test_other_hosts_are_tunnelled(proxy: RunningProxy, vendor: Vendor) -> None:
    """The client sees the real certificate, and does not even trust ours."""
    assert issuer(proxy, ssl.create_default_context(cafile=str(vendor.ca_file)), "example.com") == "stand-in vendor CA"


@pytest.mark.parametrize("target", ["127.0.0.1:{port}", "localhost:{port}", "127.1:8081", "[::1]:{port}", "0.0.0.0:22"])
def test_loopback_is_refused(proxy: RunningProxy, target: str) -> None:
    target = target.format(port=proxy.port)
    with socket.create_connection(("127.0.0.1", proxy.port), 10) as plain:
        plain.sendall(f"CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n\r\n".encode())
        assert plain.recv(4096).startswith(b"HTTP/1.1 403 ")


def test_a_plain_request_to_loopback_is_refused(proxy: RunningProxy, vendor: Vendor) -> None:
    with client(proxy) as http:
        answer = http.get(f"http://127.0.0.1:{vendor.port}/")
    assert (answer.status_code, "does not forward" in answer.text) == (403, True)


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_both_versions_of_http(proxy: RunningProxy, http2: bool, stream: bool) -> None:
    with client(proxy, http2=http2) as http:
        answer = post_messages(http, messages_body(stream=stream, tools=[{"name": "t", "input_schema": {}}]))
    assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
    assert "claude-haiku-4-5" in answer.text
    assert rows(proxy)[-1]["usage_source"] == "reported"


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_curl(proxy: RunningProxy, version: str) -> None:
    words = ["curl", "-sS", version, "--proxy", proxy.url, "--cacert", str(proxy.ca_file), "--max-time", "20"]
    words += ["-H", f"x-api-key: {AGENT_KEY}", "-d", messages_body(stream=True).decode()]
    done = subprocess.run([*words, "https://api.anthropic.com/v1/messages"], capture_output=True, text=True, check=True)
    assert "event: message_stop" in done.stdout


def test_health(proxy: RunningProxy) -> None:
    said = httpx.get(f"{proxy.url}/health", trust_env=False).json()
    assert (said["status"], said["profile"], said["rules"]) == ("ok", "work", ["tool-use → anthropic"])


def test_what_else_is_asked_of_the_proxy_itself(proxy: RunningProxy) -> None:
    answer = httpx.get(f"{proxy.url}/nothing", trust_env=False)
    assert (answer.status_code, "/health" in answer.text) == (404, True)


def said_to(proxy: RunningProxy, request: str, host: str) -> str:
    """What a plain request with this Host header gets, as of a web page whose name leads to us."""
    body = messages_body().decode()
    with socket.create_connection(("127.0.0.1", proxy.port), 10) as plain:
        plain.settimeout(10)
        head = f"{request} HTTP/1.1\r\nhost: {host}\r\ncontent-type: text/plain\r\nconnection: close\r\n"
        plain.sendall(f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())
        return b"".join(iter(lambda: plain.recv(65536), b"")).decode()


@pytest.fixture(scope="module")
def rebound(shared_proxy: StartProxy) -> RunningProxy:
    """A proxy that finds itself at rebound.example."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    return shared_proxy(port=port, options=["--connect-to", f"rebound.example:{port}:127.0.0.1:{port}"])


@pytest.mark.parametrize("request_line", ["GET /health", "POST /v1/messages", "GET /v1/models"])
@pytest.mark.parametrize(
    "host", ["rebound.example", "0.0.0.0", "app.localhost", "localhost.", "127.1", "[::ffff:7f00:1]"]
)
def test_a_web_page_whose_name_leads_to_us_is_refused(
    rebound: RunningProxy, vendor: Vendor, request_line: str, host: str
) -> None:
    """Browsers send no sec-fetch headers to such names, and would let the page read the answer."""
    before = len(vendor.seen)
    said = said_to(rebound, request_line, f"{host}:{rebound.port}")
    # Where a name leads is known only once it is connected to; what is loopback by its spelling is never connected to.
    status, why = ("502", "leads back to this machine") if host == "rebound.example" else ("403", "does not forward")
    assert (said.split()[1], why in said) == (status, True)
    assert len(vendor.seen) == before


BASE_URLS = {
    "messages": ("/v1/messages", json.loads(messages_body()), {"x-api-key": "k"}, "api.anthropic.com"),
    "chat": (
        "/v1/chat/completions",
        {"model": "gpt-5", "messages": []},
        {"authorization": "Bearer k"},
        "api.openai.com",
    ),
    "responses": ("/v1/responses", {"model": "gpt-5", "input": "hi"}, {"authorization": "Bearer k"}, "api.openai.com"),
    "gemini": (
        "/v1beta/models/gemini-3.8-flash:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
        {"x-goog-api-key": "k"},
        "generativelanguage.googleapis.com",
    ),
}


@pytest.mark.parametrize(("path", "body", "headers", "host"), BASE_URLS.values(), ids=BASE_URLS)
def test_base_url_mode(
    proxy: RunningProxy, vendor: Vendor, path: str, body: dict[str, object], headers: dict[str, str], host: str
) -> None:
    answer = httpx.post(proxy.url + path, json=body, headers=headers, trust_env=False, timeout=20)
    assert (answer.status_code, vendor.seen[-1].host) == (200, host)


def test_a_taken_port_is_one_clear_line(proxy: RunningProxy) -> None:
    words = program("--profile", "work", "--port", str(proxy.port))
    done = subprocess.run(words, env=proxy.environ, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout) == (2, "")
    said = f"127.0.0.1:{proxy.port} is taken, perhaps by another ringlet-mitm; choose another with --port"
    assert done.stderr == f"ringlet-mitm: {said}\n"


def test_a_public_address_without_a_login_is_refused(proxy: RunningProxy) -> None:
    words = program("--profile", "work", "--port", "0", "--host", "0.0.0.0")
    done = subprocess.run(words, env=proxy.environ, capture_output=True, text=True, timeout=20)
    assert (done.returncode, "--proxyauth USER:PASSWORD" in done.stderr) == (2, True)
