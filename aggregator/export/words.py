"""What the printed record says, sentence by sentence; another language is another catalogue.

A sentence names what fills it in; everything that fills it in was formatted before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Words = Mapping[str, str]

ENGLISH: Final[Words] = {
    "language": "en",
    "title": "Batch record",
    "verdict.clean": "Complete, and nothing to judge. {passed} checks passed.",
    "verdict.exceptions": "Complete, with {exceptions} to judge. {passed} checks passed unseen.",
    "verdict.open": "Not complete yet: {exceptions} so far. {passed} checks passed unseen.",
    "one exception": "one exception",
    "exceptions": "{count} exceptions",
    "material": "Material",
    "gtin": "GTIN",
    "udi": "UDI",
    "lot": "Lot",
    "quantity": "Quantity",
    "order": "Work order",
    "from": "From",
    "to": "To",
    "duration": "Duration",
    "readings": "Readings",
    "unbound": "of no lot, between its windows: {count}",
    "rule": "Binding rule",
    "kept": "To be kept",
    "kept.ever": "for ever",
    "kept.years": "{years} years from the release",
    "version": "Version",
    "made": "Assembled",
    "jobs": "Jobs",
    "windows": "Where it was",
    "parameters": "Parameters",
    "chapter.quality": "Quality management",
    "chapter.review": "Review",
    "chapter.equipment": "Facilities, equipment and people",
    "chapter.production": "Production",
    "chapter.inspection": "Inspection",
    "chapter.storage": "Storage",
    "chapter.electronic": "Elements of the electronic record",
    "exceptions.heading": "Exceptions",
    "exceptions.none": "None.",
    "charts": "Critical parameters",
    "sections": "Operations and phases",
    "entries": "Typed by persons; not readings",
    "test_results": "Test results",
    "instruments": "Sensors and calibrations",
    "materials": "What went in",
    "balances": "Mass balance",
    "fact.corrected": "(corrected {when}: {reason})",
    "entry.withdrawn": "withdrawn",
    "entry.unchecked": "nobody else",
    "entry.corrected": "corrected",
    "test.pass": "passed",
    "test.fail": "failed",
    "test.not_judged": "not judged",
    "state.calibrated": "calibrated",
    "state.overdue": "overdue",
    "state.failed": "failed",
    "state.none": "never calibrated",
    "balance.balanced": "within the tolerance",
    "balance.outside": "outside the tolerance",
    "balance.undeclared": "no tolerance declared",
    "balance.unknown": "not known",
    "signals": "Readings by signal",
    "facts": "Facts relied on",
    "chains": "Completeness and chains",
    "proof": "Proof",
    "still": "not ended",
    "to the end": "to the end",
    "alert": "alert limit",
    "action": "action limit",
    "gap": "gap",
    "no valid reading": "No valid reading.",
    "covered": "covered",
    "seals": "Seals opened again when this version was made: {count}; every one holds.",
    "seals.refused": "Seals that hold: {count}; that do not: {refused}; see the exceptions.",
    "complete": "Every chain is contiguous from before the first window to past the last.",
    "unproved": "{gateway}: {flaw}, {start} to {end}.",
    "hash": "SHA-256 of this record (record.json, attached)",
    "findings": "Hash of the findings",
    "checkpoint": "Checkpoint of the log when this version was made",
    "checkpoint.none": "The log had no checkpoint yet when this version was made.",
    "page": "page {page} of {pages}",
    # How an exception is told; the names are those of its details.
    "excursion": "{limit} {value}: {extreme} at worst, {duration} long (readings:\u00a0{readings})",
    "excursion.entry": "{limit} {value}: {extreme}, typed by a person (entry {entry})",
    "gap.detail": "no valid data for {duration} ({causes})",
    "status": "{status} (readings: {readings}; by the source's code: {codes})",
    "boundary": "{readings} of {signals} so near to the bound that clocks do not decide",
    "binding_conflict": "bound to {bound_to}; another fact says {overruled}",
    "binding_conflict.rivals": "several lots in one place: {bound_to}",
    "ambiguous_lot": "the equipment named {said}: more than one lot, or none that is known",
    "unknown_carrier": "carrier {carrier} holds no lot; times seen: {reads}",
    "ambiguous_carrier": "carrier {carrier} was read here and at {other}, at neither much better",
    "implausible_travel": "carrier {carrier} was at {other} sooner than it can have come there",
    "open_window": "nobody has said when it ended",
    "empty_window": "began and ended in one instant",
    "lot_reused": "the lot's windows lie so far apart that its id may have been given twice",
    "missing_parameter": "required, and without a valid reading ({signal})",
    "unit_mismatch": "limits are in {limits}, the signal is in {signal}",
    "unit_changed": "the signal's unit was changed from {before} to {after}",
    "stuck_value": "stood still at {value} for {duration} (readings:\u00a0{readings})",
    "key_revoked": "key {key} was revoked from bundle {number} of epoch {epoch} on: {reason}",
    "calibration": "the calibration of {sensor} had run out ({certificate})",
    "calibration.as_found": "{sensor} was found outside of its tolerance later ({certificate})",
    "calibration.as_left": "{sensor} was left outside of its tolerance ({certificate})",
    "calibration.none": "sensor {sensor} was never calibrated",
    "operator_not_qualified": "{person} was not qualified for {operation}",
    "operator_not_qualified.nobody": "nobody is known to have done {operation}",
    "expired_material": "used after its last day, {expires}",
    "held_material": "used while it was held or rejected",
    "mass_balance": "{into} went in, {out} came out (tolerance: {tolerance} of what went in)",
    "unchecked_entry": "{typed} {unit}, typed by {by}; nobody else has checked it",
    "failed_test": "found {found}; specified: {specification} (result {result}, version {version})",
    "counter_reset": "a value that only rises fell",
    "clock_in_doubt": "the gateway's clock was {state}",
    "clock_in_doubt.slow": "the gateway's clock was {state}: by the time anchor in bundle "
    "{anchor} it was {correction} slow, give or take {uncertainty}",
    "clock_in_doubt.fast": "the gateway's clock was {state}: by the time anchor in bundle "
    "{anchor} it was {correction} fast, give or take {uncertainty}",
    "clock_in_doubt.bounded": "the gateway's clock was {state}, and no bundle of that start tells "
    "how far it was off: by what was sealed before and after, no more than {uncertainty}",
    "clock_in_doubt.unknown": "the gateway's clock was {state}, and no bundle of that start tells "
    "how far it was off",
    "clock_in_doubt.set_back": "the gateway's clock was set back by {step} before bundle {first}",
    "chain": "{flaw}",
    "epoch_unapproved": "nobody has approved epoch {epoch}",
    "seal_not_verified": "bundle {number} of epoch {epoch}: {reason}",
    "settings_changed": "the gateway took new settings ({after})",
    "late_data.master": "{master} changed after the record had been complete "
    "(readings:\u00a0{readings})",
    "late_data": "came after the record had been complete (readings:\u00a0{readings})",
    # Flaws of completeness, and causes of gaps.
    "nothing_stored": "nothing is stored",
    "starts_late": "the chain begins after the window",
    "bundles_missing": "bundles are missing",
    "forked": "the chain is forked",
    "between_epochs": "between two epochs",
    "not_sealed_past_end": "not sealed past the end yet",
    "silence": "silence, not declared",
    "bad_status": "status BAD",
    "no_chain": "no chain proves it",
    "source_down": "source down",
    "disk_full": "disk full",
    "refused": "refused",
    "settings_change": "settings change",
    "maintenance": "maintenance",
    "agent_stopped": "agent stopped",
    "subscription_lost": "subscription lost",
    "overrun": "overrun",
    "unreadable": "lost on the gateway's disk",
    "backfilled": "came later, kept by the equipment",
    # Kinds of exceptions.
    "kind.excursion": "Excursion",
    "kind.gap": "Gap",
    "kind.status": "Status",
    "kind.boundary": "Boundary readings",
    "kind.binding_conflict": "Conflicting facts",
    "kind.ambiguous_lot": "Ambiguous lot",
    "kind.unknown_carrier": "Unknown carrier",
    "kind.ambiguous_carrier": "Carrier in two places",
    "kind.implausible_travel": "Carrier too fast",
    "kind.open_window": "Not ended",
    "kind.empty_window": "No length",
    "kind.lot_reused": "Lot id reused",
    "kind.missing_parameter": "Missing parameter",
    "kind.unit_mismatch": "Unit mismatch",
    "kind.counter_reset": "Counter reset",
    "kind.clock_in_doubt": "Clock in doubt",
    "kind.chain": "Chain",
    "kind.epoch_unapproved": "Epoch not approved",
    "kind.seal_not_verified": "Seal",
    "kind.settings_changed": "Settings changed",
    "kind.stuck_value": "Value stood still",
    "kind.unit_changed": "Unit changed",
    "kind.key_revoked": "Key revoked",
    "kind.calibration": "Calibration",
    "kind.operator_not_qualified": "Operator not qualified",
    "kind.expired_material": "Expired material",
    "kind.held_material": "Held material",
    "kind.mass_balance": "Mass balance",
    "kind.unchecked_entry": "Manual entry unchecked",
    "kind.failed_test": "Test failed",
    "kind.late_data": "Late data",
    # Limits by id.
    "action-high": "high action limit",
    "action-low": "low action limit",
    "alert-high": "high alert limit",
    "alert-low": "low alert limit",
    # Heads of columns.
    "signatures": "Signatures",
    "signatures.none": "Nobody has signed yet.",
    "the record": "the record",
    "meaning.exception_accepted": "Exception accepted",
    "meaning.exception_rejected": "Exception not accepted",
    "meaning.deviation_raised": "Deviation raised",
    "meaning.entry_checked": "Manual entry checked",
    "meaning.reviewed": "Reviewed",
    "meaning.released": "Released",
    "meaning.rejected": "Rejected",
    "meaning.held": "Held",
    "meaning.hold_lifted": "Hold lifted",
    "meaning.addendum": "Addendum",
    "col.name": "Name",
    "col.time": "Time",
    "col.meaning": "Meaning",
    "col.about": "About",
    "col.reason": "Reason",
    "col.version": "Version",
    "col.decision": "Decision",
    "col.id": "Id",
    "col.parameter": "Parameter",
    "col.unit": "Unit",
    "col.action": "Action",
    "col.alert": "Alert",
    "col.min": "Min",
    "col.mean": "Mean",
    "col.max": "Max",
    "col.readings": "Readings",
    "col.statuses": "Good / uncertain / bad",
    "col.covered": "Covered",
    "col.excursions": "Excursions",
    "col.gaps": "Gaps",
    "col.kind": "Kind",
    "col.subject": "Subject",
    "col.start": "From (UTC)",
    "col.end": "To (UTC)",
    "col.what": "What",
    "col.job": "Job",
    "col.operation": "Operation",
    "col.run": "Run",
    "col.equipment": "Equipment",
    "col.signal": "Signal",
    "col.unbound": "Of no lot",
    "col.section": "Operation, run / phase",
    "col.result": "Result",
    "col.value": "Value",
    "col.by": "Typed by",
    "col.checked": "Checked by",
    "col.state": "State",
    "col.test": "Test",
    "col.specification": "Specified",
    "col.verdict": "Verdict",
    "col.analyst": "Analyst",
    "col.instrument": "Instrument",
    "col.sensor": "Sensor",
    "col.calibration": "Calibration",
    "col.certificate": "Certificate",
    "col.lot": "Lot",
    "col.quantity": "Quantity",
    "col.expires": "Use before (UTC)",
    "col.step": "Step",
    "col.into": "In",
    "col.out": "Out",
    "col.balance": "Balance",
    "col.gateway": "Gateway",
    "col.epoch": "Epoch",
    "col.bundles": "Bundles",
    "col.last_leaf": "Leaf hash of the last",
    "col.clock": "Clock",
    "col.authority": "Authority",
    "col.source": "Source",
    "col.says": "Says",
    # Words of master data and wire.
    "controller": "controller",
    "rfid": "RFID",
    "operator": "operator",
    "schedule": "schedule",
    "synchronised": "synchronised",
    "free_running": "free-running",
    "unset": "not set",
    "set_back": "set back",
}


def say(words: Words, key: str, **values: object) -> str:
    """Return the sentence ``key``, filled in; one that the catalogue lacks stands for itself."""
    sentence = words.get(key, key)
    return sentence.format(**values) if values else sentence


def describe(item: Mapping[str, Any], words: Words = ENGLISH) -> str:
    """Return what an exception of a record's JSON says, as one sentence without a full stop."""
    kind, details = item["kind"], dict(item["details"])
    for name in ("duration", "correction", "uncertainty", "step"):
        if details.get(f"{name}_ns") is not None:
            details[name] = duration(abs(details[f"{name}_ns"]))
    for name in ("causes", "codes", "bound_to", "overruled", "signals", "master"):
        if name in details:
            details[name] = ", ".join(say(words, each) for each in details[name])
    for name in ("limit", "flaw", "state"):
        if name in details:
            details[name] = say(words, details[name])
    for name in ("value", "extreme"):
        if name in details:
            details[name] = number(details[name])
    short = ("epoch", "after") if kind == "settings_changed" else ("epoch",)
    for name in (*short, "key", "entry"):
        if name in details:
            details[name] = details[name].removeprefix("m-")[:8]
    if details.get("expires"):
        details["expires"] = moment(details["expires"], words)
    for name in ("sensor", "certificate", "unit", "specification"):
        if name in details:
            details[name] = details[name] or "–"
    sentence: str = words.get(_sentence(kind, item["details"]), kind)
    return sentence.format(**details) if details else sentence


def _sentence(kind: str, details: Mapping[str, Any]) -> str:
    """Return the key of the sentence that tells of a finding; some kinds have several."""
    match kind:
        case "gap":
            return "gap.detail"
        case "excursion" | "late_data":
            variants = (
                kind,
                *(f"{kind}.{name}" for name in ("entry", "master") if name in details),
            )
            return variants[-1]
        case "binding_conflict" if not details["overruled"]:
            return "binding_conflict.rivals"
        case "calibration" if details["state"] != "overdue":
            return f"calibration.{details['reason'] or details['state']}"
        case "clock_in_doubt" if details["state"] == "set_back":
            return "clock_in_doubt.set_back"
        case "clock_in_doubt" if "correction_ns" in details:
            correction = details["correction_ns"]
            if correction is None:
                known = details["uncertainty_ns"] is not None
                return "clock_in_doubt.bounded" if known else "clock_in_doubt.unknown"
            return "clock_in_doubt.fast" if correction < 0 else "clock_in_doubt.slow"
        case "operator_not_qualified" if not details["person"]:
            return "operator_not_qualified.nobody"
        case _:
            return kind


def number(value: float | None) -> str:
    """Return a figure for a reader: at most seven digits; the record has all of them."""
    if value is None:
        return "–"
    text = str(value) if isinstance(value, int) else f"{value:.7g}"
    return text.replace("-", "−")


def duration(nanoseconds: int) -> str:
    """Return a length of time: ``1 h 02 min``, ``4 min 05 s``, ``3.25 s``."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    if seconds < 60:
        return f"{seconds + round(rest / 1e9, 3):.10g}{_NARROW}s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes}{_NARROW}min{_NARROW}{seconds:02}{_NARROW}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{_NARROW}h{_NARROW}{minutes:02}{_NARROW}min"


def moment(text: str | None, words: Words = ENGLISH) -> str:
    """Return a record's time for a reader, cut to milliseconds, its zone left out (it is UTC)."""
    if text is None:
        return words["still"]
    day, _, clock = text.removesuffix("Z").partition("T")
    second, _, fraction = clock.partition(".")
    shown = fraction[:3].rstrip("0")
    return f"{day} {second}.{shown}" if shown else f"{day} {second}"


_NARROW: Final = "\u00a0"  # no line breaks between a figure and its unit
