from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.addons.dashboard.single import single_file

DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)
INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


@given(st.text())
def test_any_name_stays_data(name: str) -> None:
    page = single_file(json.dumps({"name": name}, ensure_ascii=False).encode(errors="replace"))
    found = DATA.search(page)
    assert found is not None
    assert json.loads(found[1])["name"] == name.encode(errors="replace").decode()
    assert "<" not in found[1] and "\u2028" not in found[1]


def test_a_script_in_a_name_ends_nothing() -> None:
    plain = single_file(b"{}")
    hostile = single_file(b'{"a": "</script><script>alert(1)</script><!--<script>"}')
    assert hostile.count("<script") == plain.count("<script")
    assert "<!--" not in hostile


def test_only_its_own_scripts_and_styles_may_run() -> None:
    page = single_file(b"{}")
    found = INLINE.findall(page)
    assert {kind for kind, _ in found} == {"script", "style"}
    for _, text in found:
        assert b64encode(sha256(text.encode()).digest()).decode() in page
    assert "src=" not in page.replace("img-src=", "").partition("<script>")[0]
    assert 'href="/dashboard' not in page and 'src="/dashboard' not in page
