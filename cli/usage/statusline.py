"""The line itself: what a proxy's snapshot and Claude Code's words come to.

It is asked for every 300 ms while an agent works, and has 50 ms of which Python takes half. So this file imports little
(no click, no dataclasses, no pathlib) and reads the snapshots as the plain JSON that they are; their keys are the
fields of `addons/usage/snapshot.py`. `statusline_command.py` has the help and says what is wrong with an option.

What Claude Code says on stdin is one JSON object (https://code.claude.com/docs/en/statusline, seen 2026-11-21); any of
it may be missing or null. It has also been seen to leave the pipe open without a word (anthropics/claude-code issues
59966 and 67935), so nobody waits for long.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from decimal import Decimal

from ringlet_mitm.addons.usage.running import is_running
from ringlet_mitm.cli.usage.statusline_fields import FIELDS, NOBODY, Seen, colour
from ringlet_mitm.rules.folders import SNAPSHOTS, folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Said = dict[str, Any]

PATIENCE_S = 0.1
LARGEST = 1 << 20
SEPARATOR = " · "
DEFAULT = (
    "{target}|{session} session|{today} today|{context} context|{streams} running|{waiting} waiting|{failing}|{proxy}"
)
# From a word for how it is meant to how ANSI terminals (Claude Code's line) and tmux write it.
COLOURS: dict[str, dict[str, str]] = {
    "none": {},
    "ansi": {"dim": "\033[2m", "name": "\033[36m", "warn": "\033[33m", "bad": "\033[31m", "": "\033[0m"},
    "tmux": {"dim": "#[dim]", "name": "#[fg=cyan]", "warn": "#[fg=yellow]", "bad": "#[fg=red]", "": "#[default]"},
}


def pieces(template: str) -> list[list[tuple[str, str]]] | None:
    """The parts between `|`, each as texts and the names of the fields behind them; None where one is not known."""
    parts = []
    for part in template.split("|"):
        found, rest = [], part
        while rest:
            text, opened, rest = rest.partition("{")
            name, closed, rest = rest.partition("}") if opened else ("", "", "")
            if opened and (not closed or name not in FIELDS):
                return None
            found.append((text, name))
        parts.append(found)
    return parts


def line(seen: Seen, template: str, colours: str, separator: str = SEPARATOR) -> str:
    """`template` filled in; a part in which a field has nothing to say is left out."""
    codes, shown = COLOURS[colours], []
    for part in pieces(template) or ():
        words, complete = "", True
        for text, name in part:
            value = _safe(FIELDS[name][1](seen), colours) if name else ""
            complete = complete and (bool(value) or not name)
            how = colour(name, seen) if name else ""
            code = codes.get(how, "") if how else ""
            words += text + (code + value + codes[""] if code and value else value)
        if complete and words:
            shown.append(words)
    return _joined(shown, codes, separator)


def _joined(parts: list[str], codes: Mapping[str, str], separator: str) -> str:
    between = codes["dim"] + separator + codes[""] if codes else separator
    return between.join(parts)


def _safe(text: str, colours: str) -> str:
    """One line of what can be printed, and nothing that tmux would run: models are called what a vendor likes."""
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return text.replace("#", "##") if colours == "tmux" else text


def seen(where: str, agent: Said, environ: Mapping[str, str], profile: str = "", now: float | None = None) -> Seen:
    """What there is to tell, by the snapshots in `where`.

    The session is the one that Claude Code names, else the last that asked. The proxy is that of `profile`; else the
    one that knows the session, or that this environment points to, or that wrote last.
    """
    now_us = round((time.time() if now is None else now) * 1_000_000)
    wanted = agent.get("session_id")
    addressed = environ.get("HTTPS_PROXY", environ.get("https_proxy", "")).rpartition("//")[2].rstrip("/")
    best: tuple[tuple[bool, bool, bool, int], Said, Said] | None = None
    for proxy in _snapshots(where):
        if profile and proxy.get("profile") != profile:
            continue
        sessions = [one for one in proxy["sessions"] if not wanted or one["session"] == wanted]
        session = sessions[0] if sessions else {}
        here = bool(addressed) and proxy.get("address") == addressed
        rank = (bool(wanted and session), here, bool(proxy["running"]), proxy["written_us"])
        if best is None or rank > best[0]:
            best = rank, proxy, session
    return Seen(best[1], best[2], agent, now_us) if best else Seen({}, {}, agent, now_us)


def _snapshots(where: str) -> list[Said]:
    found = []
    try:
        names = os.listdir(where)  # noqa: PTH208  (pathlib takes 6 ms)
    except OSError:
        return []
    for name in names:
        if name.endswith(".json") and not name.startswith("."):
            said = _read(f"{where}/{name}")
            if said:
                said["running"] = bool(said["running"]) and is_running(said["pid"])
                found.append(said)
    return found


def _read(path: str) -> Said:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            said = json.loads(file.read(), parse_float=Decimal)
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) and said.get("v") == 1 else {}


def from_stdin() -> Said:
    """What Claude Code says, {} where nobody says anything that is a JSON object, or not in a tenth of a second."""
    try:
        if sys.stdin is None or sys.stdin.isatty():
            return {}
        fd = sys.stdin.fileno()
    except (ValueError, OSError):
        return {}
    text, end = b"", time.monotonic() + PATIENCE_S
    while len(text) < LARGEST:
        if sys.platform != "win32" and not select.select([fd], [], [], max(0.0, end - time.monotonic()))[0]:
            break
        piece = os.read(fd, 65536)
        text += piece
        if not piece or _object(text):
            break
    return _object(text)


def _object(text: bytes) -> Said:
    try:
        said = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def printed(options: Mapping[str, str], environ: Mapping[str, str], where: str = "") -> None:
    """Print the line, by the snapshots in `where` or in this home's folder.

    It ends well whatever there is: Claude Code shows nothing of a command that fails.
    """
    agent = from_stdin()
    found = seen(where or f"{folder('state', environ)}/{SNAPSHOTS}", agent, environ, options.get("profile", ""))
    colours = options.get("color") or ("ansi" if agent and not environ.get("NO_COLOR") else "none")
    text = line(found, options.get("format") or DEFAULT, colours, options.get("separator", SEPARATOR))
    data = (text or NOBODY).encode("utf-8", "replace") + b"\n"
    sys.stdout.buffer.write(data)
    sys.stdout.flush()


OPTIONS = ("format", "color", "profile", "separator")


def options_of(words: list[str]) -> dict[str, str] | None:
    """The options where there is nothing wrong with them, and nobody asks for help; else None."""
    found: dict[str, str] = {}
    rest = list(words)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if not name.startswith("--") or name[2:] not in OPTIONS or not (equals or rest):
            return None
        found[name[2:]] = value if equals else rest.pop(0)
    right = found.get("color", "none") in COLOURS and pieces(found.get("format", "")) is not None
    return found if right else None
