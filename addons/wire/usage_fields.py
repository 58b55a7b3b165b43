"""Each vendor's usage object, field by field, and how it becomes a `Usage`.

THE file that spells vendors' usage words. Vendors overlap their figures differently, `Usage` is disjoint:

    format     input figure                         output figure
    Messages   exclusive of cache reads and writes  inclusive of thinking
    Chat       inclusive of cached and audio        inclusive of reasoning and audio (xAI: exclusive, told by its total)
    Responses  inclusive of cached                  inclusive of reasoning
    Gemini     inclusive of cached                  exclusive of thoughts; tool-use prompt tokens come on top

Sources: API references of Anthropic (Messages, prompt caching), OpenAI (Chat, Responses), Google (GenerateContent),
DeepSeek, Groq, Moonshot and OpenRouter, accessed 2026-11-21.
"""

from __future__ import annotations

from msgspec import Struct, field

from ringlet_mitm.rules.pricing import Usage

Count = int | None


class CacheCreation(Struct):
    """Anthropic's cache writes by how long they last."""

    ephemeral_5m_input_tokens: Count = None
    ephemeral_1h_input_tokens: Count = None


class MessagesUsage(Struct):
    """Anthropic; in a stream the figures come in `message_start` and again, cumulative, in `message_delta`."""

    input_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_creation_input_tokens: Count = None
    cache_creation: CacheCreation | None = None
    output_tokens: Count = None

    def over(self, earlier: MessagesUsage | None) -> MessagesUsage:
        """These figures where they are there, the earlier ones elsewhere."""
        if earlier is None:
            return self
        names = self.__struct_fields__
        pairs = ((name, getattr(self, name), getattr(earlier, name)) for name in names)
        return MessagesUsage(**{name: old if new is None else new for name, new, old in pairs})

    def usage(self) -> Usage:
        """As disjoint kinds; writes without a duration are 5-minute ones, the default."""
        split = self.cache_creation or CacheCreation()
        hour = _n(split.ephemeral_1h_input_tokens)
        total = max(_n(self.cache_creation_input_tokens), hour + _n(split.ephemeral_5m_input_tokens))
        return Usage(
            input_tokens=_n(self.input_tokens),
            cache_read_tokens=_n(self.cache_read_input_tokens),
            cache_write_5m_tokens=total - hour,
            cache_write_1h_tokens=hour,
            output_tokens=_n(self.output_tokens),
        )


class PromptDetails(Struct):
    """Parts of a Chat or Responses input figure."""

    cached_tokens: Count = None
    cache_write_tokens: Count = None  # OpenRouter
    audio_tokens: Count = None


class CompletionDetails(Struct):
    """Parts of a Chat or Responses output figure."""

    reasoning_tokens: Count = None
    audio_tokens: Count = None
    image_tokens: Count = None  # OpenRouter


class ChatUsage(Struct):
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


class ResponsesUsage(Struct):
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


class Modality(Struct):
    """One line of Gemini's details: TEXT, IMAGE, AUDIO, VIDEO, DOCUMENT."""

    modality: str = ""
    token_count: Count = field(default=None, name="tokenCount")


Modalities = list[Modality] | None


class GeminiUsage(Struct, rename="camel"):
    """Gemini's usageMetadata; every chunk of a stream has it, the last one counts."""

    prompt_token_count: Count = None
    cached_content_token_count: Count = None
    candidates_token_count: Count = None
    thoughts_token_count: Count = None
    tool_use_prompt_token_count: Count = None
    prompt_tokens_details: Modalities = None
    cache_tokens_details: Modalities = None
    candidates_tokens_details: Modalities = None

    def usage(self) -> Usage:
        """As disjoint kinds. Video and documents are billed as text input."""
        cached = _n(self.cached_content_token_count)
        images = max(0, _of(self.prompt_tokens_details, "IMAGE") - _of(self.cache_tokens_details, "IMAGE"))
        audio = max(0, _of(self.prompt_tokens_details, "AUDIO") - _of(self.cache_tokens_details, "AUDIO"))
        image_out = _of(self.candidates_tokens_details, "IMAGE")
        audio_out = _of(self.candidates_tokens_details, "AUDIO")
        fresh = _n(self.prompt_token_count) - cached - images - audio
        return Usage(
            input_tokens=max(0, fresh) + _n(self.tool_use_prompt_token_count),
            image_input_tokens=images,
            audio_input_tokens=audio,
            cache_read_tokens=cached,
            output_tokens=max(0, _n(self.candidates_token_count) - image_out - audio_out),
            reasoning_tokens=_n(self.thoughts_token_count),
            image_output_tokens=image_out,
            audio_output_tokens=audio_out,
        )


def _inclusive(
    given: Count, taken: Count, total: Count, cached: int, before: PromptDetails, after: CompletionDetails
) -> Usage:
    """OpenAI's way: the parts are inside the figures, unless the total says that reasoning came on top."""
    reasoning, written = _n(after.reasoning_tokens), _n(before.cache_write_tokens)
    audio, audio_out, image_out = _n(before.audio_tokens), _n(after.audio_tokens), _n(after.image_tokens)
    on_top = reasoning > 0 and _n(given) + _n(taken) + reasoning == total
    inside = (0 if on_top else reasoning) + audio_out + image_out
    return Usage(
        input_tokens=max(0, _n(given) - cached - written - audio),
        audio_input_tokens=audio,
        cache_read_tokens=cached,
        cache_write_5m_tokens=written,
        output_tokens=max(0, _n(taken) - inside),
        reasoning_tokens=reasoning,
        image_output_tokens=image_out,
        audio_output_tokens=audio_out,
    )


def _of(details: Modalities, modality: str) -> int:
    return sum(_n(item.token_count) for item in details or () if item.modality == modality)


def _n(count: Count) -> int:
    return max(0, count) if count is not None else 0
