"""For commands that go on until Ctrl-C: being told to end, in place of being broken off.

An exception in the middle of anything would be lost where Python cannot pass it on (in a callback of a weak reference,
of which each thread pool has some), and abort the process where a thread is in DuckDB.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Sized

STEP_S = 0.1


def told_to_end() -> list[int]:
    """Empty until Ctrl-C is pressed or SIGTERM comes; neither breaks off anything half-way from here on."""
    told: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: told.append(number))
    return told


def rest(seconds: float, told: Sized) -> None:
    """Do nothing for as long, or until told to end."""
    end = time.monotonic() + seconds
    while not told and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, STEP_S))
