from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from bodies import ENVELOPED, PATHS, asked, host_as_provider
from hypothesis import given, settings
from hypothesis import strategies as st

from ringlet_mitm.addons.credentials.schemes import sign
from ringlet_mitm.addons.credentials.secret import Secret
from ringlet_mitm.addons.outbound import Outbound, prepare
from ringlet_mitm.addons.splicing import Edit, Turn, apply_edits
from ringlet_mitm.rules.errors import Untranslatable
from ringlet_mitm.rules.peek import AgentRequest, peek
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.routing import Decision
from ringlet_mitm.rules.rulebook import Route
from ringlet_mitm.rules.shapes import SHAPES, WireFormat
from ringlet_mitm.rules.targets import Target, line_up

CHAT, MESSAGES, GEMINI = WireFormat.CHAT, WireFormat.MESSAGES, WireFormat.GEMINI
REGISTRY = registry({})
HOSTS = {
    MESSAGES: "api.anthropic.com",
    CHAT: "api.openai.com",
    WireFormat.RESPONSES: "api.openai.com",
    GEMINI: "generativelanguage.googleapis.com",
}
OTHERS = {MESSAGES: "minimax", CHAT: "groq", WireFormat.RESPONSES: "openrouter", GEMINI: "gemini"}


def turn_of(request: AgentRequest) -> Turn:
    return Turn(request, peek(request, host_as_provider), Decision("a rule", 0, Route(None), None, 1.0))


def target_of(request: AgentRequest, provider: str | None = None, model: str | None = None) -> Target:
    seen = peek(request, host_as_provider)
    features = getattr(seen, "features", None)
    return line_up(Route(provider, model), request, features, REGISTRY)[0]


def sent(
    wire_format: WireFormat, body: Any, provider: str | None = None, model: str | None = None, **options: Any
) -> Outbound:
    request = replace(asked(wire_format, body, **options), host=HOSTS[wire_format])
    return prepare(turn_of(request), target_of(request, provider, model))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | st.just("model"), inner, max_size=3)
    ),
    max_leaves=8,
)
SPACES = st.sampled_from(["", " ", "\n", "\t \r\n"])


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([MESSAGES, CHAT, WireFormat.RESPONSES]),
    st.lists(st.tuples(st.text(max_size=6), JSON), max_size=5),
    st.integers(0, 5),
    st.text(max_size=12),
    st.text(min_size=1, max_size=12),
    st.booleans(),
    SPACES,
)
def test_splicing_the_model_leaves_every_other_byte(
    wire_format: WireFormat, others: list[tuple[str, Any]], place: int, old: str, new: str, escapes: bool, space: str
) -> None:
    reserved = {"model", "stream", "stream_options", "messages", "input"}
    pairs = [(key, json.dumps(value, ensure_ascii=escapes)) for key, value in others if key not in reserved]
    pairs.insert(min(place, len(pairs)), ("model", json.dumps(old, ensure_ascii=escapes)))

    def written(model: str) -> bytes:
        items = (f"{space}{json.dumps(key)}{space}:{space}{model if key == 'model' else value}" for key, value in pairs)
        return f"{space}{{{','.join(items)}{space}}}{space}".encode("utf-8", "surrogatepass")

    body = written(json.dumps(old, ensure_ascii=escapes))
    target = replace(target_of(asked(wire_format, b"{}")), model=new)
    outbound = prepare(turn_of(asked(wire_format, body)), target)
    if outbound.edits:
        assert outbound.body == written(json.dumps(new))
    else:
        assert outbound.body is body or outbound.body == body


def test_of_a_model_said_twice_the_one_that_counts_is_changed() -> None:
    body = b'{"model":"a","messages":[{"content":"\\"model\\":\\"a\\""}],"model":"b"}'
    assert sent(MESSAGES, body, "minimax", "M").body == body.replace(b'"b"', b'"M"')


@pytest.mark.parametrize(
    "body",
    [b"{}", b"", b"[]", b'{"model":null}', b'{"model":7}', b"not json", b'{"model":"m"', b"\xff\xfe"],
    ids=["empty object", "empty", "a list", "null", "a number", "not JSON", "cut off", "not UTF-8"],
)
def test_without_a_model_to_replace_the_body_stays(body: bytes) -> None:
    outbound = sent(MESSAGES, body, "minimax", "MiniMax-M3")
    assert (outbound.body, outbound.edits) == (body, ())


def test_the_same_model_is_no_edit() -> None:
    body = b'{"model":"claude-\\u0041"}'
    assert sent(MESSAGES, body, None, "claude-A").edits == ()


STREAM = '"stream":true'


@pytest.mark.parametrize(
    ("body", "sent_body"),
    [
        (f'{{"model":"m",{STREAM}}}', f'{{"stream_options":{{"include_usage":true}},"model":"m",{STREAM}}}'),
        (f" {{ {STREAM} }}", f' {{"stream_options":{{"include_usage":true}}, {STREAM} }}'),
        (f'{{{STREAM},"stream_options":null}}', f'{{{STREAM},"stream_options":{{"include_usage": true}}}}'),
        (f'{{{STREAM},"stream_options":{{}}}}', f'{{{STREAM},"stream_options":{{"include_usage": true}}}}'),
        (
            f'{{{STREAM},"stream_options":{{"include_usage":false}}}}',
            f'{{{STREAM},"stream_options":{{"include_usage": true}}}}',
        ),
        (
            f'{{"stream_options": {{"x": [1, "é"]}},{STREAM}}}',
            f'{{"stream_options": {{"x": [1, "\\u00e9"], "include_usage": true}},{STREAM}}}',
        ),
    ],
    ids=["absent", "absent, spaces", "null", "empty", "false", "other keys"],
)
def test_chat_streams_are_asked_for_their_usage(body: str, sent_body: str) -> None:
    outbound = sent(CHAT, body.encode())
    assert (outbound.body.decode(), outbound.hide_usage_chunk) == (sent_body, True)
    assert json.loads(outbound.body)["stream_options"]["include_usage"] is True


@pytest.mark.parametrize(
    ("wire_format", "body"),
    [
        (CHAT, f'{{{STREAM},"stream_options":{{"include_usage":true}}}}'),
        (CHAT, f'{{{STREAM},"stream_options":"yes"}}'),
        (CHAT, f'{{{STREAM},"stream_options":[]}}'),
        (CHAT, f'{{{STREAM},"stream_options":{"[" * 100_000}{"]" * 100_000}}}'),
        (CHAT, '{"stream":false}'),
        (CHAT, '{"model":"m"}'),
        (CHAT, "{}"),
        (MESSAGES, f"{{{STREAM}}}"),
        (WireFormat.RESPONSES, f"{{{STREAM}}}"),
    ],
    ids=["asked", "text", "list", "nested", "not streamed", "no stream", "empty", "messages", "responses"],
)
def test_nothing_is_asked_where_it_need_not_or_cannot(wire_format: WireFormat, body: str) -> None:
    outbound = sent(wire_format, body.encode())
    assert (outbound.body.decode(), outbound.edits, outbound.hide_usage_chunk) == (body, (), False)


@pytest.mark.parametrize("model", ["include_usage", '"stream_options', "m"])
def test_a_models_name_does_not_hide_the_usage_chunk(model: str) -> None:
    body = f'{{"model":"x",{STREAM},"stream_options":{{"include_usage":true}}}}'
    outbound = sent(CHAT, body.encode(), None, model)
    assert (json.loads(outbound.body)["model"], outbound.hide_usage_chunk) == (model, False)


@settings(max_examples=200, deadline=None)
@given(
    st.permutations(["model", "stream", "stream_options", "messages"]),
    st.sampled_from([None, {}, {"include_usage": False}, {"a": 1}, "absent"]),
)
def test_edits_do_not_overlap_and_are_in_order(keys: list[str], options: Any) -> None:
    values = {
        "model": "m",
        "stream": True,
        "stream_options": options,
        "messages": [{"role": "user", "content": "model"}],
    }
    body = {key: values[key] for key in keys if values[key] != "absent"}
    outbound = sent(CHAT, body, "groq", "new")
    assert all(one.end <= other.start for one, other in zip(outbound.edits, outbound.edits[1:], strict=False))
    told = json.loads(outbound.body)
    assert told.pop("stream_options") == {**(options if isinstance(options, dict) else {}), "include_usage": True}
    assert told == {key: value for key, value in body.items() if key != "stream_options"} | {"model": "new"}


def test_edits_are_made_from_front_to_back() -> None:
    assert (
        apply_edits(b"abcdef", (Edit(0, 0, b"<"), Edit(1, 3, b""), Edit(5, 6, b"FF"), Edit(6, 6, b">"))) == b"<adeFF>"
    )


SECRETS = {
    "Authorization": "Bearer agents-secret",
    "X-Api-Key": "agents-secret",
    "x-goog-api-key": "agents-secret",
    "api-key": "agents-secret",
    "Cookie": "a=agents-secret",
    "Proxy-Authorization": "Basic agents-secret",
    "X-Some-Vendors-Token": "agents-secret",
    "OpenAI-Organization": "agents-secret",
    "OpenAI-Project": "agents-secret",
    "chatgpt-account-id": "agents-secret",
    "X-Claude-Code-Session-Id": "agents-secret",
    "X-Stainless-OS": "agents-secret",
    "X-Msh-Device-Id": "agents-secret",
    "x-gemini-api-privileged-user-id": "agents-secret",
    "traceparent": "agents-secret",
}
HEADERS = {**SECRETS, "Content-Type": "application/json", "User-Agent": "agent/1", "anthropic-beta": "a,b"}


@pytest.mark.parametrize("wire_format", list(SHAPES))
def test_nothing_of_the_agents_account_goes_to_another_host(wire_format: WireFormat) -> None:
    path = PATHS[wire_format] + "?key=agents-secret&alt=sse&%6Bey=agents-secret&access_token=agents-secret"
    provider = "anthropic" if wire_format is MESSAGES else OTHERS[wire_format]
    request = asked(wire_format, {"model": "m"}, path=path, headers=HEADERS)
    target = target_of(request, provider)
    signed = sign(prepare(turn_of(request), target), target.auth, Secret("the-key"))
    assert (signed.path.partition("?")[2], signed.keeps_credentials) == ("alt=sse", False)
    assert b"agents-secret" not in b"".join(name + value for name, value in signed.headers) + signed.path.encode()
    assert sum(b"the-key" in value for _, value in signed.headers) == 1
    assert (b"Content-Type", b"application/json") in signed.headers
    assert (b"anthropic-beta", b"a,b") in signed.headers


def test_at_the_host_asked_all_of_it_stays() -> None:
    path = "/prefix/v1/messages?beta=true&key=agents-secret"
    outbound = sent(MESSAGES, {"model": "m"}, path=path, headers=HEADERS)
    assert (outbound.path, outbound.headers) == (path, asked(MESSAGES, {}, headers=HEADERS).headers)
    assert (outbound.host, outbound.keeps_credentials) == ("api.anthropic.com", True)


def test_with_a_key_of_ours_the_agents_is_gone_at_the_host_asked_too() -> None:
    request = replace(asked(CHAT, {"model": "m"}, headers=HEADERS), host=HOSTS[CHAT])
    outbound = prepare(turn_of(request), target_of(request), replace_credentials=True)
    assert b"agents-secret" not in b"".join(value for _, value in outbound.headers)


@pytest.mark.parametrize(
    ("headers", "version"),
    [({}, b"2023-06-01"), ({"Anthropic-Version": "2026-10-21"}, b"2026-10-21")],
    ids=["added", "the agent's own stays"],
)
def test_headers_that_a_provider_requires(headers: dict[str, str], version: bytes) -> None:
    outbound = prepare(turn_of(asked(MESSAGES, {}, headers=headers)), target_of(asked(MESSAGES, {}), "anthropic"))
    assert [value for name, value in outbound.headers if name.lower() == b"anthropic-version"] == [version]


@pytest.mark.parametrize(
    ("provider", "model", "path", "sent_path"),
    [
        (None, None, "/v1beta/models/gemini-a:generateContent", "/v1beta/models/gemini-a:generateContent"),
        (
            None,
            "gemini-b",
            "/v1beta/models/gemini-a:streamGenerateContent?alt=sse",
            "/v1beta/models/gemini-b:streamGenerateContent?alt=sse",
        ),
        (
            None,
            "gemini-b",
            "/v1alpha/models/gemini-a:generateContent?key=K",
            "/v1alpha/models/gemini-b:generateContent?key=K",
        ),
        (
            None,
            "b?key=x#y z/é",
            "/v1beta/models/a:generateContent",
            "/v1beta/models/b%3Fkey%3Dx%23y%20z/%C3%A9:generateContent",
        ),
        (
            "gemini",
            "gemini-b",
            "/elsewhere/models/gemini-a:generateContent?key=K",
            "/v1beta/models/gemini-b:generateContent",
        ),
        ("gemini", None, "/v1beta/models/gemini%2Da:generateContent", "/v1beta/models/gemini%2Da:generateContent"),
    ],
    ids=["untouched", "model", "alpha, key stays", "a name with signs", "elsewhere", "elsewhere, same model"],
)
def test_geminis_model_is_in_the_path(provider: str | None, model: str | None, path: str, sent_path: str) -> None:
    request = asked(GEMINI, {"contents": []}, path=path)
    request = request if provider else replace(request, host=HOSTS[GEMINI])
    outbound = prepare(turn_of(request), target_of(request, provider, model))
    assert (outbound.path, outbound.body) == (sent_path, request.body)


def test_geminis_model_stays_where_the_body_cannot_be_read() -> None:
    request = asked(GEMINI, b"not json", path="/v1beta/models/gemini-a:generateContent")
    assert prepare(turn_of(request), target_of(request, "gemini")).path == "/v1beta/models/gemini-a:generateContent"


def test_code_assists_model_is_in_the_body() -> None:
    body = b'{"model":"gemini-a","project":"p","request":{"contents":[]}}'
    request = replace(asked(GEMINI, body, path=ENVELOPED), host="cloudcode-pa.googleapis.com")
    outbound = prepare(turn_of(request), target_of(request, None, "gemini-b"))
    assert (outbound.path, outbound.body) == (ENVELOPED, body.replace(b"gemini-a", b"gemini-b"))


def test_code_assists_wrapping_is_not_sent_elsewhere() -> None:
    request = asked(GEMINI, {"model": "gemini-a", "request": {}}, path=ENVELOPED)
    with pytest.raises(Untranslatable, match="Code Assist"):
        prepare(turn_of(request), target_of(request, "gemini"))


def test_what_cannot_be_translated_is_refused_by_name() -> None:
    request = asked(MESSAGES, {"model": "m", "messages": 7})
    with pytest.raises(Untranslatable, match="'a rule' sends this anthropic-messages request to provider 'groq'"):
        prepare(turn_of(request), target_of(request, "groq"))


@pytest.mark.parametrize(
    ("wire_format", "path", "sent_path"),
    [
        (MESSAGES, "/v1/messages?beta=true", "/v1/messages?beta=true"),
        (CHAT, "/chat/completions", "/v1/chat/completions"),
        (GEMINI, "/models/gemini-a:generateContent", "/v1beta/models/gemini-a:generateContent"),
    ],
)
def test_asked_of_the_proxy_itself_it_goes_to_the_vendors_own_url(
    wire_format: WireFormat, path: str, sent_path: str
) -> None:
    request = replace(asked(wire_format, {"model": "m"}, path=path), host=HOSTS[wire_format], direct=True)
    outbound = prepare(turn_of(request), target_of(request))
    assert (outbound.scheme, outbound.host, outbound.port, outbound.path) == (
        "https",
        HOSTS[wire_format],
        443,
        sent_path,
    )


def test_two_attempts_are_prepared_from_the_same_request() -> None:
    request = asked(CHAT, {"model": "m", "stream": True}, headers=HEADERS)
    turn = turn_of(request)
    before = prepare(turn, target_of(request, "groq", "a"))
    other = prepare(turn, target_of(request, "openai", "b"))
    assert prepare(turn, target_of(request, "groq", "a")) == before
    assert (other.host, json.loads(other.body)["model"]) == ("api.openai.com", "b")


def test_neither_headers_nor_body_show_in_logs() -> None:
    shown = repr(sent(CHAT, {"model": "the-secret-text"}, headers=HEADERS))
    assert "agents-secret" not in shown
    assert "the-secret-text" not in shown


def test_thinking_that_another_vendor_gave_does_not_go_to_the_agents_own() -> None:
    signed = {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmVk"}
    foreign = {"type": "thinking", "thinking": "Well.", "signature": "ringlet.openai-responses.ZW5j"}
    said = [{"type": "text", "text": "Hi."}]
    body = {
        "model": "claude-sonnet-4-5",
        "max_tokens": 9,
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": [signed, *said]},
            {"role": "user", "content": "b"},
            {"role": "assistant", "content": [foreign, *said]},
            {"role": "user", "content": "c"},
        ],
    }
    outbound = prepare(turn_of(asked(MESSAGES, body)), target_of(asked(MESSAGES, body)))
    body["messages"][3]["content"] = said  # type: ignore[index]
    assert json.loads(outbound.body) == body
    assert [loss.what for loss in outbound.losses] == ["thinking"]


SEALED = "ringlet.{}.ZW5j"
SEALED_BODIES: dict[WireFormat, dict[str, Any]] = {
    MESSAGES: {
        "messages": [
            {"role": "user", "content": "a"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "t", "signature": SEALED.format("gemini")},
                    {"type": "text", "text": "Hi."},
                ],
            },
            {"role": "user", "content": "b"},
        ],
    },
    WireFormat.RESPONSES: {
        "input": [
            {"type": "reasoning", "summary": [], "encrypted_content": SEALED.format("gemini")},
            {"role": "user", "content": "b"},
        ],
    },
    GEMINI: {
        "contents": [
            {"role": "user", "parts": [{"text": "a"}]},
            {
                "role": "model",
                "parts": [
                    {
                        "text": "Hi.",
                        "thoughtSignature": base64.b64encode(SEALED.format("anthropic-messages").encode()).decode(),
                    }
                ],
            },
            {"role": "user", "parts": [{"text": "b"}]},
        ],
    },
}


@pytest.mark.parametrize("wire_format", SEALED_BODIES)
@pytest.mark.parametrize("with_our_key", [False, True])
def test_back_at_the_host_asked_the_rest_of_it_is_the_agents(wire_format: WireFormat, with_our_key: bool) -> None:
    path = "/prefix" + PATHS[wire_format].replace(":generate", ":streamGenerate") + "?key=agents-secret"
    body = {"model": "m", "stream": True} | SEALED_BODIES[wire_format]
    request = replace(asked(wire_format, body, path=path, headers=HEADERS), host=HOSTS[wire_format])
    outbound = prepare(turn_of(request), target_of(request), replace_credentials=with_our_key)
    assert outbound.translated
    assert b"ZW5j" not in outbound.body
    assert (outbound.host, outbound.keeps_credentials) == (HOSTS[wire_format], not with_our_key)
    as_stream = "alt=sse" if wire_format is GEMINI else ""
    sent_path = path.replace("key=agents-secret", as_stream).rstrip("?") if with_our_key else path
    assert outbound.path == (f"{sent_path}&{as_stream}" if as_stream and not with_our_key else sent_path)
    assert (b"anthropic-beta", b"a,b") in outbound.headers
    if not with_our_key:
        assert outbound.headers == request.headers
    else:
        assert b"agents-secret" not in b"".join(value for _, value in outbound.headers)


def test_a_text_that_only_names_us_passes_untouched() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "what is ringlet.toml, and ringlet.openai?"}]}
    assert not prepare(turn_of(asked(MESSAGES, body)), target_of(asked(MESSAGES, body))).translated


def test_what_the_new_model_refuses_follows_it_and_nothing_else_changes() -> None:
    body = (
        b'{ "max_tokens":32000, "thinking":{"type":"adaptive"} ,"messages":[{"role":"user","content":"\\u0061"}],'
        b'\n"output_config": {"effort":"high"}, "model":"claude-opus-4-8"}'
    )
    outbound = prepare(
        turn_of(asked(MESSAGES, body)), target_of(asked(MESSAGES, body), "anthropic", "claude-haiku-4-5")
    )
    assert outbound.body == (
        b'{ "max_tokens":32000, "thinking":{"type":"enabled","budget_tokens":16000} ,'
        b'"messages":[{"role":"user","content":"\\u0061"}],\n"output_config": {}, "model":"claude-haiku-4-5"}'
    )
    assert [loss.what for loss in outbound.losses] == ["effort"]
