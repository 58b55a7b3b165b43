"""What an agent asks in a soak, as bytes of HTTP, and what it makes of the answer.

A request has a number. It stands in the message, so that the answer can be told from all others, and it is the number
of output tokens asked for, so that its row can be.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from faulty_runs import CREDENTIALS, GEMINI_URL, URLS
from soak.providers import BY_HOST
from soak.rulebooks import MODELS, OTHER_MODEL
from verdicts import Verdict, read_answer

Outcome = Literal["right", "error", "wrong", "gone"]
FILLER = "Rain falls on the harbour and the ferry waits for nobody. "
FILLERS = 50_000 // len(FILLER)
NAMED = {
    f"This is {model} at {host}. I have read your message and have nothing to add.": (model, provider)
    for model in (*MODELS, OTHER_MODEL)
    for host, provider in BY_HOST.items()
}


@dataclass(frozen=True, slots=True)
class Asking:
    """One request."""

    number: int
    style: str
    model: str
    stream: bool
    big: bool

    @property
    def url(self) -> str:
        """Where an agent of this format sends it."""
        if self.style != "gemini":
            return URLS[self.style]
        method = "streamGenerateContent?alt=sse" if self.stream else "generateContent"
        return GEMINI_URL.format(model=self.model, method=method)

    @property
    def host(self) -> str:
        """The vendor that the agent was made for."""
        return self.url.split("/")[2]

    @property
    def path(self) -> str:
        """What comes behind it."""
        return "/" + self.url.split("/", 3)[3]

    @property
    def headers(self) -> dict[str, str]:
        """Without those of HTTP itself."""
        own = CREDENTIALS.get(self.style, {"authorization": "Bearer key-of-the-agent-c0ffee"})
        return {"content-type": "application/json", "user-agent": "soak/1", **own}

    @property
    def body(self) -> bytes:
        """A conversation whose last message has the number."""
        turns = [("user", FILLER * (FILLERS if self.big else 1)), ("assistant", "Indeed.")]
        turns.append(("user", f"Then answer this: [ref {self.number}]"))
        return json.dumps(BODIES[self.style](self, turns)).encode()


Turns = list[tuple[str, str]]


def _messages(asking: Asking, turns: Turns) -> dict[str, Any]:
    said = [{"role": role, "content": text} for role, text in turns]
    return {"model": asking.model, "max_tokens": asking.number, "messages": said, "stream": asking.stream}


def _chat(asking: Asking, turns: Turns) -> dict[str, Any]:
    body = _messages(asking, turns)
    return body | {"max_completion_tokens": body.pop("max_tokens")}


def _responses(asking: Asking, turns: Turns) -> dict[str, Any]:
    body = _messages(asking, turns)
    return body | {"input": body.pop("messages"), "max_output_tokens": body.pop("max_tokens"), "store": False}


def _gemini(asking: Asking, turns: Turns) -> dict[str, Any]:
    said = [{"role": "model" if role == "assistant" else role, "parts": [{"text": text}]} for role, text in turns]
    return {"contents": said, "generationConfig": {"maxOutputTokens": asking.number}}


BODIES = {"messages": _messages, "chat": _chat, "responses": _responses, "gemini": _gemini}


@dataclass(slots=True)
class Story:
    """A request and what became of it; `model` and `provider` are what a right answer says of itself.

    Times are of time.monotonic(). `why` is what is wrong, or the kind of the error.
    """

    asking: Asking
    agent: str
    sent: float
    ended: float = 0.0
    outcome: Outcome = "wrong"
    why: str = ""
    model: str = ""
    provider: str = ""
    status: int = 0
    said: bytes = field(default=b"", repr=False)

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.sent


def judge(story: Story, status: int, body: bytes, bound_s: float) -> None:
    """Say of a complete answer what it is."""
    asking = story.asking
    story.status = status
    verdict = read_answer(asking.style, asking.stream, status, body)
    story.outcome, story.why = _outcome(story, verdict)
    if story.outcome != "wrong" and story.seconds > bound_s:
        story.outcome, story.why = "wrong", f"right or not, it took {story.seconds:.1f} s"
    if story.outcome == "wrong":
        story.said = body


def _outcome(story: Story, verdict: Verdict) -> tuple[Outcome, str]:
    if verdict.kind == "error":
        return "error", _kind(json.loads(verdict.text))
    if verdict.kind == "broken":
        return "wrong", verdict.why
    words, _, reference = verdict.text.rpartition(" [ref ")
    if reference != f"{story.asking.number}]" or words not in NAMED:
        return "wrong", f"says {verdict.text!r}"
    story.model, story.provider = NAMED[words]
    return "right", ""


def _kind(said: dict[str, Any]) -> str:
    """The word of the format for this error."""
    error = said.get("error") or (said.get("response") or {}).get("error") or said
    return str(error.get("status") or error.get("code") or error.get("type"))
