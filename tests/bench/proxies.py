"""The two proxies: plain mitmdump with a three-line script, and ringlet-mitm with ten rules and recording on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ringlet_mitm.rules.home import Home, home_of

PROFILE = "bench"
ROUTED_MODEL = "claude-haiku-4-5"
LAST_RULE = "the last"
BIN = Path(sys.executable).parent
START_LIMIT_S = 30.0
POLL_S = 0.002

MITMDUMP_SCRIPT = """\
def request(flow):
    flow.request.scheme, flow.request.host = "http", "127.0.0.1"
    flow.request.port = {port}
"""
# Without it mitmdump holds an answer back until it is complete.
MITMDUMP_STREAMING = """
def responseheaders(flow):
    flow.response.stream = True
"""

PROVIDER = """\
name = "bench"
shape = "anthropic"
endpoint = "http://127.0.0.1:{port}"
key-env = "BENCH_KEY"
default-model = "claude-haiku-4-5"
"""

# Each size has a threshold that its bounds leave open, so that its tokens must be counted; only the tenth rule matches.
ROUTING = f"""\
[[rule]]
match = {{ tool-use = true, model-prefix = "gpt-" }}
to = "bench"

[[rule]]
match = {{ input-tokens-lt = 300 }}
to = "bench"

[[rule]]
match = {{ model-equals = "claude-3-5-haiku-20241022" }}
to = "bench"

[[rule]]
match = {{ input-tokens-gt = 20000, input-tokens-lt = 60000 }}
to = "bench"

[[rule]]
match = {{ messages-gt = 5000 }}
to = "bench"

[[rule]]
match = {{ input-tokens-gt = 250000 }}
to = "bench"

[[rule]]
match = {{ has-images = true }}
to = "bench"

[[rule]]
match = {{ agent = "codex" }}
to = "bench"

[[rule]]
match = {{ output-tokens-gt = 500000, stream = true }}
to = "bench"

[[rule]]
name = "{LAST_RULE}"
match = {{ model-prefix = "claude-" }}
to = "bench"
model = "{ROUTED_MODEL}"

[default]
to = "anthropic"
"""


@dataclass(slots=True)
class Proxy:
    """A running proxy: where it listens, the CA it signs with, and its process."""

    name: str
    port: int
    ca: Path
    process: subprocess.Popen[bytes]
    started_s: float

    def rss_mb(self) -> float:
        """Resident memory now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def cpu_s(self) -> float:
        """Processor time so far, of all its threads and of the processes that it has ended."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    def settle(self, limit_s: float = 5.0) -> None:
        """Wait until it is idle, so that work it put off is not done while the other one is measured."""
        end = time.monotonic() + limit_s
        before, idle = self.cpu_s(), 0
        while idle < 3 and time.monotonic() < end:
            time.sleep(0.05)
            now = self.cpu_s()
            idle = idle + 1 if now - before < 0.02 else 0
            before = now

    def stop(self) -> None:
        """End the process, and wait for it."""
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_mitmdump(folder: Path, upstream_port: int, *, streaming: bool = False) -> Proxy:
    """Plain `mitmdump -q`; lazy, because by default it would first connect to the real host."""
    script = folder / f"rewrite_{upstream_port}_{streaming}.py"
    script.write_text(MITMDUMP_SCRIPT.format(port=upstream_port) + (MITMDUMP_STREAMING if streaming else ""))
    authority, port = folder / "mitmdump-ca", free_port()
    options = [f"confdir={authority}", "connection_strategy=lazy", "listen_host=127.0.0.1", f"listen_port={port}"]
    settings = [word for option in options for word in ("--set", option)]
    command = [str(BIN / "mitmdump"), "-q", "-s", str(script), *settings]
    return _started("mitmdump", command, port, authority / "mitmproxy-ca-cert.pem", folder, dict(os.environ))


def start_ringlet(folder: Path, upstream_port: int) -> Proxy:
    """`ringlet-mitm` in a home of its own under `folder`."""
    environ = environment(folder)
    home = home_of(environ)
    set_up(home, upstream_port)
    port = free_port()
    command = [str(BIN / "ringlet-mitm"), "--profile", PROFILE, "--port", str(port), "--quiet"]
    return _started("ringlet-mitm", command, port, home.ca_dir / "mitmproxy-ca-cert.pem", folder, environ)


def environment(folder: Path) -> dict[str, str]:
    """Variables for our commands."""
    return {**os.environ, "RINGLET_HOME": str(folder / "home"), "BENCH_KEY": "sk-of-the-bench-provider"}


def set_up(home: Home, upstream_port: int) -> None:
    """Write the profile's rules and its provider."""
    for path, text in (
        (home.routing_file(PROFILE), ROUTING),
        (home.providers_dir / "bench.toml", PROVIDER.format(port=upstream_port)),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _started(name: str, command: list[str], port: int, ca: Path, folder: Path, environ: dict[str, str]) -> Proxy:
    log = folder / f"{name}-{port}.log"
    begun = time.monotonic()
    with log.open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink, env=environ, cwd=folder)
    while time.monotonic() - begun < START_LIMIT_S and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return Proxy(name, port, ca, process, time.monotonic() - begun)
        time.sleep(POLL_S)
    process.kill()
    process.wait()
    raise RuntimeError(f"{' '.join(command)} did not listen within {START_LIMIT_S:.0f} s:\n{log.read_text()[-3000:]}")
