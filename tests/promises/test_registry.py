"""The catalogue of providers: names, aliases, addresses, variables, and the methods that ask it."""

from __future__ import annotations

import asyncio
from dataclasses import fields
from inspect import signature
from pathlib import Path
from urllib.parse import urlsplit

from promises.sending import asking, built_in, sent, target
from promises.tables import Promise, held, promises

from ringlet_mitm.addons.credentials.secret import Secret
from ringlet_mitm.addons.credentials.signing import NAMES, Signer
from ringlet_mitm.addons.credentials.store import Login, LoginStore
from ringlet_mitm.addons.credentials.vault import Vault
from ringlet_mitm.addons.token_counts import ANSWERS
from ringlet_mitm.rules.agents import presets
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.providers import ProviderCapabilities, ProviderRegistry, ProviderSpec
from ringlet_mitm.rules.rulebook import Route
from ringlet_mitm.rules.shapes import WireFormat, counting_path


def spec_of(promise: Promise) -> ProviderSpec:
    return built_in().require(promise["provider"])


@held("provider")
def test_a_provider(promise: Promise) -> None:
    spec = spec_of(promise)
    assert spec.provider_id == promise["provider"]
    found = {
        "display_name": spec.display_name,
        "adapter": spec.adapter_type,
        "base": spec.default_base_url,
        "category": spec.category,
        "connection": spec.connection_type,
        "base_url_env": spec.base_url_env_var,
        "key_env": list(spec.api_key_env_vars),
        "auth": spec.auth_for(spec.formats[0]),
    }
    said = {key: promise[key] for key in found if key in promise.data}
    if promise.get("key_env"):  # the documents' variables first; a vendor's own further ones may follow
        found["key_env"] = found["key_env"][: len(promise["key_env"])]
    assert {key: found[key] for key in said} == said
    assert {*promise.get("aliases", [])} <= {*spec.aliases}
    assert {*promise.get("speaks", [])} <= {*spec.formats}
    assert [model for model in promise.get("serves", []) if not spec.has_model(model)] == []
    assert promise.get("host") in (None, *(endpoint.host for endpoint in spec.endpoints.values()))
    assert promise.get("url") in (None, *spec.urls.values())
    if "counts" in promise.data:
        counted = counting_path("POST", promise["counts"])
        assert counted is not None
        assert counted[0] in (*spec.formats, *ANSWERS)


@held("built-in")
def test_built_in(promise: Promise) -> None:
    for name in promise["providers"]:
        assert built_in().require(name).source == ""
    if "custom" in promise.data:
        assert built_in().require(promise["custom"]).formats == (WireFormat.CHAT,)


@held("names")
def test_names(promise: Promise) -> None:
    registry = built_in()
    for name in promise["names"]:
        for spelled in (name, name.upper(), name.title()):
            found = registry.get(spelled)
            assert found is not None, spelled
            assert found.provider_id == promise["provider"], spelled
    spec = registry.get(promise["provider"])
    assert spec is not None
    assert promise.get("speaks") in (None, *spec.formats)
    if "nobody" in promise.data:
        assert registry.get(promise["nobody"]) is None
    if "login" in promise.data:
        assert spec.login is not None
        assert spec.login.flow == promise["login"]


@held("all-names")
def test_all_names(promise: Promise) -> None:
    found = {name: built_in().require(name).provider_id for names in promise["names"].values() for name in names}
    assert found == {name: provider for provider, names in promise["names"].items() for name in names}


@held("family")
def test_a_family(promise: Promise) -> None:
    for name in (*promise["names"], *(name.upper() for name in promise["names"])):
        spec = built_in().get(name)
        assert spec is not None, name
        assert urlsplit(spec.default_base_url).hostname in promise["hosts"], name


@held("oauth")
def test_a_variant_with_a_login(promise: Promise) -> None:
    spec = built_in().require(promise["name"])
    assert spec.login is not None
    assert (spec.login.flow, spec.auth_for(spec.formats[0])) == ("minimax-device", "minimax-oauth")
    assert urlsplit(spec.default_base_url).hostname == promise["host"]
    assert spec.api_key_env_vars == ()


@held("custom")
def test_custom_addresses(promise: Promise) -> None:
    for name, wire_format, url in promise["names"]:
        spec = built_in().require(name)
        assert dict(spec.urls) == {WireFormat(wire_format): url}
        endpoint = spec.endpoints[WireFormat(wire_format)]
        assert spec.may_receive_key(*endpoint.origin)


@held("custom-keys")
def test_a_custom_address_takes_a_key_or_none(promise: Promise, tmp_path: Path) -> None:
    name, request = "custom:https://llm.example.com/v1", asking("https://api.openai.com/v1/chat/completions", "m")
    store = LoginStore(home_of({"RINGLET_HOME": str(tmp_path)}))
    signer = Signer(Vault({}, store), built_in)
    outbound, to = sent(request, Route(name)), target(request, Route(name))
    found = []
    for key in ("", "the-key"):
        if key:
            store.save(name, Login("key", Secret(key, f"login:{name}")))
        secret = asyncio.run(signer.key(to))
        signed, _ = asyncio.run(signer.signed(outbound, to, secret))
        found.append(dict(signed.headers).get(b"authorization"))
    assert found == [None, b"Bearer the-key"]


@held("many")
def test_many(promise: Promise) -> None:
    assert len(built_in().list_providers()) > promise["least"]


@held("modes")
def test_two_modes(promise: Promise) -> None:
    local = {spec.provider_id: spec for spec in built_in().list_providers("local")}
    assert {*promise["local"]} <= local.keys()
    assert [name for name, spec in local.items() if spec.requires_api_key] == []
    own = built_in().list_providers("byok")
    assert len(own) + len(local) == len(built_in().list_providers())
    assert not {spec.provider_id for spec in own} & local.keys()


@held("adapter")
def test_adapters(promise: Promise) -> None:
    specs = [spec for spec in built_in().list_providers() if spec.adapter_type == promise["adapter"]]
    assert specs
    assert {*promise["formats"]} <= {wire_format for spec in specs for wire_format in spec.formats}


@held("adapter-count")
def test_adapters_of_the_tables(promise: Promise) -> None:
    rows = [row for row in promises() if row.check == "provider" and "adapter" in row.data]
    adapters = [built_in().require(row["provider"]).adapter_type for row in rows]
    assert (len(adapters), adapters.count("openai_compatible")) == (promise["all"], promise["openai_compatible"])


@held("spec-field")
def test_a_field(promise: Promise) -> None:
    assert promise["field"] in {item.name for item in fields(ProviderSpec)}
    value = getattr(spec_of(promise), promise["field"])
    if "includes" in promise.data:
        assert {*promise["includes"]} <= {*value}
    else:
        assert (list(value) if isinstance(value, tuple) else value) == promise["value"]


@held("registry-default")
def test_the_default_registry(promise: Promise) -> None:
    registry = ProviderRegistry.default()
    assert isinstance(registry, ProviderRegistry)
    assert all(spec.source == "" for spec in registry.list_providers())


@held("registry-list")
def test_listing(promise: Promise) -> None:
    assert signature(ProviderRegistry.list_providers).parameters["connection_type"].default is None
    kinds = {kind: built_in().list_providers(kind) for kind in ("local", "byok")}
    assert all(spec.connection_type == kind for kind, specs in kinds.items() for spec in specs)
    assert len(built_in().list_providers()) == sum(map(len, kinds.values()))


@held("inferred")
def test_inferring(promise: Promise) -> None:
    infer = built_in().infer_provider_from_model
    assert {model: getattr(infer(model), "provider_id", None) for model in promise["models"]} == promise["models"]
    assert [infer(model) for model in promise["nobody"]] == [None] * len(promise["nobody"])


@held("normalized")
def test_normalizing(promise: Promise) -> None:
    for provider, model, name in promise["names"]:
        assert built_in().normalize_model_name(provider, model) == name


@held("docs")
def test_docs(promise: Promise) -> None:
    for provider, url in promise["urls"].items():
        assert (built_in().require(provider).docs_url or "").startswith(url), provider
    empty = [spec.provider_id for spec in built_in().list_providers() if not spec.docs_url]
    assert {*empty} <= {*promise["none"]}


@held("categories")
def test_categories(promise: Promise) -> None:
    assert {spec.category for spec in built_in().list_providers()} == {*promise["categories"]}


@held("streams")
def test_every_provider_streams(promise: Promise) -> None:
    assert [spec.provider_id for spec in built_in().list_providers() if not spec.streams] == []


@held("three-parts")
def test_protocol_authentication_and_models(promise: Promise) -> None:
    for spec in built_in().list_providers():
        assert spec.formats, spec.provider_id
        assert {spec.auth_for(wire_format) for wire_format in spec.formats} <= NAMES, spec.provider_id
        # Without either, names are the person's own: Azure's deployments, a generic server's models.
        assert spec.example_models or (spec.default_model, spec.models) == (None, ()), spec.provider_id


@held("provider-and-agent")
def test_one_name_for_a_provider_and_an_agent(promise: Promise) -> None:
    agents = {preset.agent_id for preset in presets()}
    for name, (provider, agent) in promise["names"].items():
        assert built_in().require(name).provider_id == provider
        assert agent in agents


@held("all-variables")
def test_all_variables_count(promise: Promise) -> None:
    for provider, variables in promise["variables"].items():
        spec = built_in().require(provider)
        assert {*variables} <= {*spec.api_key_env_vars, spec.base_url_env_var}


@held("example")
def test_examples(promise: Promise) -> None:
    assert any(model.startswith(promise["begins"]) for model in spec_of(promise).example_models)


@held("capability")
def test_capabilities_of_providers(promise: Promise) -> None:
    names = [item.name for item in fields(ProviderCapabilities)]
    assert promise["field"] in names
    assert promise.get("fields", names) == names
    assert all(getattr(built_in().require(name).capabilities, promise["field"]) for name in promise["yes"])
