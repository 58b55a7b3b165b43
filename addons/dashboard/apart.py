"""The page's questions, answered by a process: DuckDB would be 36 MB more of the proxy, and a large ledger takes long.

The process is there from the first question on, until nobody has asked for half a minute.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from asyncio.subprocess import Process
from contextlib import suppress
from pathlib import Path

from ringlet_mitm.addons.dashboard.site import Said, problem
from ringlet_mitm.rules.ledger_target import LedgerTarget, words_of

# -P: without it the folder that the proxy was started in could put its own modules before the installed ones.
COMMAND = (sys.executable, "-P", "-m", "ringlet_mitm.addons.dashboard.answering")
IDLE_S = 30.0
# It waits 10 s for the database itself; the rest is for a machine with nothing to spare.
LIMIT_S = 60.0
MOST_WAITING = 16
LONGEST_LINE = 1 << 24


class AnswersApart:
    """Like `Answers`, for an event loop."""

    def __init__(
        self,
        database: Path,
        spool_dir: Path,
        snapshots: Path,
        idle_s: float = IDLE_S,
        shared: LedgerTarget | None = None,
    ) -> None:
        self._words = (*COMMAND, *words_of(shared), str(database), str(spool_dir), str(snapshots))
        self._idle_s = idle_s
        self._process: Process | None = None
        self._ended: list[Process] = []
        self._ending: asyncio.TimerHandle | None = None
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def said(self, question: str) -> Said:
        """The answer, or why there is none."""
        if self._waiting >= MOST_WAITING:
            return problem(503, "too many questions at once")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._asked(question)
        finally:
            self._waiting -= 1

    async def end(self) -> None:
        """End the process, and see it gone: a loop that closes before complains of what it still watches."""
        if self._ending is not None:
            self._ending.cancel()
        self._kill()
        await asyncio.gather(*(process.wait() for process in self._ended))

    def _rest(self) -> None:
        """Have the process end by itself; the next question begins another."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            self._remember(process)

    async def _asked(self, question: str) -> Said:
        if self._ending is not None:
            self._ending.cancel()
        complete = False
        try:
            line = await asyncio.wait_for(self._line(question), LIMIT_S)
            status, _, body = line.partition(b" ")
            said = Said(int(status), body.rstrip(b"\n"))
            complete = True
        except TimeoutError:
            return problem(503, f"the ledger was not read within {LIMIT_S:.0f} s")
        except (OSError, ValueError) as error:
            return problem(503, f"the process that reads the ledger failed: {error}")
        finally:
            # Also where this is cancelled: an answer that nobody reads would be taken for the next one's.
            if not complete:
                self._kill()
        self._ending = asyncio.get_running_loop().call_later(self._idle_s, self._rest)
        return said

    async def _line(self, question: str) -> bytes:
        process = self._process
        if process is None or process.returncode is not None:
            # A session of its own: Ctrl-C is for the proxy.
            process = self._process = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                limit=LONGEST_LINE,
                start_new_session=True,
            )
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(" ".join(question.splitlines()).encode(errors="replace") + b"\n")
        await process.stdin.drain()
        line = await process.stdout.readline()
        if not line.endswith(b"\n"):
            raise OSError("it ended")
        return line

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            self._remember(process)

    def _remember(self, process: Process) -> None:
        self._ended = [*(one for one in self._ended if one.returncode is None), process]
