"""The README's picture of mitmweb: `cd tests && python -m browser.mitmweb_picture ../fixtures/pictures/mitmweb.png`.

pngquant makes it a third of the size.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from browser.chromium import chromium
from browser.mitmweb import PATIENCE_S, mitmweb, work
from playwright.sync_api import sync_playwright

from ringlet_mitm.cli.demo.upstream import Vendor

SIZE = {"width": 1200, "height": 800}


def take(file: Path, part: str = "request") -> None:
    """Of the translated flow, opened at its request."""
    with tempfile.TemporaryDirectory() as folder, Vendor() as vendor, mitmweb(Path(folder), vendor) as web:
        work(web)
        translated = next(flow for flow in web.done(3) if "groq" in flow["comment"])
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--no-proxy-server"])
            page = browser.new_page(viewport=SIZE, locale="en-GB")
            page.set_default_timeout(PATIENCE_S * 1000)
            page.goto(web.url)
            page.get_by_text(translated["comment"]).click()
            page.get_by_role("link", name=part.capitalize(), exact=True).click()
            page.get_by_text("Before → after" if part == "request" else "Outcome").first.wait_for()
            page.mouse.move(0, 0)
            page.screenshot(path=file)
            browser.close()
    subprocess.run(["pngquant", "--force", "--output", str(file), "--", str(file)], check=True)


if __name__ == "__main__":
    take(Path(sys.argv[1]), *sys.argv[2:])
