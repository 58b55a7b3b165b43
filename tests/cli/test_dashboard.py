from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from ledgers import reference

from ringlet_mitm.addons.usage.ledger import insert, transaction, writing
from ringlet_mitm.cli.demo.stage import environment, program
from ringlet_mitm.rules.home import home_of


@contextmanager
def running(home: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The command in a process, and its port."""
    command = program("dashboard", *words)
    with subprocess.Popen(command, env=environment(home, {}), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        yield process, int(said.partition("127.0.0.1:")[2].partition("/")[0])
        process.send_signal(signal.SIGINT)
        assert process.wait(20) in (0, 130)  # it may not have got to where it ends in silence


def read(port: int, path: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_the_page_of_this_home(tmp_path: Path) -> None:
    with writing(home_of({"RINGLET_HOME": str(tmp_path)}).database) as connection, transaction(connection):
        insert(connection, [(row, ()) for row in reference()])
    with running(tmp_path, "--port", "0") as (_, port):
        status, body = read(port, "/")
        assert (status, b"<title>ringlet-mitm" in body) == (200, True)
        total = json.loads(read(port, "/api/usage?provider=groq")[1])["total"]
        assert (total["requests"], total["cost_usd"]) == (1284, 0.18)
        assert json.loads(read(port, "/api/live")[1])["proxies"]["rows"] == []


def test_a_home_without_a_ledger(tmp_path: Path) -> None:
    with running(tmp_path, "--port", "0") as (_, port):
        assert json.loads(read(port, "/api/usage")[1])["total"]["requests"] == 0


def test_only_this_machine_reaches_it(tmp_path: Path) -> None:
    with running(tmp_path, "--port", "0") as (process, port), socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        listening = Path(f"/proc/{process.pid}/net/tcp")
        if not listening.exists():
            pytest.skip("there is no /proc to look into")
        found = [line.split()[1] for line in listening.read_text().splitlines()[1:] if line.split()[3] == "0A"]
        assert [address for address in found if address.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "TAKEN"], "is taken; 0 takes a free one"),
        (["--db", "nowhere.duckdb"], "there is no file"),
    ],
)
def test_what_cannot_be(words: list[str], said: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = program("dashboard", *(word.replace("TAKEN", port) for word in words))
        done = subprocess.run(command, env=environment(tmp_path, {}), capture_output=True, text=True, timeout=60)
    assert (done.returncode, said in done.stderr) == (2, True)
