"""What each model on Bedrock accepts through Converse, by its id; every cell is a ValidationException otherwise.

Converse is one form for all, but what a model cannot do it refuses rather than overlooks. An id may name the model
(`us.anthropic.claude-sonnet-4-5-20250929-v1:0`, `amazon.nova-pro-v1:0`, the ARN of a foundation model) or say nothing
(application inference profiles, provisioned throughput, imported models): those get what all take.

Whose signature is a thought's? Converse gives only Claude's models one, and Anthropic documents that its signatures
hold on its own API, Bedrock and Vertex alike. So a signed thought from here counts as signed by MESSAGES and survives
a change between the two. Not so the redacted ones: Bedrock's are bytes in base64, Anthropic's are text, and nobody
says how one becomes the other. They count as Converse's own.

Sources: Bedrock user guide, "Supported models and model features", "Prompt caching", "Structured outputs", API
reference of ToolChoice, SpecificToolChoice, ToolResultBlock, OutputConfig; Nova user guides; accessed 2026-11-21.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from ringlet_mitm.addons.wire.anthropic.families import Family as ClaudeFamily
from ringlet_mitm.addons.wire.anthropic.families import family_of as claude_of
from ringlet_mitm.addons.wire.canonical import Thinking
from ringlet_mitm.rules.shapes import WireFormat


class Thinks(StrEnum):
    """How a model is told to think, in `additionalModelRequestFields`."""

    NOT = "not at all, or always as it likes"
    CLAUDE = "thinking"
    NOVA = "reasoningConfig"
    EFFORT = "reasoning_effort"


@dataclass(frozen=True, slots=True)
class Family:
    """What a model takes.

    `caches`: cache points among system and messages; `caches_tools`: also among tools; `hour`: that last an hour.
    `forced`: some tool can be demanded; `forced_by_name`: a certain one. `status`: a result can be called an error.
    `schemas`: an answer's form is enforced. `top_k`: where it goes, () nowhere. `most_tokens`: the longest answer, 0
    where it is not known. `reads`: whose thoughts it reads back.
    """

    caches: bool = False
    caches_tools: bool = False
    hour: bool = False
    forced: bool = False
    forced_by_name: bool = False
    status: bool = False
    schemas: bool = False
    thinks: Thinks = Thinks.NOT
    top_k: tuple[str, ...] = ()
    most_tokens: int = 0
    reads: frozenset[WireFormat] = frozenset((WireFormat.CONVERSE,))
    claude: ClaudeFamily | None = None

    def reads_back(self, thought: Thinking) -> bool:
        """Whether a thought may be sent back: a signed one of its own. Unsigned ones are refused or of no use."""
        if not thought.signature or thought.signer not in self.reads:
            return False
        if self.claude is None:
            return True
        return thought.redacted is (thought.signer is WireFormat.CONVERSE)


BOTH = frozenset((WireFormat.CONVERSE, WireFormat.MESSAGES))
UNKNOWN = Family(forced=True, forced_by_name=True, status=True, schemas=True, reads=BOTH)
CLAUDE = Family(
    caches=True,
    caches_tools=True,
    forced=True,
    forced_by_name=True,
    status=True,
    thinks=Thinks.CLAUDE,
    top_k=("top_k",),
    reads=BOTH,
)
NOVA = Family(
    caches=True,
    forced=True,
    forced_by_name=True,
    status=True,
    top_k=("inferenceConfig", "topK"),
    most_tokens=10_000,
)
NOVA_2 = replace(NOVA, thinks=Thinks.NOVA, most_tokens=64_000)
# First match counts.
NAMED: tuple[tuple[str, Family], ...] = (
    (r"nova-2", NOVA_2),
    (r"amazon\.nova|^nova-", NOVA),
    (r"gpt-oss", Family(schemas=True, thinks=Thinks.EFFORT)),
    (r"mistral-large-24", Family(forced=True)),
    (r"mistral-7b|mixtral|mistral-small-24", Family(top_k=("top_k",))),
    (r"llama|titan|cohere|ai21|jamba|deepseek\.r1|writer\.", Family()),
    (r"qwen|deepseek|mistral|magistral|ministral|gemma|nemotron|minimax|kimi|glm", Family(schemas=True)),
)
SILENT = re.compile(
    r"application-inference-profile|provisioned-model|imported-model|custom-model|prompt-router|:prompt/"
)


@lru_cache(maxsize=256)
def family_of(model: str) -> Family:
    """What the model of that id takes."""
    name = model.lower()
    if "claude" in name:
        claude = claude_of(name)
        recent = claude.schemas and "opus-4-1" not in name  # Opus 4.1 has schemas on Anthropic's own API only
        return replace(CLAUDE, claude=claude, schemas=recent, hour=recent, most_tokens=claude.most_tokens)
    if SILENT.search(name):
        return UNKNOWN
    return next((family for pattern, family in NAMED if re.search(pattern, name)), UNKNOWN)


def signer_of(model: str) -> WireFormat:
    """Whose signatures are those that come from a model; Anthropic's also where the model is not known."""
    return WireFormat.MESSAGES if WireFormat.MESSAGES in family_of(model).reads else WireFormat.CONVERSE
