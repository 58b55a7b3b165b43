"""The names of keys: rules say where a key is, and only `addons/credentials/` ever holds one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True, slots=True)
class KeyRef:
    """Where a key is, never the key. The first of these that has one wins.

    file, key: a place in a person's TOML file (`api_key = "${GROQ_KEY}"`); its text may name variables.
    variables: environment variables, in this order.
    login: the provider whose key `providers login` has stored.
    """

    variables: tuple[str, ...] = ()
    login: str = ""
    file: str = ""
    key: tuple[str | int, ...] = ()

    @property
    def file_label(self) -> str:
        """What rows and messages say of a key in a file: `config.toml:model_routes.0.api_key`."""
        return f"{PurePath(self.file).name}:{'.'.join(map(str, self.key))}" if self.file else ""

    @property
    def label(self) -> str:
        """What messages say where it is not known which place has the key."""
        if self.file:
            return self.file_label
        return f"env:{self.variables[0]}" if self.variables else f"login:{self.login}"
