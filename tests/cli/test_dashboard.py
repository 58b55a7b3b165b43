from __future__ import annotations

import json
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from children import HOLD, child
from ledgers import reference

from ringlet_mitm.addons.usage.ledger import insert, transaction, writing
from ringlet_mitm.cli.demo.stage import environment, program
from ringlet_mitm.rules.home import home_of


@contextmanager
def running(home: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The command in a process, and its port; at the end Ctrl-C, unless it has been told to end before."""
    command, pipe = program("dashboard", *words), subprocess.PIPE
    with subprocess.Popen(command, env=environment(home, {}), stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = process.stdout.readline()
        yield process, int(said.partition("127.0.0.1:")[2].partition("/")[0])
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        assert (process.wait(20), process.stderr.read()) == (0, "")


def asking(port: int, path: str) -> HTTPConnection:
    """A connection on which something has been asked for that nobody reads."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    return connection


def read(port: int, path: str) -> tuple[int, bytes]:
    with closing(asking(port, path)) as connection:
        answer = connection.getresponse()
        return answer.status, answer.read()


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


SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])


@SIGNALS
def test_it_ends_in_silence_as_soon_as_its_address_is_there(number: signal.Signals, tmp_path: Path) -> None:
    with running(tmp_path, "--port", "0") as (process, _):
        process.send_signal(number)
        process.wait(20)


@SIGNALS
def test_it_ends_in_silence_while_it_looks_something_up(number: signal.Signals, tmp_path: Path) -> None:
    """Python would end under DuckDB's feet, which aborts the process."""
    with writing(home_of({"RINGLET_HOME": str(tmp_path)}).database) as connection, transaction(connection):
        insert(connection, [(row, ()) for row in reference()])
    with running(tmp_path, "--port", "0") as (process, port), ExitStack() as stack:
        connections = [stack.enter_context(closing(asking(port, f"/api/usage?since={days}d"))) for days in range(1, 5)]
        connections[0].getresponse()
        process.send_signal(number)
        process.wait(20)


def test_it_does_not_wait_for_a_ledger_that_is_in_use(tmp_path: Path) -> None:
    database = home_of({"RINGLET_HOME": str(tmp_path)}).database
    with child(HOLD, tmp_path) as holder:
        assert (holder.line(), database.exists()) == ("locked", True)
        with running(tmp_path, "--port", "0") as (process, port), closing(asking(port, "/api/usage")):
            read(port, "/api/live")  # which is after the other has begun
            process.send_signal(signal.SIGTERM)
            begun = time.monotonic()
            process.wait(20)
            # The ledger is waited for twice as long.
            assert time.monotonic() - begun < 5


def test_a_browser_that_goes_away_is_no_error(tmp_path: Path) -> None:
    with running(tmp_path, "--port", "0") as (_, port):
        with closing(asking(port, "/")) as connection:
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert read(port, "/")[0] == 200


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
