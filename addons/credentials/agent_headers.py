"""What identifies the agent's account or machine, and therefore stays with the host that it was sent to.

Seen 2026-11: keys travel in four places (three headers and `?key=`), and vendor identity travels beside them.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from ringlet_mitm.rules.peek import Headers

CREDENTIALS = frozenset(
    {b"authorization", b"x-api-key", b"x-goog-api-key", b"api-key", b"proxy-authorization", b"cookie", b"x-amz-security-token"}
)

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
    }
)

PREFIXES = (b"x-msh-", b"x-codex-", b"x-claude-code-", b"x-stainless-", b"x-openai-", b"x-amz-", b"x-goog-", b"cf-", b"sec-")

SECRET_QUERY = frozenset({"key", "api_key", "api-key", "access_token"})


def travels(name: bytes) -> bool:
    """Whether a header may go to a host other than the one the agent asked for; `name` in lower case."""
    return name not in CREDENTIALS and name not in IDENTITY and not name.startswith(PREFIXES)


def without_credentials(headers: Headers) -> Headers:
    """The headers that may go to another vendor."""
    return tuple(item for item in headers if travels(item[0].lower()))


def query_without_keys(query: str) -> str:
    """A query string without the keys in it."""
    if not any(name in query.lower() for name in SECRET_QUERY):
        return query
    pairs = parse_qsl(query, keep_blank_values=True)
    return urlencode([pair for pair in pairs if pair[0].lower() not in SECRET_QUERY])
