"""The limits of a profile in words, as `rules check` and `rules list` say them."""

from __future__ import annotations

from ringlet_mitm.rules.limits import Limit, Limits, amount_words


def limit_words(limits: Limits) -> list[tuple[int | None, str]]:
    """A line for each: where it stands, and `usd-per-day: warns at $10, refuses at $20`."""
    said: list[tuple[int | None, str]] = [(limit.line, f"{limit.name}: {_steps(limit)}") for limit in limits.limits]
    for provider, most in limits.parallel.items():
        said.append((limits.parallel_lines.get(provider), f"{provider} parallel: {most} at once, others wait in line"))
    return sorted(said, key=lambda one: one[0] or 0)


def _steps(limit: Limit) -> str:
    named = f" (rule '{limit.label}')" if limit.index is not None else ""
    steps = ((limit.warn, "warns"), (limit.switch, f"goes to {limit.to}{named}"), (limit.refuse, "refuses"))
    return ", ".join(f"{what} at {amount_words(limit.kind, at)}" for at, what in steps if at is not None)
