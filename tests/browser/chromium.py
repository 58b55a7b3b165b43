"""Where Chromium is; on a machine for tests alone it is installed, as Debian has it."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
INSTALL = ("apt-get", "install", "-y", "-q", "--no-install-recommends", "chromium")
PATIENCE_S = 300


@cache
def chromium() -> str:
    """The program, or '' where there is none and none can be had."""
    found = os.environ.get("CHROMIUM") or _found()
    if not found and shutil.which(INSTALL[0]) and os.geteuid() == 0:
        # Nobody works as root on a machine of their own; where somebody does, it is a container.
        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (("apt-get", "update", "-q"), INSTALL):
            subprocess.run(words, env=environ, capture_output=True, timeout=PATIENCE_S, check=False)
        found = _found()
    return found


def _found() -> str:
    return next(filter(None, map(shutil.which, NAMES)), "")
