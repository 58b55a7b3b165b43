"""`make soak`: 200 agents for ten minutes, while everything around the proxy fails.

Every tenth request meets a fault, providers die and come back, the rules change every 5 s and somebody looks at the
usage as often. In the end each agent must have got a right answer or an error in its own format, and the ledger must
tell what happened.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from pathlib import Path

from soak.running import Extent, any_seed, soak
from soak.table import lines, passed, printed, stories

# Until then agents still open connections that they have not had before.
FLAT_FROM_MINUTES = 5


def main() -> int:
    """Exit code 0 where all is well."""
    words = _words()
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it tells of connections that were cut, as they should be
    flat = words.minutes >= FLAT_FROM_MINUTES
    extent = Extent(seconds=words.minutes * 60, streams=words.streams, seed=words.seed, flat=flat)
    print(
        f"soak: {words.streams} streams for {words.minutes:g} minutes, seed {words.seed}", file=sys.stderr, flush=True
    )
    with tempfile.TemporaryDirectory(prefix="ringlet-soak-") as folder:
        result = soak(Path(folder), extent)
    found = lines(result)
    print("\n".join([*stories(result), "", printed(found), "", f"seed {words.seed}"]))
    print("PASS" if passed(found) else "FAIL")
    return 0 if passed(found) else 1


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak", description="Serve many agents while everything around fails.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--streams", type=int, default=200, help="agents at once")
    parser.add_argument("--seed", type=int, default=any_seed(), help="decides who asks what, and which requests fail")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
