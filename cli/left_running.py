"""Programs that agents have left running, and where their variables lead them.

Some agents do their work in a daemon that outlives the shell and keeps the variables that it was started with: so it
goes on calling the proxy of a run that is over, and later runs go where it goes. Seen with Codex 0.169 (its terminal is
a face for `codex app-server`) on 2026-11-21. A program is known to be an agent's by what it is (`daemons` in the
agent's file), or by `run`'s mark in its variables, which everything has that an agent has started.

A process tells what it was started with, not what it has set in itself since; so a shell with `ringlet-mitm env` in it
does not show up, but what is started from it does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from urllib.parse import urlsplit

import psutil

from ringlet_mitm.rules.agents import AgentPreset, presets
from ringlet_mitm.rules.variables import PROXIES, RUN_BY

# What is ending when its agent has ended needs no more.
ENDING_S = 1.0
# Where a person's programs keep what is theirs: a daemon with another one works for somebody else.
OWN_PLACE = ("HOME", "USERPROFILE")
INTERPRETERS = ("node", "bun", "python", "python3", "ruby", "sh", "bash")


@dataclass(frozen=True, slots=True)
class Left:
    """A program that runs. `url` is the proxy of its variables ("" for none); `end` is how its agent says to end it."""

    pid: int
    program: str
    url: str
    agent: str = ""
    end: str = ""


def left_running(environ: Mapping[str, str], url: str, *, patience_s: float = 0.0) -> tuple[Left, ...]:
    """What agents have left that is led to the proxy at `url`; not what this process is itself, nor what ends soon.

    `environ` says whose daemons are asked about where their kind alone shows them; `patience_s` is for the others.
    """
    wanted = _address(url)
    found = [one for one in _all(environ) if _address(one.left.url) == wanted]
    daemons = [one.left for one in found if one.left.agent]
    others = {one.process: one.left for one in found if not one.left.agent}
    _, alive = psutil.wait_procs(list(others), timeout=patience_s)
    return tuple(sorted((*daemons, *(others[one] for one in alive)), key=lambda one: one.pid))


def led_elsewhere(environ: Mapping[str, str], preset: AgentPreset, url: str) -> tuple[Left, ...]:
    """The daemons of an agent that are led to another proxy than the one at `url`, or to none."""
    found = (one.left for one in _all(environ) if one.left.agent == preset.agent_id)
    return tuple(one for one in found if _address(one.url) != _address(url)) if preset.file.daemons else ()


def named(found: Iterable[Left]) -> str:
    """Programs with their process ids, as a person is told: `codex (123, 124), node (130)`."""
    by_program: dict[str, list[str]] = {}
    for one in found:
        by_program.setdefault(one.program, []).append(str(one.pid))
    return ", ".join(f"{program} ({', '.join(pids)})" for program, pids in by_program.items())


def ending(found: Iterable[Left]) -> str:
    """What a person types to end them."""
    found = tuple(found)
    commands = dict.fromkeys(one.end for one in found if one.end)
    others = [str(one.pid) for one in found if not one.end]
    kill = "taskkill /F" + "".join(f" /PID {pid}" for pid in others) if os.name == "nt" else f"kill {' '.join(others)}"
    return "; ".join((*commands, *([kill] if others else [])))


@dataclass(frozen=True, slots=True)
class _Seen:
    process: psutil.Process
    left: Left


def _all(environ: Mapping[str, str]) -> Iterator[_Seen]:
    """Daemons of agents, and what has the mark."""
    known = [(one, tuple(words.split())) for one in presets() for words in one.file.daemons]
    for process in psutil.process_iter():
        if process.pid == os.getpid() or not _is_ours(process):
            continue
        try:
            variables, words = process.environ(), process.cmdline()
        except (psutil.Error, OSError):  # ended meanwhile, or not ours to look into
            continue
        preset = next((one for one, pattern in known if _fits(pattern, words)), None)
        same_place = all(variables.get(name) == environ.get(name) for name in OWN_PLACE)
        if RUN_BY in variables or (preset is not None and same_place):
            yield _Seen(process, _left(process, words, variables, preset))


def _left(process: psutil.Process, words: list[str], variables: Mapping[str, str], preset: AgentPreset | None) -> Left:
    url = next((variables[name] for each in PROXIES for name in (each, each.lower()) if variables.get(name)), "")
    host, port = _address(url)
    plain = f"http://{f'[{host}]' if ':' in host else host}:{port}" if host else ""  # without a login
    program = _program(words) or "a program"
    return Left(process.pid, program, plain, *((preset.agent_id, preset.file.end_daemons) if preset else ()))


def _is_ours(process: psutil.Process) -> bool:
    if os.name == "nt":
        return True  # nobody else's tell
    try:
        return bool(process.uids().real == os.getuid())
    except (psutil.Error, OSError):
        return False


def _fits(pattern: tuple[str, ...], words: list[str]) -> bool:
    """The program, and behind it all the words of the pattern."""
    return bool(words) and _program(words) == pattern[0] and set(pattern[1:]) <= set(words)


def _program(words: list[str]) -> str:
    """Its name; that of the script where an interpreter runs one."""
    names = [PurePath(word).name.lower().removesuffix(".exe") for word in words[:2]]
    script = len(names) > 1 and names[0] in INTERPRETERS and not names[1].startswith("-")
    return names[1] if script else names[0] if names else ""


def _address(url: str) -> tuple[str, int]:
    """Host and port, whatever is written around them."""
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
        host, port = parts.hostname or "", parts.port or 0
    except ValueError:
        return "", 0
    return "127.0.0.1" if host == "localhost" else host, port
