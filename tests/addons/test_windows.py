"""How large a fallback has to be after a request was too long, by the real tables."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from ringlet_mitm.addons import windows
from ringlet_mitm.addons.live import Ruling
from ringlet_mitm.addons.windows import Windows
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.failures import Failure, FailureKind
from ringlet_mitm.rules.own_models import OwnModel
from ringlet_mitm.rules.peek import AgentRequest
from ringlet_mitm.rules.pricelist import PriceBook, extract
from ringlet_mitm.rules.providers import ProviderRegistry, registry
from ringlet_mitm.rules.reliability import Attempt, GiveBack, Next, Policy, Step, next_step
from ringlet_mitm.rules.routes import Route, named_route
from ringlet_mitm.rules.rulebook import load_rulebook
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.targets import Target, line_up

LIBRARY = extract()
REGISTRY = registry({})
BOOK = PriceBook(library_ids={"vertex": "google"}, catalogue=lambda: LIBRARY)
HAIKU, SONNET = "anthropic/claude-haiku-4-5", "openrouter/anthropic/claude-sonnet-4.5"
GEMINI, LLAMA, GPT4 = "gemini/gemini-2.5-pro", "groq/llama-3.3-70b-versatile", "openai/gpt-4"
OLLAMA, GPT4O, GPT41 = "ollama/nobody-knows", "openai/gpt-4o", "openai/gpt-4.1"


def ruling(providers: ProviderRegistry = REGISTRY) -> Ruling:
    return Ruling(load_rulebook("", "routing.toml", providers), providers, None)


def target(name: str, host: str = "localhost") -> Target:
    asked = AgentRequest(WireFormat.MESSAGES, "POST", "https", host, 443, "/v1/messages", (), b"{}", direct=True)
    return line_up(named_route(name, REGISTRY), asked, None, REGISTRY)[0]


def attempt(tried: Target, kind: FailureKind | None) -> Attempt:
    return Attempt(1, tried, "K", 0, failure=None if kind is None else Failure(kind, 400))


def after(names: list[str], kinds: list[FailureKind], own: tuple[OwnModel, ...] = ()) -> Step:
    """What follows when the first ones of a chain failed like this."""
    chain = tuple(map(target, names))
    attempts = tuple(attempt(tried, kind) for tried, kind in zip(chain, kinds, strict=False))
    known = asyncio.run(Windows(BOOK, lambda: own).after(ruling(), attempts, chain))
    failure = attempts[-1].failure
    assert failure is not None
    return next_step(Policy(), chain, attempts, failure, 0, 0.0, known)


TOO_LONG, OVERLOADED, NO_MODEL = FailureKind.CONTEXT_WINDOW, FailureKind.OVERLOADED, FailureKind.NO_SUCH_MODEL


@pytest.mark.parametrize(
    ("names", "kinds", "follows"),
    [
        ([HAIKU, GEMINI], [TOO_LONG], GEMINI),
        ([GPT4O, GPT4, HAIKU], [TOO_LONG], HAIKU),
        ([HAIKU, LLAMA, GPT4], [TOO_LONG], None),
        ([GPT4O, HAIKU, GEMINI], [TOO_LONG], HAIKU),
        ([GPT4O, HAIKU, LLAMA, GEMINI], [TOO_LONG, TOO_LONG], GEMINI),
        ([HAIKU, SONNET], [TOO_LONG], SONNET),
        ([GEMINI, GPT41], [TOO_LONG], None),
        ([GPT4O, OLLAMA], [TOO_LONG], OLLAMA),
        ([OLLAMA, GPT4], [TOO_LONG], GPT4),
        ([GPT4O, GEMINI, GPT4, HAIKU], [TOO_LONG, NO_MODEL], HAIKU),
        ([HAIKU, LLAMA], [NO_MODEL], LLAMA),
    ],
    ids=[
        "200k, then 1M",
        "128k: 8k is passed over",
        "nothing is larger",
        "the first that is larger, not the largest",
        "larger than all that were too small",
        "the same family at a place that takes more",
        "a little less is too little",
        "a window that nobody knows may be large enough",
        "nobody knows how large the first was",
        "another failure later does not make small ones large",
        "nobody said it was too long",
    ],
)
def test_what_follows_a_request_that_was_too_long(
    names: list[str], kinds: list[FailureKind], follows: str | None
) -> None:
    assert after(names, kinds) == (Next(target(follows)) if follows else GiveBack())


def test_the_persons_own_figures_count() -> None:
    own = OwnModel(id="nobody-knows", provider="ollama", context=4096)
    assert after([GPT4O, OLLAMA], [TOO_LONG], (own,)) == GiveBack()


def test_a_host_that_is_nobodys_has_the_models_own_window() -> None:
    asked = AgentRequest(WireFormat.MESSAGES, "POST", "https", "plan.example", 443, "/v1/messages", (), b"{}")
    stranger = line_up(Route(None, "claude-haiku-4-5"), asked, None, REGISTRY)[0]
    assert (stranger.provider, window_of(Windows(BOOK, tuple), ruling(), stranger)) == ("", 200_000)


def window_of(known: Windows, now: Ruling, one: Target) -> int | None:
    """What is said of it after it was tried."""
    said = asyncio.run(known.after(now, [attempt(one, TOO_LONG)], ()))
    assert said is not None
    return said(one)


class TestMemory:
    def test_nobody_is_asked_while_nothing_was_too_long(self) -> None:
        known = Windows(BOOK, unwanted)
        attempts = [attempt(target(GPT4O), OVERLOADED), attempt(target(GPT4), None)]
        assert asyncio.run(known.after(ruling(), attempts, [target(GEMINI)])) is None

    def test_the_files_are_read_in_a_thread_and_once_for_a_ruling(self) -> None:
        threads: list[threading.Thread] = []
        known = Windows(BOOK, noting(threads))
        now = ruling()
        for name in (GPT4O, HAIKU, GPT4O):
            assert window_of(known, now, target(name)) in (128_000, 200_000)
        assert len(threads) == 1 and threads[0] is not threading.main_thread()
        window_of(known, ruling(registry({})), target(GPT4O))
        assert len(threads) == 2

    def test_a_new_ruling_has_the_figures_of_now(self) -> None:
        said = [OwnModel(id="nobody-knows", provider="ollama", context=1000)]
        known, first = Windows(BOOK, lambda: said), ruling()
        assert window_of(known, first, target(OLLAMA)) == 1000
        said[0] = OwnModel(id="nobody-knows", provider="ollama", context=2000)
        assert window_of(known, first, target(OLLAMA)) == 1000
        assert window_of(known, ruling(registry({})), target(OLLAMA)) == 2000

    def test_a_file_that_cannot_be_read_is_as_none(self) -> None:
        assert window_of(Windows(BOOK, broken), ruling(), target(GPT4O)) == 128_000

    def test_models_without_number_do_not_pile_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(windows, "MOST_WINDOWS", 3)
        known, now = Windows(BOOK, tuple), ruling()
        for number in range(8):
            window_of(known, now, target(f"groq/model-{number}"))
        assert known._known is not None and len(known._known._windows) <= 3

    def test_a_thread_of_ones_own_gets_the_same_at_once(self) -> None:
        known, now = Windows(BOOK, tuple), ruling()
        tried = [attempt(target(GPT4O), TOO_LONG)]
        said = known.after_now(now.registry, tried, [target(HAIKU)])
        assert said is not None and (said(target(GPT4O)), said(target(HAIKU))) == (128_000, 200_000)
        assert known.after_now(now.registry, [attempt(target(GPT4O), OVERLOADED)], ()) is None


def noting(threads: list[threading.Thread]) -> Callable[[], tuple[OwnModel, ...]]:
    def read() -> tuple[OwnModel, ...]:
        threads.append(threading.current_thread())
        return ()

    return read


def unwanted() -> tuple[OwnModel, ...]:
    raise AssertionError("nobody was too long")


def broken() -> tuple[OwnModel, ...]:
    raise ConfigError("no TOML")
