"""One run: an agent in a home of its own, through the proxy by `ringlet-mitm run`, and what came of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agents.player import Played, Player
from agents.roster import SECRET, Agent, Upstream, program_of
from agents.story import AFTER, BEFORE, CLOSING_WORD, FILE, RAN

from ringlet_mitm.cli.demo.stage import RunningProxy, program
from ringlet_mitm.cli.demo.upstream import Vendor

LIMIT_S = 120
SHOWN = 1500
KEPT = ("PATH", "LANG", "LC_ALL", "TERM", "SHELL")
SPENT = re.compile(r"^ringlet-mitm: [1-9][0-9]* requests?, ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`why` is "" where all went well."""

    seconds: float
    why: str
    printed: str
    played: tuple[Played, ...]

    @property
    def ok(self) -> bool:
        """Whether the task was done."""
        return not self.why

    @property
    def short(self) -> str:
        """For a cell of the table."""
        return f"{'FAILED' if self.why else 'ok'} {self.seconds:.1f} s"

    @property
    def words(self) -> str:
        """For a line of its own."""
        return self.short if self.ok else f"{self.short}: {self.why}"


def run(agent: Agent, upstream: Upstream, proxy: RunningProxy, vendor: Vendor, installed: Path) -> Outcome:
    """Let the agent do the task."""
    with tempfile.TemporaryDirectory(prefix="ringlet-agent-", ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        home, work, scratch = root / "home", root / "work", root / "tmp"
        for made in (home / ".codex", work, scratch):
            made.mkdir(parents=True)
        for name, text in agent.files.items():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text(text)
        (work / FILE).write_text(BEFORE)
        player = vendor.model = Player(work, SECRET, agent.own_host)
        vendor.refused.clear()
        environ = {name: os.environ[name] for name in KEPT if name in os.environ} | dict(agent.variables)
        environ |= {"HOME": str(home), "TMPDIR": str(scratch), "CODEX_HOME": str(home / ".codex")}
        environ |= {"RINGLET_HOME": proxy.environ["RINGLET_HOME"]}
        started = time.monotonic()
        code, out, err = _ended([str(program_of(installed, agent)), *agent.command], environ, work)
        seconds = time.monotonic() - started
        wrong = [*_of_the_wire(player, vendor, agent, upstream), *_of_the_task(work, code, out)]
        if not SPENT.search(err):
            wrong.append("`run` did not say what was spent")
        printed = f"exit code {code}\n\n{out}\n\n{err}"
    return Outcome(seconds, "; ".join(wrong), printed, tuple(player.played))


def _ended(words: list[str], environ: dict[str, str], work: Path) -> tuple[int | None, str, str]:
    """Exit code (None: it took too long) and output. What the agent left running is ended with it."""
    process = subprocess.Popen(
        program("run", "--profile", "agents", "--", *words),
        env=environ,
        cwd=work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=LIMIT_S)
        return process.returncode, out, err
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        return None, out, err
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _of_the_wire(player: Player, vendor: Vendor, agent: Agent, upstream: Upstream) -> list[str]:
    wrong = [f"the vendor refused {said}" for said in dict.fromkeys(vendor.refused)]
    arrived, wanted = {played.style for played in player.played}, upstream.styles(agent)
    if arrived != wanted:
        wrong.append(f"arrived as {' and '.join(sorted(arrived)) or 'nothing'}, not {' and '.join(sorted(wanted))}")
    if player.steps_seen != [1, 2, 3]:
        wrong.append(f"steps {player.steps_seen} were played and not 1, 2, 3")
    if agent.keeps_signatures and upstream.style and player.lost_signatures:
        wrong.append(f"{len(player.lost_signatures)} signed thoughts never came back")
    return wrong


def _of_the_task(work: Path, code: int | None, out: str) -> list[str]:
    wrong: list[str] = []
    if not (work / RAN).exists():
        wrong.append("the shell command was not run")
    if (work / FILE).read_text() != AFTER:
        wrong.append(f"{FILE} is {(work / FILE).read_text()!r}")
    if code != 0:
        wrong.append(f"still running after {LIMIT_S} s" if code is None else f"exit code {code}")
    if CLOSING_WORD not in out:
        wrong.append(f"the closing words were not printed, but {out[-SHOWN:]!r}")
    return wrong
