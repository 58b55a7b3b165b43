"""What identifies the agent's account or machine, and therefore stays with the host that it was sent to.

Seen 2026-11: keys travel in four places (three headers and `?key=`), and vendor identity travels beside them.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import unquote_plus

from ringlet_mitm.rules.redaction import is_secret_name
from ringlet_mitm.rules.shapes import Headers

IDENTITY = frozenset(
    {
        b"openai-organization",
        b"openai-project",
        b"openai-platform",
        b"chatgpt-account-id",
        b"x-gemini-api-privileged-user-id",
        b"x-goog-user-project",
        b"x-goog-api-client",
        b"x-openai-actor-authorization",
        b"x-api-key-id",
        b"anthropic-dangerous-direct-browser-access",
        b"x-claude-remote-container-id",
        b"x-claude-remote-session-id",
        b"session-id",
        b"session_id",
        b"thread-id",
        b"x-session-id",
        b"x-session-affinity",
        b"x-affinity",
        b"x-client-request-id",
        b"x-app",
        b"originator",
        b"origin",
        b"referer",
        b"forwarded",
        b"x-forwarded-for",
        b"x-real-ip",
        b"x-interaction-id",
        b"x-agent-task-id",
        b"traceparent",
        b"tracestate",
        b"baggage",
        b"sentry-trace",
    }
)

PREFIXES = (
    *(b"x-msh-", b"x-codex-", b"x-claude-code-", b"x-stainless-", b"x-openai-", b"x-amz-", b"x-goog-", b"x-github-"),
    *(b"x-factory-", b"x-grok-", b"vscode-", b"x-vscode-", b"cf-", b"sec-"),
)


@lru_cache(maxsize=4096)
def travels(name: bytes) -> bool:
    """Whether a header may go to a host other than the one the agent asked for; `name` in lower case."""
    return not (name in IDENTITY or name.startswith(PREFIXES) or is_secret_name(name.decode("latin-1")))


def without_credentials(headers: Headers) -> Headers:
    """The headers that may go to another vendor."""
    return tuple(item for item in headers if travels(item[0].lower()))


def query_without_keys(query: str) -> str:
    """A query string without the keys in it; the rest stays as it is written."""
    pairs = query.split("&")
    return "&".join(pair for pair in pairs if not is_secret_name(unquote_plus(pair.partition("=")[0])))
