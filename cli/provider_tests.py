"""`ringlet-mitm providers test`: one tiny request each, the way that all requests go, and what was wrong in words."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ringlet_mitm.addons.connect_to import parse_detour
from ringlet_mitm.addons.trying import Ask, Batch, Tried, Trouble, tried
from ringlet_mitm.cli.amounts import usd
from ringlet_mitm.cli.known_providers import Known, known_providers
from ringlet_mitm.cli.provider_keys import FOUND_ELSEWHERE
from ringlet_mitm.cli.provider_words import in_words, missing_variables
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.providers import ProviderSpec

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Way:
    """What all requests of one call share. `running` has the local servers that answer, with a model of each."""

    known: Known
    running: Mapping[str, str]
    model: str | None
    timeout_s: float | None
    connect_to: tuple[str, ...]
    upstream_ca: Path | None


@dataclass(frozen=True, slots=True)
class Result:
    """How it went, and what to do about it; `words` is "" where it works."""

    spec: ProviderSpec
    tried: Tried
    words: str


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "everything", is_flag=True, help="Test all that are configured, or run on this machine.")
@click.option("--model", help="Model to ask; else the provider's default.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(0.1, 3600), help="Seconds to wait; 30 by default.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--connect-to", multiple=True, metavar="HOST:PORT:TO:PORT", help="Connect elsewhere, as curl does.")
@click.option(
    "--upstream-ca", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Trust this CA upstream."
)
@click.pass_context
def test(ctx: click.Context, /, names: tuple[str, ...], everything: bool, as_json: bool, **given: Any) -> None:
    """Send one tiny request to a provider through a proxy of its own, and say what was wrong.

    It costs next to nothing, and is in the ledger under the profile providers-test. The exit code is 0 where all that
    were tested work, else 1.
    """
    if bool(names) == everything:
        raise UsageError("say which:  ringlet-mitm providers test NAME  or  --all for those that are configured")
    if given["model"] and (everything or len(names) > 1):
        raise UsageError("--model is for one provider")
    for text in given["connect_to"]:
        parse_detour(text)
    known = known_providers(os.environ)
    chosen = known.registry.list_providers() if everything else [known.named(name) for name in names]
    specs = {spec.provider_id: spec for spec in sorted(chosen, key=lambda spec: spec.provider_id if everything else "")}
    running = _running(known, None if everything else list(specs.values()))
    reasons = {name: _why_not(spec, known, running) for name, spec in specs.items()} if everything else {}
    skipped = {name: why for name, why in reasons.items() if why}
    wanted = [spec for name, spec in specs.items() if name not in skipped]
    if not wanted:
        raise UsageError("nothing is configured; set a key with:  ringlet-mitm providers login NAME")
    done = _tested(wanted, Way(known, running, **given), quiet=as_json)
    if as_json:
        rows = [{"provider": name, "why": why} for name, why in skipped.items()]
        click.echo(json.dumps({"tested": [_as_json(result) for result in done], "skipped": rows}, indent=2))
    elif skipped:
        click.echo(_skipped_words(skipped))
    ctx.exit(0 if all(result.tried.works for result in done) else 1)


def _running(known: Known, specs: list[ProviderSpec] | None) -> dict[str, str]:
    """A model of each local server that answers, "" where it names none; of these providers, or of all."""
    from ringlet_mitm.addons.discovery import discover, probe  # 0.1 s, for httpx

    async def asked() -> dict[str, str]:
        if specs is None:
            found = [one for one in await discover(known.registry) if not one.elsewhere]
        else:
            local = [spec for spec in specs if spec.connection_type == "local" and not spec.lacking]
            found = [one for one in await asyncio.gather(*map(probe, local)) if one is not None]
        return {one.spec.provider_id: one.model for one in found}

    return asyncio.run(asked())


def _why_not(spec: ProviderSpec, known: Known, running: Mapping[str, str]) -> str:
    """Why `--all` leaves a provider out; "" where it does not."""
    if spec.connection_type == "local":
        return "" if spec.provider_id in running else "not running"
    if known.key(spec).is_set and (spec.lacking or spec.problem):
        return spec.problem or f"needs {' and '.join(spec.lacking)}"
    return "" if known.is_configured(spec) else "no key"


def _tested(specs: list[ProviderSpec], way: Way, *, quiet: bool) -> list[Result]:
    """Each is told as soon as it and those before it are done."""
    name_width = max(len(spec.provider_id) for spec in specs)
    plans = [_plan(spec, way) for spec in specs]
    asks = [plan for plan in plans if isinstance(plan, Ask)]
    outcomes = (
        tried(Batch(asks, list(way.connect_to), str(way.upstream_ca or "")), way.known.environ) if asks else iter(())
    )
    done = []
    for spec, plan in zip(specs, plans, strict=True):
        went = next(outcomes) if isinstance(plan, Ask) else plan
        result = Result(spec, went, missing_variables(spec) or in_words(spec, went))
        done.append(result)
        if not quiet:
            click.echo(_as_text(result, name_width))
    list(outcomes)  # none is left; the proxy ends, and its rows get into the ledger
    return done


def _plan(spec: ProviderSpec, way: Way) -> Ask | Tried:
    """The request, where it is worth making: what is known to fail beforehand is told at once."""
    if missing_variables(spec):
        return Tried(spec.provider_id, "", Trouble.NOT_SENT)
    has_key = way.known.key(spec).is_set
    if not has_key and spec.requires_api_key and spec.auth not in FOUND_ELSEWHERE:
        return Tried(spec.provider_id, way.model or spec.default_model or "", Trouble.NO_KEY)
    model = way.model or _usual_model(spec, has_key)
    if spec.connection_type == "local":
        if spec.provider_id not in way.running:
            return Tried(spec.provider_id, model, Trouble.NOTHING_LISTENS)
        model = way.model or way.running[spec.provider_id] or model
    if not model:
        return Tried(spec.provider_id, "", Trouble.NOT_SENT, "it has no default model; say one with --model")
    return Ask(spec.provider_id, model, way.timeout_s or spec.timeout_s or TIMEOUT_S)


def _usual_model(spec: ProviderSpec, has_key: bool) -> str:
    """The default; without a key, one that needs none."""
    names = [name for name in (spec.default_model, *spec.example_models) if name]
    if spec.free_models and not has_key:
        names = [name for name in names if spec.is_free(name)]
    return next(iter(names), "")


def _as_text(result: Result, name_width: int) -> str:
    went = result.tried
    mark = click.style("ok  ", fg="green") if went.works else click.style("FAIL", fg="red")
    begin = f"{mark}  {went.provider:{name_width}}  "
    if went.works:
        return f"{begin}{went.model}: {', '.join(_figures(went))}"
    lines = [f"{begin}{result.words}"]
    if went.said:
        status = f" ({went.status})" if went.status and went.trouble is not Trouble.UNREACHABLE else ""
        lines.append(f"{'':{len('FAIL  ') + name_width + 2}}it said{status}: {went.said}")
    return "\n".join(lines)


def _figures(went: Tried) -> Iterable[str]:
    if went.first_byte_ms is not None:
        yield f"first byte {went.first_byte_ms:.0f} ms"
    yield f"whole {went.total_ms or 0:.0f} ms"
    mark = "~" if went.estimated else ""
    yield f"{mark}{went.input_tokens or 0} tokens in, {mark}{went.output_tokens or 0} out"
    yield "price unknown" if went.cost_usd is None else usd(went.cost_usd)
    if went.key_label:
        yield f"key {went.key_label}"


def _skipped_words(skipped: Mapping[str, str]) -> str:
    """One line a reason."""
    reasons: dict[str, list[str]] = {}
    for name, why in skipped.items():
        reasons.setdefault(why, []).append(name)
    return "\n".join(f"skipped, {why}: {', '.join(names)}" for why, names in reasons.items())


def _as_json(result: Result) -> dict[str, Any]:
    went = result.tried
    return {
        "provider": went.provider or result.spec.provider_id,
        "model": went.model,
        "works": went.works,
        "trouble": went.trouble,
        "what": result.words,
        "said": went.said,
        "status": went.status,
        "format": went.format,
        "answered-model": went.answered_model,
        "key": went.key_label,
        "first-byte-ms": went.first_byte_ms,
        "total-ms": went.total_ms,
        "input-tokens": went.input_tokens,
        "output-tokens": went.output_tokens,
        "estimated": went.estimated,
        "cost-usd": None if went.cost_usd is None else str(went.cost_usd),
    }
