"""What an agent does, in few words: requests through a proxy, and what was recorded of them."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterable
from typing import Any

import httpx

from ringlet_mitm.cli.demo.stage import RunningProxy

KEYS = {
    "ANTHROPIC_API_KEY": "sk-ant-of-the-proxy-4f1d",
    "OPENAI_API_KEY": "sk-openai-of-the-proxy-77aa",
    "GROQ_API_KEY": "gsk_of-the-proxy-09c2",
    "GEMINI_API_KEY": "AIza-of-the-proxy-e3b1",
    "OPENROUTER_API_KEY": "sk-or-of-the-proxy-5d20",
    "MINIMAX_API_KEY": "mm-of-the-proxy-81be",
}
AGENT_KEY = "sk-ant-of-the-agent-c0ffee"

StartProxy = Callable[..., RunningProxy]


def trusting(proxy: RunningProxy) -> ssl.SSLContext:
    """A TLS context that trusts the proxy's certificates and nothing else."""
    return ssl.create_default_context(cafile=str(proxy.ca_file))


class OnlyHttp2(ssl.SSLContext):
    """httpx offers HTTP/1.1 first even where it shall speak HTTP/2, and mitmproxy takes a client's first offer."""

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Offer HTTP/2 alone."""
        super().set_alpn_protocols(["h2"])


def client(proxy: RunningProxy, *, http2: bool = False, login: str = "") -> httpx.Client:
    """An HTTP client that goes through the proxy; `login` is like `user:password`."""
    context = trusting(proxy)
    if http2:
        context = OnlyHttp2(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(proxy.ca_file)
    url = proxy.url.replace("://", f"://{login}@") if login else proxy.url
    return httpx.Client(proxy=url, verify=context, timeout=30, http1=not http2, http2=http2)


def messages_body(text: str = "hello", **more: Any) -> bytes:
    """The body of a Messages request."""
    body = {"model": "claude-opus-4-8", "max_tokens": 100, "messages": [{"role": "user", "content": text}], **more}
    return json.dumps(body).encode()


def post_messages(http: httpx.Client, body: bytes, **headers: str) -> httpx.Response:
    """Send it as an agent of Anthropic's does."""
    sent = {"content-type": "application/json", "x-api-key": AGENT_KEY, "anthropic-version": "2023-06-01"}
    url = "https://api.anthropic.com/v1/messages"
    return http.post(
        url, content=body, headers={**sent, **{name.replace("_", "-"): value for name, value in headers.items()}}
    )


def rows(proxy: RunningProxy, columns: str = "*", rest: str = "ORDER BY started_us") -> list[dict[str, Any]]:
    """What the proxy has recorded."""
    found = json.loads(proxy.run("usage", "--sql", f"SELECT {columns} FROM requests {rest}", "--json"))
    assert isinstance(found, list)
    return found
