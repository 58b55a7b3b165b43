"""`${NAME}` in a person's file: a variable of the environment that the program was started with.

Also `${NAME:-text}`, where the text is for when the variable is not set, and no more: `$NAME` stays as it is, since
keys and URLs may hold a dollar sign.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ringlet_mitm.rules.errors import ConfigError

_PLACE = re.compile(r"\$\{([^{}]*)(\}?)")
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def variables(text: str) -> tuple[str, ...]:
    """The variables that a text cannot do without, in its order; raises ConfigError for a `${…}` that names none."""
    places = [_parts(place) for place in _PLACE.finditer(text)]
    return tuple(dict.fromkeys(name for name, default in places if not default))


def is_literal(text: str) -> bool:
    """Whether something of it stands in the file itself, not in a variable."""
    return bool(_PLACE.sub("", text).strip()) or any(_parts(place)[1] for place in _PLACE.finditer(text))


def interpolated(text: str, environ: Mapping[str, str]) -> str:
    """`text` with the variables' values in place of their names, white space around a value dropped.

    Raises ConfigError where a variable is not set or empty.
    """

    def value(place: re.Match[str]) -> str:
        name, default = _parts(place)
        found = environ.get(name, "").strip() or default
        if not found:
            raise ConfigError(f"names the variable {name}, which is not set")
        return found

    return _PLACE.sub(value, text)


def _parts(place: re.Match[str]) -> tuple[str, str]:
    """Name and default."""
    name, _, default = place[1].partition(":-")
    if not place[2] or not _NAME.fullmatch(name):
        raise ConfigError("has a '${' that names no variable; write it as ${NAME}")
    return name, default
