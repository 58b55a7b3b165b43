"""What the author of a config.toml would want to know though nothing is wrong in it: how its keys are kept."""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ringlet_mitm.rules.document import Document, KeyPath
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.interpolation import is_literal, variables
from ringlet_mitm.rules.settings_file import config_text

KEY_NAMES = ("api_key", "api_keys")
# What a variable is called, and no vendor's key looks like: `OPENAI_API_KEY` where `${OPENAI_API_KEY}` is meant.
VARIABLES_NAME = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*_(KEY|TOKEN)(_\d+)?")
READ_BY_OTHERS = stat.S_IRGRP | stat.S_IROTH


def key_cautions(path: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    """One line each, with its file; none for a file that is not there or cannot be read, which others complain of."""
    try:
        text = config_text(path)
        document = None if text is None else Document.parse(text, str(path))
        return () if document is None else tuple(_cautions(document, path, environ))
    except ConfigError:
        return ()


def _cautions(document: Document, path: Path, environ: Mapping[str, str]) -> Iterator[str]:
    keys = list(_keys(document.data, ()))
    for place, text in keys:
        unset = [name for name in variables(text) if not environ.get(name, "").strip()]
        if unset:
            message = f"{' and '.join(unset)} {'is' if len(unset) == 1 else 'are'} not set where ringlet-mitm runs"
            yield str(document.error(place, message))
        if VARIABLES_NAME.fullmatch(text.strip()):
            yield str(
                document.error(place, f'is taken for the key itself; for the variable, write "${{{text.strip()}}}"')
            )
    if any(is_literal(text) for _, text in keys) and _read_by_others(path):
        yield f"{path}: holds a key, and others on this machine may read it; run: chmod 600 {shlex.quote(str(path))}"


def _keys(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Every text under a key's name, wherever it stands."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _keys(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _keys(inner, (*path, index))
    elif isinstance(value, str):
        names = [step for step in path if isinstance(step, str)]
        if names and names[-1].replace("-", "_") in KEY_NAMES:
            yield path, value


def _read_by_others(path: Path) -> bool:
    """Not asked on Windows, where the mode says nothing of who may read a file."""
    if os.name == "nt":
        return False
    try:
        return bool(path.stat().st_mode & READ_BY_OTHERS)
    except OSError:
        return False
