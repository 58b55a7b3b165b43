"""What is worth saying below a report by rule, and what the marks in it mean."""

from __future__ import annotations

import os
from dataclasses import dataclass
from decimal import Decimal

from ringlet_mitm.addons.usage.groups import DEFAULT_RULE
from ringlet_mitm.addons.usage.reports import Table
from ringlet_mitm.cli.amounts import usd
from ringlet_mitm.rules.errors import RingletError
from ringlet_mitm.rules.home import Home

# The reference documents name this share as the sign that rules catch too little.
DEFAULT_TAKES_MUCH = 0.9
# Below it, it is hardly worth a thought; a conversation that never switches pays nothing.
SWITCHES_COST_MUCH = Decimal("0.1")
NAMED = 3


@dataclass(frozen=True, slots=True)
class Rules:
    """The labels of a profile's routing.toml from first to default; none, and why, where it could not be read."""

    profile: str
    labels: tuple[str, ...] = ()
    problem: str = ""


def rules_of(home: Home, name: str | None) -> Rules:
    """The rules of the profile `name`, or of the only one there is; empty where there are none to speak of.

    Everything that reads rules takes 0.2 s to import, so it is imported here, for the reports that need it.
    """
    from ringlet_mitm.addons.rulings import RulingFiles
    from ringlet_mitm.rules.profiles import list_profiles, load_profile

    names = [name] if name else list_profiles(home)
    if len(names) != 1 or not home.profile_file(names[0]).exists():
        return Rules(name or "")
    try:
        book = RulingFiles(home, load_profile(home, names[0]), os.environ).load().book
    except (RingletError, OSError) as error:
        return Rules(names[0], problem=f"rules that fired 0 times are not listed: {error}")
    return Rules(names[0], book.labels if book.rules else ())


def notes(table: Table, rules: Rules) -> list[str]:
    """The lines below a report."""
    said = advice(table, rules)
    found = [*_marks(table), rules.problem, f"advice: {said}" if said else ""]
    return [line for line in found if line]


def advice(table: Table, rules: Rules) -> str:
    """One line where a rule never fires, the default takes nearly everything or switches are dear, else nothing."""
    if not rules.labels or table.columns[0] != "rule" or not any(table.values("requests")):
        return ""
    rows = dict(
        zip(table.values("rule"), zip(table.values("requests"), table.values("share"), strict=True), strict=True)
    )
    idle = [label for label in rules.labels if label in rows and not rows[label][0] and not _is_default(label)]
    taken = sum(share for label, (_, share) in rows.items() if _is_default(label))
    said = []
    if idle:
        said.append(f"{_listed(idle)} never fired (ringlet-mitm rules check --profile {rules.profile})")
    if taken > DEFAULT_TAKES_MUCH:
        said.append(f"the default takes {taken:.0%}: the rules catch little (ringlet-mitm rules explain FILE says why)")
    return "; ".join([*said, *_of_switches(table)])


def _of_switches(table: Table) -> list[str]:
    total = dict(zip(table.columns, table.total or (), strict=False))
    switches, cost = (Decimal(total[name]) for name in ("known_switch_cost_usd", "known_cost_usd"))
    if switches <= cost * SWITCHES_COST_MUCH:
        return []
    return [
        f"{usd(switches)} of the cost is for switches within conversations (ringlet-mitm usage --by-switch); "
        'sticky = "session" on a rule keeps a conversation there'
    ]


def _marks(table: Table) -> list[str]:
    total = dict(zip(table.columns, table.total or (), strict=False))
    unpriced, estimated = total.get("unpriced_requests", 0), total.get("estimated_requests", 0)
    switches = total.get("unpriced_switches", 0)
    return [
        f"? ≥ the price of {_requests(unpriced)} is unknown" if unpriced else "",
        f"? ≥ what {_switches(switches)} cost is unknown" if switches > unpriced else "",
        f"~ the tokens of {_requests(estimated)} are estimated, the provider did not report them" if estimated else "",
    ]


def _requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count} requests"


def _switches(count: int) -> str:
    return "1 switch" if count == 1 else f"{count} switches"


def _listed(labels: list[str]) -> str:
    shown = ", ".join(f"'{label}'" for label in labels[:NAMED])
    return f"{shown} and {len(labels) - NAMED} more" if len(labels) > NAMED else shown


def _is_default(label: str) -> bool:
    return label.startswith(DEFAULT_RULE)
