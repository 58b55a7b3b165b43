"""Who listens on a port of this machine, as far as the system tells this user."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

LISTENING = "0A"
TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
LIMIT_S = 3


def listener(port: int) -> str:
    """`python3 (process 4711)`, "" where nobody says: others' processes are often hidden."""
    return SYSTEMS.get(sys.platform, _by_lsof)(port)


def _by_proc(port: int) -> str:
    """Linux: the socket's number, then the process that has it open."""
    sockets = {f"socket:[{number}]" for table in TABLES for number in _sockets(Path(table), port)}
    for process in Path("/proc").iterdir() if sockets else ():
        if process.name.isdigit() and sockets & _open_in(process / "fd"):
            with suppress(OSError):
                return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    return ""


def _sockets(table: Path, port: int) -> list[str]:
    with suppress(OSError):
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
        return [row[9] for row in rows if row[3] == LISTENING and int(row[1].rpartition(":")[2], 16) == port]
    return []


def _open_in(folder: Path) -> set[str]:
    found = set()
    with suppress(OSError):
        for one in folder.iterdir():
            with suppress(OSError):
                found.add(str(one.readlink()))
    return found


def _by_lsof(port: int) -> str:
    """macOS and others: `p4711`, then `cpython3`."""
    said = {line[0]: line[1:] for line in _said("lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc") if line}
    return f"{said['c']} (process {said['p']})" if {"c", "p"} <= said.keys() else ""


def _by_netstat(port: int) -> str:
    """Windows: `TCP  127.0.0.1:8484  0.0.0.0:0  LISTENING  4711`; the word is another in other languages."""
    row = re.compile(rf"\s*TCP\s+\S+:{port}\s+\S+:0\s+\S+\s+(\d+)\s*")
    process = next((found[1] for line in _said("netstat", "-ano", "-p", "TCP") if (found := row.fullmatch(line))), "")
    rows = list(csv.reader(_said("tasklist", "/FI", f"PID eq {process}", "/FO", "CSV", "/NH"))) if process else []
    name = rows[0][0] if rows and len(rows[0]) > 1 else "somebody"
    return f"{name} (process {process})" if process else ""


def _said(*words: str) -> list[str]:
    if shutil.which(words[0]) is None:
        return []
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return []


SYSTEMS: Mapping[str, Callable[[int], str]] = {"linux": _by_proc, "win32": _by_netstat}
