"""The page of metrics, from the definitions in each party's metrics.py."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from tests.arch.sources import SHIPPED, Source, sources

TYPES: Final = ("Counter", "Gauge", "Histogram", "Summary", "Info", "Enum")
SUFFIX: Final = {"Counter": "_total", "Info": "_info"}


def metrics_page() -> str:
    """Return a page that lists every metric with its type, labels and meaning."""
    lines = [
        "# Metrics",
        "",
        "Written by `./dev docs`; do not edit. Served as Prometheus text at `/metrics`.",
    ]
    for source in sources(*SHIPPED):
        if source.path.endswith("/metrics.py"):
            lines += ["", f"## {source.package}", "", "| metric | type | labels | meaning |"]
            lines += ["| --- | --- | --- | --- |", *metric_rows(source)]
    return "\n".join([*lines, ""])


def metric_rows(source: Source) -> Iterator[str]:
    for call in ast.walk(source.tree):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name | ast.Attribute)):
            continue
        type_ = call.func.id if isinstance(call.func, ast.Name) else call.func.attr
        given = [ast.literal_eval(arg) for arg in call.args if _is_literal(arg)]
        if type_ not in TYPES or len(given) < 2:
            continue
        labels = next((arg for arg in given[2:] if isinstance(arg, list | tuple)), ())
        for keyword in call.keywords:
            if keyword.arg == "labelnames" and _is_literal(keyword.value):
                labels = ast.literal_eval(keyword.value)
        name = given[0].removesuffix("_total") + SUFFIX.get(type_, "")
        shown = ", ".join(f"`{label}`" for label in labels) or "–"
        yield f"| `{name}` | {type_.lower()} | {shown} | {given[1]} |"


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True
