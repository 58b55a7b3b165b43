"""Who answers on this machine: real servers with the documented answers of each, also several on one usual port."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from local_servers import OLLAMA_TAGS, SERVERS, LocalServer, Pages, closed_port, listing

from ringlet_mitm.addons.discovery import Found, as_dict, discover, fits, models_in, probe
from ringlet_mitm.rules.provider_files import Fingerprint
from ringlet_mitm.rules.providers import ProviderRegistry, registry

VARIABLES = {
    "ollama": "OLLAMA_HOST",
    "lmstudio": "LMSTUDIO_BASE_URL",
    "vllm": "VLLM_BASE_URL",
    "sglang": "SGLANG_BASE_URL",
    "tgi": "TGI_BASE_URL",
    "mlx": "MLX_BASE_URL",
    "llama-cpp": "LLAMACPP_BASE_URL",
    "openai-compatible": "OPENAI_COMPATIBLE_BASE_URL",
}
# As they are without variables: three on 8080, two on 8000.
SHARED = (("tgi", "mlx", "llama-cpp"), ("vllm", "openai-compatible"))


@pytest.fixture(scope="module")
def nowhere() -> dict[str, str]:
    port = closed_port()
    return {
        variable: f"http://127.0.0.1:{port}{'' if name == 'ollama' else '/v1'}" for name, variable in VARIABLES.items()
    }


def placed(nowhere: dict[str, str], url: str, *names: str) -> ProviderRegistry:
    """These providers at `url`, the others where nothing is."""
    at = {VARIABLES[name]: url + ("" if name == "ollama" else "/v1") for name in names}
    return registry({}, {**nowhere, **at})


@contextmanager
def served(pages: Pages, **options: int) -> Iterator[LocalServer]:
    with LocalServer(pages, **options) as server:
        yield server


def found_in(known: ProviderRegistry, timeout_s: float = 2.0) -> list[Found]:
    return asyncio.run(discover(known, timeout_s))


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_at_its_own_address(name: str, nowhere: dict[str, str]) -> None:
    with served(SERVERS[name]) as server:
        (found,) = found_in(placed(nowhere, server.url, name))
    assert (found.spec.provider_id, found.sure, found.elsewhere) == (name, True, False)
    assert found.route.startswith(f"{name}/") and len(found.models) >= 1


@pytest.mark.parametrize(("group", "name"), [(group, name) for group in SHARED for name in group if name in SERVERS])
def test_servers_that_share_a_port_are_told_apart(group: tuple[str, ...], name: str, nowhere: dict[str, str]) -> None:
    with served(SERVERS[name]) as server:
        (found,) = found_in(placed(nowhere, server.url, *group))
    assert (found.spec.provider_id, found.sure) == (name, True)


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_at_anothers_port_is_named_with_the_variable_to_set(name: str, nowhere: dict[str, str]) -> None:
    with served(SERVERS[name]) as server:
        (found,) = found_in(placed(nowhere, server.url, "openai-compatible"))
        url = server.url + ("" if name == "ollama" else "/v1")
    assert (found.spec.provider_id, found.elsewhere, found.base_url) == (name, True, url)
    assert as_dict(found)["set"] == {VARIABLES[name]: url}


def test_ollama_lists_full_names_with_tags(nowhere: dict[str, str]) -> None:
    with served(SERVERS["ollama"]) as server:
        (found,) = found_in(placed(nowhere, server.url, "ollama"))
    assert found.models == ("gpt-oss:120b", "qwen2.5-coder:7b")
    assert found.route == "ollama/gpt-oss:120b"


def test_ollama_host_as_its_own_server_writes_it(nowhere: dict[str, str]) -> None:
    with served(SERVERS["ollama"]) as server:
        (found,) = found_in(registry({}, {**nowhere, "OLLAMA_HOST": f"127.0.0.1:{server.port}"}))
    assert found.models[0] == "gpt-oss:120b"


def test_a_model_that_chats_is_proposed_first(nowhere: dict[str, str]) -> None:
    with served(SERVERS["lmstudio"]) as server:
        (found,) = found_in(placed(nowhere, server.url, "lmstudio"))
    assert found.models[0] == "text-embedding-nomic-embed-text-v1.5"
    assert found.route == "lmstudio/qwen/qwen3-coder-30b"


def test_a_server_that_nothing_tells_is_the_generic_one_of_its_port(nowhere: dict[str, str]) -> None:
    pages = {"/v1/models": listing({"id": "my-model", "owned_by": "me"})}
    with served(pages) as server:
        (found,) = found_in(placed(nowhere, server.url, "vllm", "openai-compatible"))
    assert (found.spec.provider_id, found.sure, found.models) == ("openai-compatible", False, ("my-model",))


def test_where_all_have_fingerprints_and_none_fits_the_others_are_named_too(nowhere: dict[str, str]) -> None:
    pages = {"/v1/models": listing({"id": "my-model", "owned_by": "me"})}
    with served(pages) as server:
        (found,) = found_in(placed(nowhere, server.url, "tgi", "llama-cpp"))
    assert not found.sure and {found.spec.provider_id, *found.or_else} == {"tgi", "llama-cpp"}


@pytest.mark.parametrize(
    "pages",
    [{}, {"/v1/models": b"<html>hello</html>"}, {"/v1/models": {"data": "no list"}}, {"/v1/models": [1, 2]}],
    ids=["404", "a web page", "no list", "another list"],
)
def test_something_else_that_speaks_http_is_no_model_server(pages: Pages, nowhere: dict[str, str]) -> None:
    with served(pages) as server:
        assert found_in(placed(nowhere, server.url, "vllm", "tgi")) == []


def test_a_server_that_asks_for_a_key_is_found(nowhere: dict[str, str]) -> None:
    with served({"/v1/models": {"error": "Unauthorized"}}, status=401) as server:
        (found,) = found_in(placed(nowhere, server.url, "vllm", "openai-compatible"))
    assert (found.wants_key, found.models) == (True, ())


def test_nothing_runs(nowhere: dict[str, str]) -> None:
    assert found_in(registry({}, nowhere)) == []


def test_several_are_asked_at_the_same_time_and_a_deaf_one_holds_nobody_up(nowhere: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf, served(SERVERS["ollama"]) as server:
        deaf_url = f"http://127.0.0.1:{deaf.getsockname()[1]}/v1"
        known = registry(
            {}, {**nowhere, "VLLM_BASE_URL": deaf_url, "SGLANG_BASE_URL": deaf_url, "OLLAMA_HOST": server.url}
        )
        started = time.monotonic()
        found = found_in(known, 0.3)
    assert [one.spec.provider_id for one in found] == ["ollama"]
    assert time.monotonic() - started < 2


def test_nobody_is_asked_twice_for_the_same(nowhere: dict[str, str]) -> None:
    with served(SERVERS["llama-cpp"]) as server:
        found_in(placed(nowhere, server.url, *SHARED[0]))
    assert len(server.asked) == len(set(server.asked))


def test_probing_one_takes_it_at_its_word(nowhere: dict[str, str]) -> None:
    with served(SERVERS["vllm"]) as server:
        found = asyncio.run(probe(placed(nowhere, server.url, "tgi").require("tgi")))
    assert found is not None and found.models == ("Qwen/Qwen2.5-Coder-32B-Instruct",)
    assert asyncio.run(probe(registry({}, nowhere).require("tgi"))) is None


@pytest.mark.parametrize(
    ("mark", "said", "fit"),
    [
        (Fingerprint("/x", "data.0.owned_by", "vllm"), listing({"id": "a", "owned_by": "vllm"}), True),
        (Fingerprint("/x", "data.0.owned_by", "vllm"), listing({"id": "a", "owned_by": "me"}), False),
        (Fingerprint("/x", "data.0.owned_by", "vllm"), listing(), False),
        (Fingerprint("/x", "version"), {"version": "1"}, True),
        (Fingerprint("/x", "version"), ["version"], False),
        (Fingerprint("/x", "version"), None, False),
        (Fingerprint("/x", "data.0.id", lacks="data.0.owned_by"), listing({"id": "a"}), True),
        (Fingerprint("/x", "data.0.id", lacks="data.0.owned_by"), listing({"id": "a", "owned_by": "me"}), False),
        (Fingerprint("/x"), {}, True),
    ],
)
def test_fingerprints(mark: Fingerprint, said: object, fit: bool) -> None:
    assert fits(mark, said) is fit


@pytest.mark.parametrize(
    ("said", "names"),
    [
        (OLLAMA_TAGS, ("gpt-oss:120b", "qwen2.5-coder:7b")),
        (listing({"id": "a"}, {"id": "b"}, {"id": "a"}), ("a", "b")),
        ({"data": [{"id": 7}, "x", None, {"id": ""}]}, ()),
        ({"models": None}, ()),
        ("text", ()),
    ],
)
def test_names_of_models(said: object, names: tuple[str, ...]) -> None:
    assert models_in(said) == names
