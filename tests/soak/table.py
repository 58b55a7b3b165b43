"""What came of a soak as a table, and whether that is good."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from soak.asking import Story
from soak.running import Result
from soak.watching import cores, drift

# What may be between the first quarter after warm-up and the last one, and between no agents and no agents.
RSS_DRIFT_MB = 15.0
RSS_DRIFT_SHARE = 0.10
FDS_DRIFT = 15
FDS_DRIFT_SHARE = 0.10
FDS_LEFT = 4
SLOWEST_USAGE_S = 20.0
# Two changes within a second of a busy machine are one.
RELOADED = 0.8
SHOWN = 12
# An agent that leaves within milliseconds of its request has made none.
UNHEARD = 0.005


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table; `fine` is None where there is nothing to be met."""

    name: str
    value: str
    fine: bool | None = None


def lines(result: Result) -> list[Line]:
    """The whole table."""
    return [*_answers(result), *_rows(result), *_process(result), *_doings(result)]


def passed(found: Sequence[Line]) -> bool:
    """Whether all is as it should be."""
    return all(line.fine is not False for line in found)


def printed(found: Sequence[Line]) -> str:
    """As Markdown."""
    mark = {None: "", True: "yes", False: "**no**"}
    rows = [("figure", "value", "met"), *((line.name, line.value, mark[line.fine]) for line in found)]
    widths = [max(len(row[at]) for row in rows) for at in range(3)]
    said = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([said[0], "| " + " | ".join("-" * width for width in widths) + " |", *said[1:]])


def stories(result: Result) -> list[str]:
    """What went wrong, each with what is needed to see it again."""
    told = result.reckoning
    seed = result.extent.seed
    found = [f"WRONG (seed {seed}): {said}" for said in told.stories]
    for kind in ("lost", "doubled", "wrong", "unexcused"):
        found += [f"{kind}: {said}" for said in getattr(told, kind)[:SHOWN]]
    return [*found, *(f"usage: {said}" for said in result.watch.usage_failures[:SHOWN]), *result.complaints[:SHOWN]]


def outcomes(stories: Sequence[Story], *, errors: bool = True) -> list[Line]:
    """What agents got; where nothing fails there are no `errors`."""
    count = Counter(story.outcome for story in stories)
    kinds = Counter(story.why for story in stories if story.outcome == "error")
    seconds = [story.seconds for story in stories if story.outcome == "right"] or [0.0]
    fine = None if errors else not count["error"]
    return [
        Line("requests", f"{len(stories):,}"),
        Line("right", f"{count['right']:,}", count["right"] > 0),
        Line("errors in the agent's format", f"{count['error']:,}: {_counts(kinds)}", fine),
        Line("WRONG", f"{count['wrong']:,}", count["wrong"] == 0),
        Line("right answers, p50 / p99 / max", " / ".join(f"{_share(seconds, at):.2f} s" for at in (0.5, 0.99, 1))),
    ]


def _answers(result: Result) -> list[Line]:
    told = result.reckoning
    at_once = f"{result.extent.streams}; {_median(result.watch.busy):.0f}"
    gone = sum(story.outcome == "gone" for story in result.stories)
    unexcused = len(told.unexcused)
    return [
        Line("agents at once; requests under way (median)", at_once),
        *outcomes(result.stories),
        Line("errors, by what the last provider did", _counts(told.causes)),
        Line("errors without anything that excuses them", f"{unexcused:,}", unexcused == 0),
        Line("agent gone", f"{gone:,}: {_counts(told.kinds)}"),
    ]


def _rows(result: Result) -> list[Line]:
    told = result.reckoning
    expected = len(result.stories) - told.unheard
    kept = result.rows == result.rows_after_stop == expected
    return [
        Line("rows (before / after the proxy ended)", f"{result.rows:,} / {result.rows_after_stop:,}", kept),
        Line("lost", f"{len(told.lost):,}", not told.lost),
        Line("doubled", f"{len(told.doubled):,}", not told.doubled),
        Line("agent gone before anything was done", f"{told.unheard:,}", told.unheard <= UNHEARD * expected + 2),
        Line("attempts", f"{told.attempts:,}"),
        Line("rows that say what did not happen", f"{len(told.wrong):,}", not told.wrong),
    ]


def _process(result: Result) -> list[Line]:
    watch, (before, after) = result.watch, result.empty
    rss = drift([one.rss_mb for one in watch.samples])
    fds = drift([one.fds for one in watch.samples])
    flat = rss[1] - rss[0] <= max(RSS_DRIFT_MB, rss[0] * RSS_DRIFT_SHARE)
    open_flat = fds[1] - fds[0] <= max(FDS_DRIFT, fds[0] * FDS_DRIFT_SHARE)
    met = (flat, open_flat) if result.extent.flat else (None, None)
    left = after.fds - before.fds
    pings = result.pings_ms or [0.0]
    return [
        Line("memory, each fifth of the time", f"{' / '.join(f'{part:.0f}' for part in _fifths(result))} MB", met[0]),
        Line("memory without agents, before / after", f"{before.rss_mb:.0f} / {after.rss_mb:.0f} MB"),
        Line("open files, second / last fifth", f"{fds[0]:.0f} / {fds[1]:.0f}", met[1]),
        Line("open files without agents, before / after", f"{before.fds} / {after.fds}", left <= FDS_LEFT),
        Line("/health, p50 / p99 / max", " / ".join(f"{_share(pings, at):.0f} ms" for at in (0.5, 0.99, 1))),
        Line("processor: proxy, all else in this process", f"{cores(watch.samples):.2f}, {cores(watch.own):.2f} cores"),
        Line("tracebacks and errors in the proxy's log", f"{len(result.complaints)}", not result.complaints),
    ]


def _doings(result: Result) -> list[Line]:
    watch = result.watch
    slowest = max(watch.usage_s, default=0.0)
    reports = f"{len(watch.usage_s)}, {len(watch.usage_failures)} failed, the slowest {slowest:.1f} s"
    fine = not watch.usage_failures and slowest <= SLOWEST_USAGE_S
    return [
        Line(
            "rules changed / reloaded",
            f"{watch.written} / {result.reloaded}",
            result.reloaded >= RELOADED * watch.written - 2,
        ),
        Line("usage --by-rule", reports, fine),
        Line("provider killed and restarted", f"{len(watch.downs)}"),
    ]


def _fifths(result: Result) -> list[float]:
    found = [one.rss_mb for one in result.watch.samples]
    step = max(1, len(found) // 5)
    return [statistics.median(found[start : start + step]) for start in range(0, step * 5, step) if found[start:]]


def _counts(found: Counter[str]) -> str:
    return ", ".join(f"{kind} {number}" for kind, number in found.most_common()) or "none"


def _share(values: Sequence[float], share: float) -> float:
    found = sorted(values)
    return found[min(len(found) - 1, int(len(found) * share))]


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else 0.0
