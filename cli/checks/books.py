"""Of what is kept: the ledger and what waits for it, the store that machines share, disk, prices."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ringlet_mitm.addons import price_cache
from ringlet_mitm.addons.usage.ledger import LedgerBusy, reading
from ringlet_mitm.addons.usage.spool import all_files, contents, sealed_files
from ringlet_mitm.cli.checks.finding import Finding, broken, ok, skipped, warning
from ringlet_mitm.cli.checks.scene import Scene
from ringlet_mitm.rules.errors import ConfigError, LedgerError
from ringlet_mitm.rules.ledger_target import LedgerTarget, load_target
from ringlet_mitm.rules.pricetables import known_library

WAIT_S = 1.0
MIB = 1 << 20
FULL, NARROW = 50 * MIB, 500 * MIB
# Vendors bring models and change prices every few weeks.
OLD = datetime.timedelta(days=60)


def ledger(scene: Scene) -> Iterator[Finding]:
    """Whether it can be read, how large it is, and what has not got into it."""
    database, waiting = scene.home.database, _waiting(scene.home.spool_dir)
    if not database.exists() and not waiting:
        yield ok(f"nothing is recorded yet; it comes to be at {database}")
        return
    try:
        with reading(database, scene.home.spool_dir, wait_s=WAIT_S, views=()) as connection:
            requests = connection.execute("SELECT count(*) FROM requests").fetchall()[0][0]
    except LedgerBusy:
        yield ok(f"{database}: somebody is writing right now")
        return
    except LedgerError as error:
        yield broken(str(error), f"mv {database} {database}.broken")
        return
    size = database.stat().st_size / MIB if database.exists() else 0
    yield ok(
        f"{database}: {requests:,} request{'' if requests == 1 else 's'}, {size:,.0f} MiB"
        + (f", {waiting} of them on their way" if waiting else "")
    )
    left = _left(scene.home.spool_dir)
    if left and scene.running is None:
        yield warning(f"{left} requests wait for a proxy to store them", f"ringlet-mitm start --profile {scene.name}")


def store(scene: Scene) -> Iterator[Finding]:
    """Whether what `[ledger]` of config.toml names can be reached."""
    try:
        target = load_target(scene.home, scene.environ)
    except ConfigError as error:
        yield broken(str(error), f"ringlet-mitm rules check {scene.home.config_file}")
        return
    yield _reached(scene, target) if target else skipped("none; requests are kept on this machine alone")


def _reached(scene: Scene, target: LedgerTarget) -> Finding:
    try:
        with reading(scene.home.database, scene.home.spool_dir, wait_s=WAIT_S, shared=target, views=()):
            return ok(f"{target.text} can be read")
    except LedgerBusy:
        return skipped("somebody is writing into the ledger right now")
    except LedgerError as error:
        return broken(str(error), f"ringlet-mitm rules check {scene.home.config_file}")


def disk(scene: Scene) -> Iterator[Finding]:
    """Whether there is room for rows."""
    places = {_device(folder): folder for folder in (scene.home.config, scene.home.state, scene.home.data)}
    found = {folder: shutil.disk_usage(_there(folder)).free for folder in places.values()}
    for folder, free in found.items():
        if free < NARROW:
            say = broken if free < FULL else warning
            yield say(f"{free / MIB:,.0f} MiB are left for {folder}", "ringlet-mitm usage prune --older-than 90d")
    if min(found.values()) >= NARROW:
        yield ok(f"{min(found.values()) / 1024 / MIB:,.0f} GiB free for {' and '.join(map(str, found))}")


def prices(scene: Scene) -> Iterator[Finding]:
    """How old the price data is that counts: the update that was fetched, or what we and the library come with."""
    update = price_cache.update(scene.home)
    ours = known_library()[1]
    fetched = datetime.date.fromisoformat(update.dated) if update and update.dated else datetime.date.min
    source = update.source if update and fetched > ours else f"genai-prices {price_cache.installed()} and our tables"
    age = datetime.date.today() - max(fetched, ours)
    said = f"{source}, of {max(fetched, ours)}"
    if age <= OLD:
        yield ok(said)
        return
    from ringlet_mitm.cli.model_updates import PUBLISHED  # 0.1 s, for httpx

    yield warning(f"{said}: {age.days} days old", f"ringlet-mitm models update --from {PUBLISHED}")


def _waiting(folder: Path) -> int:
    return sum(map(_rows, all_files(folder)))


def _left(folder: Path) -> int:
    """What nobody is writing any more, and nobody has stored."""
    return sum(map(_rows, sealed_files(folder)))


def _rows(file: Path) -> int:
    with suppress(OSError):
        return len(contents(file).exchanges)
    return 0


def _there(folder: Path) -> Path:
    """The folder, or the one above it that it will be made in."""
    return next(one for one in (folder, *folder.parents) if one.is_dir())


def _device(folder: Path) -> int:
    return _there(folder).stat().st_dev
