"""Other processes for tests: Python scripts that say what they have done, line by line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

TESTS = Path(__file__).parent
# What most of them need; `say` is how they report.
PREAMBLE = f"""
import os, resource, sys, time
from pathlib import Path
sys.path.append({str(TESTS)!r})
import duckdb
from ledgers import request
from ringlet_mitm.addons.usage.ledger import LedgerBusy, insert, reading, transaction, writing
from ringlet_mitm.addons.usage.rows import AttemptRow, new_id
from ringlet_mitm.addons.usage.spool import Spool, all_files, contents
from ringlet_mitm.addons.usage.writer import Writer
def say(*words):
    print(*words, flush=True)
folder = Path(sys.argv[1])
database, spool_dir = folder / "data" / "usage.duckdb", folder / "spool"
"""
# Has the ledger until it may go on.
HOLD = """
with writing(database):
    say("locked")
    sys.stdin.readline()
say("free")
"""


class Child:
    """A process that is running."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def line(self) -> str:
        """The next line that it says; '' once it has ended."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def lines(self, count: int) -> list[str]:
        """The next `count` lines."""
        return [self.line() for _ in range(count)]

    def go(self) -> None:
        """Let it go on from where it reads its input."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def kill(self) -> list[str]:
        """With signal 9; what it had said by then."""
        self._process.kill()
        return self.rest()

    def rest(self) -> list[str]:
        """What it says until it ends; an error of its own fails the test."""
        assert self._process.stdout is not None and self._process.stderr is not None
        said = self._process.stdout.read().splitlines()
        errors = self._process.stderr.read()
        self._process.wait(60)
        assert "Traceback" not in errors, errors
        return said


@contextmanager
def child(script: str, folder: Path, *words: str, environ: Mapping[str, str] | None = None) -> Iterator[Child]:
    """A process that runs PREAMBLE and `script`; it does not outlive the block."""
    command = [sys.executable, "-c", PREAMBLE + script, str(folder), *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environ) as process:
        try:
            yield Child(process)
        finally:
            process.kill()
