"""Where the program begins: what has no time for click goes its own way, all else to `main.py`."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

STATUSLINE = ["usage", "statusline"]
COMPLETION = "_RINGLET_MITM_COMPLETE"


def main() -> NoReturn:
    """Run the command line."""
    if sys.argv[1:3] == STATUSLINE and sys.platform != "win32":
        _statusline(sys.argv[3:])
    if COMPLETION in os.environ:
        from ringlet_mitm.cli.completing import complete

        complete(os.environ[COMPLETION])
    from ringlet_mitm.cli.main import main as run

    run()


def _statusline(words: list[str]) -> None:
    """Print it and end, unless something is wrong: then click says so."""
    from ringlet_mitm.cli.usage.statusline import options_of, printed

    options = options_of(words)
    if options is not None:
        printed(options, os.environ)
        sys.exit(0)


if __name__ == "__main__":
    main()
