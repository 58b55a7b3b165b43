"""Who listens on a port, as each system tells it."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from ringlet_mitm.cli.checks.listeners import SYSTEMS, _by_lsof, _by_netstat, listener

# As macOS 15 and Windows 11 print it.
LSOF = "p4711\\ncnode\\nf23\\n"
NETSTAT = """
Active Connections

  Proto  Local Address          Foreign Address        State           PID
  TCP    0.0.0.0:135            0.0.0.0:0              LISTENING       1044
  TCP    127.0.0.1:8484         0.0.0.0:0              ABHÖREN         4711
  TCP    127.0.0.1:8484         127.0.0.1:50123        ESTABLISHED     4712
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_this_process(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        assert listener(server.getsockname()[1]).endswith(f" (process {os.getpid()})")


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_nobody(platform: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert SYSTEMS.get(platform, _by_lsof)(port) == ""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all the programs that there are, but for printf and cat."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_lsof(programs: Path) -> None:
    write(programs, "lsof", f"printf '{LSOF}'")
    assert _by_lsof(8484) == "node (process 4711)"


def test_netstat(programs: Path) -> None:
    write(programs, "netstat", f"cat <<'END'{NETSTAT}END")
    write(programs, "tasklist", """printf '"node.exe","4711","Console","1","50,000 K"\\n'""")
    assert _by_netstat(8484) == "node.exe (process 4711)"
    assert _by_netstat(9999) == ""
