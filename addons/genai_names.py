"""Rows of the ledger in OpenTelemetry's words for generative AI.

Semantic conventions for generative AI, status Development: opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans and
gen-ai-metrics, accessed 2026-11-21; buckets are those that they ask for. `gen_ai.provider.name` has taken the place of
`gen_ai.system` there. The names that open-telemetry/semantic-conventions-genai prepares instead
(`gen_ai.client.inference.…`) were in no release then.

What they have no word for begins with `ringlet.`. Bodies, prompts and keys are in no row, so in none of this.
"""

from __future__ import annotations

from collections.abc import Mapping

from ringlet_mitm.addons.measures import failed
from ringlet_mitm.addons.usage.rows import AttemptRow, RequestRow

Attributes = dict[str, str | int | float | bool]

TOKEN_USAGE = "gen_ai.client.token.usage"
TOKEN_BUCKETS = tuple(4.0**power for power in range(14))
DURATION = "gen_ai.client.operation.duration"
FIRST_CHUNK = "gen_ai.client.operation.time_to_first_chunk"
DURATION_BUCKETS = tuple(0.01 * 2**power for power in range(14))

# Ours where theirs is another; a provider that they have no name for keeps its own.
PROVIDERS: Mapping[str, str] = {
    "azure-deployments": "azure.ai.openai",
    "azure-openai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "moonshot-cn": "moonshot_ai",
    "openai-codex": "openai",
    "vertex": "gcp.vertex_ai",
    "xai": "x_ai",
}
# By the wire format that the provider was spoken to in; all others are chats.
OPERATIONS: Mapping[str, str] = {"gemini": "generate_content"}


def measured(row: RequestRow) -> Attributes:
    """Attributes of its metrics: few values each."""
    found: Attributes = {
        "gen_ai.operation.name": OPERATIONS.get(row.provider_format or row.agent_format, "chat"),
        "gen_ai.provider.name": PROVIDERS.get(row.provider, row.provider or "passthrough"),
        "gen_ai.request.model": row.routed_model or row.requested_model,
        "gen_ai.response.model": row.answered_model,
        "error.type": error_type(row),
    }
    return {name: value for name, value in found.items() if value != ""}


def spanned(row: RequestRow) -> Attributes:
    """Attributes of its span."""
    usage = row.usage
    tokens: dict[str, int] = {}
    if row.usage_source != "none":
        tokens = {
            "gen_ai.usage.input_tokens": usage.total_input,
            "gen_ai.usage.output_tokens": usage.total_output,
            "gen_ai.usage.cache_read.input_tokens": usage.cache_read_tokens,
            "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
            "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
        }
    found: dict[str, str | int | float | bool | None] = {
        **measured(row),
        **tokens,
        "gen_ai.conversation.id": row.session or None,
        "gen_ai.request.stream": row.stream,
        "gen_ai.request.max_tokens": row.max_output_tokens,
        "gen_ai.response.time_to_first_chunk": first_chunk_s(row),
        "http.response.status_code": row.status,
        "ringlet.request.id": row.id,
        "ringlet.profile": row.profile,
        "ringlet.agent": row.agent or None,
        "ringlet.rule": row.rule,
        "ringlet.requested_model": row.requested_model or None,
        "ringlet.usage_source": row.usage_source,
        "ringlet.cost_usd": None if row.cost_total is None else float(row.cost_total),
        "ringlet.attempts": row.attempts,
        "ringlet.origin": row.origin,
    }
    return {name: value for name, value in found.items() if value is not None}


def tried(row: AttemptRow) -> Attributes:
    """Attributes of one try, an event of the span."""
    found: dict[str, str | int | None] = {
        "ringlet.attempt": row.number,
        "gen_ai.provider.name": PROVIDERS.get(row.provider, row.provider or "passthrough"),
        "gen_ai.request.model": row.model or None,
        "http.response.status_code": row.status,
        "error.type": row.error_class or None,
        "ringlet.wait_ms": row.wait_ms,
    }
    return {name: value for name, value in found.items() if value is not None}


def span_name(row: RequestRow) -> str:
    """`{gen_ai.operation.name} {gen_ai.request.model}`."""
    said = measured(row)
    return f"{said['gen_ai.operation.name']} {said.get('gen_ai.request.model', '')}".strip()


def error_type(row: RequestRow) -> str:
    """The kind of failure, or the status where that is all there is; '' where it went well."""
    return row.error_class or (str(row.status) if failed(row) and row.status is not None else "")


def first_chunk_s(row: RequestRow) -> float | None:
    """Of a stream only, as the conventions have it."""
    return (row.first_byte_us - row.started_us) / 1_000_000 if row.stream and row.first_byte_us is not None else None
