"""The page as one file, with its numbers inside: to be opened from a disk or sent to somebody.

It has nothing to load and may load nothing: its own policy names the scripts and styles in it by their hashes.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

from ringlet_mitm.addons.dashboard.site import FOLDER, files

STYLE = re.compile(rf'<link rel="stylesheet" href="{FOLDER}([^"]+)">')
SCRIPT = re.compile(rf'<script src="{FOLDER}([^"]+)"></script>')
DATA = '<script type="application/json" id="data"></script>'
HEAD = '<meta charset="utf-8">'


def single_file(document: bytes) -> str:
    """The whole page; `document` is the JSON that `queries.encoded` made."""
    page = files()["index.html"].decode()
    styles = [_text(name) for name in STYLE.findall(page)]
    scripts = [_text(name) for name in SCRIPT.findall(page)]
    policy = (
        f"default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src {_hashes(styles)}; script-src {_hashes(scripts)}"
    )
    page = page.replace(HEAD, f'{HEAD}\n<meta http-equiv="Content-Security-Policy" content="{policy}">', 1)
    page = STYLE.sub(lambda found: f"<style>{_text(found[1])}</style>", page)
    page = SCRIPT.sub(lambda found: f"<script>{_text(found[1])}</script>", page)
    return page.replace(DATA, DATA.replace("></", f">{_harmless(document.decode())}</"), 1)


def _text(name: str) -> str:
    return files()[name].decode()


def _hashes(texts: list[str]) -> str:
    return " ".join(f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in texts)


def _harmless(json_text: str) -> str:
    """JSON that nothing in HTML ends or begins: a model may be called `</script>`."""
    escapes = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
    return re.sub(f"[{''.join(escapes)}]", lambda found: escapes[found[0]], json_text)
