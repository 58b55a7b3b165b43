"""mitmproxy's two kinds of content view made of one: THE place that knows either.

Until 11, a view is called and gives lines of styled pieces, and its name is a class attribute; from 12 on it has
`prettify`, which gives one text. Both choose a view by itself where its `render_priority` is the highest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from mitmproxy import contentviews, http
from mitmproxy.flow import Flow

from ringlet_mitm.addons.looked_at import LookedAt
from ringlet_mitm.addons.views.page import USUAL, WHOLE, Limits, Line, Style
from ringlet_mitm.addons.views.shown import is_model_call, shown

# mitmproxy's own views give 0 to 2.
FIRST = 10.0
NEVER = -1.0
INDENT = "  "
# By name: the one that is chosen by itself, and one that a person chooses where it left something out.
VIEWS: dict[str, tuple[Limits, float]] = {"LLM": (USUAL, FIRST), "LLM-all": (WHOLE, NEVER)}


def install(looked: LookedAt) -> None:
    """Offer the views in this process; `looked` is told what they are asked for."""
    make = _prettifying if hasattr(contentviews, "Contentview") else _calling
    for name, (limits, priority) in VIEWS.items():
        _forget(name)
        contentviews.add(make(name, limits, priority, looked))


def _priority(priority: float, flow: Flow | None, message: http.Message | None) -> float:
    """Only for bodies of model calls; not for a WebSocket's messages."""
    return priority if message is not None and is_model_call(flow) else NEVER


def _lines(flow: Flow | None, message: http.Message | None, limits: Limits, looked: LookedAt) -> list[Line]:
    if not isinstance(flow, http.HTTPFlow) or message is None or not is_model_call(flow):
        return [Line(Style.NOTE, "no model call")]
    looked.look(flow.id)
    return shown(flow, message, limits)


def _calling(name: str, limits: Limits, priority: float, looked: LookedAt) -> Any:
    """A view for mitmproxy 11; its base class is gone in what comes after 12."""
    base: Any = contentviews.View

    class CallingView(base):  # type: ignore[misc]
        def __call__(
            self, data: bytes, *, flow: Flow | None = None, http_message: http.Message | None = None, **_: object
        ) -> tuple[str, Iterator[list[tuple[str, str]]]]:
            return name, map(styled, _lines(flow, http_message, limits, looked))

        def render_priority(
            self, data: bytes, *, flow: Flow | None = None, http_message: http.Message | None = None, **_: object
        ) -> float:
            return _priority(priority, flow, http_message)

    CallingView.name = name
    return CallingView()


def _prettifying(name: str, limits: Limits, priority: float, looked: LookedAt) -> Any:
    """A view for mitmproxy 12, where Contentview is a protocol."""

    class PrettifyingView:
        syntax_highlight: ClassVar[str] = "yaml"

        def prettify(self, data: bytes, metadata: Any) -> str:
            return "\n".join(map(written, _lines(metadata.flow, metadata.http_message, limits, looked)))

        def render_priority(self, data: bytes, metadata: Any) -> float:
            return _priority(priority, metadata.flow, metadata.http_message)

        def __lt__(self, other: Any) -> bool:
            return bool(name < other.name)

    view: Any = PrettifyingView()
    view.name = name
    return view


def _forget(name: str) -> None:
    """mitmproxy 11 takes no name twice."""
    found = None if hasattr(contentviews, "Contentview") else contentviews.get(name)
    if found is not None:
        contentviews.remove(found)


# mitmweb gives a line without a character no height, so an empty one is a space.


def styled(line: Line) -> list[tuple[str, str]]:
    """A line in mitmproxy 11's pieces."""
    indent = INDENT * line.depth
    if line.style is Style.FIELD:
        return [("header", f"{indent}{line.name}: "), ("text", line.text)]
    return [(STYLES[line.style], f"{indent}{line.text}" or " ")]


def written(line: Line) -> str:
    """A line of text that looks right in the colours of YAML."""
    indent = INDENT * line.depth
    if line.style is Style.TITLE:
        return f"# {line.text}"
    if line.style is Style.FIELD:
        return f"{indent}{line.name}: {line.text}"
    return f"{indent}{line.text}" or " "


STYLES: dict[Style, str] = {Style.TITLE: "header", Style.TEXT: "text", Style.NOTE: "error"}
