"""A target of the chain and the request as it would leave for it, as the proxy's own preparation made it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.peek import AgentRequest
from ringlet_mitm.rules.redaction import masked_url
from ringlet_mitm.rules.shapes import Loss
from ringlet_mitm.rules.targets import Target

DEFAULT_PORTS = {"https": 443, "http": 80}


class Sent(Protocol):
    """A request as it would leave; the proxy's Outbound is one."""

    @property
    def scheme(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def path(self) -> str: ...
    @property
    def edits(self) -> Sequence[object]: ...
    @property
    def keeps_credentials(self) -> bool: ...
    @property
    def translated(self) -> bool: ...
    @property
    def losses(self) -> Sequence[Loss]: ...


@dataclass(frozen=True, slots=True)
class Leg:
    """One target of the chain and the request prepared for it; for a refused one `sent` is None and `refusal` says why.

    `key_is_set` says whether the key that the target needs was found; None where it needs none of ours. `key_place`
    is where, as rows will say it.
    """

    target: Target
    sent: Sent | None
    refusal: str = ""
    key_is_set: bool | None = None
    key_place: str = ""

    @property
    def url(self) -> str:
        """Where the request goes, keys in the query masked; "" for a refused one."""
        return shown_url(self.sent) if self.sent is not None else ""

    @property
    def credentials(self) -> str:
        """What becomes of the agent's own, and which take their place."""
        target = self.target
        if self.sent is not None and self.sent.keeps_credentials:
            return "the agent's own stay: it is the host that they were sent to"
        if target.key_ref is None or target.auth == "none":
            return "the agent's are removed; none are needed there"
        key = f"the key in {self.key_place.removeprefix('env:') or _places(target.key_ref)}"
        missing = " (not set here: the request would be refused)" if self.key_is_set is False else ""
        return f"the agent's are removed; {key} goes along as {target.auth}{missing}"

    @property
    def key_label(self) -> str | None:
        """Where its key is, as rows say it; None where it needs none of ours."""
        return self.key_place or (self.target.key_ref.label if self.target.key_ref else None)

    def link_dict(self) -> dict[str, Any]:
        """The target, ready for JSON."""
        target = self.target
        return {"provider": target.provider, "model": target.model, "as_asked": target.as_asked, "key": self.key_label}

    def as_dict(self, request: AgentRequest) -> dict[str, Any]:
        """All of it, beside the request as it came, ready for JSON."""
        sent = self.sent
        return {
            "provider": self.target.provider,
            "model": self.target.model,
            "format": str(self.target.format),
            "url": self.url or None,
            "host_changes": sent is not None and sent.host != request.host,
            "edits": None if sent is None else len(sent.edits),
            "translated": sent is not None and sent.translated,
            "losses": [{"what": loss.what, "why": loss.why} for loss in sent.losses] if sent else [],
            "credentials": self.credentials if sent else None,
            "key": self.key_label,
            "key_is_set": self.key_is_set,
            "refusal": self.refusal or None,
        }


def shown_url(request: AgentRequest | Sent) -> str:
    """Its URL as a person would write it, keys in the query masked."""
    port = "" if DEFAULT_PORTS.get(request.scheme) == request.port else f":{request.port}"
    return masked_url(f"{request.scheme}://{request.host}{port}{request.path}")


def _places(ref: KeyRef) -> str:
    """Where a key may be."""
    if ref.file:
        return ref.file_label
    return " or ".join(ref.variables) or f"the login of '{ref.login}'"
