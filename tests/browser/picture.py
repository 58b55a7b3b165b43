"""The README's picture of the page: `cd tests && python -m browser.picture ../fixtures/pictures/dashboard.png`.

pngquant makes it a third of the size.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from browser.chromium import chromium
from browser.conftest import serving, settled
from playwright.sync_api import sync_playwright
from seeded import seeded

from ringlet_mitm.addons.usage.ledger import insert, transaction, writing

SIZE = {"width": 1180, "height": 880}


def take(file: Path) -> None:
    """Of the seeded ledger, by weeks and model."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "usage.duckdb"
        with writing(database) as connection, transaction(connection):
            insert(connection, [(made.row, ()) for made in seeded()])
        with serving(database, Path(folder) / "spool") as url, sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            page = browser.new_page(viewport=SIZE, locale="en-GB", color_scheme="light")
            page.goto(f"{url}?stack=model")
            settled(page)
            page.wait_for_selector("#analysis-errors")
            page.screenshot(path=file)
            browser.close()
    subprocess.run(["pngquant", "--force", "--output", str(file), "--", str(file)], check=True)


if __name__ == "__main__":
    take(Path(sys.argv[1]))
