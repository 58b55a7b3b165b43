"""`ringlet-mitm rules`: check routing rules, and explain what they decide."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import click

from ringlet_mitm.cli.columns import aligned
from ringlet_mitm.cli.request_files import read_request
from ringlet_mitm.rules.encoder import load_encoder
from ringlet_mitm.rules.errors import ConfigError, LedgerError, RouteError, UsageError
from ringlet_mitm.rules.explain import Explanation, Leg, explain
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.matching import reference
from ringlet_mitm.rules.peek import AgentRequest, Peek, Unreadable, peek
from ringlet_mitm.rules.profiles import Profile, load_profile, provider_texts
from ringlet_mitm.rules.providers import ProviderRegistry, registry
from ringlet_mitm.rules.reachability import warnings
from ringlet_mitm.rules.routing import Decision, decide, decide_unreadable
from ringlet_mitm.rules.rulebook import RuleBook, load_rulebook
from ringlet_mitm.rules.targets import Target, line_up
from ringlet_mitm.rules.tokens import Calibration, TokenMemo, count

STDIN = "-"
DEFAULT_PROFILE = "default"
NOT_OK = 2
LEDGER_WAIT_S = 3.0

profile_option = click.option("--profile", "name", metavar="NAME", help="Profile whose routing.toml it is.")


@click.group()
def command() -> None:
    """Check routing rules and explain what they decide."""


@command.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@profile_option
@click.pass_context
def check(context: click.Context, file: Path | None, name: str | None) -> None:
    """Check a routing file: errors with their lines, rules that can never fire, known traps.

    Without FILE it is the profile's routing.toml. Warnings do not fail; errors exit with code 2.
    """
    setting = _setting(name)
    path = file or setting.routing_file
    if file is None and not path.exists():
        click.echo(f"{path}: not there, so there are no rules: {_goes(setting.book('', str(path)))}")
        return
    text = _text(path)
    try:
        book = setting.book(text, str(path))
    except ConfigError as error:
        for problem in (error, *error.others):
            click.echo(f"ringlet-mitm: {problem}", err=True)
        context.exit(NOT_OK)
    for line in report(book):
        click.echo(line)
    if file is None and setting.profile.proxy == "none":
        own = setting.profile.name
        click.echo(f"profile '{own}' does not use them: ringlet-mitm profiles set {own} --proxy ultrallm")


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

    setting = _setting(name)
    raw = sys.stdin.buffer.read() if str(file) == STDIN else _read(file)
    request = read_request(raw, str(file), VENDORS, path, host, tuple(_header(text) for text in headers))
    book = _book(setting, rules_file)
    explanation = explained(request, book, setting.registry, setting.profile, setting.calibration(), os.environ)
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


@dataclass(frozen=True, slots=True)
class Setting:
    """What rules are read against."""

    home: Home
    profile: Profile
    registry: ProviderRegistry = field(repr=False)

    @property
    def routing_file(self) -> Path:
        """The profile's rules."""
        return self.home.routing_file(self.profile.name)

    def book(self, text: str, file: str) -> RuleBook:
        """A routing file's text, read."""
        return load_rulebook(text, file, self.registry, self.profile.provider)

    def calibration(self) -> Calibration:
        """The token ratios that were learned so far; none without a database, or while somebody holds it."""
        from ringlet_mitm.addons.usage.calibration import learned
        from ringlet_mitm.addons.usage.ledger import stored

        if not self.home.database.exists():
            return Calibration()
        try:
            with stored(self.home.database, wait_s=LEDGER_WAIT_S) as connection:
                return learned(connection)
        except LedgerError as error:
            click.echo(f"ringlet-mitm: token ratios as if nothing was learned: {error}", err=True)
            return Calibration()


def _setting(name: str | None) -> Setting:
    """The profile's; without a name the default one, which need not exist."""
    home = home_of(os.environ)
    missing = name is None and not home.profile_file(DEFAULT_PROFILE).exists()
    profile = Profile(name=DEFAULT_PROFILE) if missing else load_profile(home, name or DEFAULT_PROFILE)
    return Setting(home, profile, registry(provider_texts(home), os.environ))


def _book(setting: Setting, rules_file: Path | None) -> RuleBook:
    """The rules in force for a profile, or another file's."""
    path = rules_file or setting.routing_file
    obeyed = rules_file is not None or (setting.profile.proxy != "none" and path.exists())
    return setting.book(_text(path) if obeyed else "", str(path))


def report(book: RuleBook) -> list[str]:
    """What `check` says of a book that could be read."""
    found = warnings(book)
    lines = [f"{book.file}:{one.line}: warning: {one.rule}: {one.message}" for one in found]
    number = len(book.rules)
    summary = f"{number} rule{'' if number == 1 else 's'}, {_goes(book)}"
    return [
        *lines,
        f"{book.file}: OK, {summary}" + (f", {len(found)} warning{'' if len(found) == 1 else 's'}" if found else ""),
    ]


def _goes(book: RuleBook) -> str:
    rest = "everything" if not book.rules else "everything else"
    route = book.default.route
    model = f", model {route.model}" if route.model else ""
    return f"{rest} goes {f'to {route.provider}' if route.provider else 'where the agent sent it'}{model}"


def explained(
    request: AgentRequest,
    book: RuleBook,
    providers: ProviderRegistry,
    profile: Profile,
    calibration: Calibration,
    environ: Mapping[str, str],
) -> Explanation:
    """Why a request goes where it goes; it takes the same steps as in the proxy, except that nothing is sent."""
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
    targets = line_up(decision.route, request, features, providers, profile.pin)
    legs = tuple(_leg(request, seen, decision, target, environ) for target in targets)
    return explain(book, request, seen, calibration, legs)


def _leg(
    request: AgentRequest, seen: Peek | Unreadable, decision: Decision, target: Target, environ: Mapping[str, str]
) -> Leg:
    from ringlet_mitm.addons.credentials.vault import Vault
    from ringlet_mitm.addons.outbound import prepare
    from ringlet_mitm.addons.splicing import Turn

    key_is_set = Vault(environ).find(target.key_ref) is not None if target.key_ref else None
    try:
        sent = prepare(Turn(request, seen, decision), target, replace_credentials=not target.as_asked)
    except RouteError as error:
        return Leg(target, None, str(error), key_is_set)
    return Leg(target, sent, key_is_set=key_is_set)


def _header(text: str) -> tuple[bytes, bytes]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise UsageError(f"--header {text}: write it as 'name: value'")
    return name.strip().encode(), value.strip().encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", file=str(path)) from None


def _text(path: Path) -> str:
    try:
        return _read(path).decode()
    except UnicodeDecodeError:
        raise ConfigError("is not UTF-8 text", file=str(path)) from None
