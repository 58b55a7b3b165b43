from __future__ import annotations

import pickle

import pytest

from ringlet_mitm.addons.credentials.secret import Secret

KEY = "sk-ant-api03-very-secret"


@pytest.mark.parametrize("view", [repr, str, lambda secret: f"{secret}", lambda secret: f"{[secret]}"])
def test_no_view_shows_it(view: object) -> None:
    assert KEY not in view(Secret(KEY))  # type: ignore[operator]


def test_reveal_gives_it() -> None:
    assert Secret(KEY).reveal() == KEY


def test_it_is_not_pickled() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret(KEY))
