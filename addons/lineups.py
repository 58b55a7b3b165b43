"""Chains of targets, remembered: the same few routes are lined up for every request of a conversation.

What a chain hangs on is known: the ruling, the route, where the request was sent, the model it asks for, and what of
the turn a provider wants headers for. The body and all other headers do not count. A chain of 13 takes 150 to 200 us
to line up and 3 to find again (2026-11); a single target takes 18 and 1.
"""

from __future__ import annotations

from collections.abc import Hashable

from ringlet_mitm.addons.live import Ruling
from ringlet_mitm.rules.peek import AgentRequest, RequestFeatures
from ringlet_mitm.rules.routes import Route
from ringlet_mitm.rules.targets import Lineup, lined_up

# Models and paths come from agents.
MOST_CHAINS = 512


class Lineups:
    """The chains of one ruling; another ruling's requests find none of them."""

    def __init__(self) -> None:
        self._ruling: Ruling | None = None
        self._known: dict[Hashable, Lineup] = {}

    def of(self, ruling: Ruling, route: Route, request: AgentRequest, features: RequestFeatures | None) -> Lineup:
        """What `lined_up` gives; raises what it raises."""
        if ruling is not self._ruling:
            self._ruling, self._known = ruling, {}
        key = _key(route, request, features)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= MOST_CHAINS:
                self._known.clear()
            found = self._known[key] = lined_up(route, request, features, ruling.registry, ruling.pin)
        return found


def _key(route: Route, request: AgentRequest, features: RequestFeatures | None) -> Hashable:
    """All that `lined_up` looks at, besides the ruling."""
    place = (request.format, request.scheme, request.host, request.port, request.path.partition("?")[0], request.direct)
    turn = None if features is None else (features.model, features.tool_result, bool(features.images))
    return route, place, turn
