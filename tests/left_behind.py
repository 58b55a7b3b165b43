"""Programs that agents leave running, made up as scripts of the same name."""

from __future__ import annotations

from collections.abc import Callable

DAEMON = ("codex", "app-server", "--listen", "unix://", "--managed-daemon")
# A script of that name with these words and variables; it lives until the test is over. Its process id.
Begin = Callable[..., int]
