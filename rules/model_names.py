"""What a model is called: one model has many spellings, and some spellings that look alike are two models.

Three questions, three functions:
- `spellings`: under which names may a price table know it? The name as it was given comes first, so that what a table
  tells apart stays apart.
- `normalised`: are two names the same model at the same price? Dates, dots, cases, paths and regions do not count;
  whatever changes the price does (`:free`, `-fast`, a dated release that costs more).
- `plain`: which model is it, at whatever price? For facts like the context window.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

# Amazon Bedrock: `us.anthropic.claude-sonnet-4-5-20250929-v1:0`. Lists and not "letters and a dot": `gpt-4.1` has one.
# `global.` stays: there a model costs less than in a region.
REGIONS = ("us", "us-gov", "eu", "apac", "ap", "au", "jp", "ca", "sa", "uk", "in")
VENDORS = (
    "ai21",
    "amazon",
    "anthropic",
    "cohere",
    "deepseek",
    "google",
    "meta",
    "minimax",
    "mistral",
    "moonshot",
    "moonshotai",
    "nvidia",
    "openai",
    "qwen",
    "writer",
    "xai",
    "zai",
)
_BEDROCK = re.compile(rf"^(?:(?:{'|'.join(REGIONS)})\.)?(global\.)?(?:{'|'.join(VENDORS)})\.(?=[a-z])")
# The release of a Bedrock name; `claude-v2:1` is a model of its own, so only after a date, or the first one.
_RELEASE = re.compile(r"(?:(?<=\d{8})-v\d+(?::\d+)?|-v1(?::0)?)$")

_PATH = re.compile(r"^.*/(?=[^/])")
_DATE = re.compile(r"(?<=.)[-@](20\d\d)-?([01]\d)-?([0-3]\d)$")
# Vertex: a version where others have a date; Gemini's numbered releases cost what the name without the number does.
_VERSION = re.compile(r"(?<=.)@(?:default|latest|00\d)$|(?<=^gemini-)(.*)-00\d$")
_DOT = re.compile(r"(?<=\d)\.(?=\d)")
_CLAUDE = re.compile(r"^(global\.)?claude-(\d)(?:-(\d+))?-(opus|sonnet|haiku|instant|fable|mythos)\b")
_ZERO = re.compile(r"^((?:global\.)?claude-[a-z]+-\d)-0(?![\d-])")
# Other terms, same model: OpenRouter's variants (its documentation, accessed 2026-11-21), a pointer to the newest.
_TERMS = re.compile(r"^global\.|(?<=.)(?::(?:free|beta|extended|thinking|online|nitro|floor|exacto)|[-:]latest)$")

# Releases by day that cost something else than the name without the day, or than the release before (genai-prices
# 0.2.3); the test over all names of the price tables finds what is missing here.
PRICED_APART = frozenset(
    {
        "deepseek-v4-flash-2026-07-31",
        "deepseek-v4-pro-2026-08-13",
        "glm-4.6-2025-12-08",
        "gpt-4o-2024-05-13",
        "qwen-plus-2025-07-28",
        "qwen3.5-plus-2026-02-16",
        "qwen3.5-plus-2026-04-20",
    }
)
_APART = frozenset(name.replace(".", "-") for name in PRICED_APART)


def folded(name: str) -> str:
    """`name` as keys of price tables are: in small letters, with dashes for dots."""
    return name.lower().replace(".", "-")


def spellings(model: str) -> Iterator[str]:
    """`model` without path and window (`[1m]`), then without what vendors add: date, `-latest`, dots for dashes."""
    name = model.lower().removeprefix("models/").partition("[")[0]
    yield name
    dashed = _dashed(name)
    undated = _DATE.sub("", name)
    latest = undated.removesuffix("-latest")
    seen = {name}
    for other in (dashed, undated, latest, latest.replace(".", "-")):
        if other not in seen:
            seen.add(other)
            yield other


@lru_cache(maxsize=8192)
def normalised(name: str) -> str:
    """One name for all spellings of a model that cost the same; normalising it again changes nothing."""
    while (plainer := _step(name)) != name:
        name = plainer
    return name


def plain(name: str) -> str:
    """One name for a model under whatever terms: also without variant, `-latest` and `global.`."""
    name = normalised(name)
    while (plainer := normalised(_TERMS.sub("", name))) != name:
        name = plainer
    return name


def provider_name(model: str) -> str:
    """A model's name as a provider may be called: `Qwen/Qwen3:8B` as `qwen-qwen3-8b`; "" where nothing is left."""
    return re.sub(r"[^a-z0-9._-]+", "-", model.lower()).strip("-._")


def _step(name: str) -> str:
    """One round of taking off; each makes the name shorter, or takes a dot or a capital letter out of it."""
    name = _PATH.sub("", name.strip().lower().partition("[")[0].strip())
    shorter = _BEDROCK.sub(r"\1", name)
    if shorter != name:
        name = _RELEASE.sub("", shorter)
    name = _VERSION.sub(r"\1", name)
    name = _DOT.sub("-", name)
    if _dashed(name) not in _APART:
        name = _DATE.sub("", name)
    name = _CLAUDE.sub(_family_first, name)
    return _ZERO.sub(r"\1", name)


def _dashed(name: str) -> str:
    return _DATE.sub(r"-\1-\2-\3", name)


def _family_first(match: re.Match[str]) -> str:
    """`claude-3-5-haiku` as `claude-haiku-3-5`, the order that newer names have."""
    everywhere, major, minor, family = match.groups()
    return f"{everywhere or ''}claude-{family}-{major}" + (f"-{minor}" if minor else "")
