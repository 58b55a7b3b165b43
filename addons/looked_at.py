"""Which flows somebody has opened last: those are not dropped under their eyes."""

from __future__ import annotations

from collections import deque

# A person compares two or three.
REMEMBERED = 4


class LookedAt:
    """The ids of the flows whose content was shown last."""

    def __init__(self) -> None:
        self._ids: deque[str] = deque(maxlen=REMEMBERED)

    def look(self, flow_id: str) -> None:
        """Somebody looks at it."""
        if flow_id in self._ids:
            self._ids.remove(flow_id)
        self._ids.append(flow_id)

    def __contains__(self, flow_id: object) -> bool:
        return flow_id in self._ids
