"""Reports: what the documents show of them, from rows with true prices."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import pytest
from ledgers import part, request
from promises.command import CommandLine
from promises.tables import Promise, held
from true_prices import truly_priced

from ringlet_mitm.addons.usage.rows import RequestRow
from ringlet_mitm.addons.usage.spool import Spool
from ringlet_mitm.addons.wire.metering import Meter
from ringlet_mitm.rules.pricelist import PriceBook
from ringlet_mitm.rules.pricing import Usage, cost
from ringlet_mitm.rules.profiles import Profile, save_profile
from ringlet_mitm.rules.shapes import WireFormat

REPORTS = Path(__file__).parents[2] / "fixtures" / "reports"
# The sample's, whose second threshold never is reached here.
ROUTING = """
[[rule]]
match = { tool-use = true }
to = "anthropic"

[[rule]]
match = { input-tokens-lt = 2000 }
to = "groq"

[[rule]]
match = { input-tokens-gt = 100000 }
to = "anthropic"

[default]
to = "anthropic"
"""


@pytest.fixture(scope="module")
def sample() -> list[RequestRow]:
    return truly_priced(PriceBook())


def recorded(command_line: CommandLine, rows: Iterable[RequestRow]) -> None:
    save_profile(command_line.home, Profile("work"))
    command_line.home.routing_file("work").write_text(ROUTING, encoding="utf-8")
    spool = Spool(command_line.home.spool_dir, "work")
    for row in rows:
        spool.append(row, ())
    spool.seal()


@held("report")
def test_a_report(promise: Promise, command_line: CommandLine, sample: list[RequestRow]) -> None:
    recorded(command_line, sample)
    said = (" ".join(line.split()) for line in command_line("usage", *promise["words"]).splitlines())
    for line in promise["lines"]:
        # `any` goes on where the line before was found.
        assert any(found.startswith(line) for found in said), line


@held("reference-report")
def test_the_reference_report(promise: Promise, command_line: CommandLine, sample: list[RequestRow]) -> None:
    recorded(command_line, sample)
    expected = (REPORTS / promise["file"]).read_text(encoding="utf-8")
    assert command_line("usage", "--profile", "work", "--by-rule", "--tz", "UTC") == expected


@held("reference-report")
def test_what_the_models_of_the_sample_would_have_cost(promise: Promise) -> None:
    book = PriceBook()
    for own in promise["own"]:
        card = book.card(own["provider"], own["model"])
        usages = [
            Usage(
                input_tokens=part(own["in"], own["requests"], place),
                output_tokens=part(own["out"], own["requests"], place),
            )
            for place in range(own["requests"])
        ]
        total = sum((cost(usage, card).total or Decimal("NaN") for usage in usages), Decimal())
        assert total == Decimal(own["usd"])


@held("default-share")
def test_a_default_that_takes_nearly_everything(promise: Promise, command_line: CommandLine) -> None:
    for name, advised in (("fine", False), ("sign", True)):
        rules = zip((promise["default"], promise["rule"]), promise[name], strict=True)
        rows = [request(rule=rule) for rule, many in rules for _ in range(many)]
        line = CommandLine(command_line.home.config / name)
        recorded(line, rows)
        said = line("usage", "--profile", "work", "--by-rule")
        assert f"  {promise[name][0]}%" in said
        assert (promise["advice"] in said) == advised


@held("accounting")
def test_the_same_tokens_whoever_reports_them(promise: Promise) -> None:
    for wire_format, body in promise["reported"].items():
        meter = Meter(WireFormat(wire_format), streamed=False)
        meter.feed(body.encode())
        meter.finish()
        usage = meter.usage
        assert usage is not None, wire_format
        counted = (usage.total_input, usage.cache_read_tokens, usage.total_output)
        assert counted == (promise["total_input"], promise["cache_read"], promise["total_output"]), wire_format
