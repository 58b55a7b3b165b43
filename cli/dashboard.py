"""`ringlet-mitm dashboard`: the page of what was spent, in a browser."""

from __future__ import annotations

import errno
import os
import webbrowser
from pathlib import Path

import click

from ringlet_mitm.addons.dashboard.answering import Answers
from ringlet_mitm.addons.dashboard.server import HOST, Server
from ringlet_mitm.cli.told_to_end import told_to_end
from ringlet_mitm.cli.usage.asked import Ledger
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import home_of

# After the proxy's 8484 and mitmweb's 8485.
PORT = 8486
POLL_S = 0.1
# What a large ledger may take to finish the question that it is at.
PATIENCE_S = 2.0


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), help=f"Port to listen on; {PORT} where that is free, else any.")
@click.option("--open", "opens", is_flag=True, help="Open the page in your browser.")
@click.option("--db", "database", type=click.Path(path_type=Path), help="Another database than this home's.")
def command(port: int | None, opens: bool, database: Path | None) -> None:
    """Show in a browser where the money goes.

    By rule, model, provider, agent, project and session, over time, with filters; cache, latency and errors as well.
    The page is for this machine alone and loads nothing from elsewhere. A running proxy has it at its own address too.
    """
    told = told_to_end()
    home = home_of(os.environ)
    ledger = Ledger.at(home, database)
    snapshots = home.snapshots_dir if ledger.database == home.database else None
    answers = Answers(ledger.database, ledger.spool, snapshots, ledger.shared)
    server = _listening(answers, port)
    click.echo(f"the dashboard is at {server.url}  (Ctrl-C ends it)")
    if opens:
        webbrowser.open(server.url)
    with server:
        server.socket.settimeout(POLL_S)
        while not told:
            server.handle_request()
    if not answers.end(PATIENCE_S):
        # Where Python ends while a thread is in DuckDB, the process aborts (Python 3.11 and 3.13, 2026-11-21).
        os._exit(0)


def _listening(answers: Answers, port: int | None) -> Server:
    try:
        return Server(answers, PORT if port is None else port)
    except OSError as error:
        if port is None:
            return Server(answers, 0)
        reason = "is taken" if error.errno == errno.EADDRINUSE else error.strerror
        raise UsageError(f"--port {port}: {HOST}:{port} {reason}; 0 takes a free one") from None
