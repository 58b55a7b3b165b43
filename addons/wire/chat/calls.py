"""Which call a piece of a stream belongs to: vendors number and name them in every way.

    piece has                         it is
    --------------------------        ------------------------------------------------------------
    an index, no other id             the call of that index, which it begins if there is none
    an index, another id              the call of that id: some number all their calls 0
    an index, no ids, another name    a call of its own, for the same reason
    an id, no index                   the call of that id, which it begins if there is none
    neither, but a name               a call of its own
    nothing but arguments             the last call

Id and name may come again with every piece, or once the call has begun.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ringlet_mitm.addons.wire.canonical import CallKind
from ringlet_mitm.addons.wire.chat.tool_calls import arguments_of, thought_signature

MOST = 1000
MOST_HELD = 1 << 20  # characters of arguments that come before their call's name


@dataclass(slots=True)
class Call:
    """A call in the making; `block` is None until its name is known, what came before waits in `held`."""

    index: int | None
    kind: CallKind
    spare_id: str
    id: str = ""
    name: str = ""
    signature: str = ""
    block: int | None = None
    held: str = ""


class Calls:
    """The calls of an answer."""

    def __init__(self) -> None:
        self._running: list[Call] = []
        self._count = 0

    def take(self, said: Mapping[str, Any], answer_id: str) -> tuple[Call, str] | None:
        """The call that a piece belongs to and its arguments; None where there are too many calls.

        Arguments of a call that is not announced yet wait in it.
        """
        kind = CallKind.CUSTOM if "custom" in said or said.get("type") == "custom" else CallKind.FUNCTION
        inner = said.get(kind.value)
        inner = inner if isinstance(inner, dict) else {}
        name, call_id, index = _text(inner.get("name")), _text(said.get("id")), said.get("index")
        call = self._found(index if type(index) is int else None, call_id, name)
        if call is None:
            if self._count >= MOST:
                return None
            call = Call(index if type(index) is int else None, kind, f"call_{answer_id}_{self._count}")
            self._running.append(call)
            self._count += 1
        call.id = call.id or call_id
        call.name = call.name or name
        call.signature = call.signature or thought_signature(said)
        arguments = arguments_of(inner.get("input" if kind is CallKind.CUSTOM else "arguments"))
        if call.block is None and len(call.held) <= MOST_HELD:
            call.held += arguments
        return call, arguments

    def end(self) -> list[Call]:
        """The calls that were running; none is after this."""
        ended, self._running = self._running, []
        return ended

    def _found(self, index: int | None, call_id: str, name: str) -> Call | None:
        if index is None and not call_id:
            return self._running[-1] if self._running and not name else None
        same_id = next((call for call in self._running if call_id and call.id == call_id), None)
        if index is None or same_id is not None:
            return same_id
        found = next((call for call in reversed(self._running) if call.index == index), None)
        if found is None or (call_id and found.id):
            return None
        unnamed = not call_id and not found.id
        return None if unnamed and name and found.name and name != found.name else found


def _text(said: Any) -> str:
    return said if isinstance(said, str) else ""
