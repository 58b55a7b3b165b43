"""Files that a command would write for a person: shown first, and never put over another without being told so."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.whole_files import write_whole


@dataclass(frozen=True, slots=True)
class ProposedFile:
    """A file as it is to be; `before` is what it says now, None where it is not there."""

    path: Path
    text: str
    before: str | None

    @classmethod
    def at(cls, path: Path, text: str) -> ProposedFile:
        """Raises ConfigError where there is a file that cannot be read."""
        try:
            return cls(path, text, path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return cls(path, text, None)
        except (OSError, UnicodeDecodeError) as error:
            said = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise ConfigError(f"cannot be read: {said}", file=str(path)) from None

    @property
    def is_there(self) -> bool:
        """Whether it says this already."""
        return self.before == self.text

    @property
    def overwrites(self) -> bool:
        """Whether something else would be lost."""
        return self.before is not None and not self.is_there

    def lines(self) -> Iterator[str]:
        """What a person has to see: the whole text of a new file, and what changes in one that is there."""
        if self.is_there:
            yield f"{self.path} stays as it is"
        elif self.before is None:
            yield f"{self.path} (new):"
            yield ""
            yield from (f"  {line}".rstrip() for line in self.text.splitlines())
        else:
            yield f"{self.path} (is there; - goes, + comes):"
            yield ""
            changes = difflib.unified_diff(self.before.splitlines(), self.text.splitlines(), n=2, lineterm="")
            yield from (f"  {line}".rstrip() for line in list(changes)[2:])

    def write(self) -> None:
        """Write it, whole or not at all; raises ConfigError."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.path, self.text.encode())
        except OSError as error:
            raise ConfigError(f"cannot be written: {error.strerror}", file=str(self.path)) from None


def shown(files: Sequence[ProposedFile]) -> str:
    """All of them, one below the other."""
    return "\n\n".join("\n".join(file.lines()) for file in files)
