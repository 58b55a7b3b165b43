"""An agent's own login passes unseen: its bodies are mere tokens, and views and files show bodies as they are."""

from __future__ import annotations

from mitmproxy import http

from ringlet_mitm.addons.exchange import exchange_of

# As in platform.claude.com/v1/oauth/token, auth.openai.com/oauth/token, oauth2.googleapis.com/token,
# github.com/login/oauth/access_token, api.github.com/copilot_internal/v2/token (2026-11).
SEGMENTS = frozenset({"oauth", "oauth2", "token", "access_token", "login", "device"})


class TokenAnswers:
    """Keeps no bodies of requests for tokens: the answer streams through, the request's has been sent."""

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Before anything of the answer is there."""
        if exchange_of(flow) is None and flow.response is not None and asks_for_token(flow.request.path):
            flow.request.data.content = b""
            flow.response.stream = flow.response.stream or True

    def response(self, flow: http.HTTPFlow) -> None:
        """It has streamed through; mitmweb of mitmproxy 11 stumbles over a body that is not there at all."""
        if flow.response is not None and flow.response.stream is True and flow.response.data.content is None:
            flow.response.data.content = b""

    def error(self, flow: http.HTTPFlow) -> None:
        """There was no answer."""
        if exchange_of(flow) is None and asks_for_token(flow.request.path):
            flow.request.data.content = b""


def asks_for_token(path: str) -> bool:
    """Whether a path is one of those at which logins are made and renewed."""
    return not SEGMENTS.isdisjoint(path.partition("?")[0].lower().split("/"))
