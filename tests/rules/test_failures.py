"""What a kind of failure calls for."""

from __future__ import annotations

import pytest

from ringlet_mitm.rules.failures import COURSES, Course, Failure, FailureKind, Spoils, course_of


def test_every_kind_has_its_course() -> None:
    assert set(COURSES) == set(FailureKind)


@pytest.mark.parametrize("kind", list(FailureKind))
def test_what_is_done_at_all_may_go_on(kind: FailureKind) -> None:
    course = COURSES[kind]
    assert course.moves or not (course.waits or course.rotates)


@pytest.mark.parametrize("kind", list(FailureKind))
def test_without_a_word_of_the_provider_the_table_holds(kind: FailureKind) -> None:
    assert course_of(Failure(kind)) == COURSES[kind]


@pytest.mark.parametrize("kind", list(FailureKind))
def test_a_provider_that_says_no_is_not_asked_again(kind: FailureKind) -> None:
    course, said = COURSES[kind], course_of(Failure(kind, may_retry=False))
    assert not said.waits
    assert (said.rotates, said.moves, said.spoils) == (course.rotates, course.moves, course.spoils)


@pytest.mark.parametrize("kind", list(FailureKind))
def test_a_provider_that_says_yes_is_heard_where_the_request_was_refused(kind: FailureKind) -> None:
    said = course_of(Failure(kind, may_retry=True))
    refused = kind is FailureKind.REFUSED_REQUEST
    assert said == (Course(waits=True, spoils=Spoils.MODEL) if refused else COURSES[kind])
