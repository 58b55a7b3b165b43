"""How much may be used, and what happens then: a warning, another way, or no.

Money counts by calendar day and month, requests and tokens over the last minute. Here amounts meet limits; who counts
them is addons/budget.py, and how a routing file says them limits_file.py. A request without a known price counts $0:
no price is made up.

A limit is reached when as much as it says has been used, so of `requests-per-minute = 60` the 61st is turned down. The
request that crosses a limit is still sent: what it costs is known when it is over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from enum import IntEnum, StrEnum
from math import ceil, inf
from typing import Protocol

from ringlet_mitm.rules.reliability import Policy
from ringlet_mitm.rules.routes import Route

# USD, requests or tokens.
Amount = Decimal | int
CENT = Decimal("0.01")
# Below ten cents two digits say too little.
SMALL = Decimal("0.1")
FINE = Decimal("0.0001")


class LimitKind(StrEnum):
    """What is limited; the values are the keys of `[limits]`."""

    USD_PER_DAY = "usd-per-day"
    USD_PER_MONTH = "usd-per-month"
    REQUESTS_PER_MINUTE = "requests-per-minute"
    TOKENS_PER_MINUTE = "tokens-per-minute"

    @property
    def is_money(self) -> bool:
        """Whether it is in USD, by the calendar; else it is over the last minute."""
        return self in MONEY


MONEY = frozenset({LimitKind.USD_PER_DAY, LimitKind.USD_PER_MONTH})
UNITS = {
    LimitKind.USD_PER_DAY: "per day",
    LimitKind.USD_PER_MONTH: "per month",
    LimitKind.REQUESTS_PER_MINUTE: "requests per minute",
    LimitKind.TOKENS_PER_MINUTE: "tokens per minute",
}


class Action(IntEnum):
    """What a limit says to a request; of several the highest counts."""

    ALLOW = 0
    WARN = 1
    SWITCH = 2
    REFUSE = 3

    @property
    def word(self) -> str:
        """As files and `/health` say it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of the whole profile, or of one `provider`; `warn`, `switch` and `refuse` are where each begins.

    `to` is where requests go from `switch` on, as patiently as `policy` says. `label` and `index` say whose way that
    is: those of the rule that it names, else a label of its own and None. `table` and `line` are its place in the file.
    """

    kind: LimitKind
    provider: str | None = None
    warn: Amount | None = None
    switch: Amount | None = None
    refuse: Amount | None = None
    to: Route | None = None
    line: int | None = None
    table: str = "limits"
    policy: Policy = field(default_factory=Policy)
    label: str = ""
    index: int | None = None

    @property
    def name(self) -> str:
        """`usd-per-day`, `zai tokens-per-minute`."""
        return f"{self.provider} {self.kind}" if self.provider else str(self.kind)

    def concerns(self, provider: str) -> bool:
        """Whether it counts what goes to `provider`."""
        return self.provider is None or self.provider == provider

    def leads_to(self, provider: str, model: str) -> bool:
        """Whether a request to there goes where `to` leads already; without a `model` the provider decides."""
        to = self.to
        if to is None or to.provider is None or to.provider != provider:
            return False
        return not to.model or not model or to.model == model


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits of a profile as written, and how many requests a provider gets at once; the others wait.

    `parallel_lines` says where the latter stand.
    """

    limits: tuple[Limit, ...] = ()
    parallel: Mapping[str, int] = field(default_factory=dict)
    parallel_lines: Mapping[str, int | None] = field(default_factory=dict)


NO_LIMITS = Limits()


class Spending(Protocol):
    """What has been used so far."""

    def used(self, limit: Limit) -> Amount:
        """As much as `limit` counts."""

    def leaving(self, limit: Limit) -> Iterable[tuple[float, int]]:
        """What a limit by the minute counts, part by part, oldest first: for how many more seconds, and how much."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the limits say to a request. `limit` is the one that says so and `used` what it counts, None for ALLOW.

    `said` tells it to the agent or the log. `retry_after_s` is when there is room again: None where that is not soon.
    """

    action: Action
    limit: Limit | None = None
    used: Amount = 0
    said: str = ""
    retry_after_s: int | None = None


ALLOWED = Verdict(Action.ALLOW)


def judged(
    limits: Limits,
    profile: str,
    provider: str,
    spending: Spending,
    *,
    model: str = "",
    obeyed: Collection[Limit] = (),
) -> Verdict:
    """What `limits` say to a request that would go to `provider`, and there to `model` where that is known.

    The most severe wins: among refusals the one that holds longest, else the first as written. A switch to where the
    request goes already allows it, and so does one of a limit in `obeyed`, those whose way it has taken before.
    """
    found = ALLOWED
    for limit in limits.limits:
        if not limit.concerns(provider):
            continue
        used = spending.used(limit)
        action = action_of(limit, used, switches=limit not in obeyed and not limit.leads_to(provider, model))
        if action < found.action or action is Action.ALLOW:
            continue
        wait_s = _wait_s(limit, used, spending) if action is Action.REFUSE else None
        if action > found.action or (action is Action.REFUSE and (wait_s or inf) > (found.retry_after_s or inf)):
            found = Verdict(action, limit, used, _said(limit, action, used, profile, wait_s), wait_s)
    return found


def action_of(limit: Limit, used: Amount, *, switches: bool = True) -> Action:
    """What one limit says once that much is used."""
    if limit.refuse is not None and used >= limit.refuse:
        return Action.REFUSE
    if switches and limit.switch is not None and used >= limit.switch:
        return Action.SWITCH
    return Action.WARN if limit.warn is not None and used >= limit.warn else Action.ALLOW


def _wait_s(limit: Limit, used: Amount, spending: Spending) -> int | None:
    """Whole seconds until there is room; None for money, which waiting does not bring back."""
    if limit.kind.is_money or limit.refuse is None:
        return None
    last_s = 0.0
    for still_s, part in spending.leaving(limit):
        last_s = still_s
        used -= part
        if used < limit.refuse:
            break
    return max(1, ceil(last_s))


def _said(limit: Limit, action: Action, used: Amount, profile: str, wait_s: int | None) -> str:
    most = {Action.REFUSE: limit.refuse, Action.SWITCH: limit.switch}.get(action)
    if most is None:
        most = limit.switch or limit.refuse or limit.warn or 0
    owner = f"provider '{limit.provider}' in profile '{profile}'" if limit.provider else f"profile '{profile}'"
    amounts = f"{amount_words(limit.kind, used)} of {amount_words(limit.kind, most)} {UNITS[limit.kind]} for {owner}"
    match action:
        case Action.REFUSE:
            again = "" if wait_s is None else f", room again in {wait_s} s"
            return f"limit reached: {amounts}{again}; raise {limit.kind} in [{limit.table}] of routing.toml"
        case Action.SWITCH:
            return f"limit reached: {amounts}; requests go to {limit.to}"
        case _:
            return f"limit near: {amounts}"


def amount_words(kind: LimitKind, amount: Amount) -> str:
    """`$20`, `$0.50`, `$20.13`, `100,000`; cut off, not rounded up: what is below a limit shall look so."""
    if not kind.is_money:
        return f"{amount:,}"
    usd = Decimal(amount)
    if usd == usd.to_integral_value():
        return f"${int(usd):,}"
    return f"${usd.quantize(CENT if usd >= SMALL else FINE, ROUND_FLOOR):,}"
