"""What tests of shared stores run on: a DuckDB that has its extensions on PyPI, PostgreSQL, and an S3 of moto's.

The extensions are made for one DuckDB each, and PyPI has them for 1.5 (2026-11). So a test that needs them runs in
processes whose DuckDB is that one. It is installed into a folder of the user's cache, once a machine, for all clones
and workers, without what pip would look up and compile beside it, and while other tests run.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

DEBIAN = Path("/usr/lib/postgresql")
APT = ("apt-get", "install", "-y", "-q", "--no-install-recommends", "postgresql")
PATIENCE_S = 300
READY_S = 30
# moto wants a newer cryptography than mitmproxy 11 takes, so it is installed beside, for itself alone.
S3_SERVER = """
import sys
from moto.server import ThreadedMotoServer
import boto3
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
host, port = server.get_host_and_port()
url = f"http://{host}:{port}"
boto3.client("s3", endpoint_url=url, region_name="us-east-1").create_bucket(Bucket="team")
print(url, flush=True)
sys.stdin.readline()
server.stop()
"""
S3_KEYS = {"AWS_ACCESS_KEY_ID": "an-id", "AWS_SECRET_ACCESS_KEY": "s3cr3t-key", "AWS_REGION": "us-east-1"}


@dataclass(frozen=True, slots=True)
class Packages:
    """What is installed together; all that these need is named, or is there because mitmproxy needs it."""

    folder: str
    names: tuple[str, ...]


DUCKDB = Packages(
    "duckdb-1.5.5",
    tuple(
        f"{name}==1.5.5"
        for name in (
            "duckdb",
            "duckdb-extension-ducklake",
            "duckdb-extension-postgres-scanner",
            "duckdb-extension-httpfs",
        )
    ),
)
MOTO = Packages(
    "moto",
    ("moto>=5", "boto3", "s3transfer", "responses", "xmltodict", "flask-cors", "py-partiql-parser", "PyYAML"),
)
_pool = ThreadPoolExecutor(3, "installing")
_started: dict[str, Future[Path | str]] = {}


def install() -> None:
    """Begin with all that is not there yet; other tests may run meanwhile."""
    for packages in (DUCKDB, MOTO):
        _begun(packages)
    _pool.submit(_programs)


def installed(packages: Packages) -> Path:
    """A folder with these packages; skips where they are not to be had."""
    found = _begun(packages).result()
    if isinstance(found, str):
        pytest.skip(found)
    return found


def _begun(packages: Packages) -> Future[Path | str]:
    if packages.folder not in _started:
        _started[packages.folder] = _pool.submit(_installed, packages)
    return _started[packages.folder]


def _installed(packages: Packages) -> Path | str:
    """The folder, or why there is none."""
    cache_dir = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ringlet-mitm-tests"
    cache_dir.mkdir(parents=True, exist_ok=True)
    folder = cache_dir / f"{packages.folder}-{sys.implementation.cache_tag}"
    with Path(f"{folder}.lock").open("w") as lock:
        # Another worker, or another clone's tests, may be at it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return folder
        with tempfile.TemporaryDirectory(dir=cache_dir) as fresh:
            command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
            options = ["--no-compile", "--no-warn-conflicts", "--target", f"{fresh}/packages"]
            done = subprocess.run(
                [*command, *options, *packages.names], capture_output=True, text=True, timeout=PATIENCE_S
            )
            if done.returncode:
                return f"{packages.folder} cannot be installed: {done.stderr.strip().splitlines()[-1:]}"
            Path(fresh, "packages").rename(folder)
    return folder


@contextmanager
def postgres(folder: Path) -> Iterator[Callable[[str], str]]:
    """A server of PostgreSQL; gives what makes an empty database and says how it is connected to."""
    programs = _programs()
    if programs is None:
        pytest.skip("there is no PostgreSQL here, and apt-get cannot install it: apt-get install postgresql")
    # PostgreSQL refuses to run as root, and a socket's path may have 107 characters.
    user = "nobody" if os.getuid() == 0 else None
    sockets = Path(tempfile.mkdtemp())
    data = sockets / "data"
    if user:
        shutil.chown(sockets, user)
    own: dict[str, Any] = {"user": user, "group": "nogroup", "extra_groups": []} if user else {}
    quiet = subprocess.DEVNULL
    made = [programs / "initdb", "-D", data, "-U", "ringlet", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run(made, check=True, stdout=quiet, cwd=sockets, **own)
    settings = ["listen_addresses=", "fsync=off", "synchronous_commit=off", "full_page_writes=off"]
    served = [programs / "postgres", "-D", data, "-k", sockets, *(word for one in settings for word in ("-c", one))]
    log = (folder / "postgres.log").open("wb")
    server = subprocess.Popen(served, stdout=log, stderr=log, cwd=sockets, **own)
    try:
        _wait(lambda: _psql(programs, sockets, "SELECT 1"), server)

        def made_database(name: str) -> str:
            assert _psql(programs, sockets, f"CREATE DATABASE {name} STRATEGY file_copy")
            return f"dbname={name} user=ringlet host={sockets}"

        yield made_database
    finally:
        # Not when the last client has gone, but now.
        server.send_signal(signal.SIGINT)
        server.wait(READY_S)
        log.close()
        shutil.rmtree(sockets, ignore_errors=True)


@contextmanager
def s3() -> Iterator[dict[str, str]]:
    """An S3 with an empty bucket `team`; gives the variables that lead to it."""
    environ = {**os.environ, **S3_KEYS, "PYTHONPATH": str(installed(MOTO))}
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", S3_SERVER]
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True, env=environ) as server,
    ):
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            assert url, _text(errors)
            yield {**S3_KEYS, "AWS_ENDPOINT_URL": url}
        finally:
            server.terminate()


def _text(file: Any) -> str:
    file.seek(0)
    return str(file.read())


@cache
def _programs() -> Path | None:
    """Debian keeps them out of the way; on a machine for tests alone they are installed."""
    found = _found()
    if found is None and shutil.which(APT[0]) and os.geteuid() == 0:
        # Nobody works as root on a machine of their own; where somebody does, it is a container.
        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (("apt-get", "update", "-q"), APT):
            subprocess.run(words, env=environ, capture_output=True, timeout=PATIENCE_S, check=False)
        found = _found()
    return found


def _found() -> Path | None:
    versions = sorted(DEBIAN.glob("*/bin/initdb"))
    elsewhere = shutil.which("initdb")
    if versions:
        return versions[-1].parent
    return Path(elsewhere).resolve().parent if elsewhere else None


def _psql(programs: Path, sockets: Path, sql: str) -> bool:
    command = [programs / "psql", "-h", sockets, "-U", "ringlet", "-d", "postgres", "-qc", sql]
    return not subprocess.run(command, capture_output=True).returncode


def _wait(ready: Callable[[], bool], server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + READY_S
    while not ready():
        assert server.poll() is None and time.monotonic() < end, "PostgreSQL did not start"
        time.sleep(0.02)
