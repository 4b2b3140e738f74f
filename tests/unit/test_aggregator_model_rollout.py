"""Settings on their way: a version moves by its gateway's word, a document by its gateways."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from aggregator.model.rollout import ENDS, Version, VersionState, due, failure, heard
from protocols.wire.life import SettingsReport, SettingsState
from protocols.wire.reading import SECOND

HASH = bytes(range(32))
S, V = SettingsState, VersionState


def version(state: VersionState, number: int = 7, **changes: Any) -> Version:
    fields: dict[str, Any] = {"gateway": "gw-01", "number": number, "is_canary": False}
    return Version(**{**fields, "state": state, **changes})


def report(state: SettingsState, offered: int = 7, in_force: int = 6) -> SettingsReport:
    return SettingsReport(hash=HASH, version=in_force, state=state, offered=offered, why="because")


@pytest.mark.parametrize(("state", "said"), list(itertools.product(V, S)))
def test_every_state_hears_every_word(state: VersionState, said: SettingsState) -> None:
    after = heard(version(state), report(said))
    expected = {
        (V.OFFERED, S.CHECKED): V.CHECKED,
        (V.OFFERED, S.REFUSED): V.REFUSED,
        (V.CHECKED, S.REFUSED): V.REFUSED,
        (V.SENT, S.TRIAL): V.TRIAL,
        (V.SENT, S.REFUSED): V.REFUSED,
        (V.TRIAL, S.REFUSED): V.REFUSED,
        (V.SENT, S.ROLLED_BACK): V.ROLLED_BACK,
        (V.TRIAL, S.ROLLED_BACK): V.ROLLED_BACK,
    }.get((state, said), state)
    assert after.state is expected
    assert after.why == ("" if expected is state else "because")
    if state in ENDS:
        assert after == version(state), "an end stays an end"


def test_what_is_in_force_is_known_by_its_hash_once_the_trial_is_over() -> None:
    on_trial = heard(version(V.SENT), report(S.TRIAL, in_force=7))
    assert on_trial.state is V.TRIAL
    after = heard(on_trial, report(S.IN_FORCE, in_force=7))
    assert (after.state, after.settings_hash) == (V.IN_FORCE, HASH)
    # A later word about something else does not hide that it is in force.
    later = heard(on_trial, report(S.REFUSED, offered=0, in_force=7))
    assert later.state is V.IN_FORCE


def test_a_word_about_another_version_changes_nothing() -> None:
    assert heard(version(V.OFFERED), report(S.REFUSED, offered=6)) == version(V.OFFERED)


def test_those_that_go_first_go_first_and_the_rest_once_they_are_well_for_long_enough() -> None:
    first = version(V.CHECKED, is_canary=True)
    rest = version(V.CHECKED, gateway="gw-02")

    def turn(canary: Version, since: int | None, now: int) -> tuple[Version, ...]:
        return due((canary, rest), well_since=since, hold_seconds=10, now=now * SECOND)

    assert turn(first, None, 0) == (first,)
    sent = version(V.SENT, is_canary=True)
    assert turn(sent, None, 100) == ()
    well = version(V.IN_FORCE, is_canary=True)
    assert turn(well, None, 100) == (), "in force, and not well"
    assert turn(well, 95 * SECOND, 100) == ()
    assert turn(well, 90 * SECOND, 100) == (rest,)
    assert due((rest,), well_since=None, hold_seconds=10, now=0) == (rest,), "nobody goes first"


def test_one_failure_halts_and_is_named() -> None:
    failed = version(V.ROLLED_BACK, why="press-1 did not come up")
    assert failure((version(V.IN_FORCE), failed)) == "gw-01: rolled_back press-1 did not come up"
    assert failure((version(V.IN_FORCE), version(V.TRIAL))) == ""
