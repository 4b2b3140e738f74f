"""Migrations: numbered, forward only, each applied once and never changed after."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from aggregator.errors import SchemaError
from aggregator.store.queries import migrations


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the schema: the file ``<number>_<subject>.sql``."""

    number: int
    subject: str
    sql: str

    @property
    def name(self) -> str:
        """The step as its file is named."""
        return f"{self.number:04}_{self.subject}"

    @property
    def digest(self) -> str:
        """SHA-256 of the step, kept beside it: an applied step that was edited is found out."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def pending(dialect: str, applied: Mapping[int, str]) -> list[Migration]:
    """Return what is still to be applied where ``applied`` (number to digest) has been.

    Raises SchemaError where the store is newer than this program or a step was edited.
    """
    known = [
        Migration(number=number, subject=subject, sql=sql)
        for number, subject, sql in migrations(dialect)
    ]
    newer = applied.keys() - {migration.number for migration in known}
    if newer:
        raise SchemaError(
            f"the store has been migrated to step {max(newer)}, which this version does not know",
            hint="start the version of lotproof-aggregator that migrated it, or a newer one",
        )
    for migration in known:
        if applied.get(migration.number, migration.digest) != migration.digest:
            raise SchemaError(
                f"the step {migration.name} is not the one that was applied to this store",
                hint="an applied migration is never edited; add a new one",
            )
    return [migration for migration in known if migration.number not in applied]
