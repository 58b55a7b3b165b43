"""From the name of a key to the key."""

from __future__ import annotations

from collections.abc import Mapping

from ringlet_mitm.addons.credentials.secret import Secret
from ringlet_mitm.rules.errors import NoKey
from ringlet_mitm.rules.keys import KeyRef


class Vault:
    """Keys from the environment that the proxy was started with."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def find(self, ref: KeyRef) -> Secret | None:
        """The key that `ref` names, None where it is not set; white space around a pasted key is dropped."""
        for variable in ref.variables:
            text = self._environ.get(variable, "").strip()
            if text:
                return Secret(text, f"env:{variable}")
        return None

    def get(self, ref: KeyRef, provider: str) -> Secret:
        """Like `find`; raises NoKey with the command that mends it."""
        secret = self.find(ref)
        if secret is None:
            names = " or ".join(ref.variables)
            raise NoKey(f"no key for provider '{provider}': set {names} where ringlet-mitm runs, then start it again")
        return secret
