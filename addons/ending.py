"""How a proxy ends: nothing new is taken, what is under way may end, and what may not is written down as cut off.

Asked a second time it ends at once. `loop.add_signal_handler` is not used, since Windows has none; there Ctrl-C and
Ctrl-Break come this way, and `stop` leaves a process no time at all.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

logger = logging.getLogger(__name__)

# SIGHUP is a terminal that is closed.
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
# What a supervisor waits for; whoever presses Ctrl-C decides it himself.
PATIENCE_S = 30.0
PERIOD_S = 0.05


@dataclass
class Ending:
    """The end of a proxy. `busy` says how many requests are under way, `close` takes no more connections, `cut` writes
    down what is under way as cut off, and `end` is the end.
    """

    busy: Callable[[], int]
    close: Callable[[], None]
    cut: Callable[[], None]
    end: Callable[[], None]
    patience_s: float = PATIENCE_S
    _waiting: asyncio.Task[None] | None = field(default=None, repr=False)

    def listen(self) -> None:
        """To signals, from now on; what is ignored stays so. In the main thread, on the event loop."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_complain)

        def told(number: int, frame: FrameType | None) -> None:
            with suppress(RuntimeError):  # it is over
                loop.call_soon_threadsafe(self.asked, number)

        for name in SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, told)

    def asked(self, number: int) -> None:
        """By a signal: at once where nothing is under way, or where it is the second."""
        count = self.busy()
        if self._waiting is not None:
            self._waiting.cancel()
            self._now()
        elif not count:
            self.end()
        else:
            self.close()
            pressed = number == signal.SIGINT
            how = "Ctrl-C again to cut off" if pressed else f"waiting up to {self.patience_s:.0f} s"
            logger.warning("%s in flight; %s", _several(count), how)
            self._waiting = asyncio.create_task(self._wait(None if pressed else self.patience_s))

    async def _wait(self, patience_s: float | None) -> None:
        begun = time.monotonic()
        idle = 0
        while idle < 2 and (patience_s is None or time.monotonic() - begun < patience_s):
            await asyncio.sleep(PERIOD_S)
            idle = 0 if self.busy() else idle + 1  # the last bytes may be on their way when the request is over
        self._now()

    def _now(self) -> None:
        if count := self.busy():
            logger.warning("%s cut off", _several(count))
        self.cut()
        self.end()


def _complain(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Of errors that nobody waits for; but Python 3.11 takes each connection that is open at the end for one."""
    if not isinstance(context.get("exception"), asyncio.CancelledError):
        loop.default_exception_handler(context)


def _several(count: int) -> str:
    return f"{count} request{'' if count == 1 else 's'}"
