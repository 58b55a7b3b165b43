"""`ringlet-mitm rules`: check and list routing rules, and explain what they decide."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from ringlet_mitm.cli import fallback_cautions
from ringlet_mitm.cli.columns import aligned
from ringlet_mitm.cli.request_files import read_request
from ringlet_mitm.cli.rule_presets import command as presets
from ringlet_mitm.cli.rule_report import cells, limits, provider_cautions, report, rows, settings_report
from ringlet_mitm.cli.rule_setting import Setting, bytes_of, setting_of, text_of
from ringlet_mitm.rules.cautions import key_cautions
from ringlet_mitm.rules.encoder import load_encoder
from ringlet_mitm.rules.errors import ConfigError, RouteError, UsageError
from ringlet_mitm.rules.explain import Explanation, explain
from ringlet_mitm.rules.legs import Leg
from ringlet_mitm.rules.matching import reference
from ringlet_mitm.rules.peek import AgentRequest, Peek, Unreadable, peek
from ringlet_mitm.rules.routing import Decision, decide, decide_unreadable
from ringlet_mitm.rules.rulebook import RuleBook
from ringlet_mitm.rules.settings import Settings
from ringlet_mitm.rules.settings_file import read_settings
from ringlet_mitm.rules.targets import Target, lined_up
from ringlet_mitm.rules.tokens import Calibration, TokenMemo, count

STDIN = "-"
NOT_OK = 2
CONFIG = "config.toml"

T = TypeVar("T")

profile_option = click.option("--profile", "name", metavar="NAME", help="Profile whose routing.toml it is.")


@click.group()
def command() -> None:
    """Check and list routing rules, and explain what they decide."""


@command.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@profile_option
def check(file: Path | None, name: str | None) -> None:
    """Check a routing file: errors with their lines, rules that can never fire, known traps.

    Without FILE it is the profile's routing.toml, and the config.toml of all profiles. Warnings do not fail; errors
    exit with code 2.
    """
    setting = _or_exit(lambda: setting_of(name))
    if file is not None and file.name == CONFIG:
        text = text_of(file)
        settings = _or_exit(lambda: read_settings(text, str(file), setting.registry, setting.environ))
        lines = _settings_checked(settings, setting)
    else:
        lines = _checked(setting, file)
    for line in lines:
        click.echo(line)


def _checked(setting: Setting, file: Path | None) -> list[str]:
    path = file or setting.routing_file
    there = file is not None or path.exists()
    text = text_of(path) if there else ""
    book = _or_exit(lambda: setting.book(text, str(path)))
    lines = [*report(book, there=there), *(f"warning: {line}" for line in fallback_cautions.of_rules(book, setting))]
    if file is not None:
        return lines
    if not setting.obeys_rules:
        own = setting.profile.name
        lines.append(f"profile '{own}' does not use them: ringlet-mitm profiles set {own} --proxy ultrallm")
    return lines + (_settings_checked(setting.settings, setting) if setting.settings.digest else [])


def _settings_checked(settings: Settings, setting: Setting) -> list[str]:
    cautions = (
        *key_cautions(Path(settings.file), setting.environ),
        *provider_cautions(settings, setting.registry),
        *fallback_cautions.of_settings(settings, setting),
    )
    return [*(f"warning: {line}" for line in cautions), *settings_report(settings)]


def _or_exit(read: Callable[[], T]) -> T:
    """What `read` gives; where a file is wrong, all of it on the error stream and the end."""
    try:
        return read()
    except ConfigError as error:
        for problem in (error, *error.others):
            click.echo(f"ringlet-mitm: {problem}", err=True)
        sys.exit(NOT_OK)


@command.command("list")
@profile_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(name: str | None, as_json: bool) -> None:
    """List the rules in force in their order: the profile's, then the model routes of config.toml, then the default.

    Below them are the profile's limits; with --json there are only the rules.
    """
    book = setting_of(name).book_in_force()
    found = rows(book)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    click.echo(aligned(("#", "RULE", "MODEL", "FROM"), [cells(row) for row in found]))
    for line in limits(book):
        click.echo(line)


@command.command("explain")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@profile_option
@click.option("--rules", "rules_file", type=click.Path(path_type=Path), help="Another routing file than the profile's.")
@click.option("--path", default="", help="Path of the request, where FILE is a body alone.")
@click.option("--host", default="", help="Host that the agent asked for.")
@click.option("-H", "--header", "headers", multiple=True, metavar="NAME:VALUE", help="Add a header; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain_(
    file: Path,
    name: str | None,
    rules_file: Path | None,
    path: str,
    host: str,
    headers: tuple[str, ...],
    as_json: bool,
) -> None:
    """Explain where a request goes and why: its features, each rule's verdict, and what becomes of it.

    FILE is a request body, or a capture of a whole request (JSON with host, path, headers and body); - reads it from
    standard input. Nothing is sent.
    """
    from ringlet_mitm.addons.addressing import VENDORS

    setting = setting_of(name)
    raw = sys.stdin.buffer.read() if str(file) == STDIN else bytes_of(file)
    request = read_request(raw, str(file), VENDORS, path, host, tuple(_header(text) for text in headers))
    explanation = explained(request, setting.book_in_force(rules_file), setting, setting.calibration())
    text = json.dumps(explanation.as_dict(), indent=2) if as_json else "\n".join(explanation.lines())
    click.echo(text)


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--markdown", is_flag=True, help="Print a Markdown table.")
def conditions(as_json: bool, markdown: bool) -> None:
    """List what a rule's match may hold."""
    rows = reference()
    if as_json:
        click.echo(
            json.dumps(
                [{"condition": example, "meaning": meaning} for example, meaning in rows], indent=2, ensure_ascii=False
            )
        )
    elif markdown:
        click.echo("| In `match` | Holds when |\n|---|---|")
        click.echo("\n".join(f"| `{example}` | {meaning} |" for example, meaning in rows))
    else:
        click.echo(aligned(("IN MATCH", "HOLDS WHEN"), rows))
        click.echo(
            "\nAll conditions of a rule have to hold; the first rule that matches wins; snake_case is understood too."
        )


SINCE = click.option("--since", metavar="TIME", help="From then on: a day, 2026-11-21T14:30 or 7d (ago); else 30d.")
UNTIL = click.option("--until", metavar="TIME", help="Up to then; a day counts to its end.")
DATABASE = click.option("--db", "database", type=click.Path(path_type=Path), help="Another database than this home's.")


@command.command("backtest")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--against", type=click.Path(path_type=Path), help="Other rules to compare with, not what happened.")
@profile_option
@SINCE
@UNTIL
@click.option("--moved", is_flag=True, help="List every request that would have gone elsewhere.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: money exact, what is unknown null.")
@DATABASE
def backtest_(**given: Any) -> None:
    """Tell what other rules would have cost, by the requests that were recorded.

    FILE is a routing.toml. Each recorded request is decided anew and priced where it would have gone, prompt caches
    included; what cannot be known is said. Nothing is sent, and nothing of the quality of answers is known.
    """
    from ringlet_mitm.cli.backtest import backtest

    backtest(**given)


@command.command("suggest")
@profile_option
@click.option(
    "--to", multiple=True, metavar="PROVIDER[/MODEL]", help="Where to go to; else a place that the rules name."
)
@SINCE
@UNTIL
@click.option("--json", "as_json", is_flag=True, help="Print JSON: money exact, what is unknown null.")
@DATABASE
def suggest_(**given: Any) -> None:
    """Suggest rules that would have saved money, by the requests that were recorded.

    Looks for a threshold below which requests that no rule takes could go to a cheaper place, and prints the rule with
    its backtest. How good the answers are is not measured.
    """
    from ringlet_mitm.cli.suggest import suggestions

    suggestions(**given)


command.add_command(presets, "presets")


def explained(request: AgentRequest, book: RuleBook, setting: Setting, calibration: Calibration) -> Explanation:
    """Why a request goes where it goes; it takes the same steps as in the proxy, except that nothing is sent."""
    providers = setting.registry
    seen = peek(request, providers.by_host)
    if isinstance(seen, Unreadable):
        decision = decide_unreadable(book)
    else:
        exact = count(seen.parts, TokenMemo(), load_encoder())
        seen = replace(seen, features=replace(seen.features, exact_tokens=exact))
        made = decide(book, seen.features, calibration)
        assert isinstance(made, Decision), "everything was counted"
        decision = made
    features = None if isinstance(seen, Unreadable) else seen.features
    chain = lined_up(decision.route, request, features, providers, setting.pin)
    legs = tuple(_leg(request, seen, decision, target, setting) for target in chain.targets)
    return explain(book, request, seen, calibration, legs, chain.skipped)


def _leg(request: AgentRequest, seen: Peek | Unreadable, decision: Decision, target: Target, setting: Setting) -> Leg:
    from ringlet_mitm.addons.credentials.store import store_of
    from ringlet_mitm.addons.credentials.vault import Vault
    from ringlet_mitm.addons.outbound import prepare
    from ringlet_mitm.addons.splicing import Turn

    vault = Vault(setting.environ, store_of(setting.home, setting.environ))
    key = vault.find(target.key_ref) if target.key_ref else None
    key_is_set = key is not None if target.key_ref else None
    place = key.label if key else ""
    try:
        sent = prepare(Turn(request, seen, decision), target, replace_credentials=not target.as_asked)
    except RouteError as error:
        return Leg(target, None, str(error), key_is_set, place)
    return Leg(target, sent, key_is_set=key_is_set, key_place=place)


def _header(text: str) -> tuple[bytes, bytes]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise UsageError(f"--header {text}: write it as 'name: value'")
    return name.strip().encode(), value.strip().encode()
