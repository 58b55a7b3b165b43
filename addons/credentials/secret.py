"""A key that does not show itself: not in logs, tracebacks, rows or dumps."""

from __future__ import annotations


class Secret:
    """Text that only `reveal()` gives; every other view of it is a mask.

    `label` says where it is from (`env:GROQ_API_KEY`), for rows and messages.
    """

    __slots__ = ("_text", "label")

    def __init__(self, text: str, label: str = "") -> None:
        self._text = text
        self.label = label

    def reveal(self) -> str:
        """The secret itself, for the one place that writes it into a request."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled")
