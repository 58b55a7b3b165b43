"""The HTTP client of logins and refreshes: one request, one answer, no shell variables, no way to another host.

The shell of a person who works through us says `HTTPS_PROXY=…` and means this very proxy; a login that obeyed would go
through it, and a refresh made by the proxy would wait for itself. So nothing is taken from the environment.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from ringlet_mitm.addons.connect_to import Detour
from ringlet_mitm.addons.credentials.logins.asking import Answer, Ask, VendorTrouble

TIMEOUT = httpx.Timeout(20.0, connect=10.0)
# The longest answers are tokens of a few KB.
BODY_LIMIT = 256 * 1024
HEADERS = {"accept": "application/json", "user-agent": "ringlet-mitm"}


class Detours(httpx.HTTPTransport):
    """Opens connections elsewhere, as curl's --connect-to: the `Host` header and the certificate's name stay."""

    def __init__(self, detours: tuple[Detour, ...], context: ssl.SSLContext) -> None:
        # Without keeping connections: the pool tells them by address, and detours lead many names to one.
        super().__init__(verify=context, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
        self._table = {(detour.host, detour.port): (detour.to_host, detour.to_port) for detour in detours}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send it to where its detour leads."""
        name, port = request.url.host.lower(), request.url.port or 443
        for place in ((name, port), (name, 0), ("", port), ("", 0)):
            if place in self._table:
                to_host, to_port = self._table[place]
                request.extensions = {**request.extensions, "sni_hostname": name}
                request.url = request.url.copy_with(host=to_host, port=to_port)
                break
        return super().handle_request(request)


@dataclass(frozen=True, slots=True)
class VendorClient:
    """Asks over HTTPS; `ca` is trusted in place of the public authorities, as with the proxy's `--upstream-ca`."""

    detours: tuple[Detour, ...] = ()
    ca: Path | None = None

    def ask(self, ask: Ask) -> Answer:
        """The answer, whatever its status; raises VendorTrouble where there is none."""
        host = httpx.URL(ask.url).host
        if httpx.URL(ask.url).scheme != "https":
            raise VendorTrouble(f"{ask.url} would send a login unencrypted; its provider file needs an https:// URL")
        try:
            with self._session() as session:
                return _answer(session, ask, host)
        except httpx.HTTPError as error:
            raise VendorTrouble(f"{host} cannot be reached: {_reason(error)}") from None

    def _session(self) -> httpx.Client:
        context = ssl.create_default_context(cafile=str(self.ca)) if self.ca else _public_authorities()
        return httpx.Client(
            transport=Detours(self.detours, context), timeout=TIMEOUT, trust_env=False, follow_redirects=False
        )


def _public_authorities() -> ssl.SSLContext:
    """The list that the proxy trusts too, whatever `SSL_CERT_FILE` says: ours has our own authority in it."""
    return httpx.create_ssl_context(trust_env=False)


def _answer(session: httpx.Client, ask: Ask, host: str) -> Answer:
    headers = {**HEADERS, **ask.headers}
    request = session.build_request(ask.method, ask.url, data=ask.form, json=ask.json, headers=headers)
    answer = session.send(request, stream=True)
    try:
        if answer.is_redirect:
            raise VendorTrouble(f"{host} sends the login elsewhere (HTTP {answer.status_code}), which is not followed")
        body = bytearray()
        for piece in answer.iter_bytes():
            body += piece
            if len(body) > BODY_LIMIT:
                raise VendorTrouble(f"{host} answered with more than {BODY_LIMIT // 1024} KB")
    finally:
        answer.close()
    return Answer(answer.status_code, _object(bytes(body)), host)


def _object(body: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _reason(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {TIMEOUT.read:.0f} s"
    hint = "; behind a company's proxy:  --upstream-ca FILE" if "CERTIFICATE_VERIFY_FAILED" in str(error) else ""
    return (str(error) or type(error).__name__) + hint
