"""The verifier's lines in English and Chinese; evidence and findings are English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Language = Literal["en", "zh"]

WORDS: Final[Mapping[Language, Mapping[str, str]]] = {
    "en": {
        "VERIFIED": "VERIFIED",
        "NOT_VERIFIED": "NOT VERIFIED",
        "CANNOT_DECIDE": "CANNOT DECIDE",
        "PASSED": "passed       ",
        "FAILED": "FAILED       ",
        "UNDECIDED": "not decidable",
        "ALTERED": "Altered readings:",
    },
    "zh": {
        "VERIFIED": "验证通过 (VERIFIED)",
        "NOT_VERIFIED": "验证未通过 (NOT VERIFIED)",
        "CANNOT_DECIDE": "无法判定 (CANNOT DECIDE)",
        "PASSED": "通过    ",
        "FAILED": "未通过  ",
        "UNDECIDED": "无法判定",
        "ALTERED": "被更改的读数：",
    },
}

TITLES: Final[Mapping[int, Mapping[Language, str]]] = {
    1: {"en": "The file is a dossier in its one form", "zh": "文件为唯一规定形式的证据档案"},
    2: {"en": "The aggregator sealed the manifest", "zh": "清单由汇聚端封印"},
    3: {"en": "Every member is the one that the manifest names", "zh": "各成员与清单所列一致"},
    4: {"en": "The log signed the checkpoint", "zh": "检查点由日志签名"},
    5: {
        "en": "A valid gateway key is named for every bundle",
        "zh": "每个数据包均有有效的网关密钥",
    },
    6: {"en": "Every sealed header opens under its key", "zh": "每个封印的头部均可由其密钥打开"},
    7: {"en": "Every body has the hash of its header", "zh": "每个数据体与其头部哈希一致"},
    8: {"en": "Every column leads to the root of its header", "zh": "每一列均可追溯至头部的根"},
    9: {"en": "Every chain is unbroken", "zh": "每条链均无中断"},
    10: {"en": "Nothing was cut off at either side of the lot", "zh": "批次两端均无截断"},
    11: {"en": "The gaps declared are those of the manifest", "zh": "声明的缺口与清单一致"},
    12: {"en": "Every bundle is in the log", "zh": "每个数据包均在日志中"},
    13: {
        "en": "The record is of this lot and names its series",
        "zh": "批记录属于本批次并列明其序列",
    },
    14: {"en": "The record's readings are those of the bundles", "zh": "批记录的读数与数据包一致"},
    15: {"en": "The record's figures follow from its readings", "zh": "批记录的数值由其读数得出"},
    16: {"en": "The signatures are of this record", "zh": "电子签名属于本批记录"},
}
