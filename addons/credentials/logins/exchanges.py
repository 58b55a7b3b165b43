"""Fresh tokens for stored logins, by the name of the authentication scheme. All of it blocks: call it in a thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ringlet_mitm.addons.credentials.login import Login
from ringlet_mitm.addons.credentials.logins.asking import Client, LoginRefused, VendorTrouble
from ringlet_mitm.addons.credentials.logins.device_code import DeviceFlow, renewed
from ringlet_mitm.addons.credentials.logins.flows import BY_SCHEME
from ringlet_mitm.addons.credentials.logins.late_client import LateClient
from ringlet_mitm.addons.credentials.secret import Secret
from ringlet_mitm.rules.errors import NoKey, RouteError

# What failed is not tried again for so long: with a vendor that is silent every request would wait for it, and one that
# refuses would be asked with every request.
SILENT_S = 15.0
REFUSED_S = 60.0


class Exchange(Protocol):
    """Gets a login with a token that can be sent."""

    def fresh(self, login: Login, now: float) -> Login:
        """The same login where it lasts, else a renewed one to be stored; raises NoKey and RouteError."""


class Refresher:
    """Renews logins of one flow, and remembers for a while what failed.

    Share one over a whole process. Calls for one login come one at a time, under the store's lock.
    """

    def __init__(self, flow: DeviceFlow, client: Client) -> None:
        self._flow = flow
        self._client = client
        self._failed: dict[Secret, tuple[float, LoginRefused | VendorTrouble]] = {}

    def fresh(self, login: Login, now: float) -> Login:
        """Renew what has ended or is about to.

        Raises NoKey with the command to type where the vendor refuses; where it only does not answer, the token at
        hand is used to its very end, and then RouteError is raised.
        """
        if not login.spent(now):
            return login
        key = login.refresh or login.secret
        until, failure = self._failed.get(key, (0.0, None))
        if failure is None or now >= until:
            try:
                return renewed(self._flow, login, self._client, now)
            except (LoginRefused, VendorTrouble) as error:
                failure = error
                pause_s = REFUSED_S if isinstance(error, LoginRefused) else SILENT_S
                self._failed[key] = now + pause_s, error
        if isinstance(failure, LoginRefused):
            raise _refused(login, failure)
        if login.spent(now, margin_s=0):
            raise RouteError(f"the login at {_provider(login)} cannot be renewed now: {failure}")
        return login


def exchanges(client: Client) -> Mapping[str, Exchange]:
    """One for each scheme whose tokens end; make them once for a proxy, with its detours and its CA."""
    return {scheme: Refresher(flow, client) for scheme, flow in BY_SCHEME.items()}


EXCHANGES: Mapping[str, Exchange] = exchanges(LateClient())


def _refused(login: Login, failure: LoginRefused) -> NoKey:
    provider = _provider(login)
    if failure.mended_by_login:
        return NoKey(f"your login at {provider} has ended ({failure}); run: ringlet-mitm providers login {provider}")
    return NoKey(f"your login at {provider} is refused: {failure}")


def _provider(login: Login) -> str:
    return login.extra.get("provider", "") or login.secret.label.removeprefix("login:")
