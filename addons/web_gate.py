"""Who may see mitmweb's pages: whoever has the token. Before mitmproxy's own application, the same on every version.

mitmproxy 11.0 asks for nothing, 12 for a token of its own; neither is enough against a page of another site that is
rebound to 127.0.0.1. So each request, WebSockets and static files included, has to

- name this machine as its host (a rebound name says its own),
- come from no other page (`Origin`, `Sec-Fetch-Site`: cookies do not tell ports of one host apart), and
- have the token, in the address or as `Authorization: Bearer`, or the cookie that the address is exchanged for.
"""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router
from tornado.web import Application, RequestHandler

HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
NOT_HERE = "mitmweb is asked for at 127.0.0.1 or localhost only.\n"
NOT_FROM = "Not for pages of other sites.\n"
NO_TOKEN = "Open the whole address that ringlet-mitm printed, with its token: watch it at http://…/?token=…\n"


class Refusal(RequestHandler):
    """Says why."""

    def initialize(self, why: str) -> None:
        """`why` is all that is said."""
        self._why = why

    def prepare(self) -> None:
        """Answer before anything is read."""
        self.set_status(403)
        self.set_header("content-type", "text/plain; charset=utf-8")
        self.finish(self._why)


class Exchange(RequestHandler):
    """Takes the token out of the address, where it would be seen and remembered, and gives a cookie instead."""

    def initialize(self, name: str, value: str) -> None:
        """What to give."""
        self._cookie = name, value

    def get(self) -> None:
        """The page itself, without the token."""
        name, value = self._cookie
        self.set_cookie(name, value, httponly=True, samesite="Strict", path="/")
        self.set_header("referrer-policy", "no-referrer")
        self.set_header("cache-control", "no-store")
        self.redirect("/", status=303)


class Gate(Router):
    """Lets through to `app` whoever may see it; `asks_for` is what `app` itself wants to be asked with, if anything."""

    def __init__(self, app: Application, port: int, asks_for: str = "") -> None:
        self._app = app
        self._own = Application()
        self._asks_for = asks_for
        self._cookie = f"ringlet-mitmweb-{port}", secrets.token_urlsafe(24)
        self.token = secrets.token_urlsafe(24)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        """Who answers: the application, or one of the two above."""
        if not _is_here(request):
            return self._own.get_handler_delegate(request, Refusal, {"why": NOT_HERE})
        if _is_from_elsewhere(request):
            return self._own.get_handler_delegate(request, Refusal, {"why": NOT_FROM})
        given = request.query_arguments.get("token")
        knows = given is not None and _same(given[-1], self.token)
        if knows and request.method == "GET" and request.path == "/":
            name, value = self._cookie
            return self._own.get_handler_delegate(request, Exchange, {"name": name, "value": value})
        if not (knows or self._is_known(request)):
            return self._own.get_handler_delegate(request, Refusal, {"why": NO_TOKEN})
        if self._asks_for:
            request.headers["Authorization"] = f"Bearer {self._asks_for}"
        return self._app.find_handler(request, **kwargs)

    def _is_known(self, request: HTTPServerRequest) -> bool:
        name, value = self._cookie
        cookie = request.cookies.get(name)
        if cookie is not None and _same(cookie.value.encode(), value):
            return True
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and _same(token.encode(), self.token)


def own_token(url: str) -> str:
    """The token in the address that mitmproxy itself would print; "" for none."""
    return parse_qs(urlsplit(url).query).get("token", [""])[0]


def _same(given: bytes, wanted: str) -> bool:
    return secrets.compare_digest(given, wanted.encode())


def _is_here(request: HTTPServerRequest) -> bool:
    """By the `Host` header; any port, since ssh may have forwarded another one."""
    try:
        return urlsplit(f"//{request.headers.get('Host', '')}").hostname in HOSTS
    except ValueError:
        return False


def _is_from_elsewhere(request: HTTPServerRequest) -> bool:
    """A link on another site may be followed: it shows that site nothing."""
    origin = request.headers.get("Origin")
    if origin is not None and origin.lower().partition("://")[2] != request.headers.get("Host", "").lower():
        return True
    follows = request.method == "GET" and request.headers.get("Sec-Fetch-Mode", "").lower() == "navigate"
    return request.headers.get("Sec-Fetch-Site", "none").lower() not in ("none", "same-origin") and not follows
