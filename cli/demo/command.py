"""`ringlet-mitm demo`: the main job on this machine, without an account or a key, and nothing left behind."""

from __future__ import annotations

import http.client
import json
import signal
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from ringlet_mitm.addons.usage.ledger import reading
from ringlet_mitm.cli.amounts import usd
from ringlet_mitm.cli.demo.requests import Call, calls
from ringlet_mitm.cli.demo.stage import RunningProxy, program
from ringlet_mitm.cli.demo.upstream import Vendor
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.peek import AgentRequest, Peek, peek
from ringlet_mitm.rules.profiles import Profile, save_profile
from ringlet_mitm.rules.providers import ProviderRegistry, registry
from ringlet_mitm.rules.routing import verdicts
from ringlet_mitm.rules.rulebook import RuleBook, load_rulebook
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.tokens import Calibration

PROFILE = "demo"
KEYS = {
    name: f"demo-key-{name.lower()}"
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GROQ_API_KEY", "GEMINI_API_KEY")
}
DELAY_MS = 12
Row = dict[str, Any]
LAST_ROW = """SELECT rule, provider, routed_model, counted_tokens, cost_total,
(first_byte_us - started_us) // 1000 AS ms,
input_tokens + cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens AS input,
output_tokens + reasoning_tokens AS output FROM requests ORDER BY started_us DESC LIMIT 1"""


@click.command()
@click.option("--serve", is_flag=True, help="Keep it up, to try a real agent against it without spending a cent.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the proxy; a free one by default.")
def command(serve: bool, port: int) -> None:
    """Show the main job on this machine, without an account or a key.

    Starts a stand-in for the vendors and a proxy with a sample routing.toml, sends requests of the shape that agents
    send through HTTPS_PROXY, and prints what each rule did and would have cost. Nothing stays behind.
    """
    with tempfile.TemporaryDirectory(prefix="ringlet-demo-") as folder, Vendor(delay_ms=DELAY_MS) as vendor:
        home = Path(folder)
        rules = _set_up(home)
        with RunningProxy(home, vendor, profile=PROFILE, port=port, keys=KEYS) as proxy:
            if serve:
                _serve(proxy, home)
            else:
                _show(proxy, vendor, rules)
            click.echo(proxy.run("usage", "--profile", PROFILE, "--by-rule").rstrip())
    if not serve:
        click.echo("\nnothing of this was kept; prices are the real ones, the answers came from this machine")
        click.echo("next:  ringlet-mitm --profile work")


def _set_up(home: Path) -> str:
    place = home_of({"RINGLET_HOME": str(home)})
    save_profile(place, Profile(name=PROFILE))
    rules = files("ringlet_mitm.cli.demo").joinpath("scripts/routing.toml").read_text(encoding="utf-8")
    place.routing_file(PROFILE).write_text(rules, encoding="utf-8")
    return rules


def _show(proxy: RunningProxy, vendor: Vendor, rules: str) -> None:
    providers = registry({}, {})
    book = load_rulebook(rules, "routing.toml", providers)
    click.echo(f"routing.toml\n\n{_indented(rules)}\n\nproxy on {proxy.url}, HTTPS_PROXY points there\n")
    for number, call in enumerate(calls(), 1):
        _one(number, call, proxy, vendor, book, providers)


def _one(
    number: int, call: Call, proxy: RunningProxy, vendor: Vendor, book: RuleBook, providers: ProviderRegistry
) -> None:
    body = json.dumps(call.body, separators=(",", ":")).encode()
    click.secho(f"{number}. {call.says}: {call.body['model']} at {call.host}, {len(body):,} bytes", bold=True)
    click.echo("   ", nl=False)
    for piece in _sent(call, body, proxy):
        click.echo(piece, nl=False)
        sys.stdout.flush()
    row, seen = _recorded(proxy), vendor.seen[-1]
    key = "the agent's own key" if seen.host == call.host else f"{row['provider']}'s key instead of the agent's"
    cost = "?" if row["cost_total"] is None else usd(row["cost_total"])
    click.echo(f"\n   rule  {row['rule']}: {_why(call, body, row, book, providers)}")
    click.echo(f"   went  to {seen.host} as {row['routed_model']}, with {key}")
    click.echo(f"   cost  {row['input']:,} tokens in, {row['output']:,} out: {cost}; first byte after {row['ms']} ms\n")


def _sent(call: Call, body: bytes, proxy: RunningProxy) -> Iterator[str]:
    """The answer's text as it streams in, over a TLS connection through the proxy as any agent makes it."""
    context = ssl.create_default_context(cafile=str(proxy.ca_file))
    connection = http.client.HTTPSConnection("127.0.0.1", proxy.port, context=context, timeout=30)
    connection.set_tunnel(call.host, 443)
    try:
        connection.request("POST", call.path, body, {"content-type": "application/json", **call.headers})
        answer = connection.getresponse()
        for line in iter(answer.readline, b""):
            yield _text(call.format, line) if answer.status == 200 else line.decode("utf-8", "replace")
    finally:
        connection.close()


def _text(wire_format: WireFormat, line: bytes) -> str:
    """What a person sees of one line of a stream."""
    if not line.startswith(b"data: {"):
        return ""
    event = json.loads(line[6:])
    if wire_format is WireFormat.CHAT:
        choices = event.get("choices") or [{}]
        return str(choices[0].get("delta", {}).get("content") or "")
    block = event.get("content_block", {})
    if block.get("type") == "tool_use":
        return f"[calls {block['name']}] "
    delta = event.get("delta", {})
    return str(delta.get("text") or delta.get("partial_json") or "")


def _why(call: Call, body: bytes, row: Row, book: RuleBook, providers: ProviderRegistry) -> str:
    """The value that decided it, for the rule that the proxy says it took."""
    headers = tuple((name.encode(), value.encode()) for name, value in call.headers.items())
    seen = peek(AgentRequest(call.format, "POST", "https", call.host, 443, call.path, headers, body), providers.by_host)
    assert isinstance(seen, Peek)
    features = replace(seen.features, exact_tokens=row["counted_tokens"])
    for verdict in verdicts(book, features, Calibration()):
        if verdict.rule.label == row["rule"]:
            return ", ".join(f"{check.fact} {check.value}" for check in verdict.checks)
    return f"no rule matches {row['counted_tokens'] or 0:,} tokens without tools"


def _recorded(proxy: RunningProxy) -> Row:
    """The row of the request that was answered just now."""
    home = home_of(proxy.environ)
    with reading(home.database, home.spool_dir, views=()) as connection:
        found = connection.execute(LAST_ROW)
        (row,) = found.fetchall()
        return dict(zip((name for name, *_ in found.description), row, strict=True))


def _indented(text: str) -> str:
    return "\n".join(f"   {line}" for line in text.rstrip().splitlines() if line)


def _serve(proxy: RunningProxy, home: Path) -> None:
    words = program("env", "--profile", PROFILE, "--port", str(proxy.port))
    exports = subprocess.run(words, env=proxy.environ, text=True, check=True, capture_output=True).stdout
    click.echo("paste this into the shell of an agent; its answers come from this machine and cost nothing:\n")
    click.echo(exports.rstrip())
    click.echo("export ANTHROPIC_API_KEY=demo OPENAI_API_KEY=demo GEMINI_API_KEY=demo\n")
    click.echo(f"rules: {home / 'profiles' / PROFILE / 'routing.toml'} (edit them, they are in force within a second)")
    click.echo("Ctrl-C ends it")
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background job starts with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    try:
        signal.pause()
    except KeyboardInterrupt:
        click.echo("")
