"""The addons for a proxy that somebody looks into. Not in `master.py`: without anybody, none of this is imported."""

from __future__ import annotations

from typing import Any

from ringlet_mitm.addons.annotations import OUR_MARKS, Annotations
from ringlet_mitm.addons.contentview import install
from ringlet_mitm.addons.flow_limit import FlowLimit
from ringlet_mitm.addons.looked_at import LookedAt
from ringlet_mitm.addons.token_answers import TokenAnswers


def watchers(*, keeps_bodies: bool = True) -> tuple[Any, ...]:
    """In the order of their hooks, which come after all others'; offers the content views too.

    `keeps_bodies` is false where the profile's `capture` is `none`.
    """
    looked = LookedAt()
    install(looked)
    return Annotations(keeps_bodies=keeps_bodies), TokenAnswers(), FlowLimit(looked, OUR_MARKS)
