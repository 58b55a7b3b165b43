"""Each vendor's usage object, field by field, and how it becomes a `Usage`.

THE file that spells vendors' usage words; usage_rendering.py fills them in. Vendors overlap their figures differently,
`Usage` is disjoint:

    format     input figure                         output figure
    Messages   exclusive of cache reads and writes  inclusive of thinking
    Chat       inclusive of cached and audio        inclusive of reasoning and audio
    Responses  inclusive of cached                  inclusive of reasoning
    Gemini     inclusive of cached                  exclusive of thoughts; tool-use prompt tokens come on top
    Ollama     all of it                            inclusive of thinking
    Converse   exclusive of cache reads and writes  inclusive of reasoning

Others speak Chat and mean something else by it: xAI and Google's Chat face count reasoning on top, some gateways cache
reads. Their own total tells. Parts never add up to more than the figure that they are parts of.

Sources: API references of Anthropic (Messages, prompt caching), OpenAI (Chat, Responses), Google (GenerateContent),
DeepSeek, Groq, Moonshot, OpenRouter, Ollama and Bedrock (TokenUsage, prompt caching), accessed 2026-11-21.
"""

from __future__ import annotations

from typing import TypeVar

from msgspec import Struct, field

from ringlet_mitm.rules.pricing import Usage

Count = int | None

# No request has a billion tokens; a figure beyond is garbage, and would not fit the ledger's columns.
MOST = 10**9


class CacheCreation(Struct, omit_defaults=True):
    """Anthropic's cache writes by how long they last."""

    ephemeral_5m_input_tokens: Count = None
    ephemeral_1h_input_tokens: Count = None


class ThinkingDetails(Struct, omit_defaults=True):
    """The part of Anthropic's output figure that is thinking (since 2026)."""

    thinking_tokens: Count = None


class MessagesUsage(Struct, omit_defaults=True):
    """Anthropic; in a stream the figures come in `message_start` and again, cumulative, in `message_delta`."""

    input_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_creation_input_tokens: Count = None
    cache_creation: CacheCreation | None = None
    output_tokens: Count = None
    output_tokens_details: ThinkingDetails | None = None

    def over(self, earlier: MessagesUsage | None) -> MessagesUsage:
        """These figures and the earlier ones, the larger of each.

        Not simply the later: some send 0 in `message_start` and the figure in `message_delta`, others the other way
        round.
        """
        return _larger(self, earlier) if earlier is not None else self

    def usage(self) -> Usage:
        """As disjoint kinds; writes without a duration are 5-minute ones, the default."""
        split = self.cache_creation or CacheCreation()
        hour = _n(split.ephemeral_1h_input_tokens)
        total = max(_n(self.cache_creation_input_tokens), hour + _n(split.ephemeral_5m_input_tokens))
        details = self.output_tokens_details or ThinkingDetails()
        visible, thinking = _apart(_n(self.output_tokens), _n(details.thinking_tokens))
        return Usage(
            input_tokens=_n(self.input_tokens),
            cache_read_tokens=_n(self.cache_read_input_tokens),
            cache_write_5m_tokens=total - hour,
            cache_write_1h_tokens=hour,
            output_tokens=visible,
            reasoning_tokens=thinking,
        )


class PromptDetails(Struct, omit_defaults=True):
    """Parts of a Chat or Responses input figure."""

    cached_tokens: Count = None
    cache_write_tokens: Count = None  # OpenRouter, and OpenAI since 2026
    audio_tokens: Count = None
    image_tokens: Count = None


class CompletionDetails(Struct, omit_defaults=True):
    """Parts of a Chat or Responses output figure."""

    reasoning_tokens: Count = None
    audio_tokens: Count = None
    image_tokens: Count = None  # OpenRouter


class ChatUsage(Struct, omit_defaults=True):
    """OpenAI Chat, with what others add to it."""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    total_tokens: Count = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: Count = None  # DeepSeek
    cached_tokens: Count = None  # Moonshot

    def usage(self) -> Usage:
        """As disjoint kinds."""
        before = self.prompt_tokens_details or PromptDetails()
        after = self.completion_tokens_details or CompletionDetails()
        cached = _n(before.cached_tokens) or _n(self.prompt_cache_hit_tokens) or _n(self.cached_tokens)
        return _inclusive(self.prompt_tokens, self.completion_tokens, self.total_tokens, cached, before, after)


class ResponsesUsage(Struct, omit_defaults=True):
    """OpenAI Responses."""

    input_tokens: Count = None
    output_tokens: Count = None
    total_tokens: Count = None
    input_tokens_details: PromptDetails | None = None
    output_tokens_details: CompletionDetails | None = None

    def usage(self) -> Usage:
        """As disjoint kinds."""
        before = self.input_tokens_details or PromptDetails()
        after = self.output_tokens_details or CompletionDetails()
        return _inclusive(
            self.input_tokens, self.output_tokens, self.total_tokens, _n(before.cached_tokens), before, after
        )


class Modality(Struct, omit_defaults=True):
    """One line of Gemini's details: TEXT, IMAGE, AUDIO, VIDEO, DOCUMENT."""

    modality: str = ""
    token_count: Count = field(default=None, name="tokenCount")


Modalities = list[Modality] | None


class GeminiUsage(Struct, rename="camel", omit_defaults=True):
    """Gemini's usageMetadata; every chunk of a stream has it, the last one counts."""

    prompt_token_count: Count = None
    cached_content_token_count: Count = None
    candidates_token_count: Count = None
    thoughts_token_count: Count = None
    total_token_count: Count = None
    tool_use_prompt_token_count: Count = None
    prompt_tokens_details: Modalities = None
    cache_tokens_details: Modalities = None
    candidates_tokens_details: Modalities = None

    def usage(self) -> Usage:
        """As disjoint kinds. Video and documents are billed as text input."""
        images = max(0, _of(self.prompt_tokens_details, "IMAGE") - _of(self.cache_tokens_details, "IMAGE"))
        audio = max(0, _of(self.prompt_tokens_details, "AUDIO") - _of(self.cache_tokens_details, "AUDIO"))
        fresh, cached, images, audio = _apart(
            _n(self.prompt_token_count), _n(self.cached_content_token_count), images, audio
        )
        text_out, image_out, audio_out = _apart(
            _n(self.candidates_token_count),
            _of(self.candidates_tokens_details, "IMAGE"),
            _of(self.candidates_tokens_details, "AUDIO"),
        )
        return Usage(
            input_tokens=fresh + _n(self.tool_use_prompt_token_count),
            image_input_tokens=images,
            audio_input_tokens=audio,
            cache_read_tokens=cached,
            output_tokens=text_out,
            reasoning_tokens=_n(self.thoughts_token_count),
            image_output_tokens=image_out,
            audio_output_tokens=audio_out,
        )


class OllamaUsage(Struct, omit_defaults=True):
    """Ollama; the figures stand beside the message of a whole answer, and in a stream's last line."""

    prompt_eval_count: Count = None
    eval_count: Count = None

    def usage(self) -> Usage:
        """As disjoint kinds; Ollama tells none apart."""
        return Usage(input_tokens=_n(self.prompt_eval_count), output_tokens=_n(self.eval_count))


class CacheDetail(Struct, rename="camel", omit_defaults=True):
    """A part of Bedrock's cache writes: how long they last, `5m` or `1h`."""

    ttl: str = ""
    input_tokens: Count = None


class ConverseUsage(Struct, rename="camel", omit_defaults=True):
    """Bedrock Converse; a stream has it in its last event. The total counts everything, cached or not."""

    input_tokens: Count = None
    output_tokens: Count = None
    total_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_write_input_tokens: Count = None
    cache_details: list[CacheDetail] | None = None

    def usage(self) -> Usage:
        """As disjoint kinds; writes without a duration are 5-minute ones, the default."""
        hour = sum(_n(part.input_tokens) for part in self.cache_details or () if part.ttl == "1h")
        return Usage(
            input_tokens=_n(self.input_tokens),
            cache_read_tokens=_n(self.cache_read_input_tokens),
            cache_write_5m_tokens=max(0, _n(self.cache_write_input_tokens) - hour),
            cache_write_1h_tokens=hour,
            output_tokens=_n(self.output_tokens),
        )


def _inclusive(
    given: Count, taken: Count, total: Count, cached: int, before: PromptDetails, after: CompletionDetails
) -> Usage:
    """OpenAI's way: the parts are inside the figures, unless the total says that something came on top of them."""
    whole_in, whole_out = _n(given), _n(taken)
    reasoning, written = _n(after.reasoning_tokens), _n(before.cache_write_tokens)
    more = _n(total) - whole_in - whole_out
    if more > 0 and reasoning in (0, more) and cached + written != more:
        whole_out, reasoning = whole_out + more, more
    elif cached + written > whole_in or (more > 0 and cached + written == more):
        whole_in += cached + written
    fresh, cached, written, audio, images = _apart(
        whole_in, cached, written, _n(before.audio_tokens), _n(before.image_tokens)
    )
    visible, reasoning, audio_out, image_out = _apart(
        whole_out, reasoning, _n(after.audio_tokens), _n(after.image_tokens)
    )
    return Usage(
        input_tokens=fresh,
        image_input_tokens=images,
        audio_input_tokens=audio,
        cache_read_tokens=cached,
        cache_write_5m_tokens=written,
        output_tokens=visible,
        reasoning_tokens=reasoning,
        image_output_tokens=image_out,
        audio_output_tokens=audio_out,
    )


def _apart(whole: int, *parts: int) -> tuple[int, ...]:
    """What is left of `whole` without its parts, and the parts; what does not fit any more is cut off."""
    fitting: list[int] = []
    for part in parts:
        fitting.append(min(part, whole))
        whole -= fitting[-1]
    return (whole, *fitting)


_Figures = TypeVar("_Figures", bound=Struct)


def _larger(new: _Figures, old: _Figures) -> _Figures:
    """Field by field the larger of two; what only one has is taken."""
    merged: dict[str, object] = {}
    for name in new.__struct_fields__:
        one, other = getattr(new, name), getattr(old, name)
        if one is None or other is None:
            merged[name] = other if one is None else one
        else:
            merged[name] = _larger(one, other) if isinstance(one, Struct) else max(one, other)
    return type(new)(**merged)


def _of(details: Modalities, modality: str) -> int:
    return sum(_n(item.token_count) for item in details or () if item.modality == modality)


def _n(count: Count) -> int:
    return min(max(0, count), MOST) if count is not None else 0
