"""The tokenizer from our own file: the right one or none, and the same counts as tiktoken's."""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from inspect import unwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import TEXTS
from tiktoken_ext import openai_public

from ringlet_mitm.rules import encoder as encoder_room
from ringlet_mitm.rules.encoder import (
    DATA,
    EXACT_CHARS,
    PATTERN,
    PIECE_CHARS,
    SHA256,
    SPECIAL_TOKENS,
    Encoder,
    load_encoder,
)
from ringlet_mitm.rules.errors import RingletError

# Counts of o200k_base as published in OpenAI's cookbook and tokenizer page, and a few by hand.
COUNTS = {
    "": 0,
    "a": 1,
    "hello world": 2,
    "tiktoken is great!": 6,
    "antidisestablishmentarianism": 6,
    "2 + 2 = 4": 7,
    "お誕生日おめでとう": 8,
    " " * 128: 1,
    "😀": 1,
}
SPECIAL = ["<|endoftext|>", "<|endofprompt|>", "<|im_start|>", "<|fim_prefix|>"]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder()


@pytest.mark.parametrize(("text", "tokens"), COUNTS.items(), ids=map(ascii, COUNTS))
def test_counts(encoder: Encoder, text: str, tokens: int) -> None:
    assert encoder.count(text) == tokens


@pytest.mark.parametrize("text", SPECIAL)
def test_what_looks_like_a_special_token_is_text(encoder: Encoder, text: str) -> None:
    """An agent that reads such a file must not be miscounted, nor refused."""
    assert encoder.count(text) > 1


def test_a_lone_surrogate_counts_as_the_replacement_character(encoder: Encoder) -> None:
    assert encoder.count("a\ud800b") == encoder.count("a\ufffdb")


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_short_texts_count_as_tiktoken_counts_them(encoder: Encoder, text: str) -> None:
    assert encoder.count(text) == len(encoder._encode(text))


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.sampled_from(["def f(x):\n", "    return x\n", "漢字", "\r\n\r\n", "word ", "=" * 70]), min_size=1),
    st.integers(1, 9),
)
def test_pieces_count_as_the_whole_where_they_end_with_a_line(encoder: Encoder, lines: list[str], seed: int) -> None:
    """Cutting a text may cost a token at each place, and saves none but where a word would have gone on."""
    text = "".join(lines) * (40_000 * seed // sum(map(len, lines)))
    whole = len(encoder._encode(text))
    pieces = len(text) // (PIECE_CHARS // 2) + 1
    assert abs(encoder.count(text) - whole) <= 8 * pieces


LONG = {
    "spaces": " " * 1_000_000,
    "line ends": "\n" * 1_000_000,
    "one letter": "a" * 300_000,
    "one digit": "7" * 1_000_000,
    "dashes": "-" * 1_000_000,
    "emoji": "😀" * 200_000,
    "ideographs": "漢" * 300_000,
    "lone surrogates": "\udc00" * 100_000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_long_runs_neither_crash_nor_hang(encoder: Encoder, text: str) -> None:
    assert 0 < encoder.count(text) <= len(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_around_the_length_of_a_piece(encoder: Encoder, over: int) -> None:
    assert encoder.count("a " * (PIECE_CHARS // 2) + "b" * over if over >= 0 else "a " * (PIECE_CHARS // 2)) > 0


def test_a_piece_ends_with_a_line_where_there_is_one(encoder: Encoder) -> None:
    line = "the quick brown fox jumps over the lazy dog\n"
    assert encoder.count(line * 2000) == 2000 * encoder.count(line)


def test_several_threads_count_at_once(encoder: Encoder) -> None:
    texts = [f"{number} " * 2000 for number in range(40)]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(encoder.count, texts)) == [encoder.count(text) for text in texts]


def test_pattern_and_file_are_tiktokens_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """tiktoken's own definition, without the file that it would fetch."""
    asked: list[str] = []

    def ranks(source: str, expected_hash: str) -> dict[bytes, int]:
        asked.append(expected_hash)
        return {}

    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", ranks)
    definition = openai_public.o200k_base()
    assert (definition["pat_str"], definition["special_tokens"]) == (PATTERN, SPECIAL_TOKENS)
    assert asked == [SHA256]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the data file would be, with none there."""
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(encoder_room, "files", lambda package: tmp_path)
    yield tmp_path / "data" / DATA


GOOD = files("ringlet_mitm.rules").joinpath("data").joinpath(DATA)
DAMAGED = {
    "empty": b"",
    "no xz": b"IQ== 0\n",
    "another text": lzma.compress(b"IQ== 0\n"),
    "cut off": GOOD.read_bytes()[:500_000],
    "one token more": lzma.compress(lzma.decompress(GOOD.read_bytes()) + b"IQ== 300000\n", preset=0),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_one_clear_error(elsewhere: Path, content: bytes) -> None:
    elsewhere.write_bytes(content)
    with pytest.raises(RingletError, match="is damaged; install ringlet-mitm again"):
        unwrap(load_encoder)()


def test_a_missing_file_as_well(elsewhere: Path) -> None:
    assert not elsewhere.exists()
    with pytest.raises(RingletError, match="install ringlet-mitm again"):
        unwrap(load_encoder)()


def test_beyond_what_any_model_reads_the_rate_goes_on(encoder: Encoder) -> None:
    line = "what it says, again and again\n"
    long = line * (3 * EXACT_CHARS // len(line))
    assert encoder.count(long) == pytest.approx(encoder.count(line) * (len(long) // len(line)), rel=0.01)
