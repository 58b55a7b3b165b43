"""`make test-agents`: each agent does a task of two tool calls through the proxy, on each of the four upstream formats.

Agents, proxy and TLS are the real ones; the vendors are on this machine (see player.py), and connections to any other
host end at a closed port. Every run has a home of its own that is deleted afterwards, and a limit of time.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agents.installing import install, missing, unreachable
from agents.roster import AGENTS, KEYS, UPSTREAMS, Agent, Upstream
from agents.running import Outcome, run

from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Vendor
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile, save_profile

ROOT = Path(__file__).parents[2]
PROFILE = "agents"


def main() -> int:
    """Exit code 0 where every run is fine, or where the agents cannot be had."""
    words = _words()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that nothing stays behind
    agents = [agent for agent in AGENTS if words.agent in (None, agent.program)]
    upstreams = [upstream for upstream in UPSTREAMS if words.to in (None, upstream.name)]
    lacking = missing(agents, words.installed)
    why_not = unreachable() if lacking else ""
    if why_not:
        print(f"skipped: {why_not}, and {', '.join(agent.name for agent in lacking)} cannot be installed without it")
        return 0
    if lacking:
        print(f"installing {', '.join(f'{agent.name} {agent.version}' for agent in lacking)} into {words.installed}")
        install(lacking, words.installed)
    outcomes = {
        (agent.name, upstream.name): outcome
        for upstream in upstreams
        for agent, outcome in _through(upstream, agents, words.installed, words.dump)
    }
    _print_table(agents, upstreams, outcomes)
    return 0 if all(outcome.ok for outcome in outcomes.values()) else 1


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make test-agents", description=__doc__)
    parser.add_argument("--agent", choices=[agent.program for agent in AGENTS], help="only this agent")
    parser.add_argument("--to", choices=[upstream.name for upstream in UPSTREAMS], help="only this column")
    parser.add_argument("--installed", type=Path, default=ROOT / ".agents", help="where npm has put the agents")
    parser.add_argument("--dump", type=Path, help="what was sent and printed in failed runs goes into this folder")
    return parser.parse_args()


def _through(
    upstream: Upstream, agents: list[Agent], installed: Path, dump: Path | None
) -> Iterator[tuple[Agent, Outcome]]:
    """One proxy for an upstream; the agents use it one after the other."""
    with tempfile.TemporaryDirectory(prefix="ringlet-agents-") as folder, Vendor() as vendor, _closed_port() as closed:
        home = Path(folder)
        _set_up(home, upstream)
        with RunningProxy(home, vendor, profile=PROFILE, keys=KEYS, options=("--connect-to", closed)) as proxy:
            for agent in agents:
                outcome = run(agent, upstream, proxy, vendor, installed)
                print(f"{agent.name} to {upstream.name}: {outcome.words}", flush=True)
                if dump and not outcome.ok:
                    _dump(dump / f"{agent.program}-{upstream.name}", outcome, proxy)
                yield agent, outcome


def _set_up(home: Path, upstream: Upstream) -> None:
    place = home_of({"RINGLET_HOME": str(home)})
    save_profile(place, Profile(name=PROFILE))
    place.routing_file(PROFILE).write_text(upstream.routing)
    if upstream.file:
        (home / "providers").mkdir()
        (home / "providers" / "of-the-test.toml").write_text(upstream.file)


@contextmanager
def _closed_port() -> Iterator[str]:
    """Where connections to all other hosts go: a port that is taken, so nobody else listens there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"::127.0.0.1:{taken.getsockname()[1]}"


def _dump(folder: Path, outcome: Outcome, proxy: RunningProxy) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, played in enumerate(outcome.played):
        said = {"said": played.said, "host": played.host, "path": played.path, "body": played.body}
        (folder / f"{index}-{played.style}.json").write_text(json.dumps(said, indent=1, ensure_ascii=False))
    (folder / "printed.txt").write_text(outcome.printed)
    (folder / "proxy.txt").write_text("\n".join(proxy.said))


def _print_table(agents: list[Agent], upstreams: list[Upstream], outcomes: dict[tuple[str, str], Outcome]) -> None:
    cell = "{:<23}".format
    print("\n" + cell("agent (speaks)") + "".join(cell(f"to {one.name}") for one in upstreams))
    for agent in agents:
        row = (outcomes[agent.name, upstream.name] for upstream in upstreams)
        print(cell(f"{agent.name} ({agent.speaks})") + "".join(cell(outcome.short) for outcome in row))
    failed = {place: outcome for place, outcome in outcomes.items() if not outcome.ok}
    print(f"\n{len(outcomes) - len(failed)} of {len(outcomes)} runs are fine")
    for (agent_name, upstream_name), outcome in failed.items():
        print(f"{agent_name} to {upstream_name}: {outcome.why}")


if __name__ == "__main__":
    sys.exit(main())
