"""Keys and region of AWS: whatever botocore's chain finds (variables, profile, SSO, container, instance)."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ringlet_mitm.addons.credentials.flights import Flights
from ringlet_mitm.addons.credentials.sigv4 import OWN_HEADERS, AwsKeys, Call, Scope, authority, signature_headers
from ringlet_mitm.addons.outbound import Outbound
from ringlet_mitm.rules.errors import NoKey, RouteError

SERVICE = "bedrock"
# botocore renews keys ten minutes before they end; asked every minute, they never end in between.
ASK_AGAIN_S = 60.0
REGION = re.compile(r"(?<=\.)(?P<region>[a-z]{2,4}(?:-[a-z]+)+-\d+)(?=\.)")
# Some 0.7 ms of hashing (2026-11); beyond this the other streams would wait too long.
APART_BYTES = 256 * 1024
# What a signature covers besides the host and the date. Others may be rewritten on the way out.
SIGNED = frozenset({b"content-type"})
MISSING = "requests to AWS are signed by botocore's rules, which is not installed; run: pip install 'ringlet-mitm[aws]'"
NO_KEYS = (
    "no AWS credentials: set AWS_BEARER_TOKEN_BEDROCK to a Bedrock API key, or sign in with: aws configure, or aws sso "
    "login"
)


class Session(Protocol):
    """Of botocore's session, what is used here."""

    def get_credentials(self) -> Any:
        """The first that the chain finds, or None."""

    def get_config_variable(self, logical_name: str) -> Any:
        """A setting of the profile or a variable."""


@dataclass(frozen=True, slots=True)
class Found:
    """Keys for the next minute; `method` is what botocore calls the place that they are from."""

    keys: AwsKeys
    region: str
    method: str
    until: float


class AwsSigner:
    """Signs for Bedrock. The chain runs in a thread; between its turns signing costs some 50 µs."""

    def __init__(
        self,
        environ: Mapping[str, str],
        make_session: Callable[[Mapping[str, str]], Session] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._environ = environ
        self._make_session = make_session or _session
        self._clock = clock
        self._session: Session | None = None
        self._found: Found | None = None
        self._flights: Flights[Found] = Flights()

    async def signed(self, outbound: Outbound) -> tuple[Outbound, str]:
        """The request with its signature, and the label of the keys in it; raises NoKey."""
        found = self._found
        if found is None or self._clock() >= found.until:
            found = await self._flights.once("", self._look)
        region = region_of(outbound.host) or found.region
        if not region:
            raise RouteError(f"no AWS region in {outbound.host}: set AWS_REGION where ringlet-mitm runs")
        scope, label = Scope(self._clock(), region, SERVICE), f"aws:{found.method}"
        if len(outbound.body) > APART_BYTES:
            return await asyncio.to_thread(sign, outbound, found.keys, scope), label
        return sign(outbound, found.keys, scope), label

    def forget(self) -> None:
        """Run the chain anew for the next request."""
        self._found = self._session = None

    def _look(self) -> Found:
        try:
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError:
            raise NoKey(MISSING) from None
        try:
            if self._session is None:
                self._session = self._make_session(self._environ)
            chain = self._session.get_credentials()
            if chain is None:
                self._session = None  # the chain would remember that there are none
                raise NoKey(NO_KEYS)
            frozen = chain.get_frozen_credentials()
            region = self._environ.get("AWS_REGION") or self._session.get_config_variable("region") or ""
        except (BotoCoreError, ClientError) as error:
            self._session = None
            raise NoKey(f"AWS gives no credentials: {error}") from None
        keys = AwsKeys(frozen.access_key, frozen.secret_key, frozen.token)
        self._found = Found(keys, region, str(getattr(chain, "method", "")), self._clock() + ASK_AGAIN_S)
        return self._found


def sign(outbound: Outbound, keys: AwsKeys, scope: Scope) -> Outbound:
    """The request with date, token and signature in place of any that it had. Its body goes out as it is here."""
    kept = tuple(item for item in outbound.headers if item[0].lower() not in OWN_HEADERS)
    call = Call(
        method=outbound.method,
        host=authority(outbound.scheme, outbound.host, outbound.port),
        path=outbound.path,
        headers=tuple(item for item in kept if item[0].lower() in SIGNED),
        body=outbound.body,
    )
    return replace(outbound, headers=kept + signature_headers(call, keys, scope), plain=True)


def region_of(host: str) -> str:
    """The region in a host's name (`bedrock-runtime.eu-west-1.amazonaws.com`), "" where it names none."""
    found = REGION.search(host.lower())
    return found["region"] if found else ""


def _session(environ: Mapping[str, str]) -> Session:
    import botocore.session

    session: Session = botocore.session.Session(profile=environ.get("AWS_PROFILE") or None)
    return session
