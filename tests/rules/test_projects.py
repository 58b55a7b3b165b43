"""The last part of the folder that an agent works in, where its prompt says it and nowhere else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from xxhash import xxh3_128_digest

from ringlet_mitm.rules.agents import presets
from ringlet_mitm.rules.projects import FOLDER, FRONT, LOOKED_AT, last_part, project_of

CLAUDE = (
    "# Environment\nYou have been invoked in the following environment:\n - Primary working directory: {}\n - Platform"
)
OLD_CLAUDE = "<env>\nWorking directory: {}\nIs directory a git repo: No\n</env>"
CODEX = "<environment_context>\n  <cwd>{}</cwd>\n  <shell>bash</shell>\n</environment_context>"
OPENCODE = "<env>\n  Working directory: {}\n  Workspace root folder: /\n</env>"
GEMINI = "This is the Gemini CLI.\n- **Workspace Directories:**\n  - {}\n  - /tmp/plans\n- **Directory Structure:**"
OLD_GEMINI = "My operating system is: linux\nI'm currently working in the directory: {}\nHere is the folder structure"
KIMI = "The current working directory is `{}`. This should be considered as the project root"
PI = "Current date: 2026-11-21\nCurrent working directory: {}"
CLINE = "# Current Working Directory ({}) Files\nREADME.md"


def found(agent: str, *messages: Any, system: Any = None) -> str:
    """The project of a conversation; messages are texts of a user, or whole messages."""
    whole = [{"role": "user", "content": one} if isinstance(one, str) else one for one in messages]
    raws = [Raw(json.dumps(one, ensure_ascii=False).encode()) for one in whole]
    said = Raw(json.dumps(system, ensure_ascii=False).encode()) if system is not None else None
    beginnings = [raw for raw in (said, *raws[:FRONT]) if raw is not None]
    return project_of(agent, said, raws, [xxh3_128_digest(raw) for raw in beginnings])


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("claude", CLAUDE),
        ("claude", OLD_CLAUDE),
        ("codex", CODEX),
        ("opencode", OPENCODE),
        ("gemini", GEMINI),
        ("gemini", OLD_GEMINI),
        ("qwen", OLD_GEMINI),
        ("kimi", KIMI),
        ("pi", PI),
        ("cline", CLINE),
    ],
)
@pytest.mark.parametrize("where", ["system", "blocks", "first message", "second message"])
def test_each_agent_says_it_in_its_own_words(agent: str, words: str, where: str) -> None:
    text = words.format("/home/ada/work/lovelace")
    system: Any = {"system": text, "blocks": [{"type": "text", "text": text}]}.get(where)
    messages = {"first message": (text, "hi"), "second message": ("hi", {"role": "system", "content": text})}
    assert found(agent, *messages.get(where, ("hi",)), system=system) == "lovelace"


@pytest.mark.parametrize(
    ("path", "project"),
    [
        ("/home/ada/lovelace", "lovelace"),
        ("/home/ada/lovelace/", "lovelace"),
        ("/srv/two words (old)", "two words (old)"),
        ("/srv/größe", "größe"),
        ("~/notes", "notes"),
        ("C:\\Users\\ada\\new", "new"),
        ("C:/Users/ada/new", "new"),
        ("\\\\server\\share\\reports", "reports"),
        ("/", ""),
        ("C:\\", ""),
        ("`src/`", ""),
        ("${cwd}", ""),
        ("", ""),
    ],
)
@pytest.mark.parametrize(("agent", "words"), [("claude", CLAUDE), ("codex", CODEX)])
def test_paths_of_all_systems(agent: str, words: str, path: str, project: str) -> None:
    assert found(agent, "hi", system=words.format(path)) == project


def test_markup_is_undone_where_the_sentence_is_markup() -> None:
    assert found("codex", CODEX.format("/srv/R&amp;D")) == "R&D"
    assert found("claude", "hi", system=CLAUDE.format("/srv/R&amp;D")) == "R&amp;D"


def test_nothing_of_the_path_but_its_last_part_is_kept() -> None:
    assert "ada" not in found("claude", "hi", system=CLAUDE.format("/home/ada/secret-client/app"))
    assert "secret" not in found("claude", "hi", system=CLAUDE.format("C:\\ada\\secret-client\\app"))


def test_what_comes_after_the_models_first_words_is_not_looked_at() -> None:
    read = {"role": "user", "content": [{"type": "tool_result", "content": CLAUDE.format("/srv/other")}]}
    assert found("claude", "hi", {"role": "assistant", "content": "let me see"}, read) == ""
    assert found("codex", "hi", {"type": "function_call", "name": "sh"}, CODEX.format("/srv/other")) == ""


@pytest.mark.parametrize("agent", ["", "aider", "nobody"])
def test_who_has_no_sentence_has_no_project(agent: str) -> None:
    assert found(agent, "hi", system=CLAUDE.format("/srv/app")) == ""


def test_only_the_beginning_is_read() -> None:
    assert found("claude", "hi", system="x" * LOOKED_AT + CLAUDE.format("/srv/app")) == ""
    assert found("claude", *["hi"] * FRONT, CLAUDE.format("/srv/app")) == ""


def test_conversations_in_two_folders_that_begin_alike_are_told_apart() -> None:
    said = [found("codex", "the same instructions", CODEX.format(f"/srv/{name}")) for name in ("one", "two", "one")]
    assert said == ["one", "two", "one"]


def test_every_sentence_has_a_place_for_the_folder() -> None:
    sentences = [(preset.agent_id, sentence) for preset in presets() for sentence in preset.file.folder]
    assert {agent for agent, _ in sentences} >= {"claude", "codex", "gemini", "opencode"}
    assert [agent for agent, sentence in sentences if sentence.count(FOLDER) != 1] == []


@given(st.text(), st.text())
def test_it_reads_anything_and_gives_one_short_line(before: str, path: str) -> None:
    text = before.encode("utf-8", "replace").decode() + CLAUDE.format(path.encode("utf-8", "replace").decode())
    project = found("claude", "hi", system=text)
    assert len(project) <= 100 and "/" not in project


def is_folder(name: str) -> bool:
    return not set(name) & set("/\\\n\r") and name.strip() == name and not name.endswith(":")


@given(st.text(min_size=1).filter(is_folder))
def test_any_name_of_a_folder_comes_back(name: str) -> None:
    name = name.encode("utf-8", "replace").decode()
    assert last_part(f"/home/ada/{name}") == name[:100]
