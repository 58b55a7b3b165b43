"""Ends a proxy that was started for agents, when the last of them has gone without a word.

As a rule `run` stops the proxy itself; this is for a `run` that was killed, and for one whose agent has left programs
running that need the proxy: it ends after them.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

from ringlet_mitm.addons.leases import Leases

PERIOD_S = 2.0
# To look at all processes takes 5 ms.
LOOK_S = 5.0


def end_when_unused(
    leases: Leases,
    is_needed: Callable[[], bool],
    end: Callable[[], None] | None = None,
    period_s: float = PERIOD_S,
) -> None:
    """Look from time to time, in a thread; `is_needed` says it without a lease, and `end` ends this process."""
    leases.borrow(os.getpid())
    words = (leases, is_needed, end or _end, period_s)
    threading.Thread(target=_watch, args=words, name="looking for agents", daemon=True).start()


def _watch(leases: Leases, is_needed: Callable[[], bool], end: Callable[[], None], period_s: float) -> None:
    pause_s = period_s
    while True:
        time.sleep(pause_s)
        pause_s = period_s
        lock = leases.try_lock()
        if lock is None:
            continue
        if not leases.is_borrowed(os.getpid()):
            lock.close()
            return
        if not leases.held():
            if is_needed():
                lock.close()
                pause_s = max(period_s, LOOK_S)
                continue
            # The lock is kept to the end of this process: whoever comes now waits, and then starts another proxy.
            end()
            return
        lock.close()


def _end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
