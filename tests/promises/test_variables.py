"""Environment variables: keys and base URLs."""

from __future__ import annotations

from promises.tables import Promise, held

from ringlet_mitm.addons.credentials.vault import Vault
from ringlet_mitm.rules.providers import registry


@held("env")
def test_a_variable(promise: Promise) -> None:
    kind, variable = promise["kind"], promise["variable"]
    if kind == "key":
        spec = registry({}).require(promise["provider"])
        assert variable in spec.api_key_env_vars
        assert spec.key_ref is not None
        found = Vault({variable: " the-key \n"}).get(spec.key_ref, spec.provider_id)
        assert (found.reveal(), found.label) == ("the-key", f"env:{variable}")
    else:
        usual = registry({}).require(promise["provider"])
        spec = registry({}, {variable: promise["value"]}).require(promise["provider"])
        assert promise["url"] in spec.urls.values()
        assert not {*usual.urls.values()} & {*spec.urls.values()}
