"""Programs with a TLS stack each: how one asks for a URL through a proxy, trusting one authority more than usual.

And a server that speaks with a stolen key: it has a certificate for any host, and counts who fell for it.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Any

from browser.chromium import chromium
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from ringlet_mitm.addons.ca_certificate import new_key
from ringlet_mitm.addons.leaves import leaf_certificate

PATIENCE_S = 60
# Where `make test-agents` has npm put them: known versions, not what a developer uses.
AGENTS = Path(os.environ.get("RINGLET_TEST_AGENTS", Path(__file__).parents[1] / ".agents"))
GO_BUILD_S = 300  # of the standard library's HTTP, once a machine

NODE = """
const [,, proxy, url] = process.argv, [at, to] = [new URL(proxy), new URL(url)];
require('http').request({host: at.hostname, port: at.port, method: 'CONNECT', path: to.hostname + ':443'})
  .on('connect', (_, socket) => require('https').get(url, {socket, agent: false}, got => process.exit(0))
    .on('error', why => { console.error(why.code || why); process.exit(1) }))
  .end()
"""
PYTHON = """
import sys, urllib.error, urllib.request
try:
    urllib.request.urlopen(sys.argv[1], timeout=30)
except urllib.error.HTTPError:
    pass
"""
GO = """package main
import ("crypto/tls"; "crypto/x509"; "net/http"; "net/url"; "os")
func main() {
	text, _ := os.ReadFile(os.Args[1])
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) { panic("not taken") }
	proxy, _ := url.Parse(os.Args[2])
	there := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: pool}}
	if _, err := (&http.Client{Transport: there}).Get(os.Args[3]); err != nil { println(err.Error()); os.Exit(1) }
}
"""
CODEX = """
model_provider = "there"
[model_providers.there]
name = "there"
base_url = "{url}"
wire_api = "responses"
env_key = "SOME_KEY"
request_max_retries = 0
stream_max_retries = 0
"""


@dataclass(frozen=True, slots=True)
class Ask:
    """One question: `ca` is to be trusted, `folder` is the program's own home."""

    url: str
    proxy: str
    ca: Path
    folder: Path

    def environ(self, **more: str) -> dict[str, str]:
        """Of the machine's only what programs need to be found, and nothing that leads past the proxy."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return kept | {"HOME": str(self.folder), "HTTPS_PROXY": self.proxy, "https_proxy": self.proxy} | more

    def run(self, *words: str, patience_s: float = PATIENCE_S, **more: str) -> str:
        """What the program says; it may fail, that is for the servers to see. Its children end with it."""
        both, quiet = subprocess.STDOUT, subprocess.DEVNULL
        with subprocess.Popen(
            words, env=self.environ(**more), cwd=self.folder, stdin=quiet, stdout=subprocess.PIPE, stderr=both,
            text=True, start_new_session=True,
        ) as running:  # fmt: skip
            try:
                return running.communicate(timeout=patience_s)[0]
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)
                return f"still ran: {running.communicate()[0]}"


def _git(ask: Ask) -> str:
    trust = f"http.sslCAInfo={ask.ca}"
    return ask.run("git", "-c", trust, "-c", f"http.proxy={ask.proxy}", "ls-remote", ask.url, GIT_TERMINAL_PROMPT="0")


def _go(ask: Ask) -> str:
    return ask.run(_go_program(), str(ask.ca), ask.proxy, ask.url)


@cache
def _go_program() -> str:
    folder = Path(mkdtemp(prefix="ringlet-go-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "get.go").write_text(GO)
    words = ("go", "build", "-o", "get", "get.go")
    subprocess.run(words, cwd=folder, env={**os.environ, "GOTOOLCHAIN": "local"}, check=True, timeout=GO_BUILD_S)
    return str(folder / "get")


def _chromium(ask: Ask) -> str:
    """By a database of NSS, as `ca install` writes it."""
    base = ask.folder / ".pki" / "nssdb"
    base.mkdir(parents=True)
    ask.run("certutil", "-d", f"sql:{base}", "-N", "--empty-password")
    ask.run("certutil", "-d", f"sql:{base}", "-A", "-t", "C,,", "-n", "ours", "-i", str(ask.ca))
    words = ("--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={ask.folder / 'profile'}")
    return ask.run(chromium(), *words, f"--proxy-server={ask.proxy}", "--dump-dom", ask.url)


def _codex(ask: Ask) -> str:
    (ask.folder / "config.toml").write_text(CODEX.format(url=ask.url))
    named = {"CODEX_HOME": str(ask.folder), "CODEX_CA_CERTIFICATE": str(ask.ca), "SOME_KEY": "none"}
    # Refused, it asks again for more than a minute.
    return ask.run(_agent("codex"), "exec", "--skip-git-repo-check", "hello", patience_s=6, **named)


def _claude(ask: Ask) -> str:
    named = {"ANTHROPIC_BASE_URL": ask.url, "ANTHROPIC_API_KEY": "none", "NODE_EXTRA_CA_CERTS": str(ask.ca)}
    quiet = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "CLAUDE_CODE_MAX_RETRIES": "0"}
    return ask.run(_agent("claude"), "-p", "hello", **named, **quiet)


def _agent(name: str) -> str:
    return shutil.which(name, path=str(AGENTS / "node_modules" / ".bin")) or ""


@dataclass(frozen=True, slots=True)
class Stack:
    """`needs` are programs; where one is missing, the stack is not at hand."""

    ask: Callable[[Ask], str]
    needs: Callable[[], tuple[str | None, ...]] = field(default=lambda: ())

    def at_hand(self) -> bool:
        """Whether it can be tried here."""
        return all(self.needs())


def _which(*names: str) -> Callable[[], tuple[str | None, ...]]:
    return lambda: tuple(map(shutil.which, names))


STACKS: Mapping[str, Stack] = {
    "Python's ssl": Stack(lambda ask: ask.run(sys.executable, "-c", PYTHON, ask.url, SSL_CERT_FILE=str(ask.ca))),
    "curl with OpenSSL": Stack(
        lambda ask: ask.run("curl", "-sS", "-x", ask.proxy, "--cacert", str(ask.ca), ask.url), _which("curl")
    ),
    "git with GnuTLS": Stack(_git, _which("git")),
    "Node": Stack(
        lambda ask: ask.run("node", "-e", NODE, "x", ask.proxy, ask.url, NODE_EXTRA_CA_CERTS=str(ask.ca)),
        _which("node"),
    ),
    "Bun with BoringSSL": Stack(
        lambda ask: ask.run("bun", "-e", f"await fetch({ask.url!r})", NODE_EXTRA_CA_CERTS=str(ask.ca)), _which("bun")
    ),
    "Go": Stack(_go, _which("go")),
    "Chromium with NSS": Stack(_chromium, lambda: (chromium(), shutil.which("certutil"))),
    "Codex with rustls": Stack(_codex, lambda: (_agent("codex"),)),
    "Claude Code with BoringSSL": Stack(_claude, lambda: (_agent("claude"),)),
}


class Impostor:
    """Speaks TLS as any host it is asked for, by certificates signed with a key that is not its own.

    `tried` counts handshakes begun, `fooled` requests that came through one.
    """

    def __init__(self) -> None:
        self._folder = Path(mkdtemp(prefix="ringlet-impostor-"))
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.tried: list[str] = []
        self.fooled: list[str] = []

    def __enter__(self) -> Impostor:
        threading.Thread(target=self._accept, name="impostor", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening.close()
        shutil.rmtree(self._folder)

    def steal(self, file: Path) -> None:
        """Take the key in that file, and its certificate."""
        text = file.read_bytes()
        self.ca = x509.load_pem_x509_certificate(text)
        self.stolen: Any = serialization.load_pem_private_key(text, None)

    def forget(self) -> None:
        """Whoever has asked so far."""
        self.tried.clear()
        self.fooled.clear()

    def context(self, host: str) -> ssl.SSLContext:
        """A server's, with a certificate for that host."""
        if host not in self._contexts:
            key = new_key()
            leaf = leaf_certificate((x509.DNSName(host),), key.public_key(), self.ca, self.stolen)
            secret = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            chain = self._folder / f"{host}.pem"
            chain.write_bytes(secret + leaf.public_bytes(serialization.Encoding.PEM))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(chain)
            self._contexts[host] = context
        return self._contexts[host]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        asked: list[str] = []

        def chosen(tls: ssl.SSLSocket | ssl.SSLObject, host: str | None, _: ssl.SSLContext) -> None:
            asked.append(host or "")
            self.tried.append(host or "")
            tls.context = self.context(host or "nobody.invalid")

        outer = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        outer.sni_callback = chosen
        try:
            with outer.wrap_socket(connection, server_side=True) as tls:
                if tls.recv(65536):
                    self.fooled.append(asked[0])
                tls.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        except OSError:
            connection.close()
