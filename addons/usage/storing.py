"""One turn of the writer as a process: `… -m ringlet_mitm.addons.usage.storing SPOOL DATABASE SECONDS IN_LINE STUCK…`.

SECONDS is for all of it, IN_LINE for waiting until those who read have done so. Before these, `--shared TARGET DATA`
says into which store that machines share, and its `data_path`.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path

import msgspec

from ringlet_mitm.addons.usage.apart import Told, rows_of
from ringlet_mitm.addons.usage.ledger import LedgerBusy
from ringlet_mitm.addons.usage.spool import Spool
from ringlet_mitm.addons.usage.writer import Writer
from ringlet_mitm.rules.errors import LedgerError
from ringlet_mitm.rules.ledger_target import LedgerTarget, taken_from
from ringlet_mitm.rules.tokens import Calibration


def told(
    folder: Path,
    database: Path,
    seconds: float,
    in_line_s: float,
    stuck: list[str],
    shared: LedgerTarget | None = None,
) -> Told:
    """Store what is sealed in `folder`, and say how it went."""
    found: list[Calibration] = []
    writer = Writer(Spool(folder, "storing"), database, found.append, [folder / name for name in stuck], shared)
    failure, busy = "", False
    try:
        writer.store(time.monotonic() + seconds, in_line_s)
    except LedgerError as error:
        failure, busy = str(error), isinstance(error, LedgerBusy)
    ratios = rows_of(found[-1]) if found else None
    return Told(ratios, failure, busy, sorted(path.name for path in writer.stuck))


def main() -> None:
    """Store, and print what there is to say as JSON; warnings go to stderr, which is the proxy's."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    if hasattr(os, "nice"):
        os.nice(19)
    shared, (folder, database, seconds, in_line_s, *stuck) = taken_from(sys.argv[1:])
    found = told(Path(folder), Path(database), float(seconds), float(in_line_s), stuck, shared)
    sys.stdout.buffer.write(msgspec.json.encode(found))


if __name__ == "__main__":
    main()
