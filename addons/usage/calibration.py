"""The learned ratio of a vendor's own token count to ours, kept in the ledger and handed out to who decides."""

from __future__ import annotations

from collections.abc import Iterable

from ringlet_mitm.addons.usage.ledger import Connection
from ringlet_mitm.addons.usage.rows import RequestRow
from ringlet_mitm.rules.tokens import Calibration, RatioEstimate

Pair = tuple[str, str]


def learn(connection: Connection, requests: Iterable[RequestRow]) -> None:
    """Take what these requests teach into the stored estimates.

    They must be new to the ledger, and this be in the transaction that inserts them, or a replay would teach it twice.
    """
    before: dict[Pair, RatioEstimate] = {}
    after: dict[Pair, RatioEstimate] = {}
    for request in sorted(requests, key=lambda request: request.id):
        if request.usage_source != "reported" or request.counted_tokens is None:
            continue
        pair = request.provider, request.routed_model
        if pair not in after:
            before[pair] = after[pair] = _estimate(connection, pair)
        after[pair] = after[pair].observe(request.counted_tokens, request.usage.total_input)
    for pair, estimate in after.items():
        if estimate != before[pair]:
            _store(connection, pair, estimate)


def learned(connection: Connection) -> Calibration:
    """All ratios that are known by now, from whichever proxy."""
    found = connection.execute("SELECT provider, model, ratio FROM calibration").fetchall()
    return Calibration({(provider, model): ratio for provider, model, ratio in found})


def _estimate(connection: Connection, pair: Pair) -> RatioEstimate:
    sql = "SELECT ratio, samples, recent FROM calibration WHERE provider = ? AND model = ?"
    for ratio, samples, recent in connection.execute(sql, pair).fetchall():
        return RatioEstimate(ratio, samples, tuple(recent))
    return RatioEstimate()


def _store(connection: Connection, pair: Pair, estimate: RatioEstimate) -> None:
    connection.execute("DELETE FROM calibration WHERE provider = ? AND model = ?", pair)
    values = [*pair, estimate.ratio, estimate.samples, list(estimate.recent)]
    connection.execute("INSERT INTO calibration VALUES (?, ?, ?, ?, ?)", values)
