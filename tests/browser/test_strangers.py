"""Web pages of other sites, and names of others for this machine: none of them gets at the numbers."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from browser.conftest import ELSEWHERE, PATIENCE_MS

TRIES = """async (url) => {
  const tried = {};
  for (const mode of ["cors", "no-cors", "same-origin"]) {
    tried[mode] = await fetch(url + "api/usage", { mode }).then((said) => said.text(), () => "failed");
  }
  const ended = (made) => new Promise((done) => {
    made.onload = () => done("loaded");
    made.onerror = () => done("failed");
  });
  const script = Object.assign(document.createElement("script"), { src: url + "api/usage" });
  document.head.append(script);
  tried.script = await ended(script);
  const image = Object.assign(document.createElement("img"), { src: url + "dashboard/style.css" });
  tried.image = await ended(image);
  const frame = Object.assign(document.createElement("iframe"), { src: url });
  document.body.append(frame);
  await ended(frame);
  try {
    tried.frame = frame.contentDocument ? frame.contentDocument.body.innerText : "closed";
  } catch {
    tried.frame = "closed";
  }
  return tried;
}"""


class Stranger(BaseHTTPRequestHandler):
    """A site of somebody else's, on this machine too."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>stranger</title><p>hello")

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def stranger() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", ELSEWHERE])
def test_a_page_of_another_site_reads_nothing(host: str, site: str, stranger: int, browser: Any) -> None:
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"http://{host}:{stranger}/")
    tried = page.evaluate(TRIES, site)
    page.close()
    assert tried == {
        "cors": "failed",
        "no-cors": "failed",
        "same-origin": "failed",
        "script": "failed",
        "image": "failed",
        "frame": "closed",
    }


def test_a_name_of_ones_own_for_this_machine_leads_nowhere(site: str, browser: Any) -> None:
    page = browser.new_page()
    port = urlsplit(site).port
    for path in ("", "api/usage", "dashboard/page.js"):
        answer = page.goto(f"http://{ELSEWHERE}:{port}/{path}")
        assert answer.status == 403
        assert "requests" not in answer.text()
    page.close()


def test_a_link_elsewhere_leads_to_the_page(site: str, stranger: int, browser: Any) -> None:
    page = browser.new_page()
    page.goto(f"http://{ELSEWHERE}:{stranger}/")
    with page.expect_navigation():
        page.evaluate("url => { location.href = url; }", site)
    page.wait_for_selector("#total-cost small", state="attached", timeout=PATIENCE_MS)
    page.close()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"])
def test_there_is_nothing_to_do_but_read(method: str, site: str) -> None:
    connection = http.client.HTTPConnection(str(urlsplit(site).hostname), urlsplit(site).port, timeout=10)
    connection.request(method, "/api/usage", body=b"a=b")
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("allow")) == (405, "GET")
    assert answer.getheader("access-control-allow-origin") is None
    connection.close()
