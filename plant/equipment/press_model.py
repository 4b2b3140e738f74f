"""A sealing press as physics: a heated plate, dwell cycles, cooling, noise and wear.

Pure: ``PressModel.step`` moves it on by a time, and the same design, seed and calls give the same
press. Figures are of a rotary tray sealer for Tyvek lids, rounded.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """What the press is doing; the phases of its recipe (ISA-88)."""

    IDLE = "idle"  # no lot
    HEAT_UP = "heat-up"  # a lot waits for the plate
    LOAD = "load"  # a tray comes in
    DWELL = "dwell"  # plates closed, pressure on
    COOL = "cool"  # the seal sets


@dataclass(frozen=True, slots=True, kw_only=True)
class PressDesign:
    """What kind of press it is; times in seconds, temperatures in degC, pressures in bar."""

    ambient: float = 22.0
    setpoint: float = 135.0
    heater_rate: float = 15.0  # K/s at full power, without losses
    loss_seconds: float = 120.0  # time constant of cooling to ambient
    band: float = 4.0  # K below the target at which the heater is throttled
    ready_within: float = 3.0  # K of the target before a lot starts
    tray_heat: float = 1.2  # K that a cold tray takes from the plate
    load_seconds: float = 0.6
    dwell_seconds: float = 1.2
    cool_seconds: float = 0.4
    pressure: float = 6.0
    pressure_rise_seconds: float = 0.15  # time constant of closing and opening
    temperature_noise: float = 0.12  # standard deviation, K
    pressure_noise: float = 0.02  # standard deviation, bar
    dwell_noise: float = 0.01  # standard deviation, s
    wear_pressure: float = 0.0004  # bar lost a cycle, seals leak
    wear_dwell: float = 0.00002  # seconds gained a cycle, the valve slows


@dataclass(frozen=True, slots=True, kw_only=True)
class PressState:
    """What the sensors of the press say."""

    plate_temperature: float  # degC
    seal_pressure: float  # bar
    dwell_time: float  # s, of the last cycle that ended; 0 before the first
    cycle_count: int  # since the press was built
    phase: Phase
    lot: str  # "" between lots
    work_order: str  # "" between lots


class PressModel:
    """A press that moves on by ``step``; starts cold, idle and new."""

    def __init__(self, *, seed: int = 1, design: PressDesign | None = None) -> None:
        self.design = design or PressDesign()
        self._chance = random.Random(seed)
        self._plate = self.design.ambient
        self._pressure = 0.0
        self._phase = Phase.IDLE
        self._left = 0.0  # seconds until the phase ends
        self._dwell = 0.0  # of the cycle that runs
        self._dwell_ended = 0.0  # of the last cycle
        self._cycles = 0
        self._shift = 0.0  # K added to the setpoint
        self._shift_left = 0.0  # seconds
        self._lot = ""
        self._work_order = ""

    def warm_up(self) -> None:
        """Put the plate at its setpoint, as after an hour of standing by."""
        self._plate = self.design.setpoint

    def start_lot(self, lot: str, work_order: str) -> None:
        """Begin a lot, the first cycle of which waits for the plate; ValueError while one runs."""
        if self._lot:
            raise ValueError(f"lot {self._lot!r} is not ended")
        self._lot, self._work_order = lot, work_order
        self._phase = Phase.HEAT_UP

    def end_lot(self) -> None:
        """End the lot; a cycle that runs is broken off."""
        self._lot = self._work_order = ""
        self._phase = Phase.IDLE

    def shift_setpoint(self, kelvin: float, seconds: float) -> None:
        """Let the controller hold a wrong temperature for a time: an excursion."""
        self._shift, self._shift_left = kelvin, seconds

    def step(self, dt: float) -> PressState:
        """Move on by ``dt`` seconds and return what the sensors say."""
        self._move_plate(dt)
        self._move_phase(dt)
        self._move_pressure(dt)
        design = self.design
        return PressState(
            plate_temperature=self._plate + self._chance.gauss(0.0, design.temperature_noise),
            seal_pressure=max(0.0, self._pressure + self._chance.gauss(0.0, design.pressure_noise)),
            dwell_time=self._dwell_ended,
            cycle_count=self._cycles,
            phase=self._phase,
            lot=self._lot,
            work_order=self._work_order,
        )

    def _target(self) -> float:
        return self.design.setpoint + (self._shift if self._shift_left > 0.0 else 0.0)

    def _move_plate(self, dt: float) -> None:
        design = self.design
        self._shift_left = max(0.0, self._shift_left - dt)
        loss = (self._plate - design.ambient) / design.loss_seconds
        holding = (self._target() - design.ambient) / design.loss_seconds / design.heater_rate
        power = holding + (self._target() - self._plate) / design.band
        self._plate += (design.heater_rate * min(1.0, max(0.0, power)) - loss) * dt

    def _move_phase(self, dt: float) -> None:
        design = self.design
        if self._phase is Phase.HEAT_UP:
            if abs(self._plate - self._target()) <= design.ready_within:
                self._enter(Phase.LOAD, design.load_seconds)
            return
        self._left -= dt
        while self._phase is not Phase.IDLE and self._left <= 0.0:
            if self._phase is Phase.LOAD:
                jitter = self._chance.gauss(0.0, design.dwell_noise)
                self._dwell = design.dwell_seconds + design.wear_dwell * self._cycles + jitter
                self._plate -= design.tray_heat
                self._enter(Phase.DWELL, self._left + self._dwell)
            elif self._phase is Phase.DWELL:
                self._dwell_ended = self._dwell
                self._cycles += 1
                self._enter(Phase.COOL, self._left + design.cool_seconds)
            else:
                self._enter(Phase.LOAD, self._left + design.load_seconds)

    def _enter(self, phase: Phase, seconds: float) -> None:
        self._phase, self._left = phase, seconds

    def _move_pressure(self, dt: float) -> None:
        design = self.design
        closed = self._phase is Phase.DWELL
        target = design.pressure - design.wear_pressure * self._cycles if closed else 0.0
        share = min(1.0, dt / (design.pressure_rise_seconds + dt))
        self._pressure += (target - self._pressure) * share
