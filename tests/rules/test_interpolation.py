from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.interpolation import interpolated, is_literal, variables

ENVIRON = {"A": "one", "B_2": " two\n", "EMPTY": ""}
FILLED = {
    "nothing to fill": ("plain", "plain"),
    "a variable": ("${A}", "one"),
    "white space around a value": ("${B_2}", "two"),
    "in the middle": ("x-${A}-${B_2}", "x-one-two"),
    "twice": ("${A}${A}", "oneone"),
    "a dollar alone": ("$A $ 5$", "$A $ 5$"),
    "a default that is not needed": ("${A:-x}", "one"),
    "a default": ("${NO:-x y}", "x y"),
    "a default for an empty one": ("${EMPTY:-x}", "x"),
    "a URL for a default": ("${NO:-https://x.example/v1}", "https://x.example/v1"),
}


@pytest.mark.parametrize(("text", "filled"), FILLED.values(), ids=FILLED)
def test_variables_are_filled_in(text: str, filled: str) -> None:
    assert interpolated(text, ENVIRON) == filled


@pytest.mark.parametrize("text", ["${NO}", "${EMPTY}", "x${NO:-}", "${A}${NO}"])
def test_one_that_is_not_set_is_an_error_with_its_name(text: str) -> None:
    with pytest.raises(ConfigError, match=r"names the variable (NO|EMPTY), which is not set"):
        interpolated(text, ENVIRON)


@pytest.mark.parametrize("text", ["${", "${A", "${}", "${a b}", "${1A}", "${${A}}", "${A-x}", "${é}"])
def test_what_names_no_variable_is_an_error(text: str) -> None:
    for read in (variables, lambda one: interpolated(one, ENVIRON)):
        with pytest.raises(ConfigError, match=r"write it as \$\{NAME\}"):
            read(text)


def test_the_variables_of_a_text() -> None:
    assert variables("${A}-${B_2}-${A}-${C:-x}") == ("A", "B_2")


@pytest.mark.parametrize(
    ("text", "literal"), [("sk-x", True), ("${A}", False), (" ${A} ", False), ("x${A}", True), ("${A:-sk-x}", True)]
)
def test_what_stands_in_the_file_itself(text: str, literal: bool) -> None:
    assert is_literal(text) is literal


@given(st.text(st.characters(exclude_characters="${}")))
def test_a_text_without_variables_stays(text: str) -> None:
    assert interpolated(text, {}) == text
