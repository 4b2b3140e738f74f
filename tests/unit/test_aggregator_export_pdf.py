"""The record on paper and its charts: nothing vanishes, nothing is markup, nothing fails."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pypdf import PdfReader

from aggregator.export.charts import BUCKETS, Chart, chart, without
from aggregator.export.languages import CATALOGUES, Language
from aggregator.export.pdf.printing import print_record
from aggregator.export.pdf.text import displayable
from aggregator.export.pdf.view import Version, ticks
from aggregator.export.words import ENGLISH, Words, describe, duration, moment, number
from aggregator.model.completeness import Flaw
from aggregator.model.gaps import Cause
from aggregator.model.master.recipe import Limits
from aggregator.model.record.assemble import assemble
from aggregator.model.record.batch_record import content_hash
from aggregator.model.record.document import encode_record
from aggregator.model.record.exceptions import ExceptionKind
from protocols.wire.dossier.series import Interval
from protocols.wire.reading import SECOND
from tests.cases.record_case import GTIN, Arrived, at, inputs_of

SIGNAL = "press-1/plate-temperature"
CASE: dict[str, Any] = {
    "lot": [GTIN, "L-1"],
    "signals": [{"signal": SIGNAL, "unit": "Cel"}],
    "parameters": [
        {
            "parameter": "plate temperature",
            "signal": SIGNAL,
            "unit": "Cel",
            "gap_max_s": 3,
            "limits": {"alert_high": 125, "action_high": 130},
        }
    ],
    "facts": [{"lot": [GTIN, "L-1"], "start": 0, "end": 4000}],
    "chain": {"clock": "FREE_RUNNING", "missing": [[4, 5]]},
}


def drawn(values: np.ndarray[Any, Any], **changes: Any) -> Chart:
    readings = [
        Arrived(signal=SIGNAL, time=at(t), value=float(value), position=t)
        for t, value in enumerate(values)
    ]
    (series,) = inputs_of(CASE, readings).series.values()
    whole = Interval(at(0), at(len(values)))
    given: dict[str, Any] = {"intervals": [whole], "gaps": [], "excursions": []}
    return chart(series, whole=whole, limits=Limits(action_high=130), **{**given, **changes})


def printed(
    material: str = "Pouch", parameter: str = "plate temperature", words: Words = ENGLISH
) -> bytes:
    case = {**CASE, "parameters": [{**CASE["parameters"][0], "parameter": parameter}]}
    readings = [
        Arrived(signal=SIGNAL, time=at(t), value=120.0 + (t == 2000) * 12, position=t)
        for t in range(4000)
    ]
    inputs = inputs_of(case, readings)
    record = assemble(replace(inputs, lot=replace(inputs.lot, material=material)))
    data = encode_record(record)
    version = Version(
        number=1,
        content_hash=content_hash(data),
        recorded=at(5000),
        recorded_by="qa",
        checkpoint="lotproof.local/plant\n7\nCsUY\n\n— lotproof.local/plant Az3g\n",
    )
    charts = {parameter: drawn(np.full(4000, 120.0))}
    return print_record(data, version, charts, words)


def test_no_extreme_vanishes_from_a_chart() -> None:
    values = np.full(50_000, 120.0)
    values[31_234], values[40_001] = 170.5, 80.25
    heights = [y for line in drawn(values).lines for _, y in line]
    assert len(heights) <= 2 * BUCKETS
    assert (max(heights), min(heights)) == (170.5, 80.25)


def test_a_gap_breaks_the_line() -> None:
    gap = Interval(at(40), at(60))
    found = drawn(np.full(100, 120.0), gaps=[gap])
    assert [(line[0][0], line[-1][0]) for line in found.lines] == [(0.0, 0.4), (0.6, 0.99)]
    assert found.gaps == ((0.4, 0.6),)


def test_time_that_is_not_the_lots_is_not_drawn() -> None:
    found = drawn(
        np.full(100, 120.0), intervals=[Interval(at(0), at(30)), Interval(at(80), at(100))]
    )
    assert found.outside == ((0.3, 0.8),)
    assert [line[-1][0] for line in found.lines] == [0.29, 0.99]


def test_a_chart_shows_its_limits_however_far_the_values_are() -> None:
    found = drawn(np.full(10, 20.0))
    assert found.low < 20.0
    assert found.high > 130.0


def test_without_cuts_stretches() -> None:
    holes = [Interval(2, 4), Interval(8, 20)]
    assert without([Interval(0, 10)], holes) == [Interval(0, 2), Interval(4, 8)]
    assert without([Interval(0, 10)], holes, edge=1) == [Interval(0, 3), Interval(4, 9)]


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (-5.2, 7.1), (110, 130), (0.001, 0.0042), (1e9, 3e9), (-9, -2)]
)
def test_ticks_are_few_and_within(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 2 <= len(found) <= 8
    assert all(low <= tick <= high for tick in found)


def test_the_same_record_is_the_same_paper_with_the_record_in_it() -> None:
    paper = printed()
    assert printed() == paper
    reader = PdfReader(io.BytesIO(paper))
    (attached,) = reader.attachments["record.json"]
    assert json.loads(attached)["lot"]["lot"] == "L-1"
    text = " ".join(page.extract_text() for page in reader.pages)
    for shown in ("Not complete yet", "plate temperature", "high action limit", "free-running"):
        assert shown in text
    assert content_hash(attached) in text


def test_its_chinese_chapters_are_those_of_db32_t_5325() -> None:
    """What stands in them is found below the right one, and a chapter that is empty says so."""
    reader = PdfReader(io.BytesIO(printed(words=CATALOGUES[Language.CHINESE])))
    text = "".join(page.extract_text() for page in reader.pages)
    order = (
        *("质量管理", "异常项", "审核", "设备设施与人员", "所在位置", "生产过程", "参数"),
        *("检验过程", "无。", "仓储过程", "无。", "电子记录关键要素", "所依据的事实", "证明"),
    )
    place = 0
    for heading in order:
        place = text.index(f"\n{heading}\n", place) + len(heading)


def test_a_record_is_printed_in_chinese() -> None:
    words = CATALOGUES[Language.CHINESE]
    paper = printed("灭菌袋", "热板温度", words)
    assert printed("灭菌袋", "热板温度", words) == paper
    assert len(paper) < 300_000, "of the font, only what is shown is embedded"
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(paper)).pages)
    for shown in ("批记录", "灭菌袋", "热板温度", "数据尚不完整", "行动上限", "异常项"):
        assert shown in text
    assert ENGLISH["charts"] not in text


@pytest.mark.parametrize(
    "text",
    ["灭菌袋", '#eval("1+1")', "$x^2$ *bold* _it_ @ref <label> \\ `raw`", "a" * 300, "é ß €"],
)
def test_a_value_is_never_markup_and_never_fails(text: str) -> None:
    paper = printed(material=text, parameter=text)
    shown = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(paper)).pages)
    assert displayable(text).replace(" ", "")[:20] in shown.replace(" ", "").replace("\n", "")


def test_what_the_fonts_lack_is_spelled_out() -> None:
    assert displayable("ༀ µ 批") == "⟨0F00⟩ µ 批"


def test_every_kind_flaw_and_cause_has_words() -> None:
    for kind in ExceptionKind:
        assert f"kind.{kind.value}" in ENGLISH
        assert kind.value in ENGLISH
    for word in (*Flaw, *Cause):
        assert word.value in ENGLISH


def test_figures_are_written_for_a_reader() -> None:
    assert [number(value) for value in (None, 3, -1.5, 120.13628)] == ["–", "3", "−1.5", "120.1363"]
    assert duration(3_250_000_000) == "3.25\u00a0s"
    assert duration(245 * SECOND) == "4\u00a0min\u00a005\u00a0s"
    assert moment("2026-11-18T11:06:40.500000000Z") == "2026-11-18 11:06:40.5"
    assert moment(None) == "not ended"


def test_every_finding_of_a_record_is_told() -> None:
    readings = [Arrived(signal=SIGNAL, time=at(t), value=132.0, position=t) for t in range(100)]
    document = json.loads(encode_record(assemble(inputs_of(CASE, readings))))
    told = [describe(item) for item in document["exceptions"]]
    assert told[0].startswith("high action limit 130: 132 at worst")
    assert not any("{" in sentence for sentence in told)
