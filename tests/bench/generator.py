"""Compiles and runs the two C programs: the load generator, and the upstream that it reaches at the other end."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ASKED_HOST = "api.anthropic.com"
LIBRARIES = {"upstream": (), "load": ("-lssl", "-lcrypto", "-lpthread")}
LIMIT_S = 120


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of the generator saw; nanoseconds."""

    wall_ns: int
    setup_ns: tuple[int, ...]
    whole_ns: tuple[int, ...]
    first_ns: tuple[int, ...]
    delay_ns: tuple[int, ...]

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return len(self.whole_ns) / (self.wall_ns / 1e9)


class Upstream:
    """The stand-in vendor, as a process of its own."""

    def __init__(self, folder: Path, events: int = 20, spacing_us: int = 0) -> None:
        self._process = subprocess.Popen(
            [folder / "upstream", str(events), str(spacing_us)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def stats(self) -> dict[str, int]:
        """Connections and requests so far."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats", timeout=5) as answer:
            return json.load(answer)

    def __enter__(self) -> Upstream:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def compile_programs(folder: Path) -> None:
    """Put `load` and `upstream` into `folder`; exits with a line that says what is missing."""
    for name, libraries in LIBRARIES.items():
        command = ["cc", "-O2", "-o", str(folder / name), str(HERE / f"{name}.c"), *libraries]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            sys.exit("bench: needs a C compiler called cc (Debian: apt-get install gcc libc6-dev libssl-dev)")
        if done.returncode:
            wanted = "OpenSSL's headers are needed (Debian: apt-get install libssl-dev)"
            sys.exit(f"bench: {name}.c does not compile; {wanted}\n{done.stderr[:2000]}")


def run_load(
    folder: Path, port: int, request: Path, *, ca: Path | None, connections: int, requests: int, warm_up: int = 3
) -> Load:
    """Send a raw request `requests` times through the proxy on `port`, or straight to `port` where there is no CA."""
    route = ("-", "-") if ca is None else (ASKED_HOST, str(ca))
    numbers = (str(connections), str(requests), str(warm_up))
    command = [str(folder / "load"), str(port), *route, *numbers, str(request)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
    return _parsed(done.stdout)


def probe(port: int, ca: Path, request: bytes) -> str:
    """Send one raw request through a proxy; gives the model that the upstream was asked for."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split()
    headers = dict(line.split(": ", 1) for line in lines)
    context = ssl.create_default_context(cafile=str(ca))
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=20)
    connection.set_tunnel(ASKED_HOST, 443)
    connection.request(method, path, body, headers)
    answer = json.load(connection.getresponse())
    connection.close()
    return str(answer.get("model", answer))


def _parsed(text: str) -> Load:
    records: dict[str, list[list[int]]] = {"w": [], "h": [], "r": [], "d": []}
    for line in text.splitlines():
        kind, *values = line.split()
        records[kind].append([int(value) for value in values])
    return Load(
        wall_ns=records["w"][0][0],
        setup_ns=tuple(row[0] for row in records["h"]),
        whole_ns=tuple(row[0] for row in records["r"]),
        first_ns=tuple(row[1] for row in records["r"]),
        delay_ns=tuple(row[0] for row in records["d"]),
    )
