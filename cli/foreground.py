"""A program in the foreground, as if it had been started by the shell itself.

It has our terminal and is in our process group, so what a terminal says to a group (Ctrl-C, Ctrl-Z, a new size, the end
of the line) it hears from the terminal, and we must not end of it: of Ctrl-C we take no notice, and what is sent to us
alone is passed on. What does not work: ignoring SIGINT, since that is inherited; a group of its own for the program,
since then we stay behind when it stops; and waiting for its end only, since a program that stops itself (agents do, on
a Ctrl-Z that they read as a key) would leave the shell waiting for us for ever.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

if sys.platform != "win32":
    import termios

SIGNALLED = 128
SETTLED_S = 0.05
NOT_FOUND, NOT_EXECUTABLE = 127, 126
PASSED_ON = ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
FROM_THE_KEYBOARD = ("SIGINT", "SIGQUIT")


def run_in_foreground(words: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a program, to its exit code, or 128 + n where signal n ended it. Raises OSError where it cannot start."""
    if sys.platform == "win32":
        return _on_windows(words, environ)
    before = _modes()
    with _signals() as child:
        process = subprocess.Popen(words, env=dict(environ))
        child.append(process.pid)
        status = _waited(process.pid)
        child.clear()
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode >= 0:
        return process.returncode
    _restore(before)
    return SIGNALLED - process.returncode


def _on_windows(words: Sequence[str], environ: Mapping[str, str]) -> int:
    """Ctrl-C goes to every program of a console."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        return subprocess.Popen(words, env=dict(environ)).wait()
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Pass signals on to the process whose id is put into the list; what is ignored stays so, for it as well."""
    child: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        for pid in child:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def pass_on_unless_heard(number: int, frame: FrameType | None) -> None:
        if not _in_foreground():
            pass_on(number, frame)

    before: dict[int, Any] = {}
    wanted = {**dict.fromkeys(PASSED_ON, pass_on), **dict.fromkeys(FROM_THE_KEYBOARD, pass_on_unless_heard)}
    for name, act in wanted.items():
        number = getattr(signal, name)
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, act)
    try:
        yield child
    finally:
        for number, act in before.items():
            signal.signal(number, act)


def _waited(pid: int) -> int:
    """Wait for its end, and stop whenever it stops; the status."""
    while True:
        _, status = os.waitpid(pid, os.WUNTRACED)
        while os.WIFSTOPPED(status):
            status = _changed_soon(pid) or _stopped_with_it(pid)
        if not os.WIFCONTINUED(status):
            return status


def _stopped_with_it(pid: int) -> int:
    """Stop, so that the shell has its prompt, until it lets us go on; the status then, "continued" at the latest."""
    os.kill(os.getpid(), signal.SIGSTOP)
    found = _changed(pid)
    if found is None:
        # Only we were told to go on, and not the group.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
        _, found = os.waitpid(pid, os.WUNTRACED | os.WCONTINUED)
    return found


def _changed_soon(pid: int) -> int | None:
    """The status, if it changes at once: a group is told to go on one after the other, and we may be before it."""
    found = _changed(pid)
    if found is None:
        time.sleep(SETTLED_S)
        found = _changed(pid)
    return found


def _changed(pid: int) -> int | None:
    """The status, if it has changed since it was told."""
    found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
    return status if found else None


def _in_foreground() -> bool:
    """Whether the terminal speaks to our group."""
    try:
        fd = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(fd)


def _modes() -> list[Any] | None:
    """How the terminal is set."""
    try:
        return termios.tcgetattr(0)
    except (termios.error, OSError):
        return None


def _restore(modes: list[Any] | None) -> None:
    """As it was: a program that was killed leaves it without echo and line ends."""
    if modes is not None and _in_foreground():
        with suppress(termios.error, OSError):
            termios.tcsetattr(0, termios.TCSADRAIN, modes)
