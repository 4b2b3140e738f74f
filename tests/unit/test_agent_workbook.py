"""Workbooks as people save them, read as written; those that mean harm, refused within bounds."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.worksheet.worksheet import Worksheet

from edge_agent.commissioning.signals_file import as_csv
from edge_agent.commissioning.workbook import read_workbook
from edge_agent.errors import SettingsFileError

HEAD = ("name", "unit", "table", "address", "type", "scale")


def saved(folder: Path, fill: Callable[[Worksheet], None]) -> Path:
    book = openpyxl.Workbook()
    fill(book.active)
    path = folder / "signals.xlsx"
    book.save(path)
    return path


def rows(*given: tuple[Any, ...]) -> Callable[[Worksheet], None]:
    def fill(sheet: Worksheet) -> None:
        for row in given:
            sheet.append(row)

    return fill


def test_text_numbers_and_truth_are_what_a_person_typed(tmp_path: Path) -> None:
    given = (
        HEAD,
        ("室/温度", "Cel", "input", 0, "int16", 0.1),
        ("p & q", "Pa", None, 10, "float32", 1e-07),
        ("flag", None, "coil", 3.0, True, -40),
    )
    table = read_workbook(saved(tmp_path, rows(*given)), None)
    assert table.place == f"{tmp_path}/signals.xlsx[Sheet]"
    assert (table.header, table.columns) == (1, list(HEAD))
    assert table.rows == [
        (2, ["室/温度", "Cel", "input", "0", "int16", "0.1"]),
        (3, ["p & q", "Pa", "", "10", "float32", "1e-07"]),
        (4, ["flag", "", "coil", "3", "true", "-40"]),
    ]
    assert as_csv(table).decode().splitlines()[1] == "室/温度,Cel,input,0,int16,0.1"


def test_the_numbers_of_rows_are_those_on_the_screen(tmp_path: Path) -> None:
    def fill(sheet: Worksheet) -> None:
        sheet["B3"], sheet["C3"] = "name", "address"
        sheet["B7"], sheet["C7"] = "x", 5

    table = read_workbook(saved(tmp_path, fill), None)
    assert (table.header, table.columns) == (3, ["", "name", "address"])
    assert table.rows == [(7, ["", "x", "5"])]


def test_a_text_in_several_fonts_is_one_text(tmp_path: Path) -> None:
    def fill(sheet: Worksheet) -> None:
        sheet["A1"] = "name"
        sheet["A2"] = CellRichText("press-1/", TextBlock(InlineFont(b=True), "temperature"))

    assert read_workbook(saved(tmp_path, fill), None).rows == [(2, ["press-1/temperature"])]


def test_what_a_reader_would_guess_at_is_named_by_its_cell(tmp_path: Path) -> None:
    def fill(sheet: Worksheet) -> None:
        rows(HEAD, ("t", "Cel", "input", "=1+1", "int16", dt.date(2026, 1, 2)))(sheet)
        sheet["A3"], sheet["A3"].number_format = 44_000, "dd.mm.yyyy"
        sheet["B3"] = "#N/A"
        sheet["C3"], sheet["C3"].number_format = 3, '0 "days"'
        sheet.merge_cells("A5:B6")

    path = saved(tmp_path, fill)
    with pytest.raises(SettingsFileError) as caught:
        read_workbook(path, None)
    assert caught.value.problems == (
        f"{path}[Sheet]:5:A: the cells are merged; part them",
        f"{path}[Sheet]:2:D: the formula has no value yet; open the workbook and save it",
        f"{path}[Sheet]:2:F: the cell holds a date or a time; make it text",
        f"{path}[Sheet]:3:A: the cell holds a date or a time; make it text",
        f"{path}[Sheet]:3:B: the cell shows #N/A",
    )


def test_several_filled_sheets_want_a_name(tmp_path: Path) -> None:
    path = saved(tmp_path, rows(("name",), ("x",)))
    book = openpyxl.load_workbook(path)
    book.create_sheet("empty")
    book.save(path)
    assert read_workbook(path, None).place.endswith("[Sheet]")
    book.create_sheet("more").append(("name",))
    book.save(path)
    with pytest.raises(SettingsFileError, match="2 sheets hold something") as caught:
        read_workbook(path, None)
    assert caught.value.hint == "name one with --sheet: Sheet, empty, more"
    assert read_workbook(path, "more").columns == ["name"]
    with pytest.raises(SettingsFileError, match="no sheet 'none'"):
        read_workbook(path, "none")
    with pytest.raises(SettingsFileError, match="nothing in it"):
        read_workbook(path, "empty")


def changed(path: Path, part: str, data: bytes) -> Path:
    """Write the workbook again with one of its parts replaced."""
    with zipfile.ZipFile(path) as archive:
        parts = {each.filename: archive.read(each) for each in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, held in (parts | {part: data}).items():
            archive.writestr(name, held)
    return path


SHEET = "xl/worksheets/sheet1.xml"
BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>
<worksheet><sheetData><row r="1"><c t="inlineStr"><is><t>&b;</t></is></c></row></sheetData>
</worksheet>"""
FILE = BOMB.replace(b'"aaaaaaaaaa"', b'SYSTEM "file:///etc/hostname"').replace(b"&b;", b"&a;")


@pytest.mark.parametrize(
    ("part", "data", "said"),
    [
        (SHEET, BOMB, "a document type"),
        (SHEET, BOMB.decode().encode("utf-16"), "a document type"),
        (SHEET, FILE, "a document type"),
        (SHEET, b"<worksheet>", "no element found"),
        (SHEET, b'<worksheet><row r="x"/></worksheet>', "invalid literal"),
        (SHEET, b'<w><row><c r="ZZZ1"><v>1</v></c></row></w>', "more than 200 columns"),
        (SHEET, b'<w><row><c t="s"><v>99</v></c></row></w>', "text is missing"),
        (SHEET, b'<w><row><c t="q"><v>9</v></c></row></w>', "not known here: q"),
        (SHEET, b"<w><row><c><v>nine</v></c></row></w>", "could not convert"),
        (SHEET, b"<w>" + b" " * (9 << 20) + b"</w>", "unpacks to more than 8 MiB"),
        ("_rels/.rels", b"<Relationships/>", "no workbook part"),
        ("xl/_rels/workbook.xml.rels", b"<Relationships/>", "nothing in it"),
    ],
)
def test_a_workbook_that_is_none_or_means_harm_is_refused(
    tmp_path: Path, part: str, data: bytes, said: str
) -> None:
    path = changed(saved(tmp_path, rows(("name",), ("x",))), part, data)
    with pytest.raises(SettingsFileError) as caught:
        read_workbook(path, None)
    (problem,) = caught.value.problems
    assert said in problem
    assert problem.startswith(str(path))
    assert caught.value.hint or "[Sheet]:" in problem


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "signals.xlsx"
    whole = saved(tmp_path, rows(("name",))).read_bytes()
    for data in (b"", b"name,address\n", whole[: len(whole) // 2]):
        path.write_bytes(data)
        with pytest.raises(SettingsFileError, match="cannot be read as a workbook"):
            read_workbook(path, None)
    many = io.BytesIO()
    with zipfile.ZipFile(many, "w") as archive:
        for number in range(1001):
            archive.writestr(str(number), b"")
    path.write_bytes(many.getvalue())
    with pytest.raises(SettingsFileError, match="more than 1000 parts"):
        read_workbook(path, None)
