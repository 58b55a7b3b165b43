"""Model servers on this machine: who answers at the addresses of the local providers, and with which models.

Several servers have the same usual port (8080: TGI, MLX, llama.cpp; 8000: vLLM and any other), so an address says
little. Each address is asked once, all of them at the same time, and who answers is told by what no other server says:
the fingerprints in the provider files. A server that is known by one of them at another's port is named as what it is,
with the variable that says where it is. What answers like OpenAI and has no fingerprint is the provider of that address
that has none either.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

import httpx

from ringlet_mitm.rules.provider_files import Fingerprint
from ringlet_mitm.rules.providers import ProviderRegistry, ProviderSpec

TIMEOUT_S = 0.5
BODY_LIMIT = 4 * 1024 * 1024
LOOPBACK = frozenset({"127.0.0.1", "::1", "0.0.0.0", "localhost"})
# Where each kind of listing is, below the base URL or (with its own slash) at the root of the host.
LISTINGS = {"openai": "{base}/models", "ollama": "{origin}/api/tags"}
KEY_ASKED = (401, 403)
NO_CHAT = ("embed", "rerank", "whisper", "tts")


@dataclass(frozen=True, slots=True)
class Found:
    """A server that answers.

    `base_url` is what its provider has to be told where `elsewhere`: it is not at that provider's address. `sure` is
    false where only the address speaks for it; `or_else` are other providers of that address. `wants_key` where it
    answered that a key is missing.
    """

    spec: ProviderSpec
    base_url: str
    models: tuple[str, ...] = ()
    sure: bool = True
    elsewhere: bool = False
    wants_key: bool = False
    or_else: tuple[str, ...] = ()
    latency_ms: float = 0.0

    @property
    def model(self) -> str:
        """The provider's default where it is there, else the first that chats; "" where it names none."""
        if self.spec.default_model in self.models:
            return self.spec.default_model or ""
        chats = [model for model in self.models if not any(word in model.lower() for word in NO_CHAT)]
        return next(iter((*chats, *self.models)), "")

    @property
    def route(self) -> str:
        """What to write behind `to =`; the provider alone where it names no model."""
        return f"{self.spec.provider_id}/{self.model}" if self.model else self.spec.provider_id


@dataclass(slots=True)
class _Answers:
    """What one address said, by URL: the status, and JSON or None. Nobody is asked twice for the same."""

    client: httpx.AsyncClient
    known: dict[str, asyncio.Task[tuple[int, Any]]] = field(default_factory=dict)

    async def get(self, url: str) -> tuple[int, Any]:
        if url not in self.known:
            self.known[url] = asyncio.ensure_future(_fetched(self.client, url))
        return await self.known[url]


async def discover(registry: ProviderRegistry, timeout_s: float = TIMEOUT_S) -> list[Found]:
    """Every server that answers at the address of a local provider, in the order of the providers' names.

    `timeout_s` is for each answer; a whole search takes three of them at most.
    """
    local = sorted(registry.list_providers("local"), key=lambda spec: spec.provider_id)
    addresses: dict[tuple[str, int | None], list[ProviderSpec]] = {}
    for spec in local:
        addresses.setdefault(_address(spec.default_base_url), []).append(spec)
    async with httpx.AsyncClient(timeout=timeout_s, trust_env=False) as client:
        found = await asyncio.gather(*(_at(_Answers(client), group, local) for group in addresses.values()))
    return sorted((one for one in found if one is not None), key=lambda one: one.spec.provider_id)


async def probe(spec: ProviderSpec, timeout_s: float = TIMEOUT_S) -> Found | None:
    """The same of one provider, taken at its word, whatever it is that answers there; None where nobody does."""
    async with httpx.AsyncClient(timeout=timeout_s, trust_env=False) as client:
        answers, origin = _Answers(client), _origin(spec.default_base_url)
        status, said = await answers.get(_listing(spec, origin))
        return Found(spec, spec.default_base_url, models_in(said), wants_key=status in KEY_ASKED) if status else None


async def _at(answers: _Answers, here: list[ProviderSpec], local: Iterable[ProviderSpec]) -> Found | None:
    """Who answers at the address of the providers `here`."""
    started = time.monotonic()
    origin = _origin(here[0].default_base_url)
    listed = await asyncio.gather(*(answers.get(url) for url in {_listing(spec, origin) for spec in here}))
    latency_ms = (time.monotonic() - started) * 1000
    if not any(status for status, _ in listed):
        return None
    known = [spec for spec in local if spec.fingerprints]
    seen = await asyncio.gather(*(_recognised(answers, spec, origin) for spec in known))
    certain = [
        (-certainty, spec not in here, place)
        for place, (certainty, spec) in enumerate(zip(seen, known, strict=True))
        if certainty
    ]
    chosen = [known[place] for _, _, place in sorted(certain)]
    sure = bool(chosen)
    chosen = chosen or [spec for spec in here if not spec.fingerprints] or here
    spec = chosen[0]
    status, said = await answers.get(_listing(spec, origin))
    models = models_in(said)
    if not sure and not models and status not in KEY_ASKED:
        return None  # something else that speaks HTTP
    own = spec in here
    return Found(
        spec=spec,
        base_url=spec.default_base_url if own else origin + urlsplit(spec.default_base_url).path,
        models=models,
        sure=sure or len(here) == 1,
        elsewhere=not own,
        wants_key=status in KEY_ASKED,
        or_else=tuple(other.provider_id for other in chosen[1:]),
        latency_ms=latency_ms,
    )


async def _recognised(answers: _Answers, spec: ProviderSpec, origin: str) -> int:
    """How surely a server is the provider's: 2 where it says a name, 1 where it has what others have not, 0 else."""
    said = await asyncio.gather(*(answers.get(origin + mark.path) for mark in spec.fingerprints))
    pairs = zip(spec.fingerprints, said, strict=True)
    return max((2 if mark.value else 1 for mark, (_, answer) in pairs if fits(mark, answer)), default=0)


def fits(mark: Fingerprint, said: Any) -> bool:
    """Whether an answer bears a fingerprint."""
    if not isinstance(said, dict):
        return False
    if mark.lacks and _inside(said, mark.lacks) is not None:
        return False
    found = _inside(said, mark.has) if mark.has else ""
    return found is not None and (not mark.value or fnmatchcase(str(found), mark.value))


def _inside(said: Any, path: str) -> Any:
    """What stands at `data.0.owned_by`, None where nothing does."""
    found = said
    for key in path.split("."):
        if isinstance(found, list):
            found = found[int(key)] if key.isdigit() and int(key) < len(found) else None
        else:
            found = found.get(key) if isinstance(found, dict) else None
    return found


def models_in(said: Any) -> tuple[str, ...]:
    """The names in a list of models: OpenAI's `data`, or Ollama's `models`, whose names have their tags."""
    if not isinstance(said, dict):
        return ()
    rows = said.get("data") if isinstance(said.get("data"), list) else said.get("models")
    names = (row.get("id") or row.get("name") for row in rows or () if isinstance(row, dict))
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str) and name))


def _listing(spec: ProviderSpec, origin: str) -> str:
    base = origin + urlsplit(spec.default_base_url).path.rstrip("/")
    return LISTINGS.get(spec.discovery, LISTINGS["openai"]).format(base=base, origin=origin)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _address(url: str) -> tuple[str, int | None]:
    """Host and port; this machine has several names."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    return "localhost" if host in LOOPBACK else host, parts.port or (443 if parts.scheme == "https" else 80)


async def _fetched(client: httpx.AsyncClient, url: str) -> tuple[int, Any]:
    """Status and JSON; 0 where nobody answers in time, None where it is no JSON."""
    body = b""
    try:
        async with client.stream("GET", url, headers={"accept": "application/json"}) as answer:
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > BODY_LIMIT:
                    return answer.status_code, None
    except (httpx.HTTPError, httpx.InvalidURL):
        return 0, None
    try:
        return answer.status_code, json.loads(body) if answer.is_success else None
    except (ValueError, RecursionError):
        return answer.status_code, None


def as_dict(found: Found) -> Mapping[str, object]:
    """For JSON and for who asks from Python."""
    return {
        "provider": found.spec.provider_id,
        "name": found.spec.display_name,
        "base_url": found.base_url,
        "models": list(found.models),
        "to": found.route,
        "sure": found.sure,
        "or_else": list(found.or_else),
        "wants_key": found.wants_key,
        "latency_ms": round(found.latency_ms, 1),
        "set": {found.spec.base_url_env_var: found.base_url} if found.elsewhere and found.spec.base_url_env_var else {},
    }
