"""The reference document's report from rows with true prices.

The models of its sample rules do not come to it (X-027): so a part of the input of tools is written to the prompt
cache here, and both small rules keep the models that were asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

from ledgers import part, request

from ringlet_mitm.addons.usage.rows import RequestRow
from ringlet_mitm.rules.pricelist import PriceBook
from ringlet_mitm.rules.pricing import Usage, cost

# A model of a provider, the rule that takes it there, how many requests, and their tokens by kind.
Part = tuple[str, str, str, int, dict[str, int]]
TRUE: tuple[Part, ...] = (
    ("tool-use → anthropic", "anthropic", "claude-sonnet-4-5", 342,
     {"input_tokens": 686_667, "cache_write_5m_tokens": 413_333, "output_tokens": 210_000, "reasoning_tokens": 70_000}),
    ("input-tokens-lt → groq", "groq", "llama-3.3-70b-versatile", 212,
     {"input_tokens": 162_146, "output_tokens": 36_396}),
    ("input-tokens-lt → groq", "groq", "llama-3.1-8b-instant", 1072,
     {"input_tokens": 817_854, "output_tokens": 183_604}),
    ("default → anthropic", "anthropic", "claude-haiku-4-5", 18, {"input_tokens": 25_500, "output_tokens": 6_400}),
    ("default → anthropic", "anthropic", "claude-sonnet-4-5", 110, {"input_tokens": 154_500, "output_tokens": 38_600}),
)  # fmt: skip


def truly_priced(book: PriceBook) -> list[RequestRow]:
    """These rows, each priced by itself as the recorder does it."""
    return [row for one in TRUE for row in _priced(book, *one)]


def _priced(
    book: PriceBook, rule: str, provider: str, model: str, requests: int, tokens: dict[str, int]
) -> Iterator[RequestRow]:
    card = book.card(provider, model)
    for place in range(requests):
        usage = Usage(**{kind: part(total, requests, place) for kind, total in tokens.items()})
        paid = cost(usage, card)
        yield request(
            rule=rule,
            provider=provider,
            routed_model=model,
            cost_total=paid.total,
            **{kind: getattr(usage, kind) for kind in tokens},
        )
