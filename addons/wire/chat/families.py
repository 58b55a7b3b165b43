"""Who speaks Chat, and how: what a request that comes from another format may say to a model, by the model's name.

All of them call it OpenAI's format, and most answer 400 to a field that they do not know; the name of the model is all
that tells them apart here. A model that no row knows gets what everybody understands.

Sources: OpenAI "Reasoning models", "GPT-5 parameter compatibility" and the API's own 400s on tools with
`reasoning_effort`; DeepSeek "Thinking Mode"; Moonshot "Kimi thinking models"; Z.ai "Chat Completion"; Google "OpenAI
compatibility"; OpenRouter "Reasoning Tokens"; Mistral "Chat"; accessed 2026-11-21.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from ringlet_mitm.addons.wire.canonical import Effort

GRADES = (Effort.LOW, Effort.MEDIUM, Effort.HIGH)
FROM_NONE = (Effort.NONE, *GRADES)


class Asking(StrEnum):
    """How a family is asked to think."""

    NOT = "not at all"
    EFFORT = "reasoning_effort"
    SWITCH = "thinking.type"
    SWITCH_AND_EFFORT = "thinking.type, reasoning_effort"
    OBJECT = "reasoning"


class Thought(StrEnum):
    """Where a family takes its earlier reasoning back."""

    NOWHERE = "nowhere"
    AS_SAID = "the field that it came in"
    CONTENT = "reasoning_content"
    PART = "thinking"


@dataclass(frozen=True, slots=True)
class Family:
    """What models take beyond what all of them do.

    `name` is for people. `efforts` are the words for effort that are known, ascending. `openai` takes OpenAI's own
    fields (verbosity, service tier, allowed tools). `plans` is an OpenAI reasoning model: it counts its thinking into
    `max_completion_tokens` and refuses sampling parameters. `tools_or_thought` takes tools only where it does not
    think. `echo` wants its reasoning back with every call of a tool, or at least a blank for it. `marks` takes
    `cache_control`, `schemas` the schema of an answer, `user` the user's id, `films` videos, `signed` Google's thought
    signatures. `late_system` takes system messages behind others, `late_user` a user's behind a tool's. `seed` is what
    that field is called.
    """

    name: str = "Chat"
    asking: Asking = Asking.NOT
    efforts: tuple[Effort, ...] = GRADES
    openai: bool = False
    plans: bool = False
    tools_or_thought: bool = False
    echo: bool = False
    marks: bool = False
    cache_key: bool = False
    schemas: bool = True
    user: bool = True
    films: bool = True
    signed: bool = False
    searches: bool = False
    late_system: bool = True
    late_user: bool = True
    thought: Thought = Thought.AS_SAID
    seed: str = "seed"


def _reasoning(name: str, *efforts: Effort, tools_or_thought: bool = False) -> Family:
    return Family(
        name,
        Asking.EFFORT,
        efforts,
        openai=True,
        plans=True,
        tools_or_thought=tools_or_thought,
        cache_key=True,
        films=False,
        thought=Thought.NOWHERE,
    )


OPENAI = Family("OpenAI", openai=True, cache_key=True, films=False, thought=Thought.NOWHERE)
# The first row whose pattern begins the name counts. A vendor in front (`openai/`) is a gateway's or a host's.
ROWS: tuple[tuple[str, Family], ...] = (
    (r"([^/]+/)*gpt-oss", Family("gpt-oss", Asking.EFFORT, films=False)),
    (r"gpt-[^/]*-search|gpt-5-search-api", replace(OPENAI, name="OpenAI search", searches=True)),
    (r"gpt-\d[.\d]*-chat", OPENAI),
    (r"gpt-5\.1", _reasoning("GPT-5.1", *FROM_NONE)),
    (r"gpt-5\.[2-9]|gpt-[6-9]", _reasoning("GPT-5.2 and later", *FROM_NONE, Effort.XHIGH, tools_or_thought=True)),
    (r"gpt-5", _reasoning("GPT-5", Effort.MINIMAL, *GRADES)),
    (r"o[1-9](-|$)", _reasoning("OpenAI o", *GRADES)),
    (r"gpt-|chatgpt-|ft:gpt-", OPENAI),
    (
        r"([^/]+/)*openai/(gpt-[5-9]|o\d)",
        Family("OpenAI at a gateway", Asking.OBJECT, (*FROM_NONE, Effort.XHIGH), films=False),
    ),
    (
        r"([^/]+/)*anthropic/",
        Family("Claude at a gateway", Asking.OBJECT, (*GRADES, Effort.XHIGH, Effort.MAX), marks=True),
    ),
    (r"claude-", Family("Claude", marks=True)),
    (
        r"([^/]+/)*deepseek",
        Family(
            "DeepSeek",
            Asking.SWITCH_AND_EFFORT,
            (Effort.LOW, Effort.HIGH, Effort.MAX),
            echo=True,
            schemas=False,
            films=False,
            thought=Thought.CONTENT,
        ),
    ),
    (r"([^/]+/)*(kimi|moonshot)", Family("Kimi", Asking.SWITCH, echo=True, cache_key=True, thought=Thought.CONTENT)),
    (r"([^/]+/)*glm-", Family("GLM", Asking.SWITCH, thought=Thought.CONTENT)),
    (r"([^/]+/)*gemini-", Family("Gemini", Asking.EFFORT, (Effort.MINIMAL, *GRADES), signed=True)),
    (
        r"([^/]+/)*(mistral|ministral|magistral|codestral|devstral|pixtral|open-mi)",
        Family(
            "Mistral",
            user=False,
            films=False,
            late_system=False,
            late_user=False,
            thought=Thought.PART,
            seed="random_seed",
        ),
    ),
)
_rows = tuple((re.compile(pattern), family) for pattern, family in ROWS)
PLAIN = Family(late_system=False)


def family_of(model: str) -> Family:
    """The family of a model, by its name."""
    name = model.lower()
    return next((family for pattern, family in _rows if pattern.match(name)), PLAIN)
