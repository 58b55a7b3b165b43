"""Whether what was written down is what happened: rows against requests, attempts against what providers got."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from soak.asking import Story
from soak.providers import Arrival
from soak.rulebooks import MODELS

from ringlet_mitm.cli.demo.stage import RunningProxy

Row = dict[str, Any]
REQUESTS = """SELECT id, max_output_tokens AS number, provider, routed_model, status, error_class, attempts
FROM requests WHERE requested_model IN ({})""".format(", ".join(f"'{name}'" for name in MODELS))
ATTEMPTS = "SELECT request_id, number, provider, error_class, status FROM attempts ORDER BY request_id, number"
# Attempts of which a provider has never got the whole, or may not have.
NEVER_SENT = ("not-sent",)
PERHAPS = ("unreachable", "timed-out", "client-gone", "broken-stream")
# What does no harm to anybody else on the same connection of HTTP/2 either; a GOAWAY and what follows does.
FINE = {"ok", "ok after 200 ms", "slow drip"}


@dataclass(frozen=True, slots=True)
class Ledger:
    """The rows by the numbers of their requests, each with its attempts."""

    rows: dict[int, list[Row]]
    attempts: dict[str, list[Row]]

    @property
    def count(self) -> int:
        """Requests."""
        return sum(map(len, self.rows.values()))


def ledger(proxy: RunningProxy) -> Ledger:
    """All of it, as `usage --sql` tells it."""
    rows: dict[int, list[Row]] = defaultdict(list)
    attempts: dict[str, list[Row]] = defaultdict(list)
    for row in json.loads(proxy.run("usage", "--sql", REQUESTS, "--json")):
        rows[row["number"]].append(row)
    for row in json.loads(proxy.run("usage", "--sql", ATTEMPTS, "--json")):
        attempts[row["request_id"]].append(row)
    return Ledger(dict(rows), dict(attempts))


@dataclass(slots=True)
class Reckoning:
    """What does not add up, in words; empty where all does."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unexcused: list[str] = field(default_factory=list)
    unheard: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    stories: list[str] = field(default_factory=list)


def reckon(
    stories: Iterable[Story], found: Ledger, arrivals: list[Arrival], downs: list[tuple[str, float, float]]
) -> Reckoning:
    """Hold all three together."""
    told = Reckoning(attempts=sum(map(len, found.attempts.values())))
    arrived: dict[int, list[Arrival]] = defaultdict(list)
    for one in arrivals:
        arrived[one.number].append(one)
    faulty = {(one.machine, one.connection) for one in arrivals if one.step not in FINE}
    known = set()
    for story in stories:
        number = story.asking.number
        known.add(number)
        rows = found.rows.get(number, [])
        here = arrived.get(number, [])
        if story.outcome == "wrong":
            told.stories.append(f"{name(story)}: {story.why}; it met {_met(here)}; {story.said[-200:]!r}")
        if len(rows) != 1:
            _not_once(told, story, rows, here)
            continue
        tried = found.attempts.get(rows[0]["id"], [])
        told.wrong += [f"{name(story)}: {why}" for why in _contradictions(story, rows[0], tried, here)]
        if story.outcome == "gone":
            told.kinds[rows[0]["error_class"] or "complete"] += 1
        if story.outcome == "error":
            told.causes[here[-1].step if here else "no provider"] += 1
        if story.outcome == "error" and not _excused(story, here, faulty, downs):
            told.unexcused.append(f"{name(story)}: {story.why} without a fault; attempts {_in_short(tried)}")
    told.wrong += [f"a row of request {number}, which nobody made" for number in found.rows.keys() - known]
    return told


def _not_once(told: Reckoning, story: Story, rows: list[Row], here: list[Arrival]) -> None:
    if rows:
        told.doubled.append(f"{name(story)}: {len(rows)} rows")
    elif story.outcome == "gone" and not here:
        told.unheard += 1  # so early that the proxy had not read it yet
    else:
        told.lost.append(f"{name(story)}: no row; it met {_met(here)}")


def _contradictions(story: Story, row: Row, tried: list[Row], here: list[Arrival]) -> Iterator[str]:
    if [one["number"] for one in tried] != list(range(1, row["attempts"] + 1)):
        yield f"{row['attempts']} attempts, rows of {_in_short(tried)}"
    if story.outcome == "right":
        if row["error_class"] or row["status"] != 200:
            yield f"the answer was right, the row says {row['status']} {row['error_class']}"
        if (row["provider"], row["routed_model"]) != (story.provider, story.model):
            yield f"{story.provider}/{story.model} answered, the row says {row['provider']}/{row['routed_model']}"
    if story.outcome == "error" and not row["error_class"]:
        yield f"the agent got the error {story.why}, the row says that all was well"
    arrived = Counter(one.provider for one in here)
    for provider in {one["provider"] for one in tried} | arrived.keys():
        kinds = [one["error_class"] for one in tried if one["provider"] == provider]
        most = sum(kind not in NEVER_SENT for kind in kinds)
        least = sum(kind not in (*NEVER_SENT, *PERHAPS) for kind in kinds)
        if not least <= arrived[provider] <= most:
            yield f"{provider} got {arrived[provider]} requests, attempts {_in_short(tried)}"


def _excused(
    story: Story, here: list[Arrival], faulty: set[tuple[str, int]], downs: list[tuple[str, float, float]]
) -> bool:
    """Whether something went wrong at a provider: with this request, its connection, or the machine."""
    if any((one.machine, one.connection) in faulty for one in here):
        return True
    return any(begun <= story.ended and ended >= story.sent for _, begun, ended in downs)


def name(story: Story) -> str:
    """A request in words."""
    asking = story.asking
    kind = f"{asking.style} {asking.model} {'stream' if asking.stream else 'whole'}{' big' if asking.big else ''}"
    return f"request {asking.number} ({kind}, agent '{story.agent}', {story.outcome} after {story.seconds:.1f} s)"


def _met(here: list[Arrival]) -> str:
    return ", ".join(f"{one.provider} {one.step}" for one in here) or "no provider"


def _in_short(tried: list[Row]) -> str:
    return ", ".join(f"{one['provider']} {one['status'] or ''} {one['error_class'] or 'ok'}" for one in tried) or "none"
