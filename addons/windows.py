"""How many tokens targets take in: asked for when a request was too long for one of them, and only then.

The catalogue of models knows. Its tables take some 6 ms to read at the first question, and the person's own models are
in a file: so it is made and asked in a thread, once for each ruling.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

from ringlet_mitm.addons.live import Ruling
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.failures import FailureKind
from ringlet_mitm.rules.models import ModelCatalogue
from ringlet_mitm.rules.own_models import OwnModel
from ringlet_mitm.rules.pricelist import PriceBook
from ringlet_mitm.rules.providers import ProviderRegistry
from ringlet_mitm.rules.reliability import Attempt
from ringlet_mitm.rules.targets import Target

# The names come from agents.
MOST_WINDOWS = 2048

Window = int | None
Model = tuple[str, str]


class Windows:
    """Asks the catalogue, and remembers. `own` reads the models that the person added."""

    def __init__(self, prices: PriceBook, own: Callable[[], Sequence[OwnModel]]) -> None:
        self._prices = prices
        self._own = own
        self._known: _Known | None = None

    async def after(
        self, ruling: Ruling, attempts: Sequence[Attempt], targets: Iterable[Target]
    ) -> Callable[[Target], Window] | None:
        """What `next_step` wants to know of the targets tried and those left; None where no attempt was too long."""
        if not any(map(_was_too_long, attempts)):
            return None
        known, asked = self._of(ruling.registry), _models(attempts, targets)
        found = known.remembered(asked)
        return _by_target(await asyncio.to_thread(known.look_up, asked) if found is None else found)

    def after_now(
        self, providers: ProviderRegistry, attempts: Sequence[Attempt], targets: Iterable[Target]
    ) -> Callable[[Target], Window] | None:
        """The same for who has a thread to wait in."""
        if not any(map(_was_too_long, attempts)):
            return None
        return _by_target(self._of(providers).look_up(_models(attempts, targets)))

    def _of(self, providers: ProviderRegistry) -> _Known:
        """Every ruling has a registry of its own, and is made anew when the person's models change."""
        if self._known is None or self._known.providers is not providers:
            self._known = _Known(providers, self._prices, self._own)
        return self._known


class _Known:
    """What one ruling's catalogue has said. Several threads may ask at once: they would find the same."""

    def __init__(self, providers: ProviderRegistry, prices: PriceBook, own: Callable[[], Sequence[OwnModel]]) -> None:
        self.providers = providers
        self._prices = prices
        self._own = own
        self._windows: dict[Model, Window] = {}

    def remembered(self, models: Iterable[Model]) -> dict[Model, Window] | None:
        """All of them, None where one was not looked up yet."""
        try:
            return {model: self._windows[model] for model in models}
        except KeyError:
            return None

    def look_up(self, models: Iterable[Model]) -> dict[Model, Window]:
        """The same from the catalogue, which is slow."""
        found = {model: self._catalogue.window(*model) for model in models}
        if len(self._windows) + len(found) > MOST_WINDOWS:
            self._windows = {}
        self._windows.update(found)
        return found

    @cached_property
    def _catalogue(self) -> ModelCatalogue:
        try:
            own = self._own()
        except ConfigError:  # the file is being edited; who saves it is told, and the ruling stays what it was
            own = ()
        return ModelCatalogue(self.providers, self._prices, own)


def _was_too_long(attempt: Attempt) -> bool:
    return attempt.failure is not None and attempt.failure.kind is FailureKind.CONTEXT_WINDOW


def _by_target(windows: dict[Model, Window]) -> Callable[[Target], Window]:
    return lambda target: windows.get(_model(target))


def _models(attempts: Iterable[Attempt], targets: Iterable[Target]) -> set[Model]:
    return {_model(target) for target in (*targets, *(attempt.target for attempt in attempts))}


def _model(target: Target) -> Model:
    return target.provider, target.model
