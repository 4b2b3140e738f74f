"""The barcode driver on a pseudo terminal, a TCP server and a stream of key strokes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import tty
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from protocols.field.barcode import SPEC
from protocols.field.barcode.framing import Framer, Scan, ScanCode
from protocols.field.barcode.keyboard import Keyboard
from protocols.field.barcode.settings import Suffix
from protocols.field.driver import DriverError
from protocols.wire.limits import VALUE_BYTES_MAX
from protocols.wire.reading import GapReason, Reading, Status
from tests.contract.driver_contract import PATIENCE, HostClock

LABEL = "]d20109506000134352" + "10L-1\x1d" + "17271231"
ENTER, SHIFT, CTRL, ALT = 28, 42, 29, 56
KEYS = {**dict(zip("1234567890", range(2, 12), strict=True)), "]": 27, "d": 32, "l": 38, "-": 12}


class Scanner(ABC):
    """A scanner that a test holds in its hand."""

    @abstractmethod
    def settings(self) -> dict[str, Any]: ...

    @abstractmethod
    def send(self, data: bytes) -> None: ...

    @abstractmethod
    async def unplug(self) -> None: ...

    @abstractmethod
    async def plug(self) -> None: ...


class SerialScanner(Scanner):
    def __init__(self, folder: Path) -> None:
        self._path = folder / "ttyACM0"
        self._master = self._slave = -1

    def settings(self) -> dict[str, Any]:
        return {"transport": "serial", "device": str(self._path)}

    def send(self, data: bytes) -> None:
        os.write(self._master, data)

    async def plug(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self._path.symlink_to(os.ttyname(self._slave))

    async def unplug(self) -> None:
        if self._master >= 0:
            os.close(self._master)
            os.close(self._slave)
            self._path.unlink()
        self._master = -1


class TcpScanner(Scanner):
    def __init__(self, _: Path) -> None:
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self.called = asyncio.Event()
        self._port = 0

    def settings(self) -> dict[str, Any]:
        return {"transport": "tcp", "host": "127.0.0.1", "port": self._port}

    def send(self, data: bytes) -> None:
        self._writers[-1].write(data)

    async def plug(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def unplug(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in self._writers:
                writer.transport.abort()
            await self._server.wait_closed()
        self._server = None
        self.called.clear()

    async def _serve(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self.called.set()


@contextlib.asynccontextmanager
async def reading(scanner: Scanner, *signals: dict[str, Any], **more: Any) -> AsyncIterator[Any]:
    settings = SPEC.settings.model_validate(scanner.settings() | {"signals": signals} | more)
    driver = SPEC.connect("scanner", settings, HostClock())
    await driver.open()
    try:
        yield driver
    finally:
        await driver.close()


@pytest.fixture(params=[SerialScanner, TcpScanner])
async def scanner(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[SerialScanner | TcpScanner]:
    made: Callable[[Path], SerialScanner | TcpScanner] = request.param
    found = made(tmp_path)
    await found.plug()
    try:
        yield found
    finally:
        await found.unplug()


async def scans(driver: Any, count: int) -> list[Reading]:
    found: list[Reading] = []
    async with asyncio.timeout(PATIENCE):
        while len(found) < count:
            delivery = await driver.read()
            assert delivery.urgent, "a scan cannot be had twice"
            found += delivery.readings
    return found


async def connected(scanner: Scanner) -> None:
    """Wait until a scanner that listens has been called."""
    if isinstance(scanner, TcpScanner):
        await asyncio.wait_for(scanner.called.wait(), PATIENCE)


async def test_each_scan_is_a_reading_of_the_signal_that_it_fits(scanner: Scanner) -> None:
    label = {"name": "label", "form": "gs1", "match": r"\]d2|\]C1|\(01\)"}
    badge = {"name": "badge", "match": "EMP-[0-9]+$"}
    async with reading(scanner, badge, label) as driver:
        await connected(scanner)
        scanner.send(f"EMP-0042\r\n{LABEL}\r".encode() + "批号 7\n".encode())
        first, second, third = await scans(driver, 3)
    assert (first.signal, first.value, first.status) == ("badge", "EMP-0042", Status.GOOD)
    assert (second.signal, second.value) == ("label", "(01)09506000134352(17)271231(10)L-1")
    assert (third.signal, third.value) == ("scanner/scans", "批号 7")


async def test_a_scan_in_pieces_is_one_and_a_torn_one_is_doubted(scanner: Scanner) -> None:
    async with reading(scanner, pause_s=1) as driver:
        await connected(scanner)
        task = asyncio.create_task(scans(driver, 2))
        for octet in b"ABC-1\r":
            scanner.send(bytes((octet,)))
            await asyncio.sleep(0.005)
        scanner.send(b"ABC-")  # and the trigger was let go
        whole, torn = await task
    assert (whole.value, whole.status, whole.code) == ("ABC-1", Status.GOOD, 0)
    assert (torn.value, torn.status, torn.code) == ("ABC-", Status.UNCERTAIN, ScanCode.NO_SUFFIX)


async def test_what_is_no_gs1_or_no_text_is_kept_and_never_good(scanner: Scanner) -> None:
    wrong_digit = b"]d20109506000134353"
    async with reading(scanner, {"name": "label", "form": "gs1", "match": r"\]d2"}) as driver:
        await connected(scanner)
        scanner.send(wrong_digit + b"\r" + b"\xff\xfe\r")
        gs1, octets = await scans(driver, 2)
    assert (gs1.status, gs1.code, gs1.raw) == (Status.BAD, ScanCode.NOT_GS1, wrong_digit)
    assert (octets.status, octets.code, octets.raw) == (Status.BAD, ScanCode.NOT_TEXT, b"\xff\xfe")
    assert SPEC.code_name(gs1.code) == "NOT_GS1"


async def test_a_scanner_that_is_unplugged_comes_back_with_a_declared_gap(
    scanner: Scanner,
) -> None:
    async with reading(scanner, pause_s=PATIENCE) as driver:
        await connected(scanner)
        scanner.send(b"A\rB-")
        assert [each.value for each in await scans(driver, 1)] == ["A"]
        with pytest.raises(TimeoutError):  # "B-" is here, and waits for its end
            await asyncio.wait_for(driver.read(), 0.3)
        await scanner.unplug()
        (torn,) = await scans(driver, 1)
        assert (torn.value, torn.status) == ("B-", Status.UNCERTAIN)
        with pytest.raises(DriverError, match="lost"):
            await asyncio.wait_for(driver.read(), PATIENCE)
        await driver.close()
        with pytest.raises(DriverError, match="cannot be opened"):
            await driver.open()
        await scanner.plug()
        await driver.open()
        await connected(scanner)
        (gap,) = (await driver.read()).gaps
        assert (gap.subject, gap.reason) == ("scanner", GapReason.SOURCE_DOWN)
        assert gap.end > gap.start
        scanner.send(b"C\r")
        assert [each.value for each in await scans(driver, 1)] == ["C"]


async def test_a_port_in_use_is_refused_with_a_hint(tmp_path: Path) -> None:
    scanner = SerialScanner(tmp_path)
    await scanner.plug()
    try:
        async with reading(scanner):
            with pytest.raises(DriverError) as refused:
                async with reading(scanner):
                    pass
        assert "nothing else uses it" in refused.value.hint
    finally:
        await scanner.unplug()


def keys(*codes: int | tuple[int, ...]) -> bytes:
    """Return the events of keys pressed and released; a tuple is a chord, its last the key."""
    made = b""
    for code in codes:
        chord = code if isinstance(code, tuple) else (code,)
        for value, order in ((1, chord), (0, chord[::-1])):
            for each in order:
                made += struct.pack("@llHHi", 0, 0, 4, 4, each)  # the scan code stands before
                made += struct.pack("@llHHi", 0, 0, 1, each, value)
                made += struct.pack("@llHHi", 0, 0, 0, 0, 0)
    return made


def typed(text: str) -> list[int | tuple[int, ...]]:
    return [(SHIFT, KEYS[c.lower()]) if c.isupper() else KEYS[c] for c in text]


async def test_a_scanner_that_is_a_keyboard_types_its_scans(tmp_path: Path) -> None:
    path = tmp_path / "event7"
    os.mkfifo(path)
    writer = os.open(path, os.O_RDWR)
    given = {"transport": "keyboard", "device": str(path), "exclusive": False}
    signal = {"name": "label", "form": "gs1"}
    settings = SPEC.settings.model_validate(given | {"signals": [signal]})
    driver = SPEC.connect("scanner", settings, HostClock())
    await driver.open()
    try:
        label = typed("]d2010950600013435210L-1")
        stroke = keys(*label, (CTRL, KEYS["]"]), *typed("17271231"), ENTER)
        os.write(writer, stroke[:1000])
        os.write(writer, stroke[1000:])
        (found,) = await scans(driver, 1)
        assert found.value == "(01)09506000134352(17)271231(10)L-1"
        dropped = struct.pack("@llHHi", 0, 0, 0, 3, 0)
        os.write(writer, keys(*typed("01")) + dropped + keys(*typed("2"), ENTER))
        (found,) = await scans(driver, 1)
        assert (found.status, found.code) == (Status.BAD, ScanCode.KEYS_LOST)
    finally:
        await driver.close()
        os.close(writer)


async def test_a_device_that_cannot_be_had_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "event7"
    os.mkfifo(path)
    settings = SPEC.settings.model_validate({"transport": "keyboard", "device": str(path)})
    with pytest.raises(DriverError, match="cannot be opened"):
        await SPEC.connect("scanner", settings, HostClock()).open()


def test_control_characters_come_by_ctrl_and_by_alt() -> None:
    keypad = {"0": 82, "2": 80, "9": 73}
    by_alt = b"".join(
        struct.pack("@llHHi", 0, 0, 1, code, value)
        for code, value in [
            (ALT, 1),
            *((keypad[digit], value) for digit in "029" for value in (1, 0)),
            (ALT, 0),
        ]
    )
    assert Keyboard().type(by_alt) == b"\x1d"
    assert Keyboard().type(keys((CTRL, KEYS["]"]))) == b"\x1d"


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1)),
    st.data(),
)
def test_however_scans_are_cut_they_come_out_whole(texts: list[str], data: Any) -> None:
    stream = b"".join(text.encode() + b"\r\n" for text in texts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    framer = Framer(Suffix.LINE)
    found: list[Scan] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += framer.feed(stream[start:end])
    assert [scan.data.decode() for scan in found] == texts
    assert {scan.flaw for scan in found} <= {None}
    assert not framer.pending


@pytest.mark.parametrize(
    ("suffix", "stream", "expected"),
    [
        (Suffix.TAB, b"A\tB\t", [b"A", b"B"]),
        (Suffix.ETX, b"\x02A\x03\r\n\x02B\x03", [b"A", b"B"]),
        (Suffix.NONE, b"A\rB", [b"A\rB"]),
        (Suffix.LINE, b"\r\n\r\n", []),
    ],
)
def test_what_ends_a_scan(suffix: Suffix, stream: bytes, expected: list[bytes]) -> None:
    framer = Framer(suffix)
    found = [*framer.feed(stream), *framer.pause()]
    assert found == [Scan(data) for data in expected]


def test_a_scan_without_end_takes_no_memory_without_end() -> None:
    framer = Framer(Suffix.LINE)
    for _ in range(100):
        assert list(framer.feed(b"x" * 4096)) == []
    (found,) = framer.feed(b"\rA")
    assert (len(found.data), found.flaw) == (VALUE_BYTES_MAX, ScanCode.TOO_LONG)
    assert list(framer.feed(b"\r")) == [Scan(b"A")]


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({}, "needs device"),
        ({"transport": "tcp", "host": "a"}, "needs host and port"),
        ({"device": "/dev/x", "signals": [{"name": "a", "match": "("}]}, "no regular expression"),
        ({"device": "/dev/x", "signals": [{"name": "a", "kind": "int"}]}, "a scan is text"),
    ],
)
def test_settings_say_what_is_wrong(settings: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        SPEC.settings.model_validate(settings)
