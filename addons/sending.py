"""Requests of our own, sent by a plain HTTP client in the caller's thread: an answer, or what came in its place."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
from mitmproxy import http

from ringlet_mitm.addons.connect_to import Detour
from ringlet_mitm.addons.credentials.logins.vendor_client import Detours
from ringlet_mitm.addons.outbound import Outbound
from ringlet_mitm.addons.rewriting import apply
from ringlet_mitm.rules.failures import Failure, FailureKind, ProviderError
from ringlet_mitm.rules.redaction import masked
from ringlet_mitm.rules.reliability import Timeouts


@dataclass(frozen=True, slots=True)
class Http:
    """How requests are sent: what `--connect-to` and `--upstream-ca` say for a proxy. Nothing of the environment.

    The shell of who works through us says `HTTPS_PROXY=…` and means a proxy of ours.
    """

    detours: tuple[Detour, ...] = ()
    upstream_ca: Path | None = None

    def client(self) -> httpx.Client:
        """A client; it is made once for a connection."""
        ca = self.upstream_ca
        context = ssl.create_default_context(cafile=str(ca)) if ca else httpx.create_ssl_context(trust_env=False)
        transport = Detours(self.detours, context) if self.detours else httpx.HTTPTransport(verify=context)
        return httpx.Client(transport=transport, trust_env=False)


def sent(client: httpx.Client, outbound: Outbound, timeouts: Timeouts) -> httpx.Response | Failure:
    """The whole answer, whatever its status; a failure where there was none."""
    return _asked(client, outbound, list(outbound.headers), _limits(timeouts), stream=False)


def begun(client: httpx.Client, outbound: Outbound, timeouts: Timeouts) -> httpx.Response | Failure:
    """The head of an answer to an agent's request, whose body is still to be read; the caller closes it.

    The headers are those that the proxy would send.
    """
    request = http.Request.make(outbound.method, "https://localhost/")
    apply(request, replace(outbound, plain=True), outbound.body)
    silent = max(timeouts.first_byte_ms, timeouts.idle_ms) / 1000 or None
    limits = httpx.Timeout(silent, connect=_limits(timeouts).connect)
    return _asked(client, outbound, list(request.headers.fields), limits, stream=True)


def _asked(
    client: httpx.Client, outbound: Outbound, headers: list[tuple[bytes, bytes]], limits: httpx.Timeout, *, stream: bool
) -> httpx.Response | Failure:
    path = outbound.path.encode("utf-8", "surrogateescape")
    url = httpx.URL(scheme=outbound.scheme, host=outbound.host, port=outbound.port, raw_path=path)
    request = client.build_request(outbound.method, url, headers=headers, content=outbound.body, timeout=limits)
    try:
        return client.send(request, stream=stream)
    except httpx.ConnectTimeout:
        return _unheard(FailureKind.TIMED_OUT, f"could not be reached within {limits.connect:g} s")
    except httpx.TimeoutException:
        return _unheard(FailureKind.TIMED_OUT, f"did not answer within {limits.read:g} s")
    except httpx.HTTPError as error:
        return _unheard(FailureKind.UNREACHABLE, f"cannot be reached: {masked(str(error)) or type(error).__name__}")


def _unheard(kind: FailureKind, words: str) -> Failure:
    return Failure(kind, None, ProviderError(kind.value, words))


def _limits(timeouts: Timeouts) -> httpx.Timeout:
    """An answer that comes whole comes with its first byte; 0 is no limit. Nobody connects longer than they wait."""
    read_s = timeouts.first_byte_ms / 1000 or None
    connect_s = min(timeouts.connect_ms or timeouts.first_byte_ms, timeouts.first_byte_ms or timeouts.connect_ms) / 1000
    return httpx.Timeout(read_s, connect=connect_s or None)
