"""The same addons in mitmweb's master and in plain mitmdump."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import httpx
from clients import AGENT_KEY, StartProxy, client, messages_body, post_messages, rows

from ringlet_mitm.addons.plugin import script
from ringlet_mitm.cli.demo.upstream import Vendor

RULES = '[[rule]]\nmatch = { has-system-prompt = true }\nto = "anthropic"\nmodel = "claude-haiku-4-5"\n'


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_mitmweb_shows_what_was_decided(start_proxy: StartProxy) -> None:
    port = free_port()
    proxy = start_proxy(RULES, options=("--web", "--web-port", str(port)))
    with client(proxy) as http:
        assert post_messages(http, messages_body(system="s")).json()["model"] == "claude-haiku-4-5"
    url = next(line for line in proxy.said if line.startswith("watch it at ")).removeprefix("watch it at ")
    assert url.startswith(f"http://127.0.0.1:{port}/")
    flows = httpx.get(url.replace("/?", "/flows?") if "?" in url else f"{url}flows", trust_env=False).json()
    (comment,) = [flow["comment"] for flow in flows if flow["comment"]]
    assert comment.startswith("has-system-prompt → anthropic/claude-haiku-4-5 | ")
    assert "$0.0" in comment
    assert AGENT_KEY not in str(flows)
    assert len(rows(proxy)) == 1


def test_mitmwebs_own_port_is_not_reached_through_the_proxy(start_proxy: StartProxy) -> None:
    port = free_port()
    proxy = start_proxy(RULES, options=("--web", "--web-port", str(port)))
    with client(proxy) as http:
        assert http.get(f"http://127.0.0.1:{port}/flows").status_code == 403


def test_plain_mitmdump_with_our_addons(start_proxy: StartProxy, vendor: Vendor, tmp_path: Path) -> None:
    proxy = start_proxy(RULES)
    proxy.stop()
    port = free_port()
    ca = tmp_path / "ca"
    words = [str(Path(sys.executable).parent / "mitmdump"), "-q", "-s", str(script()), "--set", f"confdir={ca}"]
    words += ["--set", f"listen_port={port}", "--set", "listen_host=127.0.0.1"]
    words += ["--set", f"ssl_verify_upstream_trusted_ca={vendor.ca_file}"]
    environ = {**proxy.environ, "RINGLET_PROFILE": "work", "RINGLET_CONNECT_TO": " ".join(vendor.connect_to)}
    process = subprocess.Popen(words, env=environ)
    try:
        end = time.monotonic() + 20
        while not (ca / "mitmproxy-ca-cert.pem").exists() or not _listens(port):
            assert time.monotonic() < end
            time.sleep(0.05)
        context = ssl.create_default_context(cafile=str(ca / "mitmproxy-ca-cert.pem"))
        with httpx.Client(proxy=f"http://127.0.0.1:{port}", verify=context) as http:
            assert post_messages(http, messages_body(system="s")).json()["model"] == "claude-haiku-4-5"
    finally:
        process.terminate()
        process.wait(15)
    assert [row["rule"] for row in rows(proxy)] == ["has-system-prompt → anthropic"]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
