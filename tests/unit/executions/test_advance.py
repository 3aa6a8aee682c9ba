"""`advance` decides right whatever happens in between: the invariants of the three modes."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.executions.advance import Enter, Supersede, advance
from hookline.model import ExecutionMode
from hookline.store.executions import Position

STAGES = ("Source", "Build", "Deploy")
modes = st.sampled_from(ExecutionMode)
# What happens: a start, or the end of a stage by one of those inside (well or badly).
events = st.lists(
    st.one_of(st.just(None), st.tuples(st.integers(0, 5), st.booleans())), max_size=40
)


def waits(name: str, stage: str = "Source") -> Position:
    return Position(name, stage, in_stage=False)


def inside(name: str, stage: str = "Source") -> Position:
    return Position(name, stage, in_stage=True)


@dataclass
class World:
    """All executions of a pipeline, moved by nothing but `advance` and the ends of stages."""

    mode: ExecutionMode
    active: list[Position] = field(default_factory=list)
    entered: list[tuple[str, str]] = field(default_factory=list)
    ended: dict[str, str] = field(default_factory=dict)
    count: int = 0

    def start(self) -> None:
        self.count += 1
        self.active.append(waits(f"e{self.count}"))
        self.advance()

    def end_stage(self, number: int, *, well: bool) -> None:
        running = [position for position in self.active if position.in_stage]
        if not running:
            return
        position = running[number % len(running)]
        index = self.active.index(position)
        following = STAGES[STAGES.index(position.stage_name) + 1 :]
        if well and following:
            self.active[index] = replace(position, stage_name=following[0], in_stage=False)
        else:
            self.ended[position.execution_id] = "Succeeded" if well else "Failed"
            del self.active[index]
        self.advance()

    def advance(self) -> None:
        for command in advance(self.mode, self.active):
            [index] = [
                number
                for number, position in enumerate(self.active)
                if position.execution_id == command.execution_id
            ]
            assert not self.active[index].in_stage, "only who waits is moved"
            match command:
                case Enter(name, stage):
                    assert self.active[index].stage_name == stage
                    self.active[index] = replace(self.active[index], in_stage=True)
                    self.entered.append((name, stage))
                case Supersede(name, by):
                    assert int(by[1:]) > int(name[1:]), "only by a newer one"
                    self.ended[name] = "Superseded"
                    del self.active[index]
        assert advance(self.mode, self.active) == [], "nothing is left to do"

    def finish_all(self) -> None:
        while any(position.in_stage for position in self.active):
            self.end_stage(0, well=True)


def lived(mode: ExecutionMode, story: list[tuple[int, bool] | None]) -> World:
    world = World(mode)
    for event in story:
        if event is None:
            world.start()
        else:
            world.end_stage(event[0], well=event[1])
        if mode is not ExecutionMode.PARALLEL:
            occupied = Counter(item.stage_name for item in world.active if item.in_stage)
            assert max(occupied.values(), default=0) <= 1, "never two in one stage"
    return world


@given(modes, events)
def test_nobody_is_lost_and_nobody_waits_for_ever(
    mode: ExecutionMode, story: list[tuple[int, bool] | None]
) -> None:
    world = lived(mode, story)
    world.finish_all()
    assert world.active == []
    assert len(world.ended) == world.count
    assert max(Counter(world.entered).values(), default=0) <= 1, "no stage is entered twice"


@given(events)
def test_superseded_mode_keeps_at_most_one_waiting_for_a_stage_and_lets_the_newest_win(
    story: list[tuple[int, bool] | None],
) -> None:
    world = lived(ExecutionMode.SUPERSEDED, story)
    waiting = Counter(item.stage_name for item in world.active if not item.in_stage)
    assert max(waiting.values(), default=0) <= 1
    newest = f"e{world.count}"
    assert world.ended.get(newest) != "Superseded"


@given(st.sampled_from([ExecutionMode.QUEUED, ExecutionMode.PARALLEL]), events)
def test_the_other_modes_supersede_nobody(
    mode: ExecutionMode, story: list[tuple[int, bool] | None]
) -> None:
    assert "Superseded" not in lived(mode, story).ended.values()


@given(events)
def test_queued_mode_enters_each_stage_in_the_order_of_starts(
    story: list[tuple[int, bool] | None],
) -> None:
    world = lived(ExecutionMode.QUEUED, story)
    world.finish_all()
    for stage in STAGES:
        order = [int(name[1:]) for name, entered in world.entered if entered == stage]
        assert order == sorted(order)


@given(events)
def test_parallel_mode_lets_nobody_wait(story: list[tuple[int, bool] | None]) -> None:
    assert all(item.in_stage for item in lived(ExecutionMode.PARALLEL, story).active)


def test_a_burst_in_superseded_mode_lets_the_newest_in_and_ends_the_others() -> None:
    burst = [waits("e1"), waits("e2"), waits("e3")]
    assert advance(ExecutionMode.SUPERSEDED, burst) == [
        Supersede("e1", "e3"),
        Supersede("e2", "e3"),
        Enter("e3", "Source"),
    ]


def test_whoever_is_inside_a_stage_is_never_superseded() -> None:
    positions = [inside("e1"), waits("e2"), waits("e3")]
    assert advance(ExecutionMode.SUPERSEDED, positions) == [Supersede("e2", "e3")]


def test_the_oldest_of_a_queue_goes_first() -> None:
    assert advance(ExecutionMode.QUEUED, [waits("e1"), waits("e2")]) == [Enter("e1", "Source")]


def test_a_busy_stage_holds_up_no_other() -> None:
    positions = [inside("e1", "Build"), waits("e2", "Build"), waits("e3")]
    assert advance(ExecutionMode.SUPERSEDED, positions) == [Enter("e3", "Source")]


def small_states(mode: ExecutionMode) -> Iterator[tuple[list[Position], frozenset[str]]]:
    """Every state of up to four executions in two stages, with every choice of closed stages.

    Two executions are in one stage in PARALLEL mode only.
    """
    stages = STAGES[:2]
    places = [(stage, in_stage) for stage in stages for in_stage in (False, True)]
    for count in range(5):
        for chosen in product(places, repeat=count):
            positions = [
                Position(f"e{number}", stage, in_stage=in_stage)
                for number, (stage, in_stage) in enumerate(chosen)
            ]
            inside = Counter(item.stage_name for item in positions if item.in_stage)
            if mode is ExecutionMode.PARALLEL or max(inside.values(), default=0) <= 1:
                for closed in product((False, True), repeat=len(stages)):
                    pairs = zip(stages, closed, strict=True)
                    yield positions, frozenset(stage for stage, shut in pairs if shut)


def applied(
    mode: ExecutionMode, positions: list[Position], disabled: frozenset[str]
) -> list[Position]:
    after = {item.execution_id: item for item in positions}
    for command in advance(mode, positions, disabled):
        assert not after[command.execution_id].in_stage, "only who waits is moved"
        if isinstance(command, Enter):
            assert command.stage_name == after[command.execution_id].stage_name
            after[command.execution_id] = replace(after[command.execution_id], in_stage=True)
        else:
            del after[command.execution_id]
    return list(after.values())


@pytest.mark.parametrize("mode", ExecutionMode)
def test_nobody_enters_a_disabled_stage_and_the_free_others_are_filled(mode: ExecutionMode) -> None:
    for positions, disabled in small_states(mode):
        after = applied(mode, positions, disabled)
        for stage in STAGES[:2]:
            before_it = [item for item in positions if item.stage_name == stage]
            then = [item for item in after if item.stage_name == stage]
            inside_before = [item for item in before_it if item.in_stage]
            inside_then = [item for item in then if item.in_stage]
            waited = len(before_it) > len(inside_before)
            if stage in disabled:
                assert inside_then == inside_before
            elif mode is ExecutionMode.PARALLEL:
                assert len(inside_then) == len(before_it)
            else:
                assert len(inside_then) == (1 if inside_before or waited else 0)
        assert applied(mode, after, disabled) == after, "nothing is left to do"


def test_who_waits_before_a_disabled_stage_is_superseded_by_the_newest() -> None:
    for positions, disabled in small_states(ExecutionMode.SUPERSEDED):
        after = applied(ExecutionMode.SUPERSEDED, positions, disabled)
        for stage in disabled:
            waiting = [item for item in positions if item == waits(item.execution_id, stage)]
            kept = [item for item in after if item == waits(item.execution_id, stage)]
            assert kept == waiting[-1:]


@pytest.mark.parametrize("mode", [ExecutionMode.QUEUED, ExecutionMode.PARALLEL])
def test_in_the_other_modes_all_wait_before_a_disabled_stage(mode: ExecutionMode) -> None:
    for positions, disabled in small_states(mode):
        assert len(applied(mode, positions, disabled)) == len(positions)


@pytest.mark.parametrize("mode", ExecutionMode)
def test_enabling_lets_in_who_would_have_entered(mode: ExecutionMode) -> None:
    for positions, disabled in small_states(mode):
        held_up = applied(mode, positions, disabled)
        assert applied(mode, held_up, frozenset()) == applied(mode, positions, frozenset())
