"""Running counts of what the recorder writes down, for `/metrics`: a few dict entries a request, and nothing else.

Names come from outside: an agent may ask for any model. So of each kind of name the first hundred keep their own, and
what comes after them counts under OTHER, or a careless agent could make a time series of every request.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field

from ringlet_mitm.addons.usage.rows import AttemptRow, RequestRow
from ringlet_mitm.rules.pricing import TOKEN_KINDS, in_order

MOST_NAMES = 100
OTHER = "other"
PASSTHROUGH = "passthrough"
SECOND_US = 1_000_000
# From a cached answer to an agent's longest turn.
FIRST_BYTE_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0)
TOTAL_S = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0)

KINDS = tuple(kind.removesuffix("_tokens") for kind in TOKEN_KINDS)

Labels = tuple[str, ...]


@dataclass(slots=True)
class Spread:
    """How many values lay up to each bound, the last one being none at all, and what they came to."""

    bounds: tuple[float, ...]
    total: float = 0.0
    counts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """One more."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


@dataclass(slots=True)
class Names:
    """The names of one kind, bounded."""

    most: int = MOST_NAMES
    known: set[str] = field(default_factory=set)

    def of(self, name: str) -> str:
        """The name itself, or OTHER where there are enough."""
        if name not in self.known:
            if len(self.known) >= self.most:
                return OTHER
            self.known.add(name)
        return name


def _counts() -> dict[Labels, float]:
    return defaultdict(float)


@dataclass(slots=True)
class Measures:
    """A sink of the recorder. Counters are by labels: provider and model first, then what their comment says."""

    providers: Names = field(default_factory=Names)
    models: Names = field(default_factory=Names)
    statuses: Names = field(default_factory=Names)
    requests: dict[Labels, float] = field(default_factory=_counts)  # status, error class
    attempts: dict[Labels, float] = field(default_factory=_counts)  # only provider; status, error class
    tokens: dict[Labels, float] = field(default_factory=_counts)  # kind
    cost_usd: dict[Labels, float] = field(default_factory=_counts)
    unpriced: dict[Labels, float] = field(default_factory=_counts)
    estimated: dict[Labels, float] = field(default_factory=_counts)
    first_byte: dict[Labels, Spread] = field(default_factory=dict)  # only provider
    total: dict[Labels, Spread] = field(default_factory=dict)  # only provider

    def record(self, request: RequestRow, attempts: tuple[AttemptRow, ...]) -> None:
        """Count one exchange; a copy that was sent to compare costs as any other."""
        provider = self.providers.of(request.provider or PASSTHROUGH)
        whose = provider, self.models.of(request.routed_model or request.requested_model)
        self.requests[(*whose, self._status(request.status), request.error_class)] += 1
        for attempt in attempts:
            tried = self.providers.of(attempt.provider or PASSTHROUGH)
            self.attempts[tried, self._status(attempt.status), attempt.error_class] += 1
        self._use(whose, request)
        if request.first_byte_us is not None:
            spread = self.first_byte.setdefault((provider,), Spread(FIRST_BYTE_S))
            spread.add((request.first_byte_us - request.started_us) / SECOND_US)
        self.total.setdefault((provider,), Spread(TOTAL_S)).add((request.ended_us - request.started_us) / SECOND_US)

    def _use(self, whose: Labels, request: RequestRow) -> None:
        for kind, tokens in zip(KINDS, in_order(request), strict=True):
            if tokens:
                self.tokens[(*whose, kind)] += tokens
        if request.usage_source == "estimated":
            self.estimated[whose] += 1
        if request.cost_total is not None:
            self.cost_usd[whose] += float(request.cost_total)
        elif request.usage_source != "none" or not failed(request):
            self.unpriced[whose] += 1

    def _status(self, status: int | None) -> str:
        return "none" if status is None else self.statuses.of(str(status))


def failed(request: RequestRow) -> bool:
    """As the view `spend` has it: the agent got an error, or no whole answer."""
    return bool(request.error_class) or (599 if request.status is None else request.status) >= 400
