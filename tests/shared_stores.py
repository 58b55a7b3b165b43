"""What tests of shared stores run on: a DuckDB that has its extensions on PyPI, PostgreSQL, and an S3 of moto's.

The extensions are made for one DuckDB each, and PyPI has them for 1.5 (2026-11). So a test that needs them runs in
processes whose DuckDB is that one, installed into a folder of its own, once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

EXTENSIONS = ("duckdb-extension-ducklake", "duckdb-extension-postgres-scanner", "duckdb-extension-httpfs")
DEBIAN = Path("/usr/lib/postgresql")
INSTALL_S = 300
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


def installed(cache: pytest.Cache, name: str, *packages: str) -> Path:
    """A folder with these packages, installed by the first test that asks; skips where they are not to be had."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = cache.mkdir(f"{name}-{version}")
    if (folder / "done").exists():
        return folder / "packages"
    fresh = folder / f"new.{os.getpid()}"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-warn-conflicts", "--target", str(fresh), *packages]
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S)
    if done.returncode:
        shutil.rmtree(fresh, ignore_errors=True)
        pytest.skip(f"{', '.join(packages)} cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
    # Two workers of one test run may do it at once; the first to be done is taken.
    try:
        fresh.rename(folder / "packages")
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
    (folder / "done").touch()
    return folder / "packages"


@contextmanager
def postgres(folder: Path) -> Iterator[Callable[[str], str]]:
    """A server of PostgreSQL; gives what makes an empty database and says how it is connected to."""
    programs = _programs()
    # PostgreSQL refuses to run as root, and a socket's path may have 107 characters.
    user = "nobody" if os.getuid() == 0 else None
    sockets = Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
    data = sockets / "data"
    if user:
        shutil.chown(sockets, user)
    own: dict[str, Any] = {"user": user, "group": "nogroup", "extra_groups": []} if user else {}
    quiet = subprocess.DEVNULL
    made = [programs / "initdb", "-D", data, "-U", "ringlet", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run(made, check=True, stdout=quiet, cwd=sockets, **own)
    served = [programs / "postgres", "-D", data, "-k", sockets, "-c", "listen_addresses=", "-c", "fsync=off"]
    log = (folder / "postgres.log").open("wb")
    server = subprocess.Popen(served, stdout=log, stderr=log, cwd=sockets, **own)
    try:
        _wait(lambda: _psql(programs, sockets, "SELECT 1"), server)

        def made_database(name: str) -> str:
            assert _psql(programs, sockets, f"CREATE DATABASE {name}")
            return f"dbname={name} user=ringlet host={sockets}"

        yield made_database
    finally:
        server.terminate()
        server.wait(READY_S)
        log.close()
        shutil.rmtree(sockets, ignore_errors=True)


@contextmanager
def s3(cache: pytest.Cache) -> Iterator[dict[str, str]]:
    """An S3 with an empty bucket `team`; gives the variables that lead to it."""
    packages = installed(cache, "moto", "moto[server,s3]")
    environ = {**os.environ, **S3_KEYS, "PYTHONPATH": str(packages)}
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", S3_SERVER]
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=environ
    ) as server:
        try:
            assert server.stdout is not None
            yield {**S3_KEYS, "AWS_ENDPOINT_URL": server.stdout.readline().strip()}
        finally:
            server.terminate()


def _programs() -> Path:
    """Debian keeps them out of the way."""
    found = shutil.which("initdb")
    versions = sorted(DEBIAN.glob("*/bin/initdb"))
    if not found and not versions:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    return versions[-1].parent if versions else Path(str(found)).resolve().parent


def _psql(programs: Path, sockets: Path, sql: str) -> bool:
    command = [programs / "psql", "-h", sockets, "-U", "ringlet", "-d", "postgres", "-qc", sql]
    return not subprocess.run(command, capture_output=True).returncode


def _wait(ready: Callable[[], bool], server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + READY_S
    while not ready():
        assert server.poll() is None and time.monotonic() < end, "PostgreSQL did not start"
        time.sleep(0.05)
