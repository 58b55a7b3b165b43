"""The condition behind a route by model name: the model asked for begins so.

As prefix, not as equality (that is `model-equals`), and also behind a provider's or vendor's name and a slash: agents
ask OpenRouter for `anthropic/claude-sonnet-4.6`, and a route for `claude-` means that model too.
"""

from __future__ import annotations

import re

from ringlet_mitm.rules.conditions import MODEL, Cost, Term
from ringlet_mitm.rules.domains import GLOB_SIGNS, Pattern, Shape, Texts


def hinted(hint: str) -> Term:
    """The condition of a route with this `hint`."""
    literal = re.sub(GLOB_SIGNS, lambda sign: f"[{sign[0]}]", hint)
    patterns = (Pattern(Shape.PREFIX, hint), Pattern(Shape.GLOB, f"*/{literal}*"))
    return Term("hint", (hint,), MODEL, Texts(patterns), Cost.CHEAP)
