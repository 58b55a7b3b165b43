"""What a status line can tell, by name: from a proxy's snapshot, the session in it, and what Claude Code says."""

from __future__ import annotations

from decimal import Decimal

from ringlet_mitm.cli.amounts import compact, percent, usd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Said = dict[str, Any]

NOBODY = "ringlet-mitm is not running"
# Agents compact a conversation, or are refused, somewhere above.
CONTEXT_FULL, CONTEXT_OVER = Decimal("0.8"), Decimal("0.95")


class Seen:
    """What there is to tell: a proxy's snapshot, the session in it, and what Claude Code says; {} where there is none.

    `now_us` is in microseconds since the epoch.
    """

    __slots__ = ("agent", "now_us", "proxy", "session")

    def __init__(self, proxy: Said, session: Said, agent: Said, now_us: int) -> None:
        self.proxy, self.session, self.agent, self.now_us = proxy, session, agent, now_us

    def said(self, *keys: str) -> Any:
        """What Claude Code says under these keys, None where it does not."""
        found: Any = self.agent
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found

    @property
    def today(self) -> Said:
        """Sums of today; {} where the proxy ended before it began."""
        return self.proxy.get("today", {}) if self.now_us < self.proxy.get("day_ends_us", 0) else {}

    @property
    def last_minute(self) -> Said:
        """Sums of it."""
        return self.proxy.get("minute", {}) if self.proxy.get("running") else {}

    @property
    def streams(self) -> list[Said]:
        """Requests under way."""
        return self.proxy.get("streams", []) if self.proxy.get("running") else []

    @property
    def context_size(self) -> int:
        """Tokens that fit into the model's window, as Claude Code says; 0 unknown."""
        found = self.said("context_window", "context_window_size")
        return found if isinstance(found, int) else 0


def cost(sums: Said) -> str:
    """As in reports: `≥` where a price is unknown, `~` where tokens are estimated, `?` where nothing is known."""
    if not sums:
        return ""
    amount, unpriced = Decimal(sums.get("usd", 0)), sums.get("unpriced", 0)
    if unpriced and not amount:
        return "?"
    return f"{'≥' if unpriced else ''}{'~' if sums.get('estimated') else ''}{usd(amount)}"


def _tokens(sums: Said) -> str:
    if not sums:
        return ""
    return f"{'~' if sums.get('estimated') else ''}{compact(sums['input'])} / {compact(sums['output'])}"


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _requests(sums: Said) -> str:
    return f"{sums['requests']:,}" if sums else ""


def _target(seen: Seen) -> str:
    provider, model = seen.session.get("provider", ""), seen.session.get("model", "")
    return f"{provider}/{model}" if provider and model else provider or model


def _context(seen: Seen) -> str:
    tokens, share = seen.session.get("context", 0), _context_share(seen)
    return f"{compact(tokens)} ({share})" if tokens and share else compact(tokens) if tokens else ""


def _context_share(seen: Seen) -> str:
    tokens = seen.session.get("context", 0)
    return percent(tokens / seen.context_size) if tokens and seen.context_size else ""


def _of_plan(window: str) -> Callable[[Seen], str]:
    def share(seen: Seen) -> str:
        used = seen.said("rate_limits", window, "used_percentage")
        return f"{round(used)}%" if isinstance(used, int | Decimal) else ""

    return share


def _agents_cost(seen: Seen) -> str:
    amount = seen.said("cost", "total_cost_usd")
    return usd(Decimal(amount)) if isinstance(amount, int | Decimal) else ""


def _project(seen: Seen) -> str:
    path = seen.said("workspace", "project_dir") or seen.said("cwd")
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2] if isinstance(path, str) else ""


def _text(*keys: str) -> Callable[[Seen], str]:
    def said(seen: Seen) -> str:
        found = seen.said(*keys)
        return found if isinstance(found, str) else ""

    return said


# What a template may name, and what that is.
FIELDS: dict[str, tuple[str, Callable[[Seen], str]]] = {
    "target": ("provider/model that answered the session last", _target),
    "provider": ("the provider of that", lambda seen: seen.session.get("provider", "")),
    "model": ("the model of that", lambda seen: seen.session.get("model", "")),
    "rule": ("the rule that sent it there", lambda seen: seen.session.get("rule", "")),
    "session": ("USD of the session this month, as the proxy counted", lambda seen: cost(seen.session.get("sums", {}))),
    "session_requests": ("its requests", lambda seen: _requests(seen.session.get("sums", {}))),
    "session_tokens": ("its tokens in and out", lambda seen: _tokens(seen.session.get("sums", {}))),
    "context": ("tokens of its conversation, and how full the window is", _context),
    "context_share": ("only how full, where Claude Code says how large it is", _context_share),
    "today": ("USD of the profile today", lambda seen: cost(seen.today)),
    "today_requests": ("its requests today", lambda seen: _requests(seen.today)),
    "today_tokens": ("its tokens today, in and out", lambda seen: _tokens(seen.today)),
    "failing": ("requests that failed today", lambda seen: _failing(seen.today)),
    "streams": ("answers that are coming in now", lambda seen: _count(_flowing(seen.streams, True))),
    "waiting": ("requests that wait for an answer", lambda seen: _count(_flowing(seen.streams, False))),
    "per_minute": ("requests in the last minute", lambda seen: _count(seen.last_minute.get("requests", 0))),
    "tokens_per_minute": ("tokens in the last minute", lambda seen: _compact(_total(seen.last_minute))),
    "profile": ("the profile of the proxy", lambda seen: seen.proxy.get("profile", "")),
    "proxy": (f"'{NOBODY}' where that is so", lambda seen: "" if seen.proxy.get("running") else NOBODY),
    "agent_model": ("the model that Claude Code believes in", _text("model", "display_name")),
    "agent_cost": ("USD that Claude Code believes in", _agents_cost),
    "five_hour": ("of a Claude plan's five hours, how much is used", _of_plan("five_hour")),
    "seven_day": ("of its seven days", _of_plan("seven_day")),
    "project": ("the folder that Claude Code works in", _project),
}


def _failing(sums: Said) -> str:
    failed = sums.get("failed", 0)
    return f"{failed:,} failed" if failed else ""


def _flowing(streams: Iterable[Said], flowing: bool) -> int:
    return sum((stream.get("phase") == "streaming") is flowing for stream in streams)


def _total(sums: Said) -> int:
    return int(sums.get("input", 0) + sums.get("output", 0))


def _compact(number: int) -> str:
    return compact(number) if number else ""


def colour(name: str, seen: Seen) -> str:
    """How the field `name` is meant: name, warn or bad, "" for nothing of the kind."""
    if name in ("target", "model", "provider"):
        return "name"
    if name in ("proxy", "failing"):
        return "bad" if name == "proxy" else "warn"
    if name in ("context", "context_share") and seen.context_size:
        share = Decimal(seen.session.get("context", 0)) / seen.context_size
        return "bad" if share >= CONTEXT_OVER else "warn" if share >= CONTEXT_FULL else ""
    return ""
