"""The stand-in vendor's model: plays the task in the format that a request comes in, as strict as the vendors are."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.reading import READERS, Asked, in_camel_case
from agents.speaking import STYLES, Said
from agents.story import PROMPT_WORD, SHELL_SAID, Call, Step, steps
from agents.strictness import SENTINELS, faults

from ringlet_mitm.cli.demo.script import asked_form, made_up
from ringlet_mitm.cli.demo.upstream import Refusal, Seen, Spoken, asked_model

Json = dict[str, Any]
BYTES_PER_TOKEN = 4
SIGNED = ("messages", "responses", "gemini")


@dataclass(frozen=True, slots=True)
class Played:
    """One model call: what came, and what the player made of it."""

    style: str
    host: str
    path: str
    body: Json = field(repr=False)
    said: str


@dataclass(slots=True)
class Player:
    """Plays for one agent in `folder`. `secret` is in the agent's own key, which only its own vendor may see."""

    folder: Path
    secret: str
    own_host: str
    played: list[Played] = field(default_factory=list)
    signed: dict[tuple[str, str], str] = field(default_factory=dict)
    returned: set[tuple[str, str]] = field(default_factory=set)

    @property
    def refused(self) -> list[Played]:
        """The calls that a vendor would not have taken."""
        return [one for one in self.played if one.said.startswith("refused: ")]

    @property
    def steps_seen(self) -> list[int]:
        """The steps of the task that were played, in order."""
        return [int(one.said.removeprefix("step ")) for one in self.played if one.said.startswith("step ")]

    @property
    def lost_signatures(self) -> set[tuple[str, str]]:
        """Those of steps that were followed by another one, and that never came back."""
        return self.signed.keys() - self.returned

    def __call__(self, style: str, seen: Seen, body: Json, stream: bool) -> Spoken:
        """What the vendor answers; raises Refusal."""
        body = in_camel_case(body) if style == "gemini" else body
        asked = READERS[style](body)
        wrong = [*faults(style, body), *self._strays(seen), *self._forged(style, asked)]
        said, step = (f"refused: {'; '.join(wrong)}", None) if wrong else self._step(asked, body)
        self.played.append(Played(style, seen.host, seen.path, body, said))
        if step is None:
            raise Refusal(400, "invalid_request_error", said.removeprefix("refused: "))
        return self._spoken(style, seen, body, stream, step if asked.thinks else Step(step.text, "", step.calls))

    def _strays(self, seen: Seen) -> list[str]:
        """The agent's key, where it must not be."""
        everything = (*seen.headers.values(), seen.query)
        gone = seen.host != self.own_host and any(self.secret in value for value in everything)
        return [f"the agent's own key went to {seen.host}"] if gone else []

    def _forged(self, style: str, asked: Asked) -> list[str]:
        """Signatures that this vendor did not give, or gave for other words."""
        wrong = []
        for thought in asked.thoughts:
            if thought.signature in SENTINELS:
                continue
            key = (style, thought.signature)
            if key not in self.signed:
                wrong.append(f"thinking: invalid signature {thought.signature[:60]!r}")
            elif thought.text is not None and thought.text != self.signed[key]:
                wrong.append("thinking: a signed thought must not be modified")
            self.returned.add(key)
        return wrong

    def _step(self, asked: Asked, body: Json) -> tuple[str, Step | None]:
        play = steps(asked.offers, self.folder)
        if play is None:
            return "side call", _side(asked, body)
        if PROMPT_WORD not in json.dumps(body):
            return "refused: the prompt has not arrived", None
        first, second, _ = play
        places = {0: 0, len(first.calls): 1, len(first.calls) + len(second.calls): 2}
        place = places.get(len(asked.results))
        if place is None:
            return f"refused: {len(asked.results)} results of tools have arrived", None
        if place and not any(SHELL_SAID in result for result in asked.results):
            return f"refused: what the shell said has not arrived, but {asked.results!r}", None
        return f"step {place + 1}", play[place]

    def _spoken(self, style: str, seen: Seen, body: Json, stream: bool, step: Step) -> Spoken:
        number = len(self.played)
        signature = base64.b64encode(f"{style} thought {number}: {step.thought}".encode()).decode()
        if step.calls and style in SIGNED:
            self.signed[style, signature] = step.thought
        said = Said(step, asked_model(style, seen, body), number, signature, len(seen.body) // BYTES_PER_TOKEN)
        if not stream:
            return Spoken([json.dumps(STYLES[style].whole(said)).encode()], "application/json")
        return Spoken(STYLES[style].stream(said, body), "text/event-stream")


def _side(asked: Asked, body: Json) -> Step:
    """A title, a classification: in the form that is asked for."""
    if asked.forced:
        tool = next(offer for offer in asked.offers if offer.name == asked.forced)
        return Step("", "", (Call(tool, made_up("", {"properties": tool.properties})),))
    form = asked_form(body)
    return Step(json.dumps(made_up("", form)) if form else "Blue sky")
