"""What follows a failed attempt."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.failures import Failure, FailureKind
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.providers import Endpoint
from ringlet_mitm.rules.reliability import (
    AGENTS_OWN,
    AGENTS_PATIENCE_MS,
    MOST_ATTEMPTS,
    Attempt,
    GiveBack,
    Next,
    Policy,
    Step,
    Timeouts,
    Wait,
    next_step,
)
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.targets import Target

Kind = FailureKind
NOW_MS = 1_800_000_000_000
WAITED = Wait(500)  # the first backoff at its longest
GAVE_BACK = GiveBack()


def target(provider: str, model: str = "big", key: str = "k1", *, host: str = "", as_asked: bool = False) -> Target:
    endpoint = Endpoint("https", host or f"api.{provider}.example", 443, "/v1/messages")
    return Target(provider, model, WireFormat.MESSAGES, endpoint, "bearer", KeyRef((key,)), as_asked)


A1, A2, A3 = target("alpha"), target("alpha", key="k2"), target("alpha", key="k3")
A_SMALL = target("alpha", "small")
A_OTHER_REGION = target("alpha", host="eu.alpha.example")
A_OTHER_KEY = target("alpha", key="k2", host="eu.alpha.example")
B, C = target("beta"), target("gamma")
OWN = target("alpha", key="usual", as_asked=True)
STRANGER = replace(OWN, provider="", endpoint=Endpoint("https", "plan.example", 443, "/v1/messages"))


def failed(*tried: Target, kinds: tuple[Kind, ...] = (), label: str = "", started_ms: int = NOW_MS) -> list[Attempt]:
    """Attempts that ended with `kinds`, the last with what is asked about."""
    labels = [label or (AGENTS_OWN if one.as_asked else "K") for one in tried]
    failures = [Failure(kind) for kind in kinds]
    return [
        Attempt(number + 1, one, labels[number], started_ms * 1000, failure=failures[number] if failures else None)
        for number, one in enumerate(tried)
    ]


def step(
    chain: tuple[Target, ...],
    *tried: Target,
    failure: Failure | Kind,
    kinds: tuple[Kind, ...] = (),
    policy: Policy | None = None,
    jitter: float = 1.0,
    windows: dict[str, int] | None = None,
    spent_ms: int = 0,
    resting: tuple[Target, ...] | None = None,
) -> Step:
    known = windows or {}
    return next_step(
        policy or Policy(),
        chain,
        tuple(failed(*tried, kinds=kinds, started_ms=NOW_MS - spent_ms)),
        failure if isinstance(failure, Failure) else Failure(failure),
        NOW_MS,
        jitter,
        (lambda one: known.get(one.provider)) if windows is not None else None,
        resting.__contains__ if resting is not None else None,
    )


PASSING = (Kind.OVERLOADED, Kind.SERVER_ERROR, Kind.BROKEN_STREAM, Kind.UNREACHABLE, Kind.TIMED_OUT)
FINAL = (Kind.REFUSED_REQUEST, Kind.CLIENT_GONE)


class TestOneTarget:
    @pytest.mark.parametrize("kind", [*PASSING, Kind.RATE_LIMITED])
    def test_what_may_pass_is_tried_again(self, kind: Kind) -> None:
        assert step((A1,), A1, failure=kind) == WAITED

    @pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in (*PASSING, Kind.RATE_LIMITED)])
    def test_what_does_not_pass_is_given_back(self, kind: Kind) -> None:
        assert step((A1,), A1, failure=kind) == GAVE_BACK

    @pytest.mark.parametrize("kind", list(Kind))
    def test_without_retries_everything_is_given_back(self, kind: Kind) -> None:
        assert step((A1,), A1, failure=kind, policy=Policy(retries=0)) == GAVE_BACK

    def test_two_retries_are_three_tries(self) -> None:
        assert step((A1,), A1, A1, failure=Kind.OVERLOADED) == Wait(1000)
        assert step((A1,), A1, A1, A1, failure=Kind.OVERLOADED) == GAVE_BACK

    @pytest.mark.parametrize(("tries", "ms"), [(1, 500), (2, 1000), (3, 2000), (4, 4000), (5, 8000), (6, 10_000)])
    def test_the_wait_doubles_up_to_the_cap(self, tries: int, ms: int) -> None:
        policy = Policy(retries=9)
        assert step((A1,), *[A1] * tries, failure=Kind.OVERLOADED, policy=policy) == Wait(ms)
        assert step((A1,), *[A1] * tries, failure=Kind.OVERLOADED, policy=policy, jitter=0.5) == Wait(ms // 2)
        assert step((A1,), *[A1] * tries, failure=Kind.OVERLOADED, policy=policy, jitter=0.0) == Wait(0)

    def test_a_backoff_is_no_longer_than_the_longest_wait(self) -> None:
        assert step((A1,), A1, failure=Kind.OVERLOADED, policy=Policy(longest_wait_ms=100)) == Wait(100)


class TestRetryAfter:
    @pytest.mark.parametrize("kind", [*PASSING, Kind.RATE_LIMITED])
    def test_goes_before_the_backoff(self, kind: Kind) -> None:
        assert step((A1, B), A1, failure=Failure(kind, retry_after_ms=7000), jitter=0.1) == Wait(7000)

    def test_nothing_to_wait_for_is_a_backoff(self) -> None:
        assert step((A1,), A1, failure=Failure(Kind.RATE_LIMITED, retry_after_ms=0)) == WAITED

    @pytest.mark.parametrize(("ms", "expected"), [(30_000, Wait(30_000)), (30_001, Next(B))])
    def test_too_long_goes_on(self, ms: int, expected: Step) -> None:
        assert step((A1, B), A1, failure=Failure(Kind.RATE_LIMITED, retry_after_ms=ms)) == expected

    def test_too_long_with_nowhere_to_go_is_given_back(self) -> None:
        assert step((A1,), A1, failure=Failure(Kind.OVERLOADED, retry_after_ms=60_000)) == GAVE_BACK

    def test_is_not_waited_for_beyond_the_retries(self) -> None:
        assert step((A1, B), A1, A1, A1, failure=Failure(Kind.OVERLOADED, retry_after_ms=10)) == Next(B)


class TestWhatTheProviderSaysOfRetrying:
    def test_no_means_go_on(self) -> None:
        no = Failure(Kind.OVERLOADED, may_retry=False)
        assert step((A1, B), A1, failure=no) == Next(B)
        assert step((A1,), A1, failure=no) == GAVE_BACK

    def test_no_does_not_keep_from_another_key(self) -> None:
        assert step((A1, B, A2), A1, failure=Failure(Kind.RATE_LIMITED, may_retry=False)) == Next(A2)

    def test_yes_makes_a_409_worth_another_try(self) -> None:
        assert step((A1,), A1, failure=Failure(Kind.REFUSED_REQUEST, 409, may_retry=True)) == WAITED
        assert step((A1,), A1, failure=Failure(Kind.REFUSED_REQUEST, 409)) == GAVE_BACK

    @pytest.mark.parametrize("kind", [Kind.AUTH, Kind.CLIENT_GONE, Kind.CONTEXT_WINDOW])
    def test_yes_does_not_help_what_is_settled(self, kind: Kind) -> None:
        assert step((A1,), A1, failure=Failure(kind, may_retry=True)) == GAVE_BACK


class TestKeys:
    @pytest.mark.parametrize("kind", [Kind.RATE_LIMITED, Kind.AUTH, Kind.QUOTA])
    def test_another_key_at_once_wherever_it_stands(self, kind: Kind) -> None:
        assert step((A1, B, A2), A1, failure=kind) == Next(A2)

    def test_when_all_keys_are_limited_the_last_waits_and_then_the_next_provider(self) -> None:
        limited = Kind.RATE_LIMITED
        assert step((A1, A2, B), A1, A2, failure=limited, kinds=(limited, limited)) == WAITED
        assert step((A1, A2, B), A1, A2, A2, A2, failure=limited, kinds=(limited,) * 4) == Next(B)

    @pytest.mark.parametrize("kind", [Kind.AUTH, Kind.QUOTA])
    def test_a_refused_key_is_no_use_for_another_model(self, kind: Kind) -> None:
        assert step((A1, A_SMALL, B), A1, failure=kind) == Next(B)
        assert step((A1, A_SMALL), A1, failure=kind) == GAVE_BACK

    def test_a_limit_is_a_models_so_another_model_may_do(self) -> None:
        failure = Failure(Kind.RATE_LIMITED, retry_after_ms=60_000)
        assert step((A1, A_SMALL, B), A1, failure=failure) == Next(A_SMALL)

    def test_what_is_forbidden_may_be_only_the_model(self) -> None:
        assert step((A1, A_SMALL, B), A1, failure=Failure(Kind.AUTH, 403)) == Next(A_SMALL)
        assert step((A1, A_SMALL, A2), A1, failure=Failure(Kind.AUTH, 403)) == Next(A2)
        assert step((OWN, B), OWN, failure=Failure(Kind.AUTH, 403)) == GAVE_BACK

    def test_a_refused_key_stays_refused_after_others_failed(self) -> None:
        failure = Failure(Kind.OVERLOADED, may_retry=False)
        assert step((A1, B, A_SMALL, C), A1, B, failure=failure, kinds=(Kind.AUTH, Kind.OVERLOADED)) == Next(C)


class TestGoingOn:
    @pytest.mark.parametrize("kind", PASSING)
    def test_after_the_retries_another_provider_not_another_key(self, kind: Kind) -> None:
        assert step((A1, A2, B), A1, A1, A1, failure=kind) == Next(B)
        assert step((A1, A2), A1, A1, A1, failure=kind) == GAVE_BACK

    @pytest.mark.parametrize(
        ("kind", "expected"),
        [
            (Kind.OVERLOADED, Next(A_SMALL)),
            (Kind.SERVER_ERROR, Next(A_SMALL)),
            (Kind.UNREACHABLE, Next(A_OTHER_REGION)),
            (Kind.TIMED_OUT, Next(A_OTHER_REGION)),
        ],
    )
    def test_a_host_that_answers_may_have_other_models(self, kind: Kind, expected: Step) -> None:
        assert step((A1, A_SMALL, A_OTHER_REGION), A1, A1, A1, failure=kind) == expected

    def test_an_unknown_model_is_looked_for_elsewhere(self) -> None:
        assert step((A1, A2, B), A1, failure=Kind.NO_SUCH_MODEL) == Next(B)
        assert step((A1, A2, A_SMALL), A1, failure=Kind.NO_SUCH_MODEL) == Next(A_SMALL)

    def test_a_target_that_was_left_is_not_tried_again(self) -> None:
        assert step((A1, B), A1, B, failure=Kind.NO_SUCH_MODEL, kinds=(Kind.QUOTA, Kind.QUOTA)) == GAVE_BACK

    def test_a_dead_host_is_remembered(self) -> None:
        tried = (A1, B)
        assert step((A1, B, A_SMALL), *tried, failure=Kind.QUOTA, kinds=(Kind.UNREACHABLE, Kind.QUOTA)) == GAVE_BACK

    def test_the_same_target_twice_in_a_chain_is_one(self) -> None:
        assert step((A1, A1), A1, failure=Kind.NO_SUCH_MODEL) == GAVE_BACK

    @pytest.mark.parametrize("kind", FINAL)
    def test_what_no_other_target_would_take_is_given_back(self, kind: Kind) -> None:
        assert step((A1, A2, B), A1, failure=kind) == GAVE_BACK

    def test_what_was_not_sent_to_a_fallback_goes_to_the_next(self) -> None:
        assert step((A1, B, C), A1, B, failure=Kind.NOT_SENT, kinds=(Kind.QUOTA, Kind.NOT_SENT)) == Next(C)

    def test_what_could_not_be_sent_a_second_time_goes_on_too(self) -> None:
        kinds = (Kind.OVERLOADED, Kind.NOT_SENT)
        assert step((A1, B), A1, A1, failure=Kind.NOT_SENT, kinds=kinds) == Next(B)

    def test_what_could_not_be_sent_is_for_no_other_key_first(self) -> None:
        kinds = (Kind.OVERLOADED, Kind.NOT_SENT)
        assert step((A1, B, A_OTHER_KEY), A1, A1, failure=Kind.NOT_SENT, kinds=kinds) == Next(B)

    def test_what_could_not_be_sent_at_all_is_said(self) -> None:
        assert step((A1, A2, B), A1, failure=Kind.NOT_SENT) == GAVE_BACK


class TestContextWindow:
    @pytest.mark.parametrize(
        ("windows", "expected"),
        [
            ({"alpha": 200, "beta": 128, "gamma": 1000}, Next(C)),
            ({"alpha": 200, "beta": 200, "gamma": 200}, GAVE_BACK),
            ({"alpha": 200, "gamma": 1000}, Next(B)),
            ({"beta": 128, "gamma": 1000}, Next(B)),
            ({}, Next(B)),
            (None, Next(B)),
        ],
        ids=["larger", "none larger", "unknown may be", "unknown failed", "nothing known", "no windows given"],
    )
    def test_only_a_larger_one_is_tried(self, windows: dict[str, int] | None, expected: Step) -> None:
        assert step((A1, A2, B, C), A1, failure=Kind.CONTEXT_WINDOW, windows=windows) == expected

    def test_what_was_too_small_once_is_too_small_for_what_follows(self) -> None:
        windows = {"alpha": 200, "beta": 1000, "gamma": 128}
        kinds = (Kind.CONTEXT_WINDOW, Kind.QUOTA)
        assert step((A1, B, C), A1, B, failure=Kind.QUOTA, kinds=kinds, windows=windows) == GAVE_BACK

    def test_windows_matter_to_nothing_else(self) -> None:
        assert step((A1, B), A1, failure=Kind.QUOTA, windows={"alpha": 200, "beta": 128}) == Next(B)


class TestResting:
    NO = Failure(Kind.OVERLOADED, may_retry=False)

    @pytest.mark.parametrize(
        ("resting", "expected"),
        [((), Next(B)), ((B,), Next(C)), ((B, C), Next(B)), ((A1, B), Next(C)), ((A1,), Next(B))],
        ids=["nobody", "the next", "all that are left", "the one that failed too", "the one that failed"],
    )
    def test_who_rests_goes_last(self, resting: tuple[Target, ...], expected: Step) -> None:
        assert step((A1, B, C), A1, failure=self.NO, resting=resting) == expected

    @pytest.mark.parametrize("kind", PASSING)
    @pytest.mark.parametrize(
        ("resting", "expected"),
        [((), WAITED), ((A1,), Next(B)), ((A1, B), WAITED), ((B,), WAITED)],
        ids=["nobody", "has just begun to", "everybody", "only the next"],
    )
    def test_nobody_waits_for_who_rests_while_another_does_not(
        self, kind: Kind, resting: tuple[Target, ...], expected: Step
    ) -> None:
        assert step((A1, B), A1, failure=kind, resting=resting) == expected

    def test_alone_it_is_waited_for(self) -> None:
        assert step((A1,), A1, failure=Kind.OVERLOADED, resting=(A1,)) == WAITED
        assert step((A1, B), A1, failure=Failure(Kind.OVERLOADED, retry_after_ms=9000), resting=(A1, B)) == Wait(9000)

    @pytest.mark.parametrize(
        ("kind", "ms", "expected"),
        [(Kind.RATE_LIMITED, 900, Wait(900)), (Kind.RATE_LIMITED, None, Next(B)), (Kind.OVERLOADED, 900, Next(B))],
    )
    def test_a_limit_that_says_when_it_ends_is_waited_for(self, kind: Kind, ms: int | None, expected: Step) -> None:
        assert step((A1, B), A1, failure=Failure(kind, retry_after_ms=ms), resting=(A1,)) == expected

    @pytest.mark.parametrize(
        ("failure", "resting", "expected"),
        [
            (Failure(Kind.RATE_LIMITED), (A2,), Next(A3)),
            (Failure(Kind.RATE_LIMITED, retry_after_ms=900), (A1, A2, A3), Wait(900)),
            (Failure(Kind.RATE_LIMITED), (A1, A2, A3), Next(B)),
            (Failure(Kind.RATE_LIMITED), (A1, A2, A3, B), WAITED),
            (Failure(Kind.AUTH), (A1, A2, A3), Next(B)),
            (Failure(Kind.QUOTA), (A1, A2, A3, B), Next(A2)),
        ],
        ids=["the next key", "none, so the word", "none, so elsewhere", "nobody", "refused", "used up and nobody"],
    )
    def test_further_keys_likewise(self, failure: Failure, resting: tuple[Target, ...], expected: Step) -> None:
        assert step((A1, A2, A3, B), A1, failure=failure, resting=resting) == expected

    @pytest.mark.parametrize("kind", list(Kind))
    def test_where_nobody_rests_nothing_is_different(self, kind: Kind) -> None:
        for chain in ((A1,), (A1, B), (A1, A2, B)):
            assert step(chain, A1, failure=kind, resting=()) == step(chain, A1, failure=kind)

    def test_what_the_failure_has_spoiled_is_not_tried_because_all_else_rests(self) -> None:
        assert step((A1, A_SMALL, B), A1, failure=Kind.QUOTA, resting=(B,)) == Next(B)


class TestTheAgentsOwnCredential:
    @pytest.mark.parametrize("kind", PASSING)
    def test_what_may_pass_is_tried_again(self, kind: Kind) -> None:
        assert step((OWN,), OWN, failure=kind) == WAITED

    def test_a_login_that_is_refused_is_for_the_agent_to_renew(self) -> None:
        assert step((OWN, B), OWN, failure=Kind.AUTH) == GAVE_BACK

    def test_an_account_that_is_used_up_goes_on_where_there_is_something(self) -> None:
        assert step((OWN, B), OWN, failure=Kind.QUOTA) == Next(B)
        assert step((OWN, A1), OWN, failure=Kind.QUOTA) == Next(A1)
        assert step((OWN,), OWN, failure=Kind.QUOTA) == GAVE_BACK

    @pytest.mark.parametrize(
        ("chain", "ms", "expected"),
        [
            ((OWN,), None, WAITED),
            ((OWN,), AGENTS_PATIENCE_MS, Wait(AGENTS_PATIENCE_MS)),
            ((OWN,), AGENTS_PATIENCE_MS + 1, GAVE_BACK),
            ((OWN, B), AGENTS_PATIENCE_MS + 1, Next(B)),
        ],
    )
    def test_its_limits_are_waited_for_only_shortly(
        self, chain: tuple[Target, ...], ms: int | None, expected: Step
    ) -> None:
        assert step(chain, OWN, failure=Failure(Kind.RATE_LIMITED, retry_after_ms=ms)) == expected

    def test_an_overload_is_waited_for_as_long_as_any(self) -> None:
        failure = Failure(Kind.OVERLOADED, retry_after_ms=AGENTS_PATIENCE_MS + 1)
        assert step((OWN,), OWN, failure=failure) == Wait(AGENTS_PATIENCE_MS + 1)

    def test_a_host_that_is_no_providers_is_one_by_itself(self) -> None:
        another = replace(STRANGER, endpoint=Endpoint("https", "other.example", 443, "/v1/messages"))
        limited = Failure(Kind.RATE_LIMITED, retry_after_ms=60_000)
        assert step((STRANGER, another), STRANGER, failure=limited) == Next(another)


class TestBounds:
    def test_all_attempts_together(self) -> None:
        patient = Policy(retries=100)
        tried = [A1] * (MOST_ATTEMPTS - 1)
        assert isinstance(step((A1, B), *tried, failure=Kind.OVERLOADED, policy=patient), Wait)
        assert step((A1, B), *tried, A1, failure=Kind.OVERLOADED, policy=patient) == GAVE_BACK

    @pytest.mark.parametrize(
        ("spent_ms", "expected"),
        [(1000, WAITED), (9499, WAITED), (9500, Next(B)), (9999, Next(B)), (10_000, GAVE_BACK)],
    )
    def test_all_the_time_together(self, spent_ms: int, expected: Step) -> None:
        policy = Policy(timeouts=Timeouts(total_ms=10_000))
        assert step((A1, B), A1, failure=Kind.OVERLOADED, policy=policy, spent_ms=spent_ms) == expected


TARGETS = [A1, A2, A_SMALL, A_OTHER_REGION, B, C, OWN, STRANGER]
FAILURES = st.builds(
    Failure,
    st.sampled_from(list(Kind)),
    retry_after_ms=st.none() | st.integers(-10, 100_000),
    may_retry=st.sampled_from([None, True, False]),
)
POLICIES = st.builds(
    Policy,
    retries=st.integers(0, 30),
    backoff_ms=st.integers(0, 5000),
    backoff_cap_ms=st.integers(0, 50_000),
    longest_wait_ms=st.integers(0, 50_000),
    timeouts=st.builds(Timeouts, total_ms=st.sampled_from([0, 1, 60_000])),
)
CHAINS = st.lists(st.sampled_from(TARGETS), min_size=1, max_size=20).map(tuple)
WINDOWS = st.none() | st.dictionaries(st.sampled_from(["alpha", "beta", "gamma", ""]), st.integers(1, 3))


RESTING = st.none() | st.lists(st.sampled_from(TARGETS))


@given(POLICIES, CHAINS, WINDOWS, RESTING, st.data())
def test_any_run_of_failures_ends_within_its_limits(
    policy: Policy,
    chain: tuple[Target, ...],
    windows: dict[str, int] | None,
    resting: list[Target] | None,
    data: st.DataObject,
) -> None:
    rests = None if resting is None else resting.__contains__
    attempts: list[Attempt] = []
    here, now_ms = chain[0], NOW_MS
    while True:
        label = AGENTS_OWN if here.as_asked else "K"
        failure = data.draw(FAILURES)
        attempts.append(Attempt(len(attempts) + 1, here, label, now_ms * 1000, failure=failure))
        look = None if windows is None else lambda one: windows.get(one.provider)
        came = next_step(policy, chain, tuple(attempts), failure, now_ms, data.draw(st.floats(0, 1)), look, rests)
        match came:
            case GiveBack():
                break
            case Wait(ms):
                assert 0 <= ms <= policy.longest_wait_ms
                assert [attempt.target for attempt in attempts].count(here) <= policy.retries
                now_ms += ms
            case Next(other):
                assert other in chain
                assert other not in [attempt.target for attempt in attempts]
                here = other
        assert len(attempts) < MOST_ATTEMPTS
    total_ms = policy.timeouts.total_ms
    assert not total_ms or now_ms - NOW_MS < total_ms


@given(POLICIES, CHAINS, FAILURES, st.floats(0, 1), st.floats(0, 1), st.integers(1, 17))
def test_more_jitter_is_no_shorter_wait_and_nothing_else(
    policy: Policy, chain: tuple[Target, ...], failure: Failure, one: float, other: float, tries: int
) -> None:
    tried = [chain[0]] * tries
    less = step(chain, *tried, failure=failure, policy=policy, jitter=min(one, other))
    more = step(chain, *tried, failure=failure, policy=policy, jitter=max(one, other))
    if isinstance(less, Wait) and isinstance(more, Wait):
        assert less.ms <= more.ms
    else:
        assert less == more
