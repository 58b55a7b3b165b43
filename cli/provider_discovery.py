"""`ringlet-mitm providers discover`: model servers, free models and agents that are there without a key."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ringlet_mitm.addons.acp_agents import FoundAgent, installed
from ringlet_mitm.cli.columns import aligned
from ringlet_mitm.cli.known_providers import Known, known_providers
from ringlet_mitm.cli.provider_words import start_command

if TYPE_CHECKING:
    from ringlet_mitm.addons.discovery import Found

MODELS_SHOWN = 6


@click.command()
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0.05, 60), help="Seconds for each answer; 0.5 by default."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def discover(timeout_s: float | None, as_json: bool) -> None:
    """Find model servers on this machine, their models, and what to write in routing.toml.

    Asks the addresses of all local providers at the same time; variables like OLLAMA_HOST say where else to look.
    Also named: models that need no key, and agents with the Agent Client Protocol. Nothing is started.
    """
    from ringlet_mitm.addons import discovery  # 0.1 s, for httpx

    known = known_providers(os.environ)
    found = asyncio.run(discovery.discover(known.registry, timeout_s or discovery.TIMEOUT_S))
    free, agents = free_offers(known), installed(os.environ)
    if as_json:
        servers = [dict(discovery.as_dict(one)) for one in found]
        print_json(servers, free, agents)
        return
    click.echo("\n".join(_server_words(found, known)))
    click.echo("\n".join(_free_words(free)), nl=bool(free))
    click.echo("\n".join(_agent_words(agents)), nl=bool(agents))


def print_json(servers: list[dict[str, Any]], free: dict[str, list[str]], agents: Iterable[FoundAgent]) -> None:
    """All that was found, for programs."""
    found = {"servers": servers, "free": free, "agents": [asdict(agent) for agent in agents]}
    click.echo(json.dumps(found, indent=2))


def free_offers(known: Known) -> dict[str, list[str]]:
    """Models that can be asked for without a key, by provider; those of one whose key is set are not special."""
    return {
        spec.provider_id: [name for name in spec.example_models if spec.is_free(name)]
        for spec in known.registry.list_providers()
        if spec.free_models and not spec.lacking and not known.key(spec).is_set
    }


def _server_words(found: list[Found], known: Known) -> Iterable[str]:
    if not found:
        yield "no model server answers on this machine; start one:"
        yield from (
            f"  {start_command(spec)}" for spec in known.registry.list_providers("local") if start_command(spec)
        )
        return
    yield aligned(("SERVER", "AT", "MODELS"), [_row(one) for one in found])
    for one in found:
        yield from _notes(one)
    yield ""
    yield "in routing.toml, for example:"
    yield "[[rule]]"
    yield "match = { input-tokens-lt = 4000 }"
    yield f'to = "{found[0].route}"'


def _row(one: Found) -> tuple[str, str, str]:
    shown = ", ".join(one.models[:MODELS_SHOWN]) or "names none"
    more = f", and {len(one.models) - MODELS_SHOWN} more" if len(one.models) > MODELS_SHOWN else ""
    return one.spec.provider_id, one.base_url, shown + more


def _notes(one: Found) -> Iterable[str]:
    name = one.spec.provider_id
    if one.elsewhere and one.spec.base_url_env_var:
        yield f"note: {name} is not where it usually is; say so:  export {one.spec.base_url_env_var}={one.base_url}"
    if one.wants_key:
        yield f"note: {name} asks for a key"
    if not one.sure and one.or_else:
        yield f"note: nothing tells {name} from {' and '.join(one.or_else)} there; name the one that you started"


def _free_words(free: dict[str, list[str]]) -> Iterable[str]:
    for name, models in free.items():
        yield ""
        yield f"without a key {name} has: {', '.join(models)}"
        if models:
            yield f'to = "{name}/{models[0]}"'


def _agent_words(agents: list[FoundAgent]) -> Iterable[str]:
    if agents:
        yield ""
        yield aligned(("AGENT (ACP)", "START WITH", "PROGRAM"), [_agent_row(agent) for agent in agents])
    if any(agent.agent_id == "opencode" for agent in agents):
        yield "the opencode program lists the models that it reaches with its own sign-ins:  opencode models"


def _agent_row(agent: FoundAgent) -> tuple[str, str, str]:
    return agent.name, " ".join(agent.command), agent.program
