"""`ringlet-mitm models`: what there is, what it holds, can do and costs, and what the person adds to that."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Any

import click

from ringlet_mitm.addons.price_cache import price_book
from ringlet_mitm.cli import model_words
from ringlet_mitm.cli.columns import aligned
from ringlet_mitm.rules import own_models as own
from ringlet_mitm.rules import profiles as store
from ringlet_mitm.rules.errors import UsageError, nearest
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.installation import load_installation
from ringlet_mitm.rules.model_files import CAPABILITIES
from ringlet_mitm.rules.model_names import normalised, provider_name
from ringlet_mitm.rules.models import ModelCatalogue
from ringlet_mitm.rules.own_models import OwnModel
from ringlet_mitm.rules.providers import ProviderRegistry, registry


def amount(text: str) -> Decimal:
    """An amount as it is written: 0.1 is a tenth."""
    try:
        return Decimal(text.removeprefix("$"))
    except InvalidOperation:
        raise click.BadParameter(f"'{text}' is no number of USD per million tokens") from None


@click.group()
def command() -> None:
    """List and show models and prices, add your own, fetch newer prices.

    A model need not be here to be used: `to = "groq/any-model"` works in a rule, and its price is then unknown.
    """


@command.command("list")
@click.argument("match", required=False)
@click.option("--provider", metavar="NAME", help="Only models of this provider.")
@click.option("--capability", type=click.Choice(CAPABILITIES), multiple=True, help="Only models known to have it.")
@click.option("--all", "everything", is_flag=True, help="All models of the price data, not only the well-known ones.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(
    match: str | None, provider: str | None, capability: tuple[str, ...], everything: bool, as_json: bool
) -> None:
    """List well-known models and your own; MATCH is a part of a name, or a glob. What nobody knows is `?`."""
    wanted = frozenset(capability)
    found = [
        spec
        for spec in _catalogue().models(provider, everything=everything)
        if (match is None or _fits(spec.id, match)) and wanted <= (spec.capabilities or frozenset())
    ]
    if as_json:
        click.echo(json.dumps([model_words.as_json(spec) for spec in found], indent=2))
    elif not found:
        hint = "" if everything else "; --all looks through all of the price data"
        click.echo(f"no such model{hint}", err=True)
    else:
        click.echo(aligned(model_words.HEAD, [model_words.row(spec) for spec in found]))
        if any(spec.card and spec.card.tiers for spec in found):
            click.echo("\n* higher for long requests: ringlet-mitm models show NAME")


@command.command()
@click.argument("name")
@click.option("--provider", metavar="NAME", help="At this provider.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(name: str, provider: str | None, as_json: bool) -> None:
    """Show one model: what it holds, can do and costs, with the source of each figure, and who else has it.

    What another source says otherwise stands in brackets.
    """
    specs = _catalogue().find(name, provider)
    if as_json:
        click.echo(json.dumps([model_words.as_json(spec) for spec in specs], indent=2))
        return
    for line in model_words.lines(specs):
        click.echo(line)


@command.command()
@click.option("--id", "id_", required=True, metavar="NAME", help="What the provider calls it.")
@click.option("--provider", default="custom", show_default=True, help="Who serves it, or like whom it is served.")
@click.option("--base-url", metavar="URL", help="Where it is; it then is a provider of its own, for `to` in rules.")
@click.option("--key-env", metavar="VARIABLE", help="Variable with the key for --base-url.")
@click.option(
    "--input-price", type=amount, metavar="USD", help="USD per million tokens; 0 is free, left out is unknown."
)
@click.option("--output-price", type=amount, metavar="USD", help="The same for what it writes.")
@click.option("--cache-read-price", type=amount, metavar="USD", help="The same for input read from the prompt cache.")
@click.option("--cache-write-price", type=amount, metavar="USD", help="The same for input written to the prompt cache.")
@click.option("--context", type=click.IntRange(min=1), metavar="TOKENS", help="How much it holds.")
@click.option("--max-output", type=click.IntRange(min=1), metavar="TOKENS", help="How long an answer may be.")
@click.option("--capability", "capabilities", type=click.Choice(CAPABILITIES), multiple=True, help="What it can do.")
@click.option("--insecure", is_flag=True, help="Allow http:// to a host outside your network.")
def add(id_: str, capabilities: tuple[str, ...], insecure: bool, **given: Any) -> None:
    """Add a model of your own, or say what a model costs you.

    \b
    ringlet-mitm models add --id my-model --provider custom --base-url http://192.168.1.50:8000/v1 \\
        --input-price 0 --output-price 0
    ringlet-mitm models add --id llama-3.3-70b --provider groq --input-price 0.5 --output-price 0.7

    --provider custom speaks OpenAI's format (vLLM, LM Studio, LocalAI), anthropic-custom Anthropic's; with the name of
    a provider, --base-url is another place that is served like that one (`--provider ollama` for another machine's
    Ollama). The provider's own key is never sent there. Adding a model again changes what is given and keeps the rest.

    Models need not be added to be used: `to = "groq/any-model"` works.
    """
    home = home_of(os.environ)
    models = store.own_models(home)
    provider = _provider_id(str(given.pop("provider")), registry({}))
    given |= {"capabilities": capabilities or None, "insecure": insecure or None}
    old = next((model for model in models if _is(model, id_, provider)), None)
    model = replace(
        old or OwnModel(id=id_, provider=provider), **{key: value for key, value in given.items() if value is not None}
    )
    own.check(model)
    if model.base_url and (old is None or not old.base_url):
        _check_name(provider_name(model.id), home)
    others = [other for other in models if other is not old]
    store.save_models(home, [*others, model])
    click.echo(f"{'changed' if old else 'added'} '{model.id}': {_price_in_words(model)}")
    target = model.provider_id if model.base_url else f"{model.provider_id}/{model.id}"
    click.echo(f'use it in a rule:  to = "{target}"')


@command.command()
@click.argument("name")
@click.option("--provider", metavar="NAME", help="Of this provider, where two of your models have the name.")
def remove(name: str, provider: str | None) -> None:
    """Remove a model that you added; what it used stays in the ledger."""
    home = home_of(os.environ)
    models = store.own_models(home)
    found = [
        model
        for model in models
        if name.lower() in (model.id.lower(), model.provider_id) and provider in (None, model.provider)
    ]
    if len(found) != 1:
        raise UsageError(_which(name, found, models))
    store.save_models(home, [model for model in models if model is not found[0]])
    click.echo(f"removed '{found[0].id}'")


@command.command()
@click.option("--from", "place", metavar="FILE|URL", help="Where the data is; https, or http on this machine.")
@click.option("--reset", is_flag=True, help="Go back to the prices of the installed library.")
def update(place: str | None, reset: bool) -> None:
    """Fetch newer prices and context windows: what genai-prices publishes, or a catalogue of ringlet-mitm.

    \b
    ringlet-mitm models update --from \\
        https://raw.githubusercontent.com/pydantic/genai-prices/main/prices/new_data/v2/data_slim.json

    It is used while it is newer than the installed library; running proxies take it within a second. Requests that are
    recorded already keep their cost.
    """
    from ringlet_mitm.cli import model_updates  # httpx takes 0.1 s to import

    home = home_of(os.environ)
    if reset == (place is not None):
        raise UsageError(f"say --from FILE or URL, or --reset; the published prices are at {model_updates.PUBLISHED}")
    for line in model_updates.reset(home) if place is None else model_updates.update(home, place):
        click.echo(line)


def _catalogue() -> ModelCatalogue:
    home = home_of(os.environ)
    providers = load_installation(home, os.environ).registry
    return ModelCatalogue(providers, price_book(home, providers), store.own_models(home))


def _fits(name: str, match: str) -> bool:
    """A part of the name in any spelling, or a glob."""
    wanted = match.lower()
    if any(mark in wanted for mark in "*?["):
        return fnmatchcase(name.lower(), wanted) or fnmatchcase(normalised(name), wanted)
    return wanted in name.lower() or normalised(match) in normalised(name)


def _provider_id(name: str, providers: ProviderRegistry) -> str:
    if name.lower() in own.CUSTOM:
        return name.lower()
    spec = providers.get(name)
    if spec is not None:
        return spec.provider_id
    close = nearest(name, (*providers.names(), *own.CUSTOM))
    raise UsageError(f"unknown provider '{name}'" + (f"; did you mean '{close}'?" if close else ""))


def _check_name(name: str, home: Home) -> None:
    """A model with a base URL must not take another provider's name, of the person's files neither."""
    if name in registry(store.provider_texts(home)).names():
        raise UsageError(f"'{name}' is a provider already; give the model another id")


def _is(model: OwnModel, id_: str, provider: str) -> bool:
    return (model.provider, normalised(model.id)) == (provider, normalised(id_))


def _price_in_words(model: OwnModel) -> str:
    if not model.prices:
        return "price unknown"
    if set(model.prices.values()) == {Decimal(0)}:
        return "free"
    amounts = (model_words.usd(amount) for amount in (model.input_price, model.output_price))
    return "{} in, {} out per million tokens".format(*amounts)


def _which(name: str, found: list[OwnModel], models: tuple[OwnModel, ...]) -> str:
    if found:
        return f"'{name}' is a model of {' and '.join(model.provider for model in found)}; say which with --provider"
    close = nearest(name, [model.id for model in models])
    if close:
        return f"you have no model '{name}'; did you mean '{close}'?"
    return f"you have no model '{name}'; what is built in cannot be removed"
