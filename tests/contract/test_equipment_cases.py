"""Each folder ``equipment_*`` is one way in which equipment misbehaves, and what must arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from protocols.wire.reading import Status
from tests.cases.equipment.case import Case, CaseError, Told
from tests.cases.equipment.compare import differences
from tests.cases.equipment.folders import CASES
from tests.cases.equipment.hall import Hall
from tests.cases.equipment.run import run

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("equipment"),  # what some need is installed once, and lent
]
RUNS = [
    pytest.param(case, kind, id=f"{case.name.removeprefix('equipment_')}-{kind}")
    for case in CASES
    for kind in case.equipment
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hall() -> AsyncIterator[Hall]:
    async with Hall() as hall:
        yield hall


@pytest.mark.parametrize(("case", "kind"), RUNS)
async def test_what_must_arrive_arrives_once_and_nothing_else(
    hall: Hall, case: Case, kind: str
) -> None:
    async with hall.lend(case, kind) as equipment:
        outcome = await run(case, equipment)
    assert differences(case.expected, outcome, polled=equipment.polled) == [], case.says


async def test_a_run_fails_against_what_is_not_so(hall: Hall) -> None:
    (case,) = (case for case in CASES if case.name == "equipment_modbus_nan")
    async with hall.lend(case, "modbus peer") as equipment:
        outcome = await run(case, equipment)
    floats = case.expected.readings["float"]
    wrong = {
        "one missing": floats[:-1],
        "one too many": (*floats, floats[0]),
        "one GOOD that is BAD": (floats[0], Told(value=20.0), *floats[2:]),
        "one BAD that is GOOD": (Told(status=Status.BAD, code=-1), *floats[1:]),
        "another order": floats[::-1][1:] + floats[-1:],
        "a whole number": (Told(value=20), *floats[1:]),
    }
    for why, readings in wrong.items():
        planted = case.planted(readings={**case.expected.readings, "float": readings})
        (told,) = differences(planted.expected, outcome, polled=equipment.polled)
        assert told.startswith("float: expected"), why


async def test_a_step_that_equipment_does_not_know_is_refused_with_those_it_knows(
    hall: Hall,
) -> None:
    (case,) = (case for case in CASES if case.name == "equipment_modbus_nan")
    async with hall.lend(case, "modbus peer") as equipment:
        for step, said in (
            ({"do": "dance"}, "'dance' is none of give, answer"),
            ({"do": "answer", "how": "wrongly"}, "'wrongly' is none of right"),
            ({"until": {"weather": "fine"}}, "an error, a gap or a signal"),
        ):
            with pytest.raises(CaseError, match=said):
                await run(replace(case, steps=(step,)), equipment)
