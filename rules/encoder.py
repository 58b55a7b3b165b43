"""OpenAI's o200k_base tokenizer from a file of ours.

tiktoken fetches it over the network at first use, and that fails where there is none. Loading takes 0.3 s and 50 MB and
holds the interpreter for part of it, so it is done once, by whoever first needs an exact count.
"""

from __future__ import annotations

import binascii
import hashlib
import lzma
from importlib.resources import files

import tiktoken

from ringlet_mitm.rules.errors import RingletError

DATA = "o200k_base.tiktoken.xz"
# The value that tiktoken itself expects of this file.
SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"

SPECIAL_TOKENS = {"<|endoftext|>": 199999, "<|endofprompt|>": 200018}

# o200k_base's way of cutting text into words, as published with it (openai/tiktoken, MIT).
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_ENDING = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
PATTERN = "|".join(
    (
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_ENDING}",
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_ENDING}",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)

# A run of a million spaces overflows the stack of tiktoken's regular expressions, which ends in a Rust panic (seen with
# 0.14); long texts are therefore counted piece by piece, and a piece ends with a line where there is one.
PIECE_CHARS = 32_768
# Far beyond what any model reads. What comes after is taken to be like what came before, or 50 MB would take seconds.
EXACT_CHARS = 8_000_000


class Encoder:
    """Counts o200k_base tokens; may be used from several threads, and lets others run meanwhile."""

    def __init__(self, encoding: tiktoken.Encoding) -> None:
        self._encode = encoding.encode_ordinary

    def count(self, text: str) -> int:
        """How many tokens `text` is; what looks like a special token is text, a lone surrogate counts as U+FFFD.

        Exact up to eight million characters, and an estimate beyond.
        """
        if len(text) <= PIECE_CHARS:
            return len(self._encode(text))
        total = start = 0
        while start < len(text):
            if start >= EXACT_CHARS:
                return total * len(text) // start
            end = start + PIECE_CHARS
            if end < len(text):
                end = text.rfind("\n", start + PIECE_CHARS // 2, end) + 1 or end
            total += len(self._encode(text[start:end]))
            start = end
        return total


def load_encoder() -> Encoder:
    """Read the ranks; raises RingletError where the installed file is not the one it should be."""
    packed = files("ringlet_mitm.rules").joinpath("data").joinpath(DATA)
    try:
        text = lzma.decompress(packed.read_bytes())
    except (OSError, lzma.LZMAError):
        text = b""
    if hashlib.sha256(text).hexdigest() != SHA256:
        raise RingletError(f"the tokenizer's data file {DATA} is damaged; install ringlet-mitm again")
    return Encoder(_encoding(text))


def _encoding(text: bytes) -> tiktoken.Encoding:
    words = text.split()
    ranks = dict(zip(map(binascii.a2b_base64, words[::2]), map(int, words[1::2]), strict=True))
    encoding = tiktoken.Encoding("o200k_base", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens=SPECIAL_TOKENS)
    # tiktoken's Rust half has copied them; its Python half keeps them only to decode, and they are 26 MB.
    ranks.clear()
    return encoding
