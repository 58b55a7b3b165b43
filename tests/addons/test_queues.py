"""Places in line: how many, whose turn, and that none is lost."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ringlet_mitm.addons.queues import MOST_WAITING, Lanes, Ticket


class Line:
    """A lane whose grants are written down in `told`."""

    def __init__(self, most: int, most_waiting: int = MOST_WAITING) -> None:
        self.lanes, self.most, self.told = Lanes(most_waiting), most, list[str]()
        self.tickets: dict[str, Ticket | None] = {}

    def enter(self, *names: str, then: Callable[[], object] = lambda: None) -> None:
        """A request each; its session is the first letter of its name."""
        for name in names:
            self.tickets[name] = self.lanes.enter("plan", self.most, name[0], self._granted(name, then))

    def leave(self, *names: str) -> None:
        for name in names:
            ticket = self.tickets[name]
            assert ticket is not None
            ticket.leave()

    @property
    def ready(self) -> list[str]:
        return [name for name, ticket in self.tickets.items() if ticket and ticket.ready and not ticket.left]

    def counts(self) -> tuple[object, ...]:
        return tuple((lane["running"], lane["waiting"], lane["most"]) for lane in self.lanes.report())

    def _granted(self, name: str, then: Callable[[], object]) -> Callable[[], None]:
        def granted() -> None:
            self.told.append(name)
            then()

        return granted


class TestPlaces:
    def test_whoever_finds_one_free_has_it_and_is_not_told(self) -> None:
        line = Line(2)
        line.enter("a1", "a2", "b1")
        assert (line.ready, line.told, line.counts()) == (["a1", "a2"], [], ((2, 1, 2),))

    def test_one_that_falls_free_goes_to_the_next(self) -> None:
        line = Line(1)
        line.enter("a1", "a2", "a3")
        line.leave("a1")
        assert (line.ready, line.told) == (["a2"], ["a2"])
        line.leave("a2", "a3")
        assert (line.ready, line.told) == ([], ["a2", "a3"])

    def test_giving_back_twice_is_giving_back_once(self) -> None:
        line = Line(1)
        line.enter("a1", "a2", "a3")
        line.leave("a1", "a1", "a1")
        assert (line.ready, line.counts()) == (["a2"], ((1, 1, 1),))

    def test_a_turn_that_is_given_back_is_never_told(self) -> None:
        line = Line(1)
        line.enter("a1", "a2", "b1", "a3")
        line.leave("a2", "a2", "b1", "a1")
        assert line.told == ["a3"]

    def test_lanes_do_not_know_each_other(self) -> None:
        lanes = Lanes()
        one, other = (lanes.enter(name, 1, "a", lambda: None) for name in ("kimi", "zai"))
        assert one is not None and other is not None
        assert (one.ready, other.ready) == (True, True)
        assert lanes.report() == [
            {"lane": "kimi", "running": 1, "waiting": 0, "most": 1},
            {"lane": "zai", "running": 1, "waiting": 0, "most": 1},
        ]

    def test_a_lane_that_nobody_is_in_is_forgotten(self) -> None:
        line = Line(1)
        line.enter("a1", "a2")
        line.leave("a2", "a1")
        assert line.counts() == ()

    def test_a_place_can_be_had_anew(self) -> None:
        line = Line(1)
        for _ in range(3):
            line.enter("a1")
            assert line.ready == ["a1"]
            line.leave("a1")

    def test_less_than_one_is_one(self) -> None:
        line = Line(0)
        line.enter("a1", "a2")
        assert line.ready == ["a1"]


class TestTurns:
    def test_sessions_take_turns(self) -> None:
        line = Line(1)
        line.enter("a1", "a2", "a3", "b1", "b2", "c1")
        line.leave("a1", "a2", "b1", "c1", "a3")
        assert line.told == ["a2", "b1", "c1", "a3", "b2"]

    def test_one_that_comes_back_at_once_has_its_turn_after_the_others(self) -> None:
        line = Line(1)
        line.enter("a1", "b1", "a2", "c1")
        line.leave("a1", "b1")
        line.enter("b2")
        line.leave("a2", "c1")
        assert line.told == ["b1", "a2", "c1", "b2"]

    def test_who_gives_its_turn_back_keeps_nobody(self) -> None:
        line = Line(1)
        line.enter("a1", "b1", "c1", "b2")
        line.leave("b1", "a1", "b2")
        assert line.told == ["b2", "c1"]


class TestTheLineIsBounded:
    def test_whoever_finds_it_full_is_turned_away(self) -> None:
        line = Line(1)
        names = [f"a{number}" for number in range(MOST_WAITING + 1)]
        line.enter(*names, "b1")
        assert line.tickets["b1"] is None
        assert line.counts() == ((1, 64, 1),)
        line.leave("a3")
        line.enter("b2")
        assert line.tickets["b2"] is not None

    def test_without_a_line_only_a_free_place_will_do(self) -> None:
        line = Line(1, most_waiting=0)
        line.enter("a1", "a2")
        assert (line.ready, line.tickets["a2"]) == (["a1"], None)


class TestAnotherLimit:
    def test_a_higher_one_lets_in_who_waits_before_who_comes(self) -> None:
        line = Line(1)
        line.enter("a1", "a2", "a3", "b1")
        line.most = 3
        line.enter("c1")
        assert (line.ready, line.told, line.counts()) == (["a1", "a2", "b1"], ["a2", "b1"], ((3, 2, 3),))

    def test_a_higher_one_makes_room_in_a_full_line(self) -> None:
        line = Line(1, most_waiting=1)
        line.enter("a1", "a2")
        line.most = 3
        line.enter("b1", "c1", "d1")
        assert (line.ready, line.tickets["d1"]) == (["a1", "a2", "b1"], None)

    def test_a_lower_one_lets_nobody_in_until_enough_have_left(self) -> None:
        line = Line(3)
        line.enter("a1", "a2", "a3")
        line.most = 1
        line.enter("b1")
        line.leave("a1", "a2")
        assert line.told == []
        line.leave("a3")
        assert line.told == ["b1"]


class TestFromWithinACallback:
    def test_leaving_at_once_hands_it_on(self) -> None:
        line = Line(1)
        line.enter("a1")
        for number in range(2, 60):
            name = f"a{number}"
            line.enter(name, then=lambda name=name: line.leave(name))
        line.leave("a1")
        assert line.told == [f"a{number}" for number in range(2, 60)]
        assert line.counts() == ()

    def test_a_callback_is_over_before_the_next_begins(self) -> None:
        line, over = Line(1), list[str]()
        line.enter("a1")
        for name in ("a2", "b1", "c1"):
            line.enter(name, then=lambda name=name: (line.leave(name), over.append(name)))
        line.leave("a1")
        assert line.told == over == ["a2", "b1", "c1"]

    def test_entering_again_stands_at_the_end(self) -> None:
        line = Line(1)
        line.enter("a1")
        line.enter("b1", then=lambda: line.enter("b2"))
        line.enter("c1")
        line.leave("a1", "b1", "c1")
        assert (line.told, line.ready) == (["b1", "c1", "b2"], ["b2"])

    def test_who_is_given_up_before_being_told_is_not_told(self) -> None:
        line = Line(1)
        line.enter("a1")
        line.enter("b1", then=lambda: line.leave("c1"))
        line.enter("c1", "d1")
        line.most = 3
        line.enter("e1")
        assert (line.told, line.ready) == (["b1", "d1"], ["a1", "b1", "d1"])

    def test_a_place_that_falls_free_while_somebody_comes_is_not_told_but_there(self) -> None:
        line = Line(1)
        line.enter("a1")
        line.enter("b1", then=lambda: line.leave("b1"))
        line.most = 2
        line.enter("c1")
        assert (line.told, line.ready, line.counts()) == (["b1"], ["a1", "c1"], ((2, 0, 2),))

    def test_one_that_fails_keeps_nobody_waiting(self, caplog: pytest.LogCaptureFixture) -> None:
        def fails() -> None:
            raise RuntimeError("no")

        line = Line(1)
        line.enter("a1")
        line.enter("b1", then=fails)
        line.enter("c1")
        line.most = 3
        with caplog.at_level(logging.ERROR):
            line.enter("d1")
        assert (line.told, line.ready) == (["b1", "c1"], ["a1", "b1", "c1"])
        assert len(caplog.records) == 1


@dataclass(eq=False)
class Request:
    """What the model knows of one: how often it was told, and how many may go before it at most."""

    who: str
    then: str
    ticket: Ticket | None = None
    told: int = 0
    before: int = 0
    bound: int = 0
    gone: bool = False


class AnyLine(RuleBasedStateMachine):
    """One lane with any requests in any order, some of which leave or enter from within their callback."""

    WHO = "abc"

    def __init__(self) -> None:
        super().__init__()
        self.lanes = Lanes(most_waiting=6)
        self.most = 1
        self.lowered_to = 0  # more than `most` may run after it was lowered, but not more than did
        self.here: list[Request] = []

    def running(self) -> list[Request]:
        return [one for one in self.here if one.ticket and one.ticket.ready and not one.gone]

    def waiting(self) -> list[Request]:
        return [one for one in self.here if one.ticket and not one.ticket.ready and not one.gone]

    def come(self, who: str, then: str) -> None:
        request = Request(who, then)
        ahead = sum(one.who == who for one in self.waiting())
        ticket = self.lanes.enter("plan", self.most, who, lambda: self.granted(request))
        request.ticket = ticket
        if ticket is None:
            assert len(self.waiting()) >= 6
            return
        self.here.append(request)
        request.bound = (ahead + 1) * len(self.WHO)
        if ticket.ready:
            self.overtakes(request)

    def granted(self, request: Request) -> None:
        request.told += 1
        assert request.told == 1 and not request.gone
        assert request.ticket is not None and request.ticket.ready
        self.overtakes(request)
        if request.then == "leave":
            self.go(request)
        elif request.then != "stay":
            self.come(request.then, "stay")

    def overtakes(self, request: Request) -> None:
        for other in self.waiting():
            if other is not request:
                other.before += 1
                assert other.before <= other.bound, "somebody starves"

    def go(self, request: Request) -> None:
        request.gone = True
        assert request.ticket is not None
        request.ticket.leave()

    @rule(who=st.sampled_from(WHO), then=st.sampled_from(["stay", "stay", "leave", "a", "b"]))
    def enter(self, who: str, then: str) -> None:
        self.come(who, then)

    @precondition(lambda self: self.here)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        self.go(data.draw(st.sampled_from(self.here)))

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        self.go(data.draw(st.sampled_from(self.running())))

    @rule(most=st.integers(1, 4))
    def reload(self, most: int) -> None:
        self.lowered_to = max(len(self.running()), most)
        self.most = most

    @invariant()
    def never_more_than_may(self) -> None:
        running = len(self.running())
        assert running <= max(self.most, self.lowered_to)
        self.lowered_to = min(self.lowered_to, max(running, self.most))

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        counted = {"lane": "plan", "running": len(self.running()), "waiting": len(self.waiting())}
        report = [{key: value for key, value in lane.items() if key != "most"} for lane in self.lanes.report()]
        assert report == ([counted] if self.running() or self.waiting() else [])

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        (known,) = [lane["most"] for lane in self.lanes.report()] or [0]
        assert isinstance(known, int)
        assert not self.waiting() or len(self.running()) >= known

    def teardown(self) -> None:
        """When everybody goes in turn, everybody had a place once."""
        while self.running():
            self.go(self.running()[0])
        assert not self.waiting()
        assert self.lanes.report() == []


TestAnyLine = AnyLine.TestCase
TestAnyLine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
