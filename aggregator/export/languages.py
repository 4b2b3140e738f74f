"""The languages in which a record is printed, each with its catalogue of words."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from aggregator.export.words import ENGLISH, Words
from aggregator.export.words_zh import CHINESE


class Language(StrEnum):
    """A language by its tag (BCP 47)."""

    ENGLISH = "en"
    CHINESE = "zh-CN"


CATALOGUES: Final[Mapping[Language, Words]] = {
    Language.ENGLISH: ENGLISH,
    Language.CHINESE: CHINESE,
}
