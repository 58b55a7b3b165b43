"""Where requests are kept beyond this machine: what `[ledger]` of config.toml may name, and what it may not hold.

    /srv/usage, ~/usage              a directory, shared by whatever file system it lies on: Parquet files by day
    s3://bucket/prefix               the same in an S3-compatible store
    ducklake:postgres:dbname=usage   tables of DuckLake, whose catalogue is in PostgreSQL and whose files are in
                                     `data_path`, a directory or s3://…

A target is printed in errors and handed to processes as an argument, so it holds no secret. PostgreSQL's password comes
from PGPASSWORD or ~/.pgpass, S3's keys from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, both also from DuckDB's own
persistent secrets.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.home import Home
from ringlet_mitm.rules.interpolation import interpolated

DUCKLAKE = "ducklake:"
POSTGRES = "postgres:"
S3 = "s3://"
OPTION = "--shared"
# A drive is no scheme: C:\\usage.
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
PASSWORD = re.compile(r"\bpassword\s*=", re.IGNORECASE)
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
FORMS = "a directory, s3://bucket/prefix or ducklake:postgres:dbname=…"


class Kind(Enum):
    """How rows are kept there."""

    PARQUET = "parquet"
    DUCKLAKE = "ducklake"


@dataclass(frozen=True, slots=True)
class LedgerTarget:
    """A store that several machines share; `data_path` is where DuckLake puts its files, '' for any other."""

    text: str
    data_path: str = ""

    @property
    def kind(self) -> Kind:
        """What it is."""
        return Kind.DUCKLAKE if self.text.startswith(DUCKLAKE) else Kind.PARQUET

    @property
    def in_s3(self) -> bool:
        """Whether files of it are in S3."""
        return self.text.startswith(S3) or self.data_path.startswith(S3)

    def __str__(self) -> str:
        return self.text


def words_of(target: LedgerTarget | None) -> tuple[str, ...]:
    """A target as the first arguments of a process, none for none."""
    return (OPTION, target.text, target.data_path) if target else ()


def taken_from(words: Sequence[str]) -> tuple[LedgerTarget | None, list[str]]:
    """What `words_of` made words of, and the words behind it."""
    if words[:1] != [OPTION]:
        return None, list(words)
    return LedgerTarget(*words[1:3]), list(words[3:])


class WrongTarget(ConfigError):
    """Something of `[ledger]` is wrong; `name` is its key there."""

    def __init__(self, name: str, message: str) -> None:
        self.name = name
        super().__init__(message)


def target_of(target: str | None, data_path: str | None, environ: Mapping[str, str]) -> LedgerTarget | None:
    """What these two keys mean, None where nothing is shared; raises WrongTarget."""
    if target is None:
        if data_path is not None:
            raise WrongTarget("data_path", 'is for a target that is missing: target = "ducklake:postgres:…"')
        return None
    found = _filled("target", target, environ)
    if found.startswith(DUCKLAKE):
        _check_catalogue(found)
        if data_path is None:
            raise WrongTarget(
                "target", 'needs data_path beside it, where the rows are: data_path = "s3://bucket/usage"'
            )
        return LedgerTarget(found, _files("data_path", _filled("data_path", data_path, environ), environ))
    if data_path is not None:
        raise WrongTarget("data_path", "is for DuckLake alone; here `target` says where the rows are")
    return LedgerTarget(_files("target", found, environ))


def load_target(home: Home, environ: Mapping[str, str]) -> LedgerTarget | None:
    """The target of a home; reads no more of config.toml than it has to, since reports wait for it.

    Raises ConfigError.
    """
    path = home.config_file
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", file=str(path)) from None
    section = document.get("ledger", {})
    given = {key.replace("-", "_"): value for key, value in section.items()} if isinstance(section, dict) else {}
    target, data_path = (given.get(name) for name in ("target", "data_path"))
    for name, value in (("target", target), ("data_path", data_path)):
        if value is not None and not isinstance(value, str):
            raise ConfigError("has to be text in quotes", file=str(path), key=f"ledger.{name}")
    try:
        return target_of(target, data_path, environ)
    except WrongTarget as error:
        raise ConfigError(error.message, file=str(path), key=f"ledger.{error.name}") from None


def _filled(name: str, text: str, environ: Mapping[str, str]) -> str:
    try:
        return interpolated(text, environ).strip()
    except ConfigError as error:
        raise WrongTarget(name, error.message) from None


def _check_catalogue(text: str) -> None:
    connection = text.removeprefix(DUCKLAKE)
    if not connection.startswith(POSTGRES):
        raise WrongTarget("target", "has to name a catalogue that several machines can use: ducklake:postgres:dbname=…")
    connection = connection.removeprefix(POSTGRES)
    if not connection.strip():
        raise WrongTarget("target", "names no database: ducklake:postgres:dbname=usage host=db.example")
    if _has_password(connection):
        raise WrongTarget(
            "target", "holds a password, and would show it in errors; put it into PGPASSWORD or ~/.pgpass"
        )


def _files(name: str, text: str, environ: Mapping[str, str]) -> str:
    """A directory or S3 prefix without a slash at its end."""
    if text.startswith(S3):
        parts = urlsplit(text)
        if parts.query or "@" in parts.netloc:
            raise WrongTarget(name, "holds more than bucket and prefix; keys are in AWS_ACCESS_KEY_ID and the like")
        if not BUCKET.fullmatch(parts.netloc):
            raise WrongTarget(name, "names no bucket: s3://bucket/prefix")
        return text.rstrip("/")
    if SCHEME.match(text):
        raise WrongTarget(name, f"has to be {FORMS}")
    home = environ.get("HOME") or environ.get("USERPROFILE") or ""
    path = Path(home) / text[2:] if text.startswith("~/") and home else Path(text)
    if not path.is_absolute():
        raise WrongTarget(name, "has to be a whole path, since proxies are started in any folder")
    return str(path)


def _has_password(connection: str) -> bool:
    """Whether a connection holds one, as `password=…` or in the form of a URL."""
    if PASSWORD.search(connection):
        return True
    try:
        return urlsplit(connection).password is not None
    except ValueError:
        return False
