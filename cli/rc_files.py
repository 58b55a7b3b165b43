"""A file of ours that a person's shell reads at its start, by one line in its start-up file; and how both go again.

The line ends with a mark, by which it is found. The mark also says what had to be done beside adding the line (end the
line before it, make the file), since nothing else would know that when it is taken away: the start-up file is then as
it was, to the byte.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ringlet_mitm.cli.shell import fish_quoted, powershell_quoted
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.whole_files import write_whole

READS: Mapping[str, Callable[[str], str]] = {
    "bash": lambda path: f"[ ! -f {shlex.quote(path)} ] || . {shlex.quote(path)}",
    "zsh": lambda path: f"[ ! -f {shlex.quote(path)} ] || . {shlex.quote(path)}",
    "fish": lambda path: f"test ! -f {fish_quoted(path)}; or source {fish_quoted(path)}",
    "powershell": lambda path: f"if (Test-Path {powershell_quoted(path)}) {{ . {powershell_quoted(path)} }}",
}
SUFFIX = {"powershell": "ps1"}
ENDED = " (and the end of the line above)"
MADE = " (and the file)"


@dataclass(frozen=True, slots=True)
class RcFile:
    """A start-up file, as it is; `content` is None where there is none."""

    path: Path
    content: bytes | None

    @property
    def shown(self) -> str:
        """Its path as a person writes it."""
        home = str(Path.home())
        return "~" + str(self.path).removeprefix(home) if str(self.path).startswith(home + os.sep) else str(self.path)


@dataclass(frozen=True, slots=True)
class Piece:
    """What a shell reads at its start: a file of ours in `folder`, and the line for it; `mark` names both."""

    shell: str
    folder: Path
    mark: str

    @property
    def place(self) -> Path:
        """Our file."""
        return self.folder / f"{self.mark.rpartition(' ')[2]}.{SUFFIX.get(self.shell, self.shell)}"

    @property
    def line(self) -> str:
        """What reads it, with the mark."""
        return f"{READS[self.shell](str(self.place))}  # {self.mark}"

    def text(self, environ: Mapping[str, str]) -> str:
        """What our file holds, "" where it is not read."""
        there = self.place.is_file() and has_line(rc_file(self.shell, environ).content, self.mark)
        return self.place.read_text(encoding="utf-8") if there else ""

    def put(self, text: str, environ: Mapping[str, str], agreed: Callable[[RcFile], bool]) -> bool:
        """Write both where `agreed` to; False where they are there already, or it is not."""
        start = rc_file(self.shell, environ)
        wanted = with_line(start.content, self.line, self.mark)
        if (wanted == start.content and self.text(environ) == text) or not agreed(start):
            return False
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.place, text.encode())
        if wanted != start.content:
            _write(start, wanted)
        return True

    def take(self, environ: Mapping[str, str]) -> str:
        """Take both away; the start-up file that the line was in, "" where there was none."""
        start = rc_file(self.shell, environ)
        self.place.unlink(missing_ok=True)
        if start.content is None or not has_line(start.content, self.mark):
            return ""
        _write(start, without_line(start.content, self.mark))
        return start.shown


def rc_file(shell: str, environ: Mapping[str, str]) -> RcFile:
    """The file that an interactive shell of this kind reads at its start; raises ConfigError if it cannot be read."""
    path = _path_of(shell, environ)
    try:
        return RcFile(path, path.read_bytes())
    except FileNotFoundError:
        return RcFile(path, None)
    except OSError as error:
        raise ConfigError(error.strerror or str(error), file=str(path)) from None


def has_line(content: bytes | None, mark: str) -> bool:
    """Whether a line with this mark is there."""
    return content is not None and _marked(mark).search(content) is not None


def with_line(content: bytes | None, line: str, mark: str) -> bytes:
    """The content with `line`, which ends with the mark, at its end and nowhere else."""
    bare = None if content is None else without_line(content, mark)
    if bare is None:
        return f"{line}{MADE}\n".encode()
    before, what = (b"\n", ENDED) if bare and not bare.endswith(b"\n") else (b"", "")
    return bare + before + f"{line}{what}\n".encode()


def without_line(content: bytes, mark: str) -> bytes | None:
    """The content as it was before the line; None where there was no file. Lines added since stay."""
    found = _marked(mark).search(content)
    if found is None:
        return content
    before, after = content[: found.start()], content[found.end() :]
    if found["what"] == ENDED.encode() and not after:
        before = before.removesuffix(b"\n")
    if found["what"] == MADE.encode() and not before + after:
        return None
    return before + after


def _write(file: RcFile, content: bytes | None) -> None:
    """Put `content` in its place, through a link and with the mode that it had; None takes the file away."""
    real = Path(os.path.realpath(file.path))
    try:
        if content is None:
            real.unlink(missing_ok=True)
            return
        mode = stat.S_IMODE(real.stat().st_mode) if real.exists() else 0o644
        real.parent.mkdir(parents=True, exist_ok=True)
        write_whole(real, content)
        real.chmod(mode)
    except OSError as error:
        raise ConfigError(error.strerror or str(error), file=str(file.path)) from None


def _marked(mark: str) -> re.Pattern[bytes]:
    what = "|".join(re.escape(one) for one in (ENDED, MADE))
    return re.compile(rf"^[^\r\n]*  # {re.escape(mark)}(?P<what>{what})?\r?(\n|\Z)".encode(), re.MULTILINE)


def _path_of(shell: str, environ: Mapping[str, str]) -> Path:
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or Path.home())
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    if shell == "zsh":
        return Path(environ.get("ZDOTDIR") or home) / ".zshrc"
    if shell == "fish":
        return config / "fish" / "config.fish"
    if shell == "powershell":
        name = "Microsoft.PowerShell_profile.ps1"
        return home / "Documents" / "PowerShell" / name if sys.platform == "win32" else config / "powershell" / name
    # Terminal.app starts login shells, which read no .bashrc.
    return home / (".bash_profile" if sys.platform == "darwin" else ".bashrc")
