"""`GET /v1/models` asked of the proxy itself: what the profile can route to, in the asker's format.

Asked of a vendor's host it goes to that vendor.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mitmproxy import http

from ringlet_mitm.addons.live import Ruling
from ringlet_mitm.rules.rulebook import Route

CREATED = 1_700_000_000  # nobody knows when a model was made; some clients refuse a list without it
ENDS = ("/v1/models", "/models", "/v1beta/models")


def routed_models(ruling: Ruling) -> list[tuple[str, str]]:
    """Model and provider of every route, in the order of the rules; each model once."""
    found: dict[str, str] = {}
    for route in _routes(ruling):
        spec = ruling.registry.get(route.provider) if route.provider else None
        names = [route.model] if route.model else []
        if spec is not None and not names:
            names = [name for name in (spec.default_model, *spec.example_models) if name]
        for name in names:
            found.setdefault(name, spec.provider_id if spec else "")
    pin = ruling.pin
    if pin is not None and pin.model:
        found.setdefault(pin.model, pin.provider or "")
    return list(found.items())


def _routes(ruling: Ruling) -> Iterator[Route]:
    waiting = [route for one in ruling.book.every for route in one.ways]
    while waiting:
        route = waiting.pop(0)
        yield route
        waiting[:0] = route.fallback


def models_page(request: http.Request, ruling: Ruling) -> dict[str, Any] | None:
    """The answer to a request for the list of models; None for any other request."""
    path = request.path.partition("?")[0].rstrip("/")
    if request.method != "GET" or path not in ENDS:
        return None
    models = routed_models(ruling)
    if path.startswith("/v1beta") or "x-goog-api-key" in request.headers:
        return {"models": [_gemini(name) for name, _ in models]}
    if "anthropic-version" in request.headers:
        return _anthropic([name for name, _ in models])
    data = [
        {"id": name, "object": "model", "created": CREATED, "owned_by": provider or "passthrough"}
        for name, provider in models
    ]
    return {"object": "list", "data": data}


def _gemini(name: str) -> dict[str, Any]:
    methods = ["generateContent", "streamGenerateContent", "countTokens"]
    return {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": methods}


def _anthropic(names: list[str]) -> dict[str, Any]:
    data = [{"type": "model", "id": name, "display_name": name, "created_at": "2023-11-14T22:13:20Z"} for name in names]
    return {
        "data": data,
        "has_more": False,
        "first_id": names[0] if names else None,
        "last_id": names[-1] if names else None,
    }
