"""What a translation could not say, each thing once."""

from __future__ import annotations

from ringlet_mitm.rules.shapes import Loss


class Losses:
    """A list that grows while something is rendered."""

    def __init__(self) -> None:
        self._found: dict[str, Loss] = {}

    def note(self, what: str, why: str) -> None:
        """`what` was dropped or approximated; the first reason counts."""
        self._found.setdefault(what, Loss(what, why))

    def take(self, losses: tuple[Loss, ...]) -> None:
        """Those that someone else found."""
        for loss in losses:
            self._found.setdefault(loss.what, loss)

    @property
    def found(self) -> tuple[Loss, ...]:
        """All of them."""
        return tuple(self._found.values())
