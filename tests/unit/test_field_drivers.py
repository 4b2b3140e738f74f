"""What holds for the card of every driver."""

from __future__ import annotations

import pytest

from protocols.field.driver import DriverSettings, SettingsError, driver_names, load_driver
from tests.contract.driver_contract import HostClock


@pytest.mark.parametrize("name", driver_names())
def test_a_driver_refuses_the_settings_of_another(name: str) -> None:
    spec = load_driver(name)
    assert spec.name == name
    with pytest.raises(SettingsError, match="source 'x': these are not"):
        spec.connect("x", DriverSettings(), HostClock())


def test_a_name_that_no_driver_has_is_answered_with_those_there_are() -> None:
    with pytest.raises(SettingsError) as refused:
        load_driver("profibus")
    assert all(name in refused.value.hint for name in driver_names())
