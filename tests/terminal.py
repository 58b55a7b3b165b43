"""A real terminal with a shell of job control in it, typed into by tests."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType

PATIENCE_S = 30
AGAIN_S = 5
PROMPT = "ready> "
# The terminal becomes the session's own.
SHELL = """
import fcntl, os, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp("bash", ["bash", "--norc", "--noprofile", "--noediting", "-i"])
"""


class Terminal:
    """bash in a terminal of 400 columns and 24 lines; `said` is all that has been on the screen."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.said = ""
        self._read = 0
        self._fd, inner = os.openpty()
        self.resize(400, 24)
        variables = {**environ, "PS1": PROMPT, "PS0": "", "TERM": "dumb", "HISTFILE": ""}
        self._shell = subprocess.Popen(
            [sys.executable, "-c", SHELL],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env=variables,
            start_new_session=True,
        )
        os.close(inner)
        self.until(re.escape(PROMPT))

    def type(self, text: str) -> None:
        """As from a keyboard."""
        os.write(self._fd, text.encode())

    def line(self, text: str) -> None:
        """A line and Return."""
        self.type(f"{text}\n")
        self.until(re.escape(text) + r"\r+\n")

    def answer(self, line: str, pattern: str) -> re.Match[str]:
        """What the shell says to a line; typed again where the line was lost while the shell took the terminal back."""
        for _ in range(5):
            self.type(f"{line}\n")
            with suppress(AssertionError):
                return self.until(pattern, AGAIN_S)
        return self.until(pattern)

    def until(self, pattern: str, patience_s: float = PATIENCE_S) -> re.Match[str]:
        """Wait for it behind all that was waited for before."""
        end = time.monotonic() + patience_s
        while not (found := re.compile(pattern, re.MULTILINE).search(self.said, self._read)):
            if not select.select([self._fd], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"{pattern!r} is not in {self.said[self._read :]!r}")
            try:
                self.said += os.read(self._fd, 65536).decode()
            except OSError:
                raise AssertionError(f"it ended without {pattern!r}: {self.said[self._read :]!r}") from None
        self._read = found.end()
        return found

    def resize(self, columns: int, lines: int) -> None:
        """As by pulling at the window."""
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def hang_up(self) -> None:
        """As by closing the window."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hang_up()
        self._shell.kill()
        self._shell.wait()
