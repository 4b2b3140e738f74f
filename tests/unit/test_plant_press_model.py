"""The physics of the sealing press."""

from __future__ import annotations

from itertools import pairwise

import pytest

from plant.equipment.press_model import Phase, PressDesign, PressModel, PressState

STEP = 0.2


def run(model: PressModel, seconds: float) -> list[PressState]:
    return [model.step(STEP) for _ in range(round(seconds / STEP))]


def test_one_seed_and_the_same_calls_give_the_same_press() -> None:
    def life(seed: int) -> list[PressState]:
        model = PressModel(seed=seed)
        model.start_lot("L1", "W1")
        states = run(model, 20)
        model.shift_setpoint(8.0, 3.0)
        return states + run(model, 10)

    assert life(7) == life(7)
    assert life(7) != life(8)


def test_the_plate_heats_as_fast_as_its_heater_allows_and_holds_its_setpoint() -> None:
    model = PressModel()
    states = run(model, 20)
    rises = [
        (later.plate_temperature - earlier.plate_temperature) / STEP
        for earlier, later in pairwise(states)
    ]
    noise = 5 * PressDesign().temperature_noise / STEP
    assert max(rises) <= PressDesign().heater_rate + noise
    held = [state.plate_temperature for state in states[-20:]]
    assert all(134.0 < temperature < 136.0 for temperature in held)


def test_a_lot_waits_for_the_plate_and_then_cycles() -> None:
    model = PressModel()
    model.start_lot("L1", "W1")
    states = run(model, 30)
    assert states[0].phase is Phase.HEAT_UP
    first = next(state for state in states if state.phase is Phase.LOAD)
    assert first.plate_temperature > 131.0
    assert {state.phase for state in states} == set(Phase) - {Phase.IDLE}
    assert all(state.lot == "L1" and state.work_order == "W1" for state in states)
    # 2.2 s a cycle after some 8 s of heating up
    assert 8 <= states[-1].cycle_count <= 11
    assert states[-1].dwell_time == pytest.approx(1.2, abs=0.1)


def test_pressure_is_on_while_the_plates_are_closed() -> None:
    model = PressModel()
    model.warm_up()
    model.start_lot("L1", "W1")
    states = run(model, 20)
    assert max(state.seal_pressure for state in states) == pytest.approx(6.0, abs=0.15)
    loading = [state.seal_pressure for state in states if state.phase is Phase.LOAD]
    assert min(loading) < 0.3


def test_between_lots_nothing_is_pressed() -> None:
    model = PressModel()
    model.warm_up()
    model.start_lot("L1", "W1")
    pressed = run(model, 10)[-1].cycle_count
    model.end_lot()
    idle = run(model, 5)
    assert {state.phase for state in idle} == {Phase.IDLE}
    assert {(state.lot, state.work_order, state.cycle_count) for state in idle} == {
        ("", "", pressed)
    }
    assert idle[-1].seal_pressure < 0.1


def test_a_lot_that_runs_cannot_be_started_over() -> None:
    model = PressModel()
    model.start_lot("L1", "W1")
    with pytest.raises(ValueError, match="L1"):
        model.start_lot("L2", "W1")


def test_an_excursion_leaves_the_band_and_comes_back() -> None:
    model = PressModel()
    model.warm_up()
    model.start_lot("L1", "W1")
    run(model, 5)
    model.shift_setpoint(12.0, 4.0)
    hot = max(state.plate_temperature for state in run(model, 4))
    assert 143.0 < hot < 149.0
    run(model, 20)
    after = [state.plate_temperature for state in run(model, 5)]
    assert all(132.0 < temperature < 137.0 for temperature in after)


def test_wear_costs_pressure() -> None:
    model = PressModel(design=PressDesign(wear_pressure=0.05))
    model.warm_up()
    model.start_lot("L1", "W1")
    new = max(state.seal_pressure for state in run(model, 10))
    run(model, 40)
    worn = max(state.seal_pressure for state in run(model, 10))
    assert worn < new - 0.5
