"""Documents of what stands in the plant: equipment, signals, physical assets, calibrations."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from aggregator.errors import InvalidError
from aggregator.model.master.equipment import (
    Equipment,
    EquipmentPath,
    Occupancy,
    Residence,
    SignalRole,
    SignalSpec,
    check_gln,
    check_path,
)
from aggregator.model.master.physical_asset import (
    Calibration,
    CertificateId,
    Installation,
    Outcome,
    PhysicalAsset,
    PhysicalAssetId,
    check_physical_asset_id,
)
from aggregator.model.master.read_point import PresenceRule, Travel
from aggregator.model.series import SignalKey
from aggregator.service.master.document import (
    Document,
    EntityKind,
    Instant,
    Name,
    Reference,
    nanoseconds,
    signal_key,
    validity,
)
from protocols.wire.dossier.instant import parse_time
from protocols.wire.reading import Kind


class EquipmentDocument(Document):
    """A place in the ISA-95 hierarchy."""

    kind = EntityKind.EQUIPMENT
    path: Name = Field(description="Enterprise/site/area/line/unit, as far as it goes.")
    name: str = Field(default="", description="As people call it.")
    occupancy: Occupancy = Field(
        default=Occupancy.EXCLUSIVE, description="How many lots it may work on at a time."
    )
    residence_s: float | None = Field(
        default=None, gt=0, description="Continuous: seconds that material is in it, on the mean."
    )
    spread_s: float = Field(
        default=0.0, ge=0, description="Continuous: seconds by which that may be more or less."
    )
    gln: str = Field(default="", description="GS1 location number, 13 digits; names it in EPCIS.")

    @property
    def key(self) -> str:
        """The path."""
        return check_path(self.path)

    def model(self) -> Equipment:
        """Return the equipment."""
        offset, spread = nanoseconds(self.residence_s), nanoseconds(self.spread_s) or 0
        residence = None if offset is None else Residence(offset=offset, spread=spread)
        return Equipment(
            path=check_path(self.path),
            occupancy=self.occupancy,
            gln=check_gln(self.gln),
            residence=residence,
        )


class TravelEntry(BaseModel):
    """The way of a carrier from a place to a read point."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    origin: Name = Field(description="Path of the place, which all below it are part of.")
    travel_min_s: float = Field(ge=0, description="Seconds that the way takes, at least.")

    def model(self) -> Travel:
        """Return the way."""
        return Travel(check_path(self.origin), nanoseconds(self.travel_min_s) or 0)


class SignalDocument(Document):
    """A signal, and the equipment that it observes."""

    kind = EntityKind.SIGNAL
    gateway: Name = Field(description="Id of the gateway that reads it.")
    signal: Name = Field(description="The signal's name in that gateway.")
    equipment: Name = Field(description="Path of the equipment that it observes.")
    value_kind: Literal["bool", "int", "uint", "float32", "float64", "text", "bytes", "tag_read"]
    unit: str = Field(default="", description="Unit in UCUM notation.")
    role: SignalRole = Field(default=SignalRole.VARIABLE, description="What the signal says.")
    clock: str = Field(
        default="", description="Signals of one clock are cut without doubt between them."
    )
    reads_min: int | None = Field(
        default=None, ge=1, description="Tag reads: reads of one stay, at least; fewer are stray."
    )
    exit_timeout_s: float | None = Field(
        default=None, ge=0, description="Tag reads: seconds of silence before a carrier has left."
    )
    exit_timeout_max_s: float | None = Field(
        default=None, ge=0, description="Tag reads: the same for one that is read rarely, at most."
    )
    missed_reads: int | None = Field(
        default=None, ge=0, description="Tag reads: reads in a row that may fail."
    )
    rssi_margin_db: float | None = Field(
        default=None, ge=0, description="Tag reads: by how much another place must be worse."
    )
    travel_min_s: float | None = Field(
        default=None, ge=0, description="Tag reads: seconds from any other read point, at least."
    )

    travels: tuple[TravelEntry, ...] = Field(
        default=(), description="Tag reads: the same from places of which more is known."
    )

    @property
    def key(self) -> str:
        """Gateway and signal."""
        return f"{signal_key(self.gateway, self.signal).gateway}/{self.signal}"

    def model(self) -> SignalSpec:
        """Return the signal."""
        return SignalSpec(
            key=signal_key(self.gateway, self.signal),
            equipment=check_path(self.equipment),
            kind=Kind[self.value_kind.upper()],
            unit=self.unit,
            role=self.role,
            clock=self.clock,
            presence=self._presence(),
        )

    def _presence(self) -> PresenceRule | None:
        """Return the read point's own figures, the usual ones where it has none; None: all are."""
        given = {
            "reads_min": self.reads_min,
            "exit_timeout": nanoseconds(self.exit_timeout_s),
            "exit_timeout_max": nanoseconds(self.exit_timeout_max_s),
            "missed_reads": self.missed_reads,
            "rssi_margin": None
            if self.rssi_margin_db is None
            else round(self.rssi_margin_db * 100),
            "travel_min": nanoseconds(self.travel_min_s),
            "travels": tuple(each.model() for each in self.travels) or None,
        }
        own: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        return PresenceRule(**own) if own else None

    def references(self) -> tuple[Reference, ...]:
        """Return its equipment, and the places that ways to it begin at."""
        places = (self.equipment, *(each.origin for each in self.travels))
        return tuple(Reference(kind=EntityKind.EQUIPMENT, key=place) for place in places)


class PhysicalAssetDocument(Document):
    """A thing with a serial number: a press, a sensor, a reader."""

    kind = EntityKind.PHYSICAL_ASSET
    physical_asset: Name = Field(
        description="GIAI as (8004)…, or a serial number that is unique in the plant."
    )
    name: str = Field(default="", description="As people call it.")
    maker: str = Field(default="", description="Who made it.")
    model_name: str = Field(default="", description="The maker's name of the model.")
    serial: str = Field(default="", description="The maker's serial number.")

    @property
    def key(self) -> str:
        """The id."""
        return check_physical_asset_id(self.physical_asset)

    def model(self) -> PhysicalAsset:
        """Return the physical asset."""
        return PhysicalAsset(
            id=check_physical_asset_id(self.physical_asset),
            name=self.name,
            maker=self.maker,
            model=self.model_name,
            serial=self.serial,
        )


class InstallationDocument(Document):
    """A physical asset fills a role for a time: a place, or the sensor behind a signal."""

    kind = EntityKind.INSTALLATION
    physical_asset: Name = Field(description="Id of the physical asset.")
    equipment: str = Field(default="", description="Path of the place that it fills.")
    gateway: str = Field(default="", description="Gateway of the signal behind which it measures.")
    signal: str = Field(default="", description="Signal behind which it measures.")
    valid_from: Instant = Field(description="When it was installed.")
    valid_to: Instant | None = Field(default=None, description="When it was removed.")

    @property
    def key(self) -> str:
        """The physical asset and when it was installed."""
        return f"{check_physical_asset_id(self.physical_asset)}@{self.valid_from}"

    def model(self) -> Installation:
        """Return the installation."""
        signal = _signal(self.gateway, self.signal)
        place = check_path(self.equipment) if self.equipment else None
        role: EquipmentPath | SignalKey | None = signal or place
        if role is None or (signal and place):
            raise InvalidError(
                "an installation is at a place or behind a signal",
                hint="give `equipment`, or `gateway` and `signal`",
            )
        return Installation(
            physical_asset=check_physical_asset_id(self.physical_asset),
            role=role,
            validity=validity(self.valid_from, self.valid_to),
        )

    def references(self) -> tuple[Reference, ...]:
        """Return the physical asset, and the place or signal."""
        found = [Reference(kind=EntityKind.PHYSICAL_ASSET, key=self.physical_asset)]
        if self.equipment:
            found.append(Reference(kind=EntityKind.EQUIPMENT, key=self.equipment))
        return (*found, *_signal_reference(self.gateway, self.signal))


class CalibrationDocument(Document):
    """What was found and left when a physical asset or the loop of a signal was calibrated."""

    kind = EntityKind.CALIBRATION
    certificate: Name = Field(description="Number of the certificate, unique in the plant.")
    physical_asset: str = Field(default="", description="What was calibrated, or:")
    gateway: str = Field(default="", description="Gateway of the signal that was calibrated.")
    signal: str = Field(default="", description="Signal whose whole loop was calibrated.")
    performed: Instant = Field(description="When it was done.")
    as_found: Outcome = Field(description="As it was before: within its tolerance or not.")
    as_left: Outcome = Field(description="As it was after.")
    valid_from: Instant | None = Field(
        default=None, description="Since when it holds; else since it was done."
    )
    next_due: Instant | None = Field(default=None, description="When it must have been repeated.")

    @property
    def key(self) -> str:
        """The certificate."""
        return self.certificate

    def model(self) -> Calibration:
        """Return the calibration."""
        signal = _signal(self.gateway, self.signal)
        if (signal is None) is not bool(self.physical_asset):
            raise InvalidError(
                "a calibration is of a physical asset or of a signal",
                hint="give `physical_asset`, or `gateway` and `signal`",
            )
        subject: PhysicalAssetId | SignalKey = signal or check_physical_asset_id(
            self.physical_asset
        )
        return Calibration(
            certificate=CertificateId(self.certificate),
            subject=subject,
            performed=parse_time(self.performed),
            as_found=self.as_found,
            as_left=self.as_left,
            validity=validity(self.valid_from or self.performed, self.next_due),
        )

    def references(self) -> tuple[Reference, ...]:
        """Return what was calibrated."""
        if self.physical_asset:
            return (Reference(kind=EntityKind.PHYSICAL_ASSET, key=self.physical_asset),)
        return _signal_reference(self.gateway, self.signal)


def _signal(gateway: str, signal: str) -> SignalKey | None:
    if bool(gateway) is not bool(signal):
        raise InvalidError("a signal is named by its gateway and its name", hint="give both")
    return signal_key(gateway, signal) if signal else None


def _signal_reference(gateway: str, signal: str) -> tuple[Reference, ...]:
    return (Reference(kind=EntityKind.SIGNAL, key=f"{gateway}/{signal}"),) if signal else ()
