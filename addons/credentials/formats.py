"""Keys that look like another vendor's, or like no key at all: told before the first request fails. Never blocks.

Only a vendor's own host is known to take its own keys and no others: gateways and a person's own base URLs take what
they like, so nothing is said about those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ringlet_mitm.addons.credentials.secret import Secret
from ringlet_mitm.addons.credentials.vault import Vault
from ringlet_mitm.rules.endpoint_urls import endpoint_of
from ringlet_mitm.rules.errors import RingletError
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.providers import ProviderRegistry, ProviderSpec
from ringlet_mitm.rules.rulebook import RuleBook
from ringlet_mitm.rules.targets import ProfilePin

# A shorter prefix (`sk-`) does not tell whose a key is: half of all vendors begin theirs as OpenAI does.
TELLING = 4

# What is no API key, by how it begins, and what to do. Longer ones first. Anthropic: "only authorized for use with
# Claude Code", seen 2026-11; OpenAI and Anthropic, admin keys: API references, accessed 2026-11-21.
OTHER_KINDS = {
    "sk-ant-oat": "a token of a Claude plan, which Anthropic takes from Claude Code only: let Claude Code pass through "
    "with it, and make an API key at https://platform.claude.com/settings/keys for the rest",
    "sk-ant-ort": "a refresh token of a Claude plan: make an API key at https://platform.claude.com/settings/keys",
    "sk-ant-admin": "an admin key of Anthropic, which no model takes: make an API key",
    "sk-admin-": "an admin key of OpenAI, which no model takes: make a project's key",
    "Bearer ": "a whole header: leave 'Bearer ' out",
    '"': "in quotes: leave them out",
    "'": "in quotes: leave them out",
    "$": "the name of a variable and not what is in it: set the key itself",
}


def complaint(spec: ProviderSpec, registry: ProviderRegistry, secret: Secret) -> str | None:
    """What is odd about a provider's key and how to mend it, in a sentence without the key; None where all is well.

    Of all providers the longest prefix that fits tells whose key it is: `sk-ant-…` is Anthropic's, though OpenAI's own
    begin with `sk-`.
    """
    if not _is_first_party(spec, registry):
        return None
    text = secret.reveal()
    other_kind = next((said for begin, said in OTHER_KINDS.items() if text.startswith(begin)), None)
    if other_kind is not None and not text.startswith(tuple(_longer(spec, text))):
        return f"{secret.label} is {other_kind}"
    prefix, owners = _owners(registry, text)
    if spec.provider_id in {owner.provider_id for owner in owners}:
        return None
    if owners and len(prefix) >= TELLING:
        return _anothers(spec, owners[0], prefix, secret.label)
    if not spec.key_prefixes or text.startswith(spec.key_prefixes):
        return None
    begins = " or ".join(f"'{prefix}'" for prefix in spec.key_prefixes)
    where = f"; get one at {spec.docs_url}" if spec.docs_url else ""
    return f"{secret.label} does not look like a key of {spec.display_name}: those begin with {begins}{where}"


def complaints(asked: Iterable[tuple[str, KeyRef | None]], registry: ProviderRegistry, vault: Vault) -> list[str]:
    """What is odd about the keys of these providers, each said once. May wait for the keyring."""
    said: dict[str, None] = {}
    for provider_id, ref in asked:
        spec = registry.get(provider_id)
        ref = ref or (spec.key_ref if spec else None)
        try:
            secret = vault.find(ref) if ref else None
        except RingletError as error:
            said[str(error)] = None
            continue
        found = complaint(spec, registry, secret) if spec and secret else None
        if found:
            said[found] = None
    return list(said)


def configured(book: RuleBook, pin: ProfilePin | None) -> Iterator[tuple[str, KeyRef | None]]:
    """The providers that rules and profile name, and the keys that are theirs alone; None for the provider's own."""
    waiting = [route for one in book.every for route in (*one.ways, *filter(None, (one.shadow,)))]
    while waiting:
        route = waiting.pop(0)
        waiting += route.fallback
        if route.provider is not None:
            yield route.provider, route.key
    if pin is not None and pin.provider is not None:
        yield pin.provider, None
    if pin is not None:
        yield from pin.shared_keys.items()
        yield from ((provider_id, key) for provider_id, keys in pin.further_keys.items() for key in keys)
        yield from ((provider_id, None) for provider_id in pin.fallback_providers)
        yield from ((provider_id, KeyRef((variable,))) for provider_id, variable in pin.keys.items())


def _is_first_party(spec: ProviderSpec, registry: ProviderRegistry) -> bool:
    """A vendor that we know, at its own address; not `custom:URL`, whose host is its own as well."""
    known = any(spec.provider_id == other.provider_id for other in registry.list_providers())
    return known and not spec.source and endpoint_of(spec.default_base_url).host in spec.hosts


def _longer(spec: ProviderSpec, text: str) -> Iterator[str]:
    """Its own prefixes that say more than the table above: a vendor that does take such tokens."""
    begin = next((begin for begin in OTHER_KINDS if text.startswith(begin)), "")
    return (prefix for prefix in spec.key_prefixes if len(prefix) >= len(begin))


def _owners(registry: ProviderRegistry, text: str) -> tuple[str, list[ProviderSpec]]:
    """The longest known prefix of a key, and whose it is."""
    found: dict[str, list[ProviderSpec]] = {}
    for spec in registry.list_providers():
        for prefix in spec.key_prefixes:
            if not spec.source and text.startswith(prefix):
                found.setdefault(prefix, []).append(spec)
    longest = max(found, key=len, default="")
    return longest, found.get(longest, [])


def _anothers(spec: ProviderSpec, owner: ProviderSpec, prefix: str, label: str) -> str:
    mends = f"set {owner.api_key_env_vars[0]} to it" if owner.api_key_env_vars else f"it is for '{owner.provider_id}'"
    return (
        f"{label} is a key of {owner.display_name} (it begins with '{prefix}'), not of {spec.display_name}: "
        f"{mends}, or route to '{owner.provider_id}'"
    )
