from __future__ import annotations

import pytest

from ringlet_mitm.addons.dashboard.site import HEADERS, Asked, Said, answered, files, is_part, question, told

HOST = "127.0.0.1:8484"


def asked(path: str = "/", method: str = "GET", host: str = HOST, **headers: str) -> Asked:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Asked(method, path, {"host": host, **given}, 8484)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/?period=7d", "text/html; charset=utf-8"),
        ("/dashboard/", "text/html; charset=utf-8"),
        ("/dashboard/page.js", "text/javascript; charset=utf-8"),
        ("/dashboard/style.css", "text/css; charset=utf-8"),
        ("/dashboard/vendor/uPlot.LICENSE.txt", "text/plain; charset=utf-8"),
    ],
)
def test_files(path: str, kind: str) -> None:
    answer = answered(asked(path))
    assert (answer.status, answer.headers["content-type"]) == (200, kind)
    assert answer.body
    assert answer.headers.items() >= HEADERS.items()


@pytest.mark.parametrize(
    "path", ["/dashboard/../site.py", "/dashboard/%2e%2e/site.py", "/dashboard/nothing.js", "/dashboard/vendor", "/x"]
)
def test_nothing_else_is_a_file(path: str) -> None:
    assert answered(asked(path)).status == 404


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/api/usage", "usage"),
        ("/api/usage?period=7d&model=a%20b", "usage?period=7d&model=a%20b"),
        ("/api/analyses?rule=x", "analyses?rule=x"),
        ("/api/other", None),
        ("/", None),
    ],
)
def test_questions(path: str, wanted: str | None) -> None:
    assert question(asked(path)) == wanted


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/", True),
        ("/?x", True),
        ("/dashboard", True),
        ("/dashboard/page.js", True),
        ("/api/usage?x", True),
        ("/api/usages", False),
        ("/health", False),
        ("/v1/messages", False),
        ("/api/tags", False),
        ("/dashboards", False),
    ],
)
def test_what_belongs_to_it(path: str, part: bool) -> None:
    assert is_part(path) is part


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (HOST, 200),
        ("localhost:8484", 200),
        ("LOCALHOST:8484", 200),
        ("[::1]:8484", 200),
        ("127.1.2.3:8484", 200),
        ("127.0.0.1", 403),
        ("127.0.0.1:8485", 403),
        ("evil.example:8484", 403),
        ("127.0.0.1.evil.example:8484", 403),
        ("localhost.evil.example:8484", 403),
        ("127.0.0.1:8484@evil.example", 403),
        ("", 403),
    ],
)
def test_only_names_of_this_machine_lead_here(host: str, status: int) -> None:
    for path in ("/", "/dashboard/page.js", "/api/nothing"):
        answer = answered(asked(path, host=host))
        assert answer.status == (404 if status == 200 and path == "/api/nothing" else status)
    assert (question(asked("/api/usage", host=host)) is not None) == (status == 200)


@pytest.mark.parametrize(
    ("headers", "page", "numbers"),
    [
        ({}, True, True),
        ({"origin": f"http://{HOST}"}, True, True),
        ({"origin": "http://evil.example"}, False, False),
        ({"origin": "null"}, False, False),
        ({"origin": "http://127.0.0.1:3000"}, False, False),
        ({"origin": f"https://{HOST}"}, False, False),
        ({"sec_fetch_site": "same-origin"}, True, True),
        ({"sec_fetch_site": "none"}, True, True),
        ({"sec_fetch_site": "same-site"}, False, False),
        ({"sec_fetch_site": "cross-site"}, False, False),
        ({"sec_fetch_site": "Cross-Site"}, False, False),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}, True, False),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "iframe"}, False, False),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "script"}, False, False),
    ],
)
def test_other_sites_are_refused(headers: dict[str, str], page: bool, numbers: bool) -> None:
    assert (answered(asked("/", **headers)).status == 200) is page
    assert (question(asked("/api/usage", **headers)) is not None) is numbers


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS", "HEAD", "DELETE"])
def test_it_is_only_read(method: str) -> None:
    answer = answered(asked("/api/usage", method))
    assert (answer.status, answer.headers["allow"]) == (405, "GET")
    assert question(asked("/api/usage", method)) is None


def test_what_the_ledger_says_is_no_script_and_is_not_kept() -> None:
    answer = told(Said(200, b"{}"))
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert not any(name.startswith("access-control") for name in answer.headers)


def test_the_page_loads_only_what_is_here() -> None:
    page = files()["index.html"].decode()
    assert "http:" not in page.replace("http://www.w3.org/2000/svg", "") and "https:" not in page
    for name, body in files().items():
        if name.endswith((".js", ".css")) and not name.startswith("vendor/"):
            assert b"http" not in body and b"innerHTML" not in body and b"eval(" not in body, name


def test_the_library_names_its_version_and_licence() -> None:
    assert b"uPlot (v1.6.32)" in files()["vendor/uPlot.iife.min.js"][:100]
    assert b"MIT" in files()["vendor/uPlot.LICENSE.txt"]
