"""Generated pages and sample settings say what the code says."""

from __future__ import annotations

import tomllib
from typing import Literal

from pydantic import BaseModel, Field

from tests.arch.sources import ROOT, Source
from tests.reference.metrics import metric_rows
from tests.reference.pages import stale
from tests.reference.settings import sample, settings_page
from tests.reference.trace import marked, requirements


def test_every_generated_file_is_up_to_date() -> None:
    found = list(stale())
    assert not found, "\n".join(["", *found])


class Inner(BaseModel):
    """A table."""

    endpoint: str = Field(description="Where it is.", examples=["tcp://10.0.0.5"])
    retries: int = Field(default=3, ge=1, description="How often.")


class Outer(BaseModel):
    """Settings of a test."""

    mode: Literal["a", "b"] = Field(default="a", description="Which way | or the other.")
    inner: Inner = Field(description="A table.")
    sources: tuple[Inner, ...] = Field(default=(), description="Repeated tables.")


def test_a_settings_page_lists_every_key_once() -> None:
    page = settings_page("Title", Outer)
    assert '| `mode` | `"a"` or `"b"` | `"a"` | Which way \\| or the other. |' in page
    assert "| `inner.endpoint` | text | must be given | Where it is. |" in page
    assert page.count("`sources[].retries` | whole number, at least 1 | `3` |") == 1


def test_a_sample_is_toml_and_fits_the_settings() -> None:
    settings = Outer.model_validate(tomllib.loads(sample("Title", Outer)))
    assert settings.inner.endpoint == settings.sources[0].endpoint == "tcp://10.0.0.5"


def test_the_samples_in_config_are_toml() -> None:
    for path in sorted((ROOT / "config").glob("*.sample.toml")):
        assert tomllib.loads(path.read_text(encoding="utf-8"))


def test_metrics_are_found_with_their_suffix_and_labels() -> None:
    text = (
        "A = Counter('x_readings', 'Readings kept.', ['source'])\nB = Gauge('x_bytes', 'Size.')\n"
    )
    assert list(metric_rows(Source(path="edge_agent/metrics.py", text=text))) == [
        "| `x_readings_total` | counter | `source` | Readings kept. |",
        "| `x_bytes` | gauge | – | Size. |",
    ]


def test_marks_are_read_from_tests_and_whole_files() -> None:
    text = (
        "pytestmark = pytest.mark.req(12)\n"
        "@pytest.mark.req(21)\n@pytest.mark.req(22)\ndef test_kept(): ...\n"
    )
    assert list(marked(Source(path="tests/unit/test_a.py", text=text))) == [
        (12, "tests/unit/test_a.py"),
        (21, "tests/unit/test_a.py::test_kept"),
        (22, "tests/unit/test_a.py::test_kept"),
    ]


def test_the_requirements_are_numbered_without_a_hole() -> None:
    assert list(requirements()) == list(range(1, 54))
