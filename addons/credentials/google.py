"""Google's Application Default Credentials, for Vertex AI: service account, signed-in user, metadata server."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Any

from ringlet_mitm.addons.credentials.flights import Flights
from ringlet_mitm.addons.outbound import Outbound
from ringlet_mitm.rules.errors import NoKey
from ringlet_mitm.rules.shapes import Headers

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
# Tokens last an hour; google-auth itself renews them 3:45 minutes before their end.
MARGIN_S = 240.0
# A token whose end nobody says is asked about again after this.
UNKNOWN_S = 60.0
MISSING = (
    "this provider takes Google credentials, and google-auth is not installed; run: pip install 'ringlet-mitm[google]'"
)
MENDS = "run: gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS to a service account's file"


@dataclass(frozen=True, slots=True)
class Found:
    """The headers of a token (with the project that pays, where the credentials name one), good until then."""

    headers: Headers
    until: float


class GoogleSigner:
    """Sets the token. Finding and renewing it happens in a thread."""

    def __init__(self, find: Callable[[], Any] | None = None, clock: Callable[[], float] = time.time) -> None:
        self._find = find or _default
        self._clock = clock
        self._credentials: Any = None
        self._found: Found | None = None
        self._flights: Flights[Found] = Flights()

    async def signed(self, outbound: Outbound) -> tuple[Outbound, str]:
        """The request with a token, and the label of it; raises NoKey."""
        found = self._found
        if found is None or self._clock() >= found.until:
            found = await self._flights.once("", self._renew)
        names = {name for name, _ in found.headers}
        kept = tuple(item for item in outbound.headers if item[0].lower() not in names)
        return replace(outbound, headers=kept + found.headers), "google-adc"

    def forget(self) -> None:
        """Look for credentials anew for the next request."""
        self._found = self._credentials = None

    def _renew(self) -> Found:
        try:
            from google.auth.exceptions import GoogleAuthError
            from google.auth.transport.requests import Request
        except ImportError:
            raise NoKey(MISSING) from None
        try:
            if self._credentials is None:
                self._credentials = self._find()
            if self._lasts() <= self._clock():
                self._credentials.refresh(Request(_direct()))
        except GoogleAuthError as error:
            self._credentials = None
            raise NoKey(f"Google gives no token ({_reason(error)}); {MENDS}") from None
        self._found = Found(_headers(self._credentials), self._lasts())
        return self._found

    def _lasts(self) -> float:
        """Until when the token is good; 0 where there is none."""
        credentials = self._credentials
        if not credentials.token:
            return 0.0
        if credentials.expiry is None:
            return self._clock() + UNKNOWN_S
        end: float = credentials.expiry.replace(tzinfo=UTC).timestamp()
        return end - MARGIN_S


def _direct() -> Any:
    """Without the shell's `HTTPS_PROXY`, which for a person who works through us is this very proxy."""
    import requests

    session = requests.Session()
    session.trust_env = False
    return session


def _headers(credentials: Any) -> Headers:
    said: dict[str, str] = {}
    credentials.apply(said)
    return tuple((name.lower().encode(), value.encode()) for name, value in said.items())


def _default() -> Any:
    import google.auth

    credentials, _project = google.auth.default(scopes=SCOPES)
    return credentials


def _reason(error: Exception) -> str:
    """Its first line; what comes after it is the vendor's whole answer."""
    text = str(error.args[0]) if error.args else type(error).__name__
    return text.splitlines()[0].strip().rstrip(".") if text else type(error).__name__
