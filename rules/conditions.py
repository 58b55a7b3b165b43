"""The conditions that a rule may ask for: the one table that the parser, the matcher, `check`, `explain` and the docs
are made from.

A condition asks about a *fact* of the request (how many tools, which model) and accepts a *domain* of values (1 or
more; texts that begin so). Both its test and what it covers follow from the two, so a new condition is one row below.

Tests know three answers. The token estimate is the exact count times the learned ratio; as long as nobody has
counted, only bounds are known, and a threshold between them makes the answer UNKNOWN. A test therefore takes the
features and the two ends between which the estimate lies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from fnmatch import translate
from operator import attrgetter
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, Strict

from ringlet_mitm.rules.domains import Domain, Numbers, Pattern, Shape, Texts
from ringlet_mitm.rules.peek import RequestFeatures
from ringlet_mitm.rules.redaction import MASK, is_secret_name, masked

Truth = bool | None
UNKNOWN: Final = None
Test = Callable[[RequestFeatures, int, int], Truth]


class Cost(IntEnum):
    """What a test may cost; within a rule the cheaper ones come first."""

    FREE = 0  # compares one number or text
    CHEAP = 1  # looks through headers, or tries patterns
    TOKENS = 2  # may need the exact token count


ANY_NUMBER = Numbers(0)
YES_OR_NO = Numbers(0, 1)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something about a request.

    `universe` is what a number can be; None for a text, which may be absent (None). `nothing` is the word for 0 or "".
    `recorded` says whether the ledger keeps it.
    """

    name: str
    read: Callable[[RequestFeatures], Any] = field(compare=False, repr=False)
    universe: Numbers | None = ANY_NUMBER
    secret: bool = False
    nothing: str = ""
    recorded: bool = True

    def shown(self, features: RequestFeatures) -> str:
        """Its value as a person reads it; secrets masked."""
        value = self.read(features)
        if value is None:
            return "absent"
        if self.secret:
            return MASK
        if self.nothing and not value:
            return self.nothing
        if self.universe is None:
            return masked(json.dumps(value, ensure_ascii=False))
        if self.universe == YES_OR_NO:
            return "yes" if value else "no"
        return f"{value:,}"


@dataclass(frozen=True, slots=True)
class Term:
    """One condition with its value, ready to be tested."""

    name: str
    value: bool | int | tuple[str, ...]
    fact: Fact
    domain: Domain
    cost: Cost = Cost.FREE

    @property
    def label(self) -> str:
        """What a rule with it is called; `not-tool-use` for `tool-use = false`."""
        return f"not-{self.name}" if self.value is False else self.name

    @property
    def detail(self) -> str:
        """The label with the value where the label does not say it."""
        if isinstance(self.value, bool):
            return self.label
        if self.fact.secret:
            return f"{self.name}={MASK}"
        return f"{self.name}={self.value if isinstance(self.value, int) else ','.join(self.value)}"

    def __str__(self) -> str:
        """As TOML; a pattern for a secret is shown as little as the secret."""
        if self.fact.secret:
            return f'{self.name} = "{MASK}"'
        value = self.value[0] if isinstance(self.value, tuple) and len(self.value) == 1 else self.value
        return f"{self.name} = {json.dumps(value, ensure_ascii=False)}"

    def test(self) -> Test:
        """The test, made for speed."""
        if isinstance(self.domain, Texts):
            return _text_test(self.domain, self.fact.read)
        if self.cost is Cost.TOKENS:
            return _token_test(self.domain)
        return _number_test(self.domain, self.fact.read)


def _number_test(domain: Numbers, read: Callable[[RequestFeatures], int]) -> Test:
    low, high = domain.low, domain.high
    if high is None:
        return lambda features, _low, _high: read(features) >= low
    return lambda features, _low, _high: low <= read(features) <= high


def _token_test(domain: Numbers) -> Test:
    least, most = domain.low, float("inf") if domain.high is None else domain.high

    def test(_features: RequestFeatures, low: int, high: int) -> Truth:
        if least <= low and high <= most:
            return True
        return False if high < least or most < low else UNKNOWN

    return test


def _text_test(domain: Texts, read: Callable[[RequestFeatures], str | None]) -> Test:
    exact = frozenset(pattern.text for pattern in domain.patterns if pattern.shape is Shape.EXACT)
    prefixes = tuple(pattern.text for pattern in domain.patterns if pattern.shape is Shape.PREFIX)
    globs = [translate(pattern.text) for pattern in domain.patterns if pattern.shape is Shape.GLOB]
    if not prefixes and not globs:
        return lambda features, _low, _high: read(features) in exact
    glob = re.compile("|".join(globs) or r"(?!)").match

    def test(features: RequestFeatures, _low: int, _high: int) -> Truth:
        text = read(features)
        return text is not None and (text in exact or text.startswith(prefixes) or glob(text) is not None)

    return test


@dataclass(frozen=True, slots=True)
class Kind:
    """What a condition's value is: for the parser, and for error messages."""

    annotation: Any
    expects: str


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Text = Annotated[str, Strict(), Field(min_length=1)]
TextList = Annotated[tuple[Text, ...], BeforeValidator(_listed), Field(min_length=1)]
FLAG = Kind(Annotated[bool, Strict()], "true or false")
NUMBER = Kind(Annotated[int, Strict(), Field(ge=0)], "a whole number, 0 or more")
TEXT = Kind(TextList, "a string or a list of strings")
TABLE = Kind(Annotated[dict[Text, TextList], Field(min_length=1)], "a table of header names and globs")


@dataclass(frozen=True, slots=True)
class Condition:
    """A row of the table; `terms` makes of a parsed value what has to hold, all of it."""

    name: str
    kind: Kind
    example: str
    help: str
    cost: Cost
    terms: Callable[[Any], tuple[Term, ...]] = field(compare=False, repr=False)


# A request always is one: so `always` covers everything, and reachability needs no exception for it.
ALWAYS = Fact("always", lambda _features: 1, Numbers(1, 1))
TOOLS = Fact("tools offered", attrgetter("tools"))
TOOL_RESULT = Fact("last turn is a tool result", attrgetter("tool_result"), YES_OR_NO)
MESSAGES = Fact("messages", attrgetter("messages"))
SYSTEM = Fact("system prompt", attrgetter("has_system"), YES_OR_NO)
THINKING = Fact("thinking", attrgetter("thinking"), YES_OR_NO)
IMAGES = Fact("images", attrgetter("images"))
STREAM = Fact("stream", attrgetter("stream"), YES_OR_NO)
# A request that leaves it out asks for no particular number, so it is above none.
OUTPUT_TOKENS = Fact("output tokens asked for", lambda features: features.max_output_tokens or 0, nothing="not said")
MODEL = Fact("model", attrgetter("model"), None)
AGENT = Fact("agent", attrgetter("agent"), None, nothing="not recognised")
PATH = Fact("path", attrgetter("path"), None)
INPUT_TOKENS = Fact("estimated input tokens", attrgetter("exact_tokens"))
# What `explain` lists of a request, in this order; headers only where a rule asks for them.
FACTS = (AGENT, PATH, MODEL, STREAM, MESSAGES, SYSTEM, TOOLS, TOOL_RESULT, THINKING, IMAGES, OUTPUT_TOKENS)


def header_fact(name: str) -> Fact:
    """The value of a header, several of one name joined as HTTP does; None where it is absent."""
    wanted = name.lower().encode()

    def read(features: RequestFeatures) -> str | None:
        values = [value for key, value in features.headers if key.lower() == wanted]
        return b", ".join(values).decode("utf-8", "replace") if values else None

    return Fact(f"header {name.lower()}", read, None, is_secret_name(name), recorded=False)


def _row(name: str, kind: Kind, example: str, help_: str, fact: Fact, domain: Callable[[Any], Domain]) -> Condition:
    cost = Cost.TOKENS if fact is INPUT_TOKENS else Cost.CHEAP if domain is _globbed else Cost.FREE
    return Condition(name, kind, example, help_, cost, lambda value: (Term(name, value, fact, domain(value), cost),))


def _flag(name: str, fact: Fact, help_: str) -> Condition:
    """`true` accepts 1 and more (of a yes or no: yes), `false` only 0."""
    yes = Numbers(1, fact.universe.high if fact.universe else None)
    return _row(name, FLAG, "true", help_, fact, lambda value: yes if value else Numbers(0, 0))


def _exactly(texts: tuple[str, ...]) -> Texts:
    return Texts(tuple(Pattern(Shape.EXACT, text) for text in texts))


def _beginning(texts: tuple[str, ...]) -> Texts:
    return Texts(tuple(Pattern(Shape.PREFIX, text) for text in texts))


def _globbed(texts: tuple[str, ...]) -> Texts:
    return Texts(tuple(Pattern.glob(text) for text in texts))


def _below(number: int) -> Numbers:
    return Numbers(0, number - 1)


def _above(number: int) -> Numbers:
    return Numbers(number + 1)


def _header_terms(table: dict[str, tuple[str, ...]]) -> tuple[Term, ...]:
    return tuple(
        Term(f"header.{name}", globs, header_fact(name), _globbed(globs), Cost.CHEAP) for name, globs in table.items()
    )


CONDITIONS: dict[str, Condition] = {
    row.name: row
    for row in (
        _flag("tool-use", TOOLS, "tools are offered; agents do on nearly every turn, see tool-result"),
        _flag("tool-result", TOOL_RESULT, "the last turn hands back what a tool answered"),
        _row("tools-gte", NUMBER, "20", "this many tools or more are offered", TOOLS, Numbers),
        _row("input-tokens-lt", NUMBER, "2000", "estimated input tokens are below this", INPUT_TOKENS, _below),
        _row("input-tokens-gt", NUMBER, "100000", "estimated input tokens are above this", INPUT_TOKENS, _above),
        _row("output-tokens-gt", NUMBER, "16000", "a longer answer is allowed (max_tokens)", OUTPUT_TOKENS, _above),
        _row("messages-gt", NUMBER, "40", "the conversation has more messages", MESSAGES, _above),
        _flag("has-system-prompt", SYSTEM, "there is a system prompt"),
        _flag("has-images", IMAGES, "there is an image"),
        _flag("thinking", THINKING, "thinking (reasoning) is asked for"),
        _flag("stream", STREAM, "a streamed answer is asked for"),
        _row("model-equals", TEXT, '"gpt-5"', "the agent asked for this model", MODEL, _exactly),
        _row("model-prefix", TEXT, '"claude-"', "the model asked for begins so", MODEL, _beginning),
        _row(
            "model-matches", TEXT, '"*-haiku-*"', "the model asked for fits this glob (case matters)", MODEL, _globbed
        ),
        _row("agent", TEXT, '"claude"', "it comes from this agent; may be a glob", AGENT, _globbed),
        _row("path-prefix", TEXT, '"/v1/responses"', "the path begins so", PATH, _beginning),
        Condition("header", TABLE, '{ x-initiator = "user" }', "each header fits its glob", Cost.CHEAP, _header_terms),
        _flag("always", ALWAYS, "every request"),
    )
}
