"""The names of keys: rules say where a key is, and only `addons/credentials/` ever holds one."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import PurePath


@dataclass(frozen=True, slots=True)
class KeyRef:
    """Where a key is, never the key. The first of these that has one wins.

    file, key: a place in a person's TOML file (`api_key = "${GROQ_KEY}"`); its text may name variables.
    edition: `edition_of` the file's text that the place was found in, "" for any. After an edit another provider's key
        may stand there, and until the edit is in force the old rules would send it to the wrong one.
    variables: environment variables, in this order.
    login: the provider whose key `providers login` has stored.
    """

    variables: tuple[str, ...] = ()
    login: str = ""
    file: str = ""
    key: tuple[str | int, ...] = ()
    edition: str = ""

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


def edition_of(text: str) -> str:
    """What tells one text of a file from another."""
    return sha256(text.encode()).hexdigest()[:16]
