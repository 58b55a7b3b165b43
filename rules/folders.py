"""Which folders are ours, from a mapping of environment variables: the texts that `home.py` makes paths of.

By itself, since a status line has no time for what `home.py` imports. The known folders of Windows are there.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

APP = "ringlet"
# Under `RINGLET_HOME`, which is meant to be the whole world; and else: the variable of the XDG specification, and what
# it says holds without it, below a person's own folder.
FOLDERS: dict[str, tuple[str, str, str]] = {
    "config": ("", "XDG_CONFIG_HOME", "/.config"),
    "data": ("/data", "XDG_DATA_HOME", "/.local/share"),
    "state": ("/state", "XDG_STATE_HOME", "/.local/state"),
    "cache": ("/cache", "XDG_CACHE_HOME", "/.cache"),
}
# What running proxies say of themselves, a file each; below the folder for state.
SNAPSHOTS = "running"


def folder(name: str, environ: Mapping[str, str]) -> str:
    """One of FOLDERS, but for Windows; "" where no variable says where it could be."""
    below, variable, default = FOLDERS[name]
    one = environ.get("RINGLET_HOME", "")
    if one:
        return expanded(one, environ) + below
    named = environ.get(variable, "")
    if os.path.isabs(named):  # noqa: PTH117  (the specification has relative paths ignored)
        return f"{named}/{APP}"
    user = person(environ)
    return f"{user}{default}/{APP}" if user else ""


def person(environ: Mapping[str, str]) -> str:
    """A person's own folder; "" where no variable says it."""
    return environ.get("HOME") or environ.get("USERPROFILE") or ""


def expanded(text: str, environ: Mapping[str, str]) -> str:
    """`text` from the root on."""
    if text == "~" or text.startswith("~/"):
        return (person(environ) + text[1:]).rstrip("/")
    return os.path.join(os.getcwd(), text)  # noqa: PTH109, PTH118  (pathlib takes 6 ms)
