"""A breaker, one step at a time and over any run of steps."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.failures import Failure, FailureKind
from ringlet_mitm.rules.health import (
    LONGEST_REST_MS,
    MOVES,
    PROBE_MS,
    SIGNS,
    STRIKES,
    Health,
    Outcome,
    Sign,
    State,
    observe,
    rests,
    sent,
    sign_for_key,
    sign_for_model,
)

Kind = FailureKind
NOW_MS = 1_000_000
S = 1000
SOUND = Health()


def after(
    health: Health, sign: Sign, now_ms: int = NOW_MS, *, said_s: float | None = None, lasted_s: int = 0
) -> Health:
    said_ms = None if said_s is None else int(said_s * S)
    failure = None if sign in (Sign.GOOD, Sign.UP, Sign.NOTHING) else Failure(Kind.OVERLOADED, retry_after_ms=said_ms)
    return observe(health, Outcome(sign, failure, lasted_s * S), now_ms)


def struck(times: int, health: Health = SOUND, now_ms: int = NOW_MS) -> Health:
    for _ in range(times):
        health = after(health, Sign.STRIKE, now_ms)
    return health


def rest_s(health: Health, now_ms: int = NOW_MS) -> float:
    return (health.until_ms - now_ms) / S


RESTING = struck(STRIKES)
OVER_MS = RESTING.until_ms
PROBING = sent(RESTING, OVER_MS)


class TestWhatAnAttemptTells:
    OURS = (Kind.RATE_LIMITED, Kind.QUOTA, Kind.AUTH)

    def test_every_kind_of_failure_tells_something(self) -> None:
        assert set(SIGNS) == set(Kind)

    @pytest.mark.parametrize(
        ("failure", "key", "model"),
        [
            (None, Sign.GOOD, Sign.GOOD),
            *((Failure(kind), Sign.STRIKE, Sign.NOTHING) for kind in (Kind.UNREACHABLE, Kind.TIMED_OUT)),
            *((Failure(kind), Sign.STRIKE, Sign.NOTHING) for kind in (Kind.OVERLOADED, Kind.SERVER_ERROR)),
            (Failure(Kind.BROKEN_STREAM), Sign.STRIKE, Sign.NOTHING),
            (Failure(Kind.RATE_LIMITED, 429, retry_after_ms=1), Sign.UP, Sign.LIMITED),
            (Failure(Kind.RATE_LIMITED, 429, retry_after_ms=0), Sign.UP, Sign.STRIKE),
            (Failure(Kind.RATE_LIMITED, 429), Sign.UP, Sign.STRIKE),
            (Failure(Kind.QUOTA, 429), Sign.SHUT_OUT, Sign.NOTHING),
            (Failure(Kind.AUTH, 401), Sign.SHUT_OUT, Sign.NOTHING),
            (Failure(Kind.AUTH, 400), Sign.SHUT_OUT, Sign.NOTHING),
            (Failure(Kind.AUTH, 403), Sign.STRIKE, Sign.NOTHING),
            *((Failure(kind), Sign.UP, Sign.UP) for kind in (Kind.REFUSED_REQUEST, Kind.NO_SUCH_MODEL)),
            (Failure(Kind.CONTEXT_WINDOW), Sign.UP, Sign.UP),
            *((Failure(kind), Sign.NOTHING, Sign.NOTHING) for kind in (Kind.CLIENT_GONE, Kind.NOT_SENT)),
        ],
    )
    def test_of_a_key_and_of_one_model_behind_it(self, failure: Failure | None, key: Sign, model: Sign) -> None:
        assert (sign_for_key(failure), sign_for_model(failure)) == (key, model)

    @pytest.mark.parametrize("kind", OURS)
    def test_nothing_bad_of_a_provider_that_refuses_the_agents_own(self, kind: Kind) -> None:
        failure = Failure(kind, 429, retry_after_ms=60_000)
        assert sign_for_key(failure, agents_own=True) is Sign.UP
        assert sign_for_model(failure, agents_own=True) in (Sign.UP, Sign.NOTHING)

    @pytest.mark.parametrize("kind", [kind for kind in Kind if SIGNS[kind] is Sign.STRIKE])
    def test_a_provider_that_is_down_is_down_for_all(self, kind: Kind) -> None:
        assert sign_for_key(Failure(kind), agents_own=True) is Sign.STRIKE


class TestSound:
    def test_rests_after_five_in_a_row(self) -> None:
        assert [struck(times).state for times in range(1, 6)] == [*[State.SOUND] * 4, State.RESTING]
        assert (RESTING.failures, RESTING.reason, rest_s(RESTING)) == (5, "overloaded", 10)

    @pytest.mark.parametrize(("sign", "state"), [(Sign.GOOD, State.SOUND), (Sign.UP, State.RESTING)])
    def test_only_a_good_answer_breaks_the_row(self, sign: Sign, state: State) -> None:
        assert struck(1, after(struck(4), sign)).state is state

    @pytest.mark.parametrize("sign", [Sign.UP, Sign.NOTHING])
    def test_what_says_nothing_bad_changes_nothing(self, sign: Sign) -> None:
        assert after(struck(3), sign) == struck(3)

    @pytest.mark.parametrize(("said_s", "rest"), [(0.2, 0.2), (3, 3), (90, 90), (86_400, 3600)])
    def test_a_limit_rests_at_once_for_as_long_as_it_says(self, said_s: float, rest: float) -> None:
        assert rest_s(after(SOUND, Sign.LIMITED, said_s=said_s)) == rest

    @pytest.mark.parametrize(("said_s", "rest"), [(None, 60), (30, 60), (600, 600), (86_400, 3600)])
    def test_a_refused_key_rests_at_once(self, said_s: float | None, rest: float) -> None:
        assert rest_s(after(SOUND, Sign.SHUT_OUT, said_s=said_s)) == rest

    @pytest.mark.parametrize(("said_s", "rest"), [(3, 10), (45, 45), (86_400, 3600)])
    def test_a_longer_word_of_the_provider_goes_before_our_own(self, said_s: float, rest: float) -> None:
        assert rest_s(after(struck(4), Sign.STRIKE, said_s=said_s)) == rest

    def test_what_was_sent_before_it_was_found_sound_again_is_of_then(self) -> None:
        sound = after(PROBING, Sign.GOOD, OVER_MS + S)
        for sign in (Sign.STRIKE, Sign.SHUT_OUT, Sign.LIMITED):
            assert after(sound, sign, OVER_MS + 2 * S, said_s=60, lasted_s=2) == sound


class TestResting:
    def test_until_it_is_over(self) -> None:
        assert [rests(RESTING, OVER_MS + ms) for ms in (-1, 0)] == [True, False]

    def test_a_good_answer_that_was_asked_for_all_the_same_ends_it(self) -> None:
        assert after(RESTING, Sign.GOOD, NOW_MS + 5 * S, lasted_s=4) == Health(since_ms=NOW_MS + 5 * S)

    def test_an_answer_that_was_asked_for_before_does_not(self) -> None:
        assert after(RESTING, Sign.GOOD, NOW_MS + 5 * S, lasted_s=6) == RESTING

    def test_more_failures_do_not_make_it_longer(self) -> None:
        more = struck(20, RESTING, NOW_MS + 5 * S)
        assert (more.until_ms, more.failures) == (RESTING.until_ms, 25)

    @pytest.mark.parametrize(
        ("sign", "said_s", "rest"),
        [(Sign.LIMITED, 30, 30), (Sign.LIMITED, 2, 10), (Sign.STRIKE, 30, 30), (Sign.SHUT_OUT, None, 60)],
    )
    def test_but_a_longer_word_and_a_refused_key_do(self, sign: Sign, said_s: float | None, rest: float) -> None:
        assert rest_s(after(RESTING, sign, said_s=said_s)) == rest

    def test_many_that_were_on_their_way_rest_it_once(self) -> None:
        burst = SOUND
        for _ in range(40):
            burst = after(burst, Sign.SHUT_OUT)
        assert (rest_s(burst), burst.rest_ms) == (60, 60 * S)


class TestProbing:
    def test_one_goes_and_the_others_see_it_resting(self) -> None:
        assert not rests(RESTING, OVER_MS)
        assert PROBING.state is State.PROBING
        assert rests(PROBING, OVER_MS)
        assert sent(PROBING, OVER_MS) == PROBING

    def test_nothing_is_a_probe_before_the_rest_is_over_nor_when_sound(self) -> None:
        assert sent(RESTING, OVER_MS - 1) == RESTING
        assert sent(struck(3), NOW_MS) == struck(3)

    def test_one_that_never_comes_back_leaves_its_place(self) -> None:
        late = OVER_MS + PROBE_MS
        assert [rests(PROBING, late + ms) for ms in (-1, 0)] == [True, False]
        assert rests(sent(PROBING, late), late)

    def test_a_good_answer_forgets_everything(self) -> None:
        assert after(PROBING, Sign.GOOD, OVER_MS + S) == Health(since_ms=OVER_MS + S)

    def test_an_answer_without_use_lets_others_in_but_the_next_strike_counts_double(self) -> None:
        up = after(PROBING, Sign.UP, OVER_MS)
        assert (up.state, rests(up, OVER_MS)) == (State.SOUND, False)
        assert rest_s(struck(1, up, OVER_MS), OVER_MS) == 20
        assert struck(1, after(up, Sign.GOOD, OVER_MS), OVER_MS).state is State.SOUND

    def test_one_that_told_nothing_gives_the_place_to_the_next(self) -> None:
        back = after(PROBING, Sign.NOTHING, OVER_MS + S)
        assert (back.state, back.failures, rests(back, OVER_MS + S)) == (State.RESTING, 5, False)
        assert sent(back, OVER_MS + S).state is State.PROBING

    @pytest.mark.parametrize(
        ("sign", "rests_s"),
        [
            (Sign.STRIKE, [10, 20, 40, 80, 160, 300, 300]),
            (Sign.SHUT_OUT, [60, 120, 240, 480, 960, 1920, 3600, 3600]),
        ],
    )
    def test_each_that_fails_doubles_the_rest(self, sign: Sign, rests_s: list[int]) -> None:
        health, now_ms, seen = struck(4) if sign is Sign.STRIKE else SOUND, NOW_MS, []
        for _ in rests_s:
            health = after(sent(health, now_ms), sign, now_ms)
            seen.append(rest_s(health, now_ms))
            now_ms = health.until_ms
        assert seen == rests_s

    def test_a_limit_rests_as_long_as_it_says_however_often(self) -> None:
        health = after(SOUND, Sign.LIMITED, said_s=7)
        again = after(sent(health, health.until_ms), Sign.LIMITED, health.until_ms, said_s=7)
        assert rest_s(again, health.until_ms) == 7

    def test_a_limit_between_does_not_undo_the_doubling(self) -> None:
        limited = after(PROBING, Sign.LIMITED, OVER_MS, said_s=7)
        due_ms = limited.until_ms
        assert rest_s(struck(1, sent(limited, due_ms), due_ms), due_ms) == 20

    def test_a_failure_of_another_kind_rests_within_its_own_bounds(self) -> None:
        hours = Health(State.PROBING, 9, NOW_MS, NOW_MS + PROBE_MS, 3_600_000, "quota")
        assert rest_s(after(hours, Sign.STRIKE)) == 300

    @pytest.mark.parametrize("sign", list(Sign))
    def test_what_was_sent_before_the_rest_decides_nothing(self, sign: Sign) -> None:
        assert after(PROBING, sign, OVER_MS + S, said_s=60, lasted_s=12) == PROBING


def test_the_table_opens_on_what_is_bad_only_and_closes_on_what_is_good_only() -> None:
    bad = {Sign.STRIKE, Sign.LAST_STRIKE, Sign.LIMITED, Sign.SHUT_OUT}
    assert {sign for (_, sign), state in MOVES.items() if state is State.SOUND} == {Sign.GOOD, Sign.UP}
    assert {sign for (state, sign) in MOVES if state is State.SOUND} < bad
    assert all(MOVES[State.PROBING, sign] is State.RESTING for sign in bad)


FAILURES = st.builds(
    Failure,
    st.sampled_from(list(Kind)),
    st.sampled_from([None, 401, 403, 429]),
    retry_after_ms=st.none() | st.integers(-10, 10 * LONGEST_REST_MS),
)
STEPS = st.lists(
    st.tuples(st.integers(0, 2 * LONGEST_REST_MS), st.none() | FAILURES, st.booleans(), st.booleans(), st.booleans()),
    max_size=30,
)


@given(STEPS)
def test_over_any_run_of_attempts(steps: list[tuple[int, Failure | None, bool, bool, bool]]) -> None:
    health, now_ms, seen = SOUND, NOW_MS, [SOUND]
    for passed_ms, failure, own, of_model, leaves in steps:
        now_ms += passed_ms
        rested = rests(health, now_ms)
        if leaves:
            health = sent(health, now_ms)
            # Whoever else comes now goes elsewhere, unless it was sound.
            assert health.state is State.SOUND or rests(health, now_ms)
        else:
            sign = (sign_for_model if of_model else sign_for_key)(failure, agents_own=own)
            health = observe(health, Outcome(sign, failure), now_ms)
            if failure is None:
                assert health == Health(since_ms=health.since_ms)
            if health.state is State.SOUND and failure is not None:
                assert not rests(health, now_ms)
            if not rested and rests(health, now_ms):
                assert failure is not None
        # Nobody is kept out for longer than an hour without being tried again.
        assert not rests(health, now_ms + max(LONGEST_REST_MS, PROBE_MS))
        seen.append(health)
    assert all(one.since_ms <= other.since_ms for one, other in pairwise(seen))
