"""The task that each agent does, and what the model says at each of its steps.

Step 1: a shell command, and beside it a look at the file where there is a tool for that; step 2: the edit, with the
tool for it, or by a patch or the shell where there is none; step 3: the closing words. Tools are found by their
names' ends and by their arguments, since a translation may put a prefix before a name or wrap free text into an object.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE = "notes.txt"
OLD, NEW = "the sky is “red” 🌅", "the sky is \\blue\\ 🌌"
BEFORE = f"first line\n{OLD}\nlast line\n"
AFTER = BEFORE.replace(OLD, NEW)
RAN = "ran.txt"
COMMAND = f"echo yes > {RAN} && printf 'said-%s-by-the-shell\\n' 42"
SHELL_SAID = "said-42-by-the-shell"
PROMPT = f"Run a shell command that writes {RAN}, then edit {FILE} so that the sky is blue. Word of the day: zwieback."
PROMPT_WORD = "zwieback"
CLOSING = "The sky is blue now, all is done: quetzalcoatl."
CLOSING_WORD = "quetzalcoatl"


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool that is offered. `custom` takes free text; `namespace` is of Responses."""

    name: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    custom: bool = False
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A call; a custom tool's has a text instead of arguments."""

    tool: Offer
    arguments: Mapping[str, Any] | str

    @property
    def text(self) -> str:
        """What the model writes."""
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Step:
    """One answer of the model."""

    text: str
    thought: str = ""
    calls: tuple[Call, ...] = ()


def steps(offers: tuple[Offer, ...], folder: Path) -> tuple[Step, Step, Step] | None:
    """The whole play with these tools; None where nothing runs a command: then it is no turn of the task."""
    shell = _named(offers, SHELLS)
    if shell is None:
        return None
    look, edit = _named(offers, READS), _named(offers, EDITS)
    first = (_ran(shell, COMMAND), *(() if look is None else (_filled(look, {"path": str(folder / FILE)}),)))
    second = _edited(edit, folder) if edit else _patched(shell)
    return (
        Step("I run the command first.", "The user wants two things, one after the other.", first),
        Step("", "The shell has said its word. Now the edit.", (second,)),
        Step(CLOSING),
    )


def _names(*words: str) -> re.Pattern[str]:
    return re.compile(rf"(.*[._-])?({'|'.join(words)})", re.IGNORECASE)


SHELLS = _names("bash", "run_shell_command", "exec_command", "local_shell", "shell", "exec")
READS = _names("read", "read_file")
EDITS = _names("apply_patch", "edit", "replace")

# What an argument is for, by its name.
MEANINGS = {
    "path": re.compile(r"(absolute_?)?(file_?)?path|file", re.IGNORECASE),
    "old": re.compile(r"old_?(string|text|str)", re.IGNORECASE),
    "new": re.compile(r"new_?(string|text|str)", re.IGNORECASE),
    "command": re.compile(r"command|cmd", re.IGNORECASE),
    "patch": re.compile(r"patch_?(text)?|input", re.IGNORECASE),
}
PATCH = f"*** Begin Patch\n*** Update File: {FILE}\n@@\n first line\n-{OLD}\n+{NEW}\n last line\n*** End Patch\n"


def _named(offers: tuple[Offer, ...], pattern: re.Pattern[str]) -> Offer | None:
    return next((offer for offer in offers if pattern.fullmatch(offer.name)), None)


def _filled(offer: Offer, values: Mapping[str, Any]) -> Call:
    """A call with these values where the tool has a place for them; what else is required is made up."""
    said: dict[str, Any] = {}
    for name, schema in offer.properties.items():
        meant = next((key for key, pattern in MEANINGS.items() if key in values and pattern.fullmatch(name)), None)
        if meant:
            said[name] = values[meant]
        elif name in offer.required:
            said[name] = MADE_UP.get(str(schema.get("type")).lower(), "sky")
    return Call(offer, said)


MADE_UP: dict[str, Any] = {"boolean": False, "integer": 1, "number": 1, "array": [], "object": {}}


def _free_text(offer: Offer) -> bool:
    """Whether the tool takes one text, itself or as its only argument that is not a command."""
    return offer.custom or list(offer.properties) == ["input"]


def _with_text(offer: Offer, text: str) -> Call:
    return Call(offer, text if offer.custom else {"input": text})


def _ran(shell: Offer, command: str) -> Call:
    if _free_text(shell):
        return _with_text(shell, _script(f"tools.exec_command({{cmd: {json.dumps(command)}}})"))
    named = (value for name, value in shell.properties.items() if MEANINGS["command"].fullmatch(name))
    schema: Mapping[str, Any] = next(named, {})
    words = ["bash", "-lc", command] if str(schema.get("type")).lower() == "array" else command
    return _filled(shell, {"command": words})


def _script(call: str) -> str:
    """For a shell that is a JavaScript interpreter with tools in it, as Codex has it."""
    return f"const done = await {call};\ntext(typeof done === 'string' ? done : (done.output ?? done));\n"


def _edited(edit: Offer, folder: Path) -> Call:
    if edit.custom:
        return Call(edit, PATCH)
    return _filled(edit, {"path": str(folder / FILE), "old": OLD, "new": NEW, "patch": PATCH})


def _patched(shell: Offer) -> Call:
    if _free_text(shell):
        return _with_text(shell, _script(f"tools.apply_patch({json.dumps(PATCH)})"))
    return _ran(shell, f"printf %s {shlex.quote(AFTER)} > {FILE}")
