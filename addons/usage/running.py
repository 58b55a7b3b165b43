"""Whether a process is there. The standard library alone: a status line has no time to import more."""

from __future__ import annotations

import os
import sys


def is_running(pid: int) -> bool:
    """False where it is certain that there is none; Windows has no harmless way to ask, so there it is always True."""
    if sys.platform == "win32" or pid <= 0:
        return pid > 0
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
