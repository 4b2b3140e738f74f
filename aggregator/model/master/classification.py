"""How much a value must be kept from those who have no business with it."""

from __future__ import annotations

from enum import StrEnum


class Classification(StrEnum):
    """Classes of data, the least protected first (record.md section 1, requirement 33)."""

    PUBLIC = "public"  # anybody may see it: what is printed on the label
    INTERNAL = "internal"  # whoever works here
    CONFIDENTIAL = "confidential"  # whoever needs it for the work: how the product is made
    CRITICAL = "critical"  # the core: raw-material lots, critical parameters, releases

    @property
    def rank(self) -> int:
        """0 for the least protected."""
        return tuple(Classification).index(self)
