from __future__ import annotations

import pytest

from ringlet_mitm.addons.credentials.vault import Vault
from ringlet_mitm.rules.errors import NoKey
from ringlet_mitm.rules.keys import KeyRef

REF = KeyRef(("GEMINI_API_KEY", "GOOGLE_API_KEY"))


@pytest.mark.parametrize(
    ("environ", "key"),
    [
        ({"GEMINI_API_KEY": "first", "GOOGLE_API_KEY": "second"}, "first"),
        ({"GOOGLE_API_KEY": "second"}, "second"),
        ({"GEMINI_API_KEY": "", "GOOGLE_API_KEY": "second"}, "second"),
        ({"GEMINI_API_KEY": "pasted\n"}, "pasted"),
    ],
    ids=["first wins", "second where the first is missing", "empty is missing", "white space is dropped"],
)
def test_the_first_variable_that_is_set_wins(environ: dict[str, str], key: str) -> None:
    assert Vault(environ).get(REF, "gemini").reveal() == key


def test_a_missing_key_says_what_to_set() -> None:
    with pytest.raises(NoKey, match="provider 'gemini': set GEMINI_API_KEY or GOOGLE_API_KEY"):
        Vault({}).get(REF, "gemini")
