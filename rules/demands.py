"""What a provider wants of a request's body beyond its format: keys that it refuses, or cannot do without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Demands:
    """Keys at the top of the body. Renamed first, then refused, forced and defaulted.

    refuse: it answers an error to them, so they are left out and said to be lost.
    refuse_in_messages: the same inside each of `messages`.
    rename: names that it knows under another one.
    force: whatever the agent said. default: where the agent said nothing.
    """

    # How pydantic reads them from a provider's file; said without importing it.
    __pydantic_config__: ClassVar[dict[str, Any]] = {
        "extra": "forbid",
        "populate_by_name": True,
        "alias_generator": lambda name: name.replace("_", "-"),
    }

    refuse: tuple[str, ...] = ()
    refuse_in_messages: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    force: Mapping[str, Any] = field(default_factory=dict)
    default: Mapping[str, Any] = field(default_factory=dict)

    def concern(self, body: bytes) -> bool:
        """Whether a body may have to change: a quick look, which may be wrong in saying yes."""
        if self.force or self.default:
            return True
        return any(f'"{key}"'.encode() in body for key in (*self.refuse, *self.refuse_in_messages, *self.rename))
