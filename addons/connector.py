"""Every provider from Python: connect to a model, ask it, see what it cost.

    from ringlet_mitm.addons.connector import Connector

    connector = Connector()
    connector.connect_to_model("anthropic/claude-sonnet-4-5")
    print(connector.generate_response("Why is the sky blue?", system_prompt="Be brief."))
    print(connector.get_usage_summary()["totals"])

Keys, endpoints and own providers are those of the proxy: variables, config.toml, `providers login`, `providers/*.toml`.
Each call leaves a row in the same ledger, under the profile `connector`: `ringlet-mitm usage --profile connector`.
Whatever goes wrong is a RingletError whose text says what to do; no key is ever in it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from ringlet_mitm.addons import discovery, tally
from ringlet_mitm.addons.acp_agents import installed
from ringlet_mitm.addons.connect_to import parse_detour
from ringlet_mitm.addons.connection import Connection, text_of, waited
from ringlet_mitm.addons.credentials.store import store_of
from ringlet_mitm.addons.opening import Opener
from ringlet_mitm.addons.price_cache import price_book
from ringlet_mitm.addons.usage.spool import Spool
from ringlet_mitm.addons.wire.canonical import Conversation, Message, Options, Role, Text
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.installation import load_installation
from ringlet_mitm.rules.models import ModelCatalogue
from ringlet_mitm.rules.providers import ProviderRegistry, ProviderSpec

PROFILE = "connector"
Context = str | Mapping[str, object] | Sequence[Mapping[str, str]]


class Connector:
    """Asks one model at a time; make one for each thread. As a context manager it disconnects at the end.

    `environ` stands for this process's variables. `profile` is what the ledger says the calls belong to, and, where
    there is a profile of that name, whose keys are used. `connect_to` and `upstream_ca` are as of `ringlet-mitm serve`.
    When a provider fails, what config.toml says is done: `sleep` waits, other keys, models and providers are tried.
    `config_manager` is taken from callers of interfaces of this shape, and not used.
    """

    def __init__(
        self,
        config_manager: object = None,
        *,
        environ: Mapping[str, str] | None = None,
        profile: str = PROFILE,
        connect_to: Sequence[str] = (),
        upstream_ca: Path | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._environ = dict(os.environ if environ is None else environ)
        self._home = home_of(self._environ)
        self._store = store_of(self._home, self._environ)
        self._spool = Spool(self._home.spool_dir, profile)
        self._tally = tally.Tally()
        self._opener = Opener(
            home=self._home,
            environ=self._environ,
            profile=profile,
            store=self._store,
            sinks=(self._spool.append, lambda row, _: self._tally.add(row)),
            detours=tuple(map(parse_detour, connect_to)),
            upstream_ca=upstream_ca,
            sleep=sleep,
        )
        self._connection: Connection | None = None
        self._problem = ""

    def __enter__(self) -> Connector:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disconnect()
        self._spool.close()

    # Connecting

    def connect_to_model(
        self,
        model_name: str,
        model_type: str | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
    ) -> bool:
        """Use a model from now on; whether it is there, as far as that can be told without paying for an answer.

        The provider is `model_type` (any of its names, in any case), else what stands before the first `/` of
        `model_name`, else config.toml's default. A key or base URL given here goes before the usual one. False is
        answered where a local server does not; what else is wrong (unknown provider, no key) raises RingletError.
        """
        connection = self._opener.open(model_name, model_type, api_key, base_url)
        spec = connection.spec
        self._problem = ""
        if spec.connection_type == "local" and waited(discovery.probe(spec, 2 * discovery.TIMEOUT_S)) is None:
            connection.close()
            self._problem = f"{spec.provider_id} does not answer at {spec.default_base_url}"
            return False
        self.disconnect()
        self._connection = connection
        return True

    def disconnect(self) -> None:
        """Let go of the model; what was counted stays."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def get_connection_status(self) -> dict[str, Any]:
        """What it is connected to; `problem` says why the last attempt gave False."""
        found = self._connection
        if found is None:
            return {"connected": False, "provider": None, "model": None, "base_url": None, "problem": self._problem}
        return {
            "connected": True,
            "provider": found.spec.provider_id,
            "model": found.model,
            "model_id": found.name,
            "base_url": found.spec.default_base_url,
            "connection_type": found.spec.connection_type,
            "adapter_type": found.spec.adapter_type,
            "problem": "",
        }

    # Asking

    def generate_response(
        self,
        prompt: str,
        system_prompt: str | None = None,
        context: Context | None = None,
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
    ) -> str:
        """The model's answer as text.

        `context` is what the prompt is about: text, facts by name, or the messages so far (`role` and `content`).
        """
        if self._connection is None:
            raise UsageError("not connected; call connect_to_model('PROVIDER/MODEL') first")
        options = Options(max_tokens=max_tokens, temperature=temperature)
        return text_of(self._connection.ask(_conversation(prompt, system_prompt, context, options)))

    def generate_response_with_model(
        self,
        prompt: str,
        model_name: str,
        system_prompt: str | None = None,
        context: Context | None = None,
        *,
        model_type: str | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
    ) -> str:
        """The same of another model, for this one answer; the connection stays as it is."""
        connection = self._opener.open(model_name, model_type, api_key, base_url)
        try:
            return text_of(connection.ask(_conversation(prompt, system_prompt, context, Options())))
        finally:
            connection.close()

    # Looking around

    def list_available_ollama_models(self) -> list[str]:
        """What Ollama has pulled, full names with their tags; [] where it does not run."""
        found = waited(discovery.probe(self._registry().require("ollama"), 2 * discovery.TIMEOUT_S))
        return list(found.models) if found is not None else []

    def discover_local_providers(self, timeout: float | None = None) -> list[dict[str, Any]]:
        """Model servers that answer on this machine, with their models; `timeout` is for each answer, in seconds."""
        found = waited(discovery.discover(self._registry(), timeout or discovery.TIMEOUT_S))
        return [dict(discovery.as_dict(one)) for one in found]

    def discover_acp_agents(self, timeout: float | None = None) -> list[dict[str, Any]]:
        """Agents with the Agent Client Protocol whose program is on the PATH. None is started, so nothing can wait."""
        return [asdict(agent) for agent in installed(self._environ)]

    def list_provider_example_models(self, provider_name: str, limit: int | None = None) -> list[str]:
        """The curated models of a provider, best known first; without its key, only those that need none."""
        registry = self._registry()
        names = ModelCatalogue(registry, price_book(self._home, registry)).curated_models(provider_name)
        spec = registry.get(provider_name)
        if spec is not None and spec.free_models and not self._key_label(spec):
            names = tuple(name for name in names if spec.is_free(name))
        return list(names[:limit])

    def get_supported_providers(self) -> list[dict[str, Any]]:
        """All providers, with what is set for them here: `configured`, and where the key comes from."""
        return [self._supported(spec) for spec in self._registry().list_providers()]

    # Counting

    def get_usage_summary(self) -> dict[str, Any]:
        """`totals`, `by_model` (by `provider/model`) and `last_call` of this connector's calls."""
        return self._tally.summary()

    def usage_snapshot(self) -> dict[str, int]:
        """Counters to compare with later ones by `usage_delta`."""
        return self._tally.snapshot()

    @staticmethod
    def usage_delta(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
        """`total_calls`, `prompt_tokens` and `completion_tokens` between two snapshots."""
        return tally.delta(before, after)

    # Within

    def _answer(self, connection: Connection, conversation: Conversation) -> str:
        return text_of(connection.ask(conversation))

    def _registry(self) -> ProviderRegistry:
        return load_installation(self._home, self._environ).registry

    def _key_label(self, spec: ProviderSpec) -> str:
        """Where its key is, without looking at it; "" where there is none."""
        ref = spec.key_ref
        if ref is None:
            return ""
        variable = next((name for name in ref.variables if self._environ.get(name, "").strip()), "")
        if variable:
            return f"env:{variable}"
        return f"login:{ref.login}" if ref.login and self._store.place(ref.login) else ""

    def _supported(self, spec: ProviderSpec) -> dict[str, Any]:
        label = self._key_label(spec)
        return {
            "provider_id": spec.provider_id,
            "display_name": spec.display_name,
            "adapter_type": spec.adapter_type,
            "aliases": list(spec.aliases),
            "category": spec.category,
            "connection_type": spec.connection_type,
            "requires_api_key": spec.requires_api_key,
            "api_key_env_vars": list(spec.api_key_env_vars),
            "base_url": spec.default_base_url,
            "base_url_env_var": spec.base_url_env_var,
            "docs_url": spec.docs_url,
            "example_models": list(spec.example_models),
            "configured": not spec.lacking and not spec.problem and (bool(label) or not spec.requires_api_key),
            "key_source": label,
            "missing_variables": list(spec.lacking),
        }


# The name that other programs know this interface by.
LLMConnector = Connector


def _conversation(prompt: str, system_prompt: str | None, context: Context | None, options: Options) -> Conversation:
    before, about = _context(context)
    asked = Message(Role.USER, tuple(Text(text) for text in (*about, prompt)))
    system = (Text(system_prompt),) if system_prompt else ()
    return Conversation(model="", messages=(*before, asked), system=system, options=options)


def _context(context: Context | None) -> tuple[list[Message], list[str]]:
    """Messages that come before the prompt, and texts that it is about."""
    if context is None or context == "":
        return [], []
    if isinstance(context, str):
        return [], [context]
    if isinstance(context, Mapping):
        return [], ["\n".join(f"{name}: {value}" for name, value in context.items())]
    return list(_messages(context)), []


def _messages(context: Iterable[Mapping[str, str]]) -> Iterable[Message]:
    for message in context:
        try:
            yield Message(Role(message["role"]), (Text(message["content"]),))
        except (KeyError, ValueError):
            roles = ", ".join(Role)
            raise UsageError(f"context: a message has a 'role' ({roles}) and a 'content', both text") from None
