"""What the page is told: numbers of the ledger, remembered for seconds; and the process that tells a proxy's page.

`… -m ringlet_mitm.addons.dashboard.answering DATABASE SPOOL SNAPSHOTS`: a line in is a question, a line out is
`STATUS JSON`. It ends when its stdin does, so it never outlives who asks.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from ringlet_mitm.addons.dashboard import queries
from ringlet_mitm.addons.dashboard.site import Said, problem
from ringlet_mitm.rules.errors import LedgerError, UsageError
from ringlet_mitm.rules.ledger_target import LedgerTarget, taken_from

LIVE = "live"
FRESH_S = 3.0
MOST_KEPT = 32


class Answers:
    """Answers questions about one ledger, one at a time; from several threads if need be."""

    def __init__(
        self,
        database: Path,
        spool_dir: Path,
        snapshots: Path | None = None,
        shared: LedgerTarget | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._database = database
        self._spool_dir = spool_dir
        self._snapshots = snapshots
        self._shared = shared
        self._clock = clock
        self._now = now
        self._kept: dict[str, tuple[float, Said]] = {}
        self._turn = threading.Lock()
        self._ended = False

    def said(self, question: str) -> Said:
        """What there is to say to `usage?…` or another of DOCUMENTS, with the query of an address, or to `live`."""
        if question.partition("?")[0] == LIVE:
            return Said(200, queries.now_running(self._snapshots, self._now()))
        with self._turn:
            if self._ended:
                return problem(503, "the dashboard has ended")
            until, said = self._kept.get(question, (0.0, None))
            if said is None or self._clock() >= until:
                said = self._found(question)
                self._keep(question, said)
            return said

    def end(self, patience_s: float) -> bool:
        """Look nothing up any more, and wait for what is being looked up; whether that was done in time."""
        self._ended = True
        return self._turn.acquire(timeout=patience_s)

    def _found(self, question: str) -> Said:
        name, _, query = question.partition("?")
        if name not in queries.DOCUMENTS:
            return problem(404, f"nothing is known about '{name}'")
        try:
            return Said(200, queries.answer(self._database, self._spool_dir, name, query, self._now(), self._shared))
        except UsageError as error:
            return problem(400, str(error))
        except LedgerError as error:
            return problem(503, str(error))

    def _keep(self, question: str, said: Said) -> None:
        self._kept.pop(question, None)
        if said.status == 200:
            self._kept[question] = self._clock() + FRESH_S, said
        while len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]


def serve(answers: Answers, asked: BinaryIO, told: BinaryIO) -> None:
    """Answer line by line until there are no more."""
    for line in asked:
        said = answers.said(line.decode(errors="replace").rstrip("\n"))
        told.write(b"%d %s\n" % (said.status, said.body))
        told.flush()


def main() -> None:
    """No hurry: streams go first."""
    if hasattr(os, "nice"):
        os.nice(19)
    shared, words = taken_from(sys.argv[1:])
    database, spool_dir, snapshots = map(Path, words)
    serve(Answers(database, spool_dir, snapshots, shared), sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
