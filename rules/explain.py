"""A decision as words: what was seen, what each rule said to it, and what becomes of the request. Once, for every
surface.

Nothing is decided here a second time. The rules' answers are `routing.verdicts`, the winner is `routing.decide`, and
how a request leaves is what the proxy's own preparation made of it (`Leg`); a second, simpler account of any of them
would sooner or later be another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ringlet_mitm.rules.conditions import FACTS, INPUT_TOKENS, Truth
from ringlet_mitm.rules.legs import Leg, Sent, shown_url
from ringlet_mitm.rules.peek import AgentRequest, Peek, RequestFeatures, Unreadable
from ringlet_mitm.rules.policy_words import chain_words, patience_words, policy_dict
from ringlet_mitm.rules.routing import Decision, Estimate, Verdict, decide, decide_unreadable, estimate, verdicts
from ringlet_mitm.rules.rulebook import Default, Rule, RuleBook
from ringlet_mitm.rules.splits import share_words, shares
from ringlet_mitm.rules.targets import Target
from ringlet_mitm.rules.tokens import Calibration

WORD: dict[Truth, str] = {True: "yes", False: "no", None: "open"}


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a request goes where it goes.

    For a body that cannot be read `features` and `tokens` are None and `why` says what the matter was. `decision` is
    None where an exact count is needed that nobody has made. `skipped` says why fallbacks are not among the `legs`.
    """

    book: RuleBook
    request: AgentRequest
    features: RequestFeatures | None
    why: str
    tokens: Estimate | None
    learned: bool
    verdicts: tuple[Verdict, ...]
    decision: Decision | None
    legs: tuple[Leg, ...]
    skipped: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """For a terminal; a blank line between the parts."""
        parts = (self._request(), self._rules(), self._outcome(), *(self._leg(leg) for leg in self.legs))
        return [line for number, part in enumerate(parts) for line in ([""] if number else []) + list(part)]

    def as_dict(self) -> dict[str, Any]:
        """The same for programs, ready for JSON."""
        return {
            "request": self._request_dict(),
            "rules": [_verdict_dict(verdict) for verdict in self.verdicts],
            "default": {
                "label": self.book.default.label,
                "file": self.book.default_file or None,
                "line": self.book.default_line,
            },
            "file": self.book.file,
            "decision": self._decision_dict(),
            "policy": policy_dict(self.decision.policy) if self.decision else None,
            "chain": [leg.link_dict() for leg in self.legs],
            "skipped": list(self.skipped),
            "rewrite": [leg.as_dict(self.request) for leg in self.legs],
        }

    def _request(self) -> Iterator[str]:
        yield f"request to {shown_url(self.request)}"
        if self.features is None or self.tokens is None:
            yield f"  could not be read: {self.why}"
            yield "  no rule can ask about it, so it takes the default"
            return
        features = self.features
        shown = [("wire format", str(features.format)), *((fact.name, fact.shown(features)) for fact in FACTS)]
        if features.session:
            shown.append(("session", features.session))
        shown.append((INPUT_TOKENS.name, str(self.tokens)))
        yield from _aligned(shown)
        learned = "learned from what was reported" if self.learned else "nothing learned yet"
        asked = f"{features.provider or 'this host'}, {features.model}"
        yield f"  token ratio {self.tokens.ratio:.3f} for {asked}: {learned}"

    def _rules(self) -> Iterator[str]:
        yield f"rules in {self.book.file}"
        for verdict in self.verdicts:
            place = self.book.place(verdict.rule.line, verdict.rule.file)
            place += "; sticky: it keeps a conversation that it took" if verdict.rule.sticky else ""
            place += f"; copies go to {verdict.rule.shadow}" if verdict.rule.shadow else ""
            yield f"  {verdict.rule.index + 1}. {verdict.rule.label}: {_said(verdict)} ({place})"
            for check in verdict.checks:
                found = f"   {check.fact}: {check.value}" if check.fact and check.fact != "always" else ""
                yield f"     {'  ' * check.depth}{WORD[check.truth]:<4} {check.condition}{found}"
        taken = self.decision is not None and self.decision.index is None
        book = self.book
        place = book.place(book.default_line, book.default_file) if book.default_file else "no [default] in the file"
        yield f"  {book.default.label}: {'takes it' if taken else 'not needed'} ({place})"

    def _outcome(self) -> Iterator[str]:
        if self.decision is None:
            yield "no decision: the exact token count is needed"
        else:
            yield f"decision: {self.decision.label}"
            yield from (f"  split: {said}" for said in self._split())
            others = chain_words([leg.target for leg in self.legs])
            first = self.legs[0].target if self.legs else None
            patience = patience_words(self.decision.policy, each=bool(others), first=first)
            when = "then, if it fails" if others else "if it fails"
            yield f"  {when}: {'; '.join(filter(None, (others, *patience)))}"
            yield from (f"  left out: {why}" for why in self.skipped)
            if self.decision.shadow is not None:
                yield f"  a copy, once it is answered: {self.decision.shadow}"

    def _split(self) -> Iterator[str]:
        """How it splits, and the arm of this session; nothing where it does not."""
        made = self.decision
        if made is None or not made.arm:
            return
        session = self.features.session if self.features else ""
        this = f"this session: {made.arm}" if session else f"no session in it, so by chance; this time: {made.arm}"
        yield f"{share_words(shares(self._taker.arms))}; {this}"

    @property
    def _taker(self) -> Rule | Default:
        """The rule that took it."""
        index = self.decision.index if self.decision else None
        return self.book.default if index is None else self.book.rules[index]

    def _leg(self, leg: Leg) -> Iterator[str]:
        first = leg is self.legs[0]
        yield "rewrite" if first else "if that fails"
        if leg.sent is None:
            yield f"  refused: {leg.refusal}"
            return
        asked = self.features.model if self.features else ""
        kept = "the host that the agent asked for" if leg.target.as_asked else f"instead of {self.request.host}"
        yield from _aligned(
            [
                ("to", f"{leg.url} ({kept})"),
                ("model", leg.target.model if leg.target.model == asked else f"{leg.target.model} instead of {asked}"),
                ("body", _body(leg.sent, self.request, leg.target)),
                ("credentials", leg.credentials),
                *(("lost", f"{loss.what}: {loss.why}") for loss in leg.sent.losses),
            ]
        )

    def _request_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = {"url": shown_url(self.request), "format": str(self.request.format)}
        features, tokens = self.features, self.tokens
        if features is None or tokens is None:
            return {**found, "unreadable": self.why}
        return {
            **found,
            "asked_provider": features.provider,
            "model": features.model,
            "stream": features.stream,
            "messages": features.messages,
            "tools": features.tools,
            "tool_result": features.tool_result,
            "has_system": features.has_system,
            "thinking": features.thinking,
            "images": features.images,
            "max_output_tokens": features.max_output_tokens,
            "agent": features.agent,
            "session": features.session,
            "body_bytes": features.body_bytes,
            "counted_tokens": tokens.counted,
            "estimated_tokens": [tokens.low, tokens.high],
            "ratio": tokens.ratio,
            "ratio_learned": self.learned,
        }

    def _decision_dict(self) -> dict[str, Any] | None:
        made = self.decision
        if made is None:
            return None
        return {
            "label": made.label,
            "rule": None if made.index is None else made.index + 1,
            "provider": made.route.provider,
            "model": made.route.model,
            "arm": made.arm or None,
            "split": shares(self._taker.arms) or None,
            "shadow": str(made.shadow) if made.shadow else None,
            "estimate": made.estimate,
            "ratio": made.ratio,
        }


def explain(
    book: RuleBook,
    request: AgentRequest,
    seen: Peek | Unreadable,
    calibration: Calibration,
    legs: tuple[Leg, ...],
    skipped: tuple[str, ...] = (),
) -> Explanation:
    """Why `request` goes where it goes; `legs` are the targets of the decision, each with what would be sent."""
    if isinstance(seen, Unreadable):
        return Explanation(book, request, None, seen.why, None, False, (), decide_unreadable(book), legs, skipped)
    features = seen.features
    made = decide(book, features, calibration)
    return Explanation(
        book=book,
        request=request,
        features=features,
        why="",
        tokens=estimate(features, calibration),
        learned=calibration.knows(features.provider, features.model),
        verdicts=verdicts(book, features, calibration),
        decision=made if isinstance(made, Decision) else None,
        legs=legs,
        skipped=skipped,
    )


def _said(verdict: Verdict) -> str:
    if verdict.reached:
        return {True: "takes it", False: "no", None: "open, the exact token count is needed"}[verdict.truth]
    return {True: "not reached, would match", False: "not reached, would not match", None: "not reached, open"}[
        verdict.truth
    ]


def _body(sent: Sent, request: AgentRequest, target: Target) -> str:
    if sent.translated:
        return f"translated from {request.format} to {target.format}"
    edits = len(sent.edits)
    return f"{edits} place{'s' if edits > 1 else ''} changed, every other byte as it was" if edits else "untouched"


def _aligned(rows: list[tuple[str, str]]) -> Iterator[str]:
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        yield f"  {name:<{width}}  {value}"


def _verdict_dict(verdict: Verdict) -> dict[str, Any]:
    rule = verdict.rule
    return {
        "rule": rule.index + 1,
        "label": rule.label,
        "file": rule.file,
        "line": rule.line,
        "sticky": rule.sticky,
        "reached": verdict.reached,
        "matches": verdict.truth,
        "checks": [
            {
                "condition": check.condition,
                "fact": check.fact,
                "value": check.value,
                "holds": check.truth,
                "depth": check.depth,
            }
            for check in verdict.checks
        ],
    }
