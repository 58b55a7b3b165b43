"""What became of a model call, for those who look at its flow: why it went where it went, what changed on the way, what
was tried, what it used and cost.

While it runs this is told from its Exchange. When it is over the account is closed: a few kilobytes of words that stay
with the flow, so that the Exchange can go; flow files have them too.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace

from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.rewriting import REPLACED
from ringlet_mitm.addons.usage.rows import RequestRow
from ringlet_mitm.addons.views.amounts import cost_lines, seconds, usage_lines
from ringlet_mitm.addons.views.page import Line, Page, Style
from ringlet_mitm.rules.explain import Explanation
from ringlet_mitm.rules.legs import Leg
from ringlet_mitm.rules.peek import Headers, Unreadable
from ringlet_mitm.rules.redaction import masked, masked_headers, masked_url
from ringlet_mitm.rules.reliability import Attempt
from ringlet_mitm.rules.routing import estimate, verdicts
from ringlet_mitm.rules.shapes import Loss, WireFormat
from ringlet_mitm.rules.tokens import Calibration

DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Account:
    """The formats of the bodies that the flow has, and what stands above them."""

    request_format: WireFormat
    answer_format: WireFormat
    request: tuple[Line, ...]
    answer: tuple[Line, ...]

    def packed(self) -> bytes:
        """As bytes: flow files can hold them, and `~meta` does not search in them."""
        return zlib.compress(json.dumps(asdict(self)).encode())


def unpacked(data: bytes) -> Account | None:
    """The account in these bytes; None where they are none, as in another version's file."""
    try:
        found = json.loads(zlib.decompress(data))
        request, answer = (tuple(_line(**line) for line in found[part]) for part in ("request", "answer"))
        return Account(WireFormat(found["request_format"]), WireFormat(found["answer_format"]), request, answer)
    except (ValueError, KeyError, TypeError, zlib.error):
        return None


def _line(style: str, text: str, name: str, depth: int) -> Line:
    return Line(Style(style), text, name, depth)


def account_of(exchange: Exchange) -> Account:
    """What is known of an exchange so far."""
    asked = exchange.request.format
    sent = exchange.target.format if exchange.outbound is not None and exchange.target is not None else asked
    request, answer = Page(), Page()
    _put_changes(request, exchange)
    _put_losses(request, exchange.outbound.losses if exchange.outbound is not None else ())
    _put_rules(request, exchange)
    _put_outcome(answer, exchange)
    _put_attempts(answer, exchange)
    _put_losses(answer, exchange.answer_losses)
    return Account(sent, asked, tuple(request.lines), tuple(answer.lines))


def _put_changes(page: Page, exchange: Exchange) -> None:
    """What the agent asked for, and what left here."""
    asked, sent, target, turn = exchange.request, exchange.outbound, exchange.target, exchange.turn
    page.title("Before → after")
    if turn is not None:
        page.field("rule", turn.decision.label)
    if exchange.note:
        page.field("note", masked(exchange.note))
    if sent is None or target is None or turn is None:
        page.field("asked", masked_url(f"{asked.host}{asked.path}"))
        page.note("nothing was sent")
        return
    page.field(
        "host", _change(_authority(asked.scheme, asked.host, asked.port), _authority(sent.scheme, sent.host, sent.port))
    )
    page.field("path", _change(masked_url(asked.path), masked_url(sent.path)))
    wanted = "" if isinstance(turn.peek, Unreadable) else turn.peek.features.model
    page.field("model", _change(wanted, target.model or wanted))
    page.field("body", _body_words(exchange))
    key = exchange.attempts[-1].key_label if exchange.attempts else ""
    page.field("credentials", Leg(target, sent, key_place=key if key != "agent" else "").credentials)
    _put_headers(page, asked.headers, sent.headers)


def _body_words(exchange: Exchange) -> str:
    sent, target = exchange.outbound, exchange.target
    assert sent is not None and target is not None
    if sent.translated:
        return f"{exchange.request.format} → {target.format}, translated"
    edits = len(sent.edits)
    return f"{edits} place{'s' if edits > 1 else ''} changed, every other byte as it was" if edits else "untouched"


def _put_headers(page: Page, before: Headers, after: Headers) -> None:
    """Which headers were left out, set, or changed; the others are as the agent sent them."""
    old, new = _by_name(before), _by_name(after)
    shown_old, shown_new = _by_name(masked_headers(before)), _by_name(masked_headers(after))
    for name in old:
        if name not in new:
            page.field(f"- {name}", shown_old[name], 2)
        elif old[name] != new[name]:
            page.field(f"~ {name}", f"{shown_old[name]} → {shown_new[name]}", 2)
    for name in new:
        if name not in old:
            page.field(f"+ {name}", shown_new[name], 2)
    same = sum(old[name] == new.get(name) for name in old)
    page.note(f"{same} header{'' if same == 1 else 's'} as the agent sent {'it' if same == 1 else 'them'}", 2)


def _by_name(headers: Headers) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers:
        if name.lower() not in REPLACED:
            key, text = name.decode("latin-1").lower(), value.decode("utf-8", "replace")
            found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _put_losses(page: Page, losses: Iterable[Loss]) -> None:
    found = list(losses)
    if found:
        page.title("Lost on the way")
    for loss in found:
        page.field(loss.what, loss.why)


def _put_rules(page: Page, exchange: Exchange) -> None:
    """Why it went there, in the words of `rules explain`."""
    book, turn = exchange.book, exchange.turn
    if book is None or turn is None:
        return
    page.title("Why")
    seen, made = turn.peek, turn.decision
    if isinstance(seen, Unreadable):
        found = Explanation(book, turn.request, None, seen.why, None, False, (), made, ())
    else:
        features = replace(seen.features, exact_tokens=exchange.counted_tokens)
        learned = Calibration({(features.provider, features.model): made.ratio} if made.ratio != 1 else {})
        known, tokens = learned.knows(features.provider, features.model), estimate(features, learned)
        said = verdicts(book, features, learned)
        found = Explanation(book, turn.request, features, "", tokens, known, said, made, (), exchange.skipped)
    page.extend(Line(Style.TEXT, masked(line), depth=1) for line in found.lines() if line)
    if made.kept:
        page.note("a sticky rule keeps the conversation that it took before")


def _put_outcome(page: Page, exchange: Exchange) -> None:
    row, failure = exchange.row, exchange.failure
    page.title("Outcome")
    if row is None:
        page.note("still running")
        return
    page.field("answered by", "/".join(filter(None, (row.provider, row.routed_model))) or "nobody")
    if row.answered_model and row.answered_model != row.routed_model:
        page.field("says it is", row.answered_model)
    page.field("status", row.status if row.status is not None else "none was given")
    if row.stop_reason:
        page.field("stop", row.stop_reason)
    if row.error_class:
        said = f": {masked(failure.error.message)}" if failure is not None and failure.error is not None else ""
        page.field("failed", f"{row.error_class}{said}")
    if row.note:
        page.field("note", masked(row.note))
    page.extend(usage_lines(row))
    page.extend(cost_lines(row))
    page.extend(_timing(row))


def _timing(row: RequestRow) -> Iterator[Line]:
    yield Line(Style.TITLE, "Time")
    yield Line(Style.FIELD, f"{row.decision_us / 1000:.1f} ms", "to decide", 1)
    if row.first_byte_us is not None:
        yield Line(Style.FIELD, seconds(row.first_byte_us - row.started_us), "to the first byte", 1)
    yield Line(Style.FIELD, seconds(row.ended_us - row.started_us), "to the end", 1)


def _put_attempts(page: Page, exchange: Exchange) -> None:
    if not exchange.attempts:
        return
    page.title(f"Attempts: {len(exchange.attempts)}")
    for attempt in exchange.attempts:
        target = attempt.target
        name = "/".join(filter(None, (target.provider or target.endpoint.host, target.model)))
        page.field(f"{attempt.number}. {name}", ", ".join(_attempt_words(attempt)))


def _attempt_words(attempt: Attempt) -> Iterator[str]:
    if attempt.wait_ms:
        yield f"after {seconds(attempt.wait_ms * 1000)}"
    if attempt.key_label:
        yield "the agent's own key" if attempt.key_label == "agent" else f"key {masked(attempt.key_label)}"
    if attempt.status is not None:
        yield f"status {attempt.status}"
    failure = attempt.failure
    if failure is not None:
        said = masked(failure.error.message) if failure.error is not None else ""
        yield f"{failure.kind}: {said}" if said else str(failure.kind)
    yield seconds(attempt.ended_us - attempt.started_us) if attempt.ended_us is not None else "still running"


def _change(before: str, after: str) -> str:
    return before if before == after else f"{before or 'none'} → {after}"


def _authority(scheme: str, host: str, port: int) -> str:
    return host if DEFAULT_PORTS.get(scheme) == port else f"{host}:{port}"
