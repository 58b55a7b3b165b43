"""Made-up bodies of the four formats, for what holds for all of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from string import ascii_lowercase
from typing import Any

from bodies import Body, png
from hypothesis import strategies as st

from ringlet_mitm.rules.shapes import WireFormat

# What a tokenizer finds hard: runs, emoji, scripts without spaces, lone surrogates, what looks like JSON or base64.
TEXTS = st.one_of(
    st.text(max_size=60),
    st.text(st.characters(codec=None, categories=["Cs", "Lo", "So", "Zs", "Cc"]), max_size=20),
    st.builds(
        lambda one, times: one * times,
        st.sampled_from([" ", "\n", "😀", "漢字", "a", "\t ", "é", "=", "0"]),
        st.integers(0, 400),
    ),
    st.sampled_from(["<|endoftext|>", '{"model":"in text"}', "data:image/png;base64,AAAA", "A" * 200, "\\ud800", ""]),
)
NAMES = st.text(ascii_lowercase + "_", min_size=1, max_size=12)
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), TEXTS
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.one_of(NAMES, TEXTS), inner, max_size=3)),
    max_leaves=6,
)
SCHEMAS = st.fixed_dictionaries(
    {
        "type": st.just("object"),
        "properties": st.dictionaries(
            NAMES, st.fixed_dictionaries({"type": st.just("string"), "description": TEXTS}), max_size=3
        ),
    }
)
PICTURES = st.builds(png, st.integers(1, 4000), st.integers(1, 4000))
MODELS = st.one_of(st.sampled_from(["claude-sonnet-4-5", "gpt-5", 'a "quoted" model', "modèle/é", "\n"]), TEXTS)


def optional(**values: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    """Each as it is or null; for the `optional` keys of `fixed_dictionaries`."""
    return {key: st.one_of(st.none(), value) for key, value in values.items()}


def block(kind: str, **values: Any) -> st.SearchStrategy[Body]:
    """A content block of a type."""
    made = {key: value if isinstance(value, st.SearchStrategy) else st.just(value) for key, value in values.items()}
    return st.fixed_dictionaries({"type": st.just(kind), **made})


def message(role: str, content: st.SearchStrategy[Any], **values: st.SearchStrategy[Any]) -> st.SearchStrategy[Body]:
    """A message of a role."""
    return st.fixed_dictionaries({"role": st.just(role), "content": content, **values})


def blocks(*kinds: st.SearchStrategy[Body]) -> st.SearchStrategy[list[Body]]:
    """A list of content blocks of these kinds."""
    return st.lists(st.one_of(*kinds), max_size=3)


def messages_bodies() -> st.SearchStrategy[Body]:
    """Anthropic Messages."""
    text = block("text", text=TEXTS)
    picture = st.one_of(
        block(
            "image",
            source=st.fixed_dictionaries(
                {"type": st.just("base64"), "media_type": st.just("image/png"), "data": PICTURES}
            ),
        ),
        block("image", source=st.fixed_dictionaries({"type": st.just("url"), "url": TEXTS})),
    )
    document = block(
        "document",
        source=st.fixed_dictionaries(
            {"type": st.just("base64"), "media_type": st.just("application/pdf"), "data": PICTURES}
        ),
    )
    result = block("tool_result", tool_use_id="t", content=st.one_of(TEXTS, blocks(text, picture)))
    call = block("tool_use", id="t", name=NAMES, input=st.dictionaries(NAMES, VALUES, max_size=3))
    thought = block("thinking", thinking=TEXTS, signature=st.just("c2ln" * 20))
    turn = st.one_of(
        message("user", st.one_of(TEXTS, blocks(text, picture, document, result))),
        message("assistant", st.one_of(TEXTS, blocks(text, thought, call))),
        message("system", TEXTS),
    )
    tool = st.fixed_dictionaries({"name": NAMES, "description": TEXTS, "input_schema": SCHEMAS})
    return st.fixed_dictionaries(
        {"messages": st.lists(turn, max_size=6)},
        optional=optional(
            model=MODELS,
            system=st.one_of(TEXTS, blocks(text)),
            tools=st.lists(tool, max_size=3),
            stream=st.booleans(),
            max_tokens=st.integers(0, 2**70),
            thinking=st.sampled_from(
                [{"type": "enabled", "budget_tokens": 9}, {"type": "disabled"}, {"type": "adaptive"}, {}]
            ),
            metadata=st.fixed_dictionaries({"user_id": TEXTS}),
        ),
    )


def chat_bodies() -> st.SearchStrategy[Body]:
    """OpenAI Chat Completions."""
    text = block("text", text=TEXTS)
    url = PICTURES.map(lambda data: f"data:image/png;base64,{data}")
    picture = st.one_of(
        block(
            "image_url",
            image_url=st.fixed_dictionaries(
                {"url": url}, optional={"detail": st.sampled_from(["low", "high", "auto"])}
            ),
        ),
        block("image_url", image_url=url),
    )
    calls = st.lists(
        block(
            "function",
            id="c",
            function=st.fixed_dictionaries(
                {"name": NAMES, "arguments": st.dictionaries(NAMES, VALUES, max_size=2).map(json.dumps)}
            ),
        ),
        max_size=2,
    )
    turn = st.one_of(
        message("user", st.one_of(TEXTS, blocks(text, picture))),
        message("assistant", st.one_of(st.none(), TEXTS), tool_calls=st.one_of(st.none(), calls)),
        message("tool", st.one_of(TEXTS, blocks(text)), tool_call_id=st.just("c")),
        message("system", TEXTS),
        message("developer", TEXTS),
    )
    tool = block(
        "function", function=st.fixed_dictionaries({"name": NAMES, "description": TEXTS, "parameters": SCHEMAS})
    )
    return st.fixed_dictionaries(
        {"messages": st.lists(turn, max_size=6)},
        optional=optional(
            model=MODELS,
            tools=st.lists(tool, max_size=3),
            stream=st.booleans(),
            stream_options=st.fixed_dictionaries({}, optional={"include_usage": st.booleans()}),
            max_tokens=st.integers(0, 2**70),
            max_completion_tokens=st.integers(0, 100_000),
            reasoning_effort=st.sampled_from(["none", "minimal", "low", "high"]),
            thinking=st.sampled_from([{"type": "disabled"}, {"type": "enabled"}]),
            response_format=st.fixed_dictionaries({"type": st.just("json_schema"), "json_schema": SCHEMAS}),
            prompt_cache_key=TEXTS,
        ),
    )


def responses_bodies() -> st.SearchStrategy[Body]:
    """OpenAI Responses, with what Codex adds."""
    text = block("input_text", text=TEXTS)
    picture = block(
        "input_image",
        detail=st.sampled_from(["low", "high", "auto"]),
        image_url=PICTURES.map(lambda data: f"data:image/png;base64,{data}"),
    )
    tool = st.one_of(
        block("function", name=NAMES, description=TEXTS, parameters=SCHEMAS, strict=st.booleans()),
        block(
            "custom",
            name=NAMES,
            format=st.fixed_dictionaries({"type": st.just("grammar"), "syntax": st.just("lark"), "definition": TEXTS}),
        ),
    )
    grouped = st.one_of(tool, block("namespace", name=NAMES, tools=st.lists(tool, max_size=3)))
    item = st.one_of(
        message("user", st.one_of(TEXTS, blocks(text, picture))),
        message("developer", st.one_of(TEXTS, blocks(text)), type=st.just("message")),
        message("assistant", blocks(block("output_text", text=TEXTS)), type=st.just("message")),
        block("reasoning", id="r", summary=st.just([]), encrypted_content=st.just("Z" * 300)),
        block("function_call", call_id="c", name=NAMES, arguments=TEXTS),
        block("function_call_output", call_id="c", output=st.one_of(TEXTS, blocks(text, picture))),
        block("custom_tool_call", call_id="c", name=NAMES, input=TEXTS),
        block("custom_tool_call_output", call_id="c", output=TEXTS),
        block("additional_tools", role="developer", tools=st.lists(grouped, max_size=3)),
    )
    return st.fixed_dictionaries(
        {"input": st.one_of(TEXTS, st.lists(item, max_size=6))},
        optional=optional(
            model=MODELS,
            instructions=TEXTS,
            tools=st.lists(grouped, max_size=3),
            stream=st.booleans(),
            max_output_tokens=st.integers(0, 2**70),
            reasoning=st.sampled_from([{"effort": "none"}, {"effort": "high"}, {"effort": None}, {}]),
            text=st.fixed_dictionaries(
                {"format": st.fixed_dictionaries({"type": st.just("json_schema"), "schema": SCHEMAS})}
            ),
            prompt_cache_key=TEXTS,
        ),
    )


def gemini_bodies() -> st.SearchStrategy[Body]:
    """Gemini generateContent, in both spellings."""
    text = st.fixed_dictionaries({"text": TEXTS})
    inline = st.one_of(
        st.fixed_dictionaries(
            {
                "inlineData": st.fixed_dictionaries(
                    {"mimeType": st.sampled_from(["image/png", "application/pdf"]), "data": PICTURES}
                )
            }
        ),
        st.fixed_dictionaries(
            {"inline_data": st.fixed_dictionaries({"mime_type": st.just("image/png"), "data": PICTURES})}
        ),
    )
    call = st.fixed_dictionaries(
        {"functionCall": st.fixed_dictionaries({"name": NAMES, "args": st.dictionaries(NAMES, VALUES, max_size=2)})}
    )
    result = st.fixed_dictionaries({"name": NAMES, "response": st.dictionaries(NAMES, VALUES, max_size=2)})
    answered = st.one_of(
        st.fixed_dictionaries({"functionResponse": result}), st.fixed_dictionaries({"function_response": result})
    )

    def turn(role: str, *parts: st.SearchStrategy[Body]) -> st.SearchStrategy[Body]:
        return st.fixed_dictionaries({"role": st.just(role), "parts": blocks(*parts)})

    declared = st.fixed_dictionaries({"name": NAMES, "description": TEXTS, "parametersJsonSchema": SCHEMAS})
    tool = st.one_of(
        st.fixed_dictionaries({"functionDeclarations": st.lists(declared, max_size=3)}),
        st.fixed_dictionaries({"function_declarations": st.lists(declared, max_size=3)}),
        st.just({"googleSearch": {}}),
    )
    thinking = st.sampled_from(
        [{"thinkingBudget": 0}, {"thinkingBudget": -1}, {"thinkingLevel": "HIGH"}, {"includeThoughts": True}]
    )
    contents = st.lists(
        st.one_of(turn("user", text, inline), turn("model", text, call), turn("user", answered)), max_size=6
    )
    return st.one_of(
        st.fixed_dictionaries(
            {"contents": contents},
            optional=optional(
                systemInstruction=turn("user", text),
                tools=st.lists(tool, max_size=2),
                generationConfig=st.fixed_dictionaries(
                    {},
                    optional=optional(
                        maxOutputTokens=st.integers(0, 2**70), thinkingConfig=thinking, responseJsonSchema=SCHEMAS
                    ),
                ),
            ),
        ),
        st.fixed_dictionaries(
            {"contents": contents},
            optional=optional(
                system_instruction=turn("user", text),
                tools=st.lists(tool, max_size=2),
                generation_config=st.fixed_dictionaries(
                    {},
                    optional=optional(
                        max_output_tokens=st.integers(0, 9), thinking_config=st.just({"thinking_budget": 0})
                    ),
                ),
            ),
        ),
    )


BODIES: dict[WireFormat, Callable[[], st.SearchStrategy[Body]]] = {
    WireFormat.MESSAGES: messages_bodies,
    WireFormat.CHAT: chat_bodies,
    WireFormat.RESPONSES: responses_bodies,
    WireFormat.GEMINI: gemini_bodies,
}


def any_bodies() -> st.SearchStrategy[tuple[WireFormat, Body]]:
    """A format and a body of it."""
    return st.one_of(*(st.tuples(st.just(one), make()) for one, make in BODIES.items()))


def places(value: Any) -> list[tuple[Any, Any]]:
    """Each place in a JSON value, however deep: what it is in, and its key or number there."""
    if isinstance(value, dict):
        return [place for key in value for place in ((value, key), *places(value[key]))]
    if isinstance(value, list):
        return [place for at in range(len(value)) for place in ((value, at), *places(value[at]))]
    return []
