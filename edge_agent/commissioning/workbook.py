"""Read a sheet of an .xlsx workbook (ECMA-376) as a table of signals: the words in its cells.

Strict on purpose: a workbook comes from anywhere. Sizes are bounded before and while anything is
unpacked, a document type (and with it every entity) is refused, and what a person sees but a
reader would guess at is named by its cell: dates, errors, merged cells, formulas without a value.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from edge_agent.errors import SettingsFileError
from edge_agent.sources import SignalTable

__all__ = ["read_workbook"]


def read_workbook(path: Path, sheet: str | None) -> SignalTable:
    """Return the rows of a sheet; without a name, of the only one that holds anything.

    Raises SettingsFileError for a file that is no workbook, and for every cell that cannot be
    taken as it stands, named as ``file[sheet]:row:column``.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _table(path, _Workbook(archive), sheet)
    except _BROKEN as error:
        raise SettingsFileError(
            (f"{path}: cannot be read as a workbook: {error}",), hint="save the sheet as CSV"
        ) from error


def _table(path: Path, workbook: _Workbook, sheet: str | None) -> SignalTable:
    names = list(workbook.sheets)
    if sheet is not None and sheet not in names:
        raise SettingsFileError(
            (f"{path}: there is no sheet {sheet!r}",), hint=f"use one of: {', '.join(names)}"
        )
    read = {name: workbook.cells(name) for name in ([sheet] if sheet is not None else names)}
    filled = {name: cells for name, cells in read.items() if cells.rows or cells.problems}
    if len(filled) != 1:
        problem = f"{len(filled)} sheets hold something" if filled else "there is nothing in it"
        raise SettingsFileError(
            (f"{path}: {problem}",), hint=f"name one with --sheet: {', '.join(names)}"
        )
    ((name, cells),) = filled.items()
    place = f"{path}[{name}]"
    if cells.problems:
        raise SettingsFileError(tuple(f"{place}:{problem}" for problem in cells.problems))
    (header, columns), *rows = cells.rows
    even = [(number, row + [""] * (len(columns) - len(row))) for number, row in rows]
    return SignalTable(place=place, header=header, columns=columns, rows=even)


class _NoWorkbookError(Exception):
    """What is wrong with the file, for its reader."""


class _Cells:
    """The cells of one sheet, and what is wrong with some."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, list[str]]] = []
        self.problems: list[str] = []  # as row:column: what is wrong


class _Workbook:
    """The parts of a workbook that hold text."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        if len(archive.infolist()) > _PARTS_MAX:
            raise _NoWorkbookError(f"it has more than {_PARTS_MAX} parts")
        self._archive = archive
        self._budget = _BYTES_MAX
        root = next(iter(self._related("", "officeDocument").values()), None)
        if root is None:
            raise _NoWorkbookError("it has no workbook part")
        parts = self._related(root, "worksheet")
        self.sheets: dict[str, str] = {}  # name -> part; not those that hold a chart
        for each in self._parse(root).iter("sheet"):
            part = parts.get(each.get("id", ""))
            if part is not None:
                self.sheets[each.get("name", "")] = part
        self._strings = [
            _text(each)
            for part in self._related(root, "sharedStrings").values()
            for each in self._parse(part).findall("si")
        ]
        self._dates = [
            flag for part in self._related(root, "styles").values() for flag in self._styles(part)
        ]

    def cells(self, sheet: str) -> _Cells:
        """Return what a sheet holds: rows that are not empty, as text."""
        found = _Cells()
        root = self._parse(self.sheets[sheet])
        for merged in root.iter("mergeCell"):
            found.problems.append(
                f"{_placed(merged.get('ref', ''))}: the cells are merged; part them"
            )
        for number, row in enumerate(root.iter("row"), start=1):
            at = int(row.get("r") or number)
            cells: dict[int, str] = {}
            for position, cell in enumerate(row.findall("c")):
                letters = re.match(r"[A-Z]{1,3}", cell.get("r", ""))
                column = _number(letters[0]) if letters else position
                if column >= _COLUMNS_MAX:
                    raise _NoWorkbookError(f"it has more than {_COLUMNS_MAX} columns")
                try:
                    text = self._value(cell).strip()
                except ValueError as error:
                    found.problems.append(f"{at}:{_letters(column)}: {error}")
                else:
                    cells |= {column: text} if text else {}
            if cells:
                found.rows.append((at, [cells.get(each, "") for each in range(max(cells) + 1)]))
        return found

    def _value(self, cell: Element) -> str:
        """Return a cell's text; ValueError says why it has none that can be trusted."""
        held = cell.findtext("v")
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            inline = cell.find("is")
            return "" if inline is None else _text(inline)
        if held is None or (kind == "n" and not held.strip()):
            if cell.find("f") is not None:
                raise ValueError("the formula has no value yet; open the workbook and save it")
            return ""
        match kind:
            case "s":
                at = int(held)
                if not 0 <= at < len(self._strings):
                    raise ValueError("its text is missing from the workbook")
                return self._strings[at]
            case "str":
                return held
            case "b":
                return "true" if held.strip() == "1" else "false"
            case "e":
                raise ValueError(f"the cell shows {held}")
            case "n":
                style = int(cell.get("s") or 0)
                if style < len(self._dates) and self._dates[style]:
                    raise ValueError("the cell holds a date or a time; make it text")
                return _plain_number(held)
            case _:
                raise ValueError(f"the cell is of a kind that is not known here: {kind}")

    def _styles(self, part: str) -> Iterator[bool]:
        """Yield for each cell style whether it shows a number as a date or a time."""
        root = self._parse(part)
        own = {each.get("numFmtId"): each.get("formatCode", "") for each in root.iter("numFmt")}
        for style in root.findall("cellXfs/xf"):
            number = style.get("numFmtId", "0")
            code = own.get(number)
            if code is not None:
                yield bool(re.search("[ymdhs]", re.sub(r'"[^"]*"|\[[^]]*\]|\\.', "", code.lower())))
            else:
                yield int(number) in _DATE_FORMATS

    def _related(self, part: str, kind: str) -> dict[str, str]:
        """Return the parts of a kind that a part names, by their names there (part 2, 9.3)."""
        source = PurePosixPath(part)
        relations = str(source.parent / "_rels" / f"{source.name}.rels")
        if relations not in self._archive.namelist():
            return {}
        found = {}
        for each in self._parse(relations).iter("Relationship"):
            if each.get("Type", "").endswith(f"/{kind}") and each.get("TargetMode") != "External":
                target = each.get("Target", "")
                inside = target.lstrip("/") if target[:1] == "/" else str(source.parent / target)
                found[each.get("Id", "")] = inside
        return found

    def _parse(self, part: str) -> Element:
        """Return a part's tree without namespaces, within what is left of the size allowed."""
        try:
            with self._archive.open(part) as file:
                data = file.read(self._budget + 1)
        except KeyError as error:
            raise _NoWorkbookError(f"{part} is missing") from error
        except RuntimeError as error:  # zipfile's word for a password
            raise _NoWorkbookError(str(error)) from error
        self._budget -= len(data)
        if self._budget < 0:
            raise _NoWorkbookError(f"it unpacks to more than {_BYTES_MAX >> 20} MiB")
        builder = TreeBuilder()
        parser = expat.ParserCreate(namespace_separator="}")
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.StartElementHandler = lambda name, attributes: builder.start(
            _local(name), {_local(each): value for each, value in attributes.items()}
        )
        parser.EndElementHandler = lambda name: builder.end(_local(name))
        parser.CharacterDataHandler = builder.data
        try:
            parser.Parse(data, True)
        except expat.ExpatError as error:
            raise _NoWorkbookError(f"{part}: {error}") from error
        return builder.close()


def _refuse_doctype(*_: object) -> None:
    raise _NoWorkbookError("it brings a document type, which no workbook needs")


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _text(element: Element) -> str:
    """Return the text of a string, its runs joined, without what only helps to pronounce it."""
    runs = [element, *element.findall("r")]
    return "".join(run.findtext("t") or "" for run in runs)


def _plain_number(text: str) -> str:
    """Return a number as a person would have typed it: 3 and not 3.0, 0.1 and not 17 digits."""
    number = float(text)
    return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)


def _number(letters: str) -> int:
    """Return the number of a column, from 0 for A."""
    found = 0
    for letter in letters:
        found = found * 26 + ord(letter) - 64
    return found - 1


def _letters(number: int) -> str:
    found = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        found = chr(65 + rest) + found
    return found


def _placed(reference: str) -> str:
    """Return row:column of the first cell of ``B3:C4``."""
    found = re.match(r"([A-Z]{1,3})([0-9]+)", reference)
    return f"{found[2]}:{found[1]}" if found else "?"


_BYTES_MAX: Final = 8 << 20  # of all parts that are read, unpacked
_BROKEN: Final = (
    *(OSError, EOFError, ValueError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error, _NoWorkbookError),
)
_PARTS_MAX: Final = 1000
_COLUMNS_MAX: Final = 200
_DATE_FORMATS: Final = frozenset((*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)))
"""Formats that need no definition and show dates or times (ECMA-376 part 1, 18.8.30)."""
