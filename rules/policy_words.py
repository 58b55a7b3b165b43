"""A chain of targets and a policy in words, as `rules explain` says them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from itertools import groupby
from typing import Any

from ringlet_mitm.rules.naming import PASSTHROUGH
from ringlet_mitm.rules.reliability import Policy, Timeouts, timeouts_at
from ringlet_mitm.rules.targets import Target

TIMEOUTS = {
    "connect_ms": "{} to connect",
    "first_byte_ms": "{} to the first byte",
    "idle_ms": "{} between two pieces",
    "total_ms": "{} in all",
}
# Whose key goes along, by whether a target is the host that the agent asked for.
WHOSE = {True: "the key of the agent", False: "a key of ours"}
UNITS = ((3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms"))


def chain_words(chain: Sequence[Target]) -> str:
    """What follows the first target: `the same with 2 further keys, then groq/llama-3.3`; "" where nothing does.

    Targets are called by who will be asked for what, also those that pass through to the host that the agent asked.
    """
    said: list[str] = []
    before = ""
    for (name, as_asked), run in groupby(chain, key=lambda target: (_name(target), target.as_asked)):
        count = len(list(run))
        if before:
            said.append(f"the same with {WHOSE[as_asked]}" if name == before else name)
        before = name
        if count > 1:
            said.append(f"the same with {'another key' if count == 2 else f'{count - 1} further keys'}")
    return ", then ".join(said)


def patience_words(policy: Policy, *, each: bool, first: Target | None = None) -> list[str]:
    """`up to 2 retries each`, `500 ms doubling`, and the time-outs (at the `first` target) that are not usual."""
    if policy.retries:
        word = "retry" if policy.retries == 1 else "retries"
        backoff = f", {duration(policy.backoff_ms)} doubling" if policy.backoff_ms else " at once"
        said = [f"up to {policy.retries} {word}{' each' if each else ''}{backoff}"]
    else:
        said = ["no retries"]
    return said + _timeouts(timeouts_at(policy, first) if first else policy.timeouts)


def _timeouts(timeouts: Timeouts) -> list[str]:
    usual = Timeouts()
    limits = {item.name: getattr(timeouts, item.name) for item in fields(Timeouts)}
    odd = [TIMEOUTS[name].format(duration(ms)) for name, ms in limits.items() if ms != getattr(usual, name)]
    return [f"time-outs: {', '.join(odd)}"] if odd else []


def duration(ms: int) -> str:
    """`500 ms`, `10 s`, `5 min`, `no limit` for 0."""
    if not ms:
        return "no limit"
    size, unit = next((size, unit) for size, unit in UNITS if ms % size == 0)
    return f"{ms // size} {unit}"


def policy_dict(policy: Policy) -> dict[str, Any]:
    """The same for programs."""
    said = asdict(policy)
    del said["chosen"]
    return said


def _name(target: Target) -> str:
    provider = target.provider or PASSTHROUGH  # a host that is nobody's
    return f"{provider}/{target.model}" if target.model else provider
