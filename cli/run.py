"""`ringlet-mitm run -- claude …`: an agent in the foreground, with a proxy beside it as long as it runs.

Starting a proxy is what takes the time (a second of a core), so where nothing can be wrong with profile and program it
begins first, and what tells agents apart is imported meanwhile.
"""

from __future__ import annotations

import os
import shutil
import signal
from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING

import click

from ringlet_mitm.cli.background import Launch
from ringlet_mitm.cli.proxy_options import ProxyOptions, proxy_options
from ringlet_mitm.cli.sidecar import Sidecar, Spent
from ringlet_mitm.rules.home import Home, home_of

if TYPE_CHECKING:
    from ringlet_mitm.cli.agent_start import Plan, Say

HEAVY = "ringlet_mitm.cli.agent_start"


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--profile", "name", help="Profile; without it, the only one there is, or `default`.")
@click.option("--quiet", is_flag=True, help="Say nothing of the proxy, and not what was spent.")
@proxy_options
@click.argument("words", metavar="-- AGENT ...", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(context: click.Context, name: str | None, quiet: bool, proxy: ProxyOptions, words: tuple[str, ...]) -> None:
    """Run an agent through the proxy, which is started for it if none runs, and ends with the last agent.

    \b
    ringlet-mitm run --profile work -- claude
    ringlet-mitm run -- codex exec "say hello"

    The agent has the terminal; its exit code is ours. No file of its own is touched: it gets the variables that
    `ringlet-mitm env` prints. What was spent is said on stderr at the end.
    """
    home = home_of(os.environ)

    def say(text: str) -> None:
        if not quiet:
            # The agent may have the terminal in raw mode, where a line does not begin at the left by itself.
            click.echo(f"ringlet-mitm: {text}\r", err=True)

    plan = None
    if name is None or not _can_begin(home, name, words):
        plan = _planned(home, name, words, say)
        name, words = plan.profile.name, plan.words
    sidecar = Sidecar(home, name, words[0], Launch(options=proxy.words), plan.around if plan else os.environ, say)
    Thread(target=import_module, args=(HEAVY,), daemon=True).start()
    sidecar.attach()
    try:
        plan = plan or _planned(home, name, words, say)
        code = plan.run(sidecar.proxy.port, say)
    finally:
        # Agents are left with Ctrl-C pressed twice, and some have ended after the first.
        before = signal.signal(signal.SIGINT, lambda *_: signal.signal(signal.SIGINT, signal.default_int_handler))
        spent = sidecar.detach()
        signal.signal(signal.SIGINT, before)
    if line := spent_line(name, spent):
        say(line)
    context.exit(code)


def spent_line(profile: str, spent: Spent) -> str:
    """What was spent, "" where nothing was."""
    from ringlet_mitm.cli.usage.live_frame import cost  # rich, when the agent has gone

    sums = spent.sums
    if not sums.requests:
        return ""
    least = "" if spent.whole else "at least "
    said = [f"{least}{sums.requests:,} request{'' if sums.requests == 1 else 's'}", cost(sums)]
    said += [f"{sums.failed:,} failed"] if sums.failed else []
    return ", ".join(said) + (f" (by all agents of '{profile}' meanwhile)" if spent.shared else "")


def _can_begin(home: Home, name: str, words: tuple[str, ...]) -> bool:
    """Whether a proxy can be started before anything is looked at; one of this environment's may need taking out."""
    there = bool(words) and shutil.which(words[0]) is not None and home.profile_file(name).is_file()
    return there and "HTTPS_PROXY" not in os.environ


def _planned(home: Home, name: str | None, words: tuple[str, ...], say: Say) -> Plan:
    from ringlet_mitm.cli.agent_start import planned

    return planned(home, name, words, os.environ, say)
