"""A proxy of its own for the demo and the tests: the real program in a process, in a home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from ringlet_mitm.cli.demo.upstream import Vendor
from ringlet_mitm.rules.errors import RingletError

LISTENING = "listening on "
PRESSED_AGAIN_S = 0.5
# Agents and tests of a machine that itself sits behind a proxy must not reach for it.
LEFT_OUT = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy", "SSL_CERT_FILE")


def program(*words: str) -> list[str]:
    """The command line of this very installation."""
    return [sys.executable, "-m", "ringlet_mitm.cli.main", *words]


def environment(home: Path, keys: Mapping[str, str]) -> dict[str, str]:
    """Variables for our own programs: everything below `home`, and no keys but the ones given."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in LEFT_OUT and not name.endswith(("_API_KEY", "_BASE_URL"))
    }
    return {**kept, "RINGLET_HOME": str(home), "PYTHONUNBUFFERED": "1", **keys}


class RunningProxy:
    """`ringlet-mitm --profile NAME` in a process, its upstream connections led to the stand-in vendor."""

    def __init__(
        self,
        home: Path,
        vendor: Vendor,
        *,
        profile: str = "demo",
        port: int = 0,
        keys: Mapping[str, str] | None = None,
        options: Iterable[str] = (),
    ) -> None:
        self.home = home
        self.environ = environment(home, keys or {})
        self.said: list[str] = []
        detours = [word for detour in vendor.connect_to for word in ("--connect-to", detour)]
        words = ("serve", "--profile", profile, "--port", str(port), *detours, "--upstream-ca", str(vendor.ca_file))
        self._process = self._launched([*words, *options])
        self.url = self._wait()
        self._reader = threading.Thread(target=self._read, name="proxy output", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    @property
    def ca_file(self) -> Path:
        """The certificate for agents to trust."""
        return self.home / "ca" / "mitmproxy-ca-cert.pem"

    def stop(self, timeout_s: float = 10) -> int:
        """End it as Ctrl-C does, pressed again where something is under way; its exit code."""
        for patience_s in (PRESSED_AGAIN_S, timeout_s):
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                return self._process.wait(patience_s)
        self.kill()
        return self._process.wait()

    def kill(self) -> None:
        """End it as a power cut does."""
        self._process.kill()
        self._process.wait()

    def run(self, *words: str) -> str:
        """Another command of ours in the same home; raises CalledProcessError where it fails."""
        return subprocess.run(program(*words), env=self.environ, text=True, check=True, capture_output=True).stdout

    def __enter__(self) -> RunningProxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launched(self, words: list[str]) -> subprocess.Popen[str]:
        out, both = subprocess.PIPE, subprocess.STDOUT
        return subprocess.Popen(program(*words), env=self.environ, stdout=out, stderr=both, text=True)

    def _wait(self) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.append(line.rstrip())
            if line.startswith(LISTENING):
                return line.removeprefix(LISTENING).strip()
        self._process.wait()
        raise RingletError("the proxy did not start: " + " / ".join(self.said[-5:]))

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.append(line.rstrip())
