"""`ringlet-mitm doctor`: what is wrong between an agent and its answers, and the command that mends it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import click

from ringlet_mitm.cli.checks import agents, books, certificates, files, shell_and_port
from ringlet_mitm.cli.checks.finding import Finding, State, skipped
from ringlet_mitm.cli.checks.scene import CONFIG, PROFILE, RULES, Scene, scene_of
from ringlet_mitm.cli.columns import printable
from ringlet_mitm.cli.profile_choice import chosen
from ringlet_mitm.rules.home import home_of


@dataclass(frozen=True, slots=True)
class Check:
    """One of them. It is left out where one of those that it `needs` found something broken, or nothing at all.

    `beside`: begun at once, in a thread, since it waits for another process.
    """

    name: str
    look: Callable[[Scene], Iterator[Finding]]
    needs: tuple[str, ...] = ()
    beside: bool = False


CHECKS = (
    Check("program", files.program),
    Check(PROFILE, files.profile),
    Check(CONFIG, files.config),
    Check(RULES, files.rules, (PROFILE, CONFIG)),
    Check("keys", files.keys, (PROFILE, CONFIG, RULES)),
    Check("port", shell_and_port.port, (PROFILE,)),
    Check("authority", certificates.authority, (PROFILE,)),
    Check("bundle", certificates.bundle, ("authority",)),
    Check("signing", certificates.signing, ("authority",)),
    Check("clock", certificates.clock),
    Check("shell", shell_and_port.shell, (PROFILE,)),
    Check("NO_PROXY", shell_and_port.no_proxy, (PROFILE,)),
    Check("daemons", shell_and_port.daemons, (PROFILE,)),
    Check("ledger", books.ledger),
    Check("store", books.store),
    Check("disk", books.disk),
    Check("prices", books.prices),
    Check("agents", agents.round_trips, (PROFILE,), beside=True),
)
Found = tuple[Check, Finding]

# On a terminal, and elsewhere.
MARKS = {State.OK: "✓", State.WARNING: "!", State.BROKEN: "✗", State.SKIPPED: "-"}
WORDS = {State.OK: "ok", State.WARNING: "warning", State.BROKEN: "BROKEN", State.SKIPPED: "-"}
COLORS = {State.OK: "green", State.WARNING: "yellow", State.BROKEN: "red", State.SKIPPED: "bright_black"}
SOMETHING_BROKEN = 1


@click.command()
@click.option("--profile", "name", metavar="NAME", help="Profile; without it, the only one there is, or `default`.")
@click.option("--agents", "starts_agents", is_flag=True, help="Run each installed agent once; takes a minute or two.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(context: click.Context, name: str | None, starts_agents: bool, as_json: bool) -> None:
    """Check everything between an agent and its answers, and say what mends it.

    Nothing leaves this machine and no money is spent: agents are tried against a stand-in for their vendors, through
    a proxy beside yours. With --agents the agents themselves are run, in a home of their own and without your keys.

    Ends with 0 where nothing is broken, with 1 where something is. Warnings do not count.
    """
    home = home_of(os.environ)
    scene = scene_of(home, chosen(home, name), os.environ, starts_agents=starts_agents)
    found = []
    for one in examined(CHECKS, scene):
        found.append(one)
        if not as_json:
            click.echo("\n".join(_lines(one)))
    click.echo(_as_json(scene, found) if as_json else f"\n{_sum(found)}")
    context.exit(SOMETHING_BROKEN if any(one.state is State.BROKEN for _, one in found) else 0)


def examined(checks: Sequence[Check], scene: Scene) -> Iterator[Found]:
    """Every check's findings, in order."""
    states: dict[str, set[State]] = {}
    # Agents that are run take minutes, one after the other, and are told of one by one.
    early = [check for check in checks if check.beside and not scene.problems and not scene.starts_agents]
    with ThreadPoolExecutor(max(len(early), 1)) as side:
        begun = {check.name: side.submit(lambda look: list(look(scene)), check.look) for check in early}
        for check in checks:
            lacking = [name for name in check.needs if states.get(name, set()) & {State.BROKEN, State.SKIPPED}]
            if lacking:
                findings: Iterable[Finding] = [skipped(f"not looked at, because of {' and '.join(lacking)}")]
            else:
                findings = begun[check.name].result() if check.name in begun else check.look(scene)
            for finding in findings:
                states.setdefault(check.name, set()).add(finding.state)
                yield check, finding


def _lines(found: Found) -> Iterator[str]:
    check, finding = found
    plain = not sys.stdout.isatty()
    mark = f"{WORDS[finding.state]:<8}" if plain else f"{MARKS[finding.state]} "
    begin = f"{click.style(mark, fg=COLORS[finding.state])}{check.name:<10}"
    yield f"{begin} {printable(finding.words)}"
    if finding.mend:
        yield f"{'':{len(mark) + 11}}mend it:  {printable(finding.mend)}"


def _sum(found: list[Found]) -> str:
    counts = {state: sum(one.state is state for _, one in found) for state in State}
    if not counts[State.BROKEN] and not counts[State.WARNING]:
        return "all is well"
    warnings = f"{counts[State.WARNING]} warning{'' if counts[State.WARNING] == 1 else 's'}"
    return f"{counts[State.BROKEN]} broken, {warnings}" if counts[State.BROKEN] else f"nothing is broken, {warnings}"


def _as_json(scene: Scene, found: list[Found]) -> str:
    checks = [
        {"check": check.name, "state": one.state.value, "words": one.words, "mend": one.mend or None}
        for check, one in found
    ]
    broken = any(one.state is State.BROKEN for _, one in found)
    return json.dumps({"profile": scene.name, "broken": broken, "checks": checks}, indent=2, ensure_ascii=False)
