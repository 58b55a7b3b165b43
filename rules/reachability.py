"""Rules that look right and do nothing: those that no request can reach, and two orders that are traps.

Comparing rules pairwise condition by condition does not do: it misses a rule that two earlier ones cover only
together (`stream = true`, then `stream = false`, then anything), and every combinator doubles the cases. Sets do:
what a rule matches is a union of *boxes*, each saying for some facts which values they may have. The boxes of earlier
rules are subtracted from a rule's own; if nothing is left, it can never fire. The answer errs on the side of silence:
patterns that overlap in ways hard to tell count as leaving something, and a match with too many boxes is not judged.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from ringlet_mitm.rules.conditions import AGENT, INPUT_TOKENS, TOOLS, Fact, Term
from ringlet_mitm.rules.domains import Domain, Numbers, Texts
from ringlet_mitm.rules.errors import nearest
from ringlet_mitm.rules.matching import AnyOf, Match, Node, Not, walk
from ringlet_mitm.rules.rulebook import Rule, RuleBook

# More than any hand-written match comes to; beyond it subtraction may grow without bound.
MAX_BOXES = 256
# Tokens from which on a rule is about long context: 32k is the smallest window that coding models are sold with.
LONG_CONTEXT = 30_000


@dataclass(frozen=True, slots=True)
class Caution:
    """Something about a rule that its author would want to know. `rule` is its label, `file` where it stands."""

    line: int | None
    rule: str
    message: str
    file: str = ""

    def __str__(self) -> str:
        return f"line {self.line}: {self.rule}: {self.message}" if self.line else f"{self.rule}: {self.message}"


@dataclass(frozen=True, slots=True)
class TextSet:
    """Texts that are in each of `inside` and in none of `outside`."""

    inside: tuple[Texts, ...] = ()
    outside: tuple[Texts, ...] = ()

    @property
    def empty(self) -> bool:
        """Surely nothing is in it."""
        return any(
            all(
                any(other.covers(pattern) for other in self.outside)
                or any(other.disjoint(pattern) for other in self.inside)
                for pattern in texts.patterns
            )
            for texts in self.inside
        )

    def within(self, other: TextSet) -> TextSet:
        """What both have."""
        return TextSet((*self.inside, *other.inside), (*self.outside, *other.outside))

    def complement(self) -> tuple[TextSet, ...]:
        """All other texts, and absence."""
        return (
            *(TextSet(outside=(texts,)) for texts in self.inside),
            *(TextSet(inside=(texts,)) for texts in self.outside),
        )


Values = Numbers | TextSet
Box = dict[Fact, Values]


class TooManyBoxesError(Exception):
    """A match that is not worth judging."""


def warnings(book: RuleBook, agents: Collection[str] = ()) -> tuple[Caution, ...]:
    """What `rules check` warns of, by line. `agents` are the names that an agent can be recognised by, if known."""
    boxes = [_boxes_or_none(rule) for rule in book.rules]
    found = [
        *_unreachable(book, boxes),
        *_tools_on_every_turn(book, boxes),
        *_long_context_behind(book, boxes),
        *(_unknown_agents(book, agents) if agents else ()),
    ]
    return tuple(sorted(found, key=lambda warning: (warning.file != book.file, warning.line or 0)))


def _unreachable(book: RuleBook, boxes: list[list[Box] | None]) -> Iterator[Caution]:
    for index, rule in enumerate(book.rules):
        own = boxes[index]
        if own is None:
            continue
        if not own:
            yield _caution(rule, "can never match: its own conditions exclude each other")
            continue
        coverers = _covered_by(own, book, boxes[:index])
        if coverers:
            yield _caution(rule, f"can never fire: {coverers} every request that it would match")
    # That one profile's rules leave nothing for the default of all profiles is no mistake.
    coverers = _covered_by([{}], book, boxes) if book.default_file == book.file else ""
    if coverers:
        message = f"is never used: {coverers} every request"
        yield Caution(book.default_line, book.default.label, message, book.default_file)


def _caution(rule: Rule, message: str) -> Caution:
    return Caution(rule.line, rule.label, message, rule.file)


def _covered_by(own: list[Box], book: RuleBook, boxes: list[list[Box] | None]) -> str:
    """Which of the rules with `boxes` take all of `own`, as the beginning of a sentence; "" if something is left."""
    known = [(rule, theirs) for rule, theirs in zip(book.rules, boxes, strict=False) if theirs]
    for rule, theirs in known:
        if not _left(own, theirs):
            return f"the rule in {book.place(rule.line, rule.file)} ({rule.label}) already takes"
    everyone = [box for _, theirs in known for box in theirs]
    return "the rules before it together take" if known and not _left(own, everyone) else ""


def _left(own: list[Box], others: list[Box]) -> list[Box]:
    """`own` without `others`; `own` itself where that grows too large to tell."""
    left = own
    for other in others:
        left = [piece for box in left for piece in _minus(box, other)]
        if len(left) > MAX_BOXES:
            return own
    return left


def _tools_on_every_turn(book: RuleBook, boxes: list[list[Box] | None]) -> Iterator[Caution]:
    """X-028: `tool-use = true` reads like "when tools are used", and means "when tools are offered"."""
    for rule in book.rules:
        later = {other.ways for other in book.rules[rule.index + 1 :]} | {book.default.ways}
        if later == {rule.ways}:
            continue
        if any(set(box) == {TOOLS} and box[TOOLS] == Numbers(1) for box in boxes[rule.index] or ()):
            yield _caution(
                rule,
                "takes nearly every turn, since coding agents offer their tools each time; what comes after it sees "
                "little. For turns that answer a tool call, use `tool-result = true`",
            )


def _long_context_behind(book: RuleBook, boxes: list[list[Box] | None]) -> Iterator[Caution]:
    """X-029: a long request stops at a broader rule before the one that was written for it."""
    for rule in book.rules:
        own = boxes[rule.index] or []
        if not own or not all(_is_long(box) for box in own):
            continue
        for earlier in book.rules[: rule.index]:
            theirs = boxes[earlier.index] or []
            broader = [box for box in theirs if not _is_long(box) and any(_both(box, mine) is not None for mine in own)]
            if broader and earlier.ways != rule.ways and _left(own, theirs):
                where = book.place(earlier.line, earlier.file)
                yield _caution(
                    rule,
                    f"does not see every long request: the rule in {where} ({earlier.label}) comes first "
                    "and sends those that it matches elsewhere. Put the long-context rule before it",
                )
                break


def _unknown_agents(book: RuleBook, agents: Collection[str]) -> Iterator[Caution]:
    """A misspelt agent is no error, since agents of other names may come; it just never matches."""
    for rule in book.rules:
        terms = [part for _, part in walk(rule.match) if isinstance(part, Term) and part.fact == AGENT]
        for pattern in (one for term in terms if isinstance(term.domain, Texts) for one in term.domain.patterns):
            if not any(name in pattern for name in agents):
                close = nearest(pattern.text, agents)
                hint = f"did you mean '{close}'?" if close else f"there are {', '.join(sorted(agents))}"
                yield _caution(rule, f"no agent is called '{pattern.text}'; {hint}")


def _is_long(box: Box) -> bool:
    tokens = box.get(INPUT_TOKENS)
    return isinstance(tokens, Numbers) and tokens.low >= LONG_CONTEXT


def _boxes_or_none(rule: Rule) -> list[Box] | None:
    try:
        return boxes_of(rule.match)
    except TooManyBoxesError:
        return None


def boxes_of(node: Node) -> list[Box]:
    """All that a match takes, as boxes; none where its conditions exclude each other. Raises TooManyBoxesError."""
    match node:
        case Term():
            return [box for box in [_box(node.fact, _values(node.domain))] if box is not None]
        case Not():
            found: list[Box] = [{}]
            for taken in boxes_of(node.part):
                found = _few(piece for box in found for piece in _minus(box, taken))
            return found
        case AnyOf():
            return _few(box for part in node.parts for box in boxes_of(part))
        case Match():
            found = [{}]
            for part in node.parts:
                inner = boxes_of(part)
                both = (_both(box, other) for box in found for other in inner)
                found = _few(box for box in both if box is not None)
            return found


def _few(boxes: Iterable[Box]) -> list[Box]:
    few: list[Box] = []
    for box in boxes:
        few.append(box)
        if len(few) > MAX_BOXES:
            raise TooManyBoxesError
    return few


def _values(domain: Domain) -> Values:
    return domain if isinstance(domain, Numbers) else TextSet(inside=(domain,))


def _box(fact: Fact, values: Values) -> Box | None:
    """A box of one fact; None where no request can be in it."""
    if isinstance(values, Numbers) and fact.universe is not None:
        values = values.within(fact.universe)
    return None if values.empty else {fact: values}


def _both(first: Box, second: Box) -> Box | None:
    """What is in both; None where nothing is."""
    both = dict(first)
    for fact, values in second.items():
        narrowed = _narrowed(both.get(fact), values)
        if narrowed.empty:
            return None
        both[fact] = narrowed
    return both


def _narrowed(first: Values | None, second: Values) -> Values:
    match first, second:
        case Numbers(), Numbers():
            return first.within(second)
        case TextSet(), TextSet():
            return first.within(second)
    return second


def _minus(box: Box, taken: Box) -> Iterator[Box]:
    """The parts of `box` outside `taken`: fact by fact, what differs in this one and agrees in those before it."""
    if _both(box, taken) is None:
        yield box
        return
    rest = box
    for fact, values in taken.items():
        others = values.outside() if isinstance(values, Numbers) else values.complement()
        for other in others:
            outside = _box(fact, other)
            piece = None if outside is None else _both(rest, outside)
            if piece is not None:
                yield piece
        agreeing = _both(rest, {fact: values})
        assert agreeing is not None, "the two overlap, so they do in every fact"
        rest = agreeing
