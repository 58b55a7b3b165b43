"""What is secret, and the one mask for it: logs, rows, dumps and views all show what these functions return.

Two nets, because either alone has holes: *names* (a header, query or body key called `x-api-key`) catch keys of any
shape, *shapes* (`sk-ant-…`, `AIza…`, `Bearer …`) catch keys wherever they stand. A caller that knows the very secrets
passes them as a third. Prefixes that tell whose key it is stay readable; nothing of the key's own does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

MASK = "***"

# Named exactly; matched in lower case.
SECRET_HEADERS = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "x-goog-iam-authorization-token",
        "x-amz-security-token",
        "cookie",
        "set-cookie",
    }
)
SECRET_QUERY = frozenset(
    {
        *("key", "api_key", "api-key", "apikey", "token", "access_token"),
        *("sig", "signature", "x-amz-signature", "x-goog-signature"),
    }
)
# Any name that ends so is secret too, whoever invented it: `anthropic_auth_token`, `client-secret`.
SECRET_ENDINGS = (
    *("api_key", "api-key", "apikey", "_token", "-token"),
    *("secret", "password", "passwd", "authorization", "credential"),
)

# Vendors' key prefixes; what follows is the key. Longer ones first (`sk-ant-` before `sk-`).
PREFIXES = (
    r"sk-ant-(?:api\d\d-|oat\d\d-|ort\d\d-|admin\d\d-)?",  # Anthropic: API key, OAuth tokens, admin key
    r"sk-or-(?:v1-)?",  # OpenRouter
    r"sk-(?:proj-|svcacct-|admin-|kimi-|cp-)?",  # OpenAI and the many that copy it
    r"gsk_",  # Groq
    r"xai-",
    r"AIza",  # Google API key
    r"AQ\.",  # Google, since 2026
    r"ya29\.",  # Google OAuth
    r"gh[oprsu]_",  # GitHub, and so Copilot
    r"github_pat_",
    r"hf_",
    r"pplx-",
    r"csk-",
    r"tgp_v1_",
    r"fw_",
    r"AKIA",
    r"eyJ[\w-]{8,}\.eyJ",  # JSON Web Token
)
_SHAPES = rf"(?<![\w])(?P<prefix>{'|'.join(PREFIXES)})[\w.~+/=-]{{12,}}"
_SCHEME = r"(?P<scheme>\b(?:bearer|basic)\s+)(?![*])[\w.~+/=-]{6,}"
_NAMED = (
    r"(?P<name>(?<![\w-])[\w-]{0,40}?(?:api[_-]?key|[_-]token|secret|password|passwd|authorization)[\"']?\s*[:=]\s*[\"']?)"
    r"(?P<kept>(?:bearer|basic|token)\s+)?(?![*]|(?:bearer|basic|token)\s)[^\s\"'&,;})\]]+"
)
_COOKIE = r"(?P<cookie>\bcookie[\"']?\s*[:=]\s*[\"']?)(?![*\s])[^\r\n\"']+"  # many pairs, to the end of the line
_QUERY = rf"(?P<query>[?&](?:{'|'.join(sorted(SECRET_QUERY, key=len, reverse=True))})=)(?![*])[^&#\s\"']+"
_USERINFO = r"(?P<user>://[^/@:\s]*:)(?![*])[^/@\s]+(?=@)"
_ANY = re.compile("|".join((_QUERY, _USERINFO, _COOKIE, _NAMED, _SCHEME, _SHAPES)), re.IGNORECASE)

# Every pattern above needs one of these in the text; most log lines have none, and leave here after 1 us.
_HINTS = (
    *("sk-", "gsk_", "xai-", "aiza", "aq.", "ya29.", "gh", "hf_", "pplx-", "tgp_", "fw_", "akia", "eyj", "://"),
    *("bearer", "basic", "key", "token", "secret", "passw", "authoriz", "cookie", "sig"),
)
# A shorter one would blank ordinary words out of a log.
SHORTEST_SECRET = 6


def is_secret_name(name: str) -> bool:
    """Whether what a header, query or body key of this name holds is a secret."""
    name = name.lower()
    return name in SECRET_HEADERS or name in SECRET_QUERY or name.endswith(SECRET_ENDINGS)


def masked(text: str, known_secrets: Iterable[str] = ()) -> str:
    """`text` with everything secret in it replaced; masking twice changes nothing more."""
    for secret in known_secrets:
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, MASK)
            text = text.replace(quote(secret, safe=""), MASK)
    lower = text.lower()
    for hint in _HINTS:
        if hint in lower:
            return _ANY.sub(_replacement, text)
    return text


def masked_url(url: str) -> str:
    """A URL or a path with its query, without keys and passwords; every other character stays."""
    return masked(url)


def masked_headers(headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    """Headers without secrets; of `Authorization` the scheme stays."""
    return tuple((name, _masked_value(name, value)) for name, value in headers)


def _masked_value(name: bytes, value: bytes) -> bytes:
    text = value.decode("utf-8", "surrogateescape")
    if is_secret_name(name.decode("latin-1")):
        scheme, space, _ = text.partition(" ")
        kept = scheme + space if space and scheme.lower() in ("bearer", "basic") else ""
        return f"{kept}{MASK}".encode("utf-8", "surrogateescape")
    return masked(text).encode("utf-8", "surrogateescape")


def _replacement(match: re.Match[str]) -> str:
    kept = next((part for part in match.group("query", "user", "cookie", "name", "scheme", "prefix") if part), "")
    return f"{kept}{match['kept'] or ''}{MASK}"
