"""The order oracle itself, on logs of a few lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.system_calls import order_broken, read_log

DATABASE = Path("/gw/buffer/buffer.db")
WRITE = '7 pwrite64(5</gw/buffer/buffer.db-wal>, "x", 24, 32) = 24'
SYNC = "7 fdatasync(5</gw/buffer/buffer.db-wal>) = 0"
TOLD = '6 write(9<pipe:[42]>, "x", 4) = 4'
FOLD = '7 pwrite64(4</gw/buffer/buffer.db>, "x", 1024, 0) = 1024'
FOLD_SYNC = "7 fdatasync(4</gw/buffer/buffer.db>) = 0"
START_OVER = '7 pwrite64(5</gw/buffer/buffer.db-wal>, "x", 32, 0) = 32'
MOVE = '7 rename("/gw/buffer.new", "/gw/buffer") = 0'
MOVE_SYNC = "7 fsync(8</gw>) = 0"
MEMORY = '7 rename("/gw/epoch.new", "/gw/epoch.json") = 0'


@pytest.mark.parametrize(
    ("lines", "broken"),
    [
        ([WRITE, SYNC, TOLD], []),
        ([WRITE, TOLD, SYNC], ["acknowledged before buffer.db-wal was synced"]),
        ([WRITE, SYNC.replace("= 0", "= -1 EIO"), TOLD], ["acknowledged before buffer.db-wal"]),
        ([WRITE, SYNC, FOLD, FOLD_SYNC, START_OVER, SYNC, TOLD], []),
        ([WRITE, SYNC, FOLD, START_OVER], ["the log was given up before the database was synced"]),
        ([MOVE, MOVE_SYNC, TOLD], []),
        ([MOVE, TOLD], ["acknowledged before gw was synced"]),
        ([MEMORY, TOLD], []),  # what is remembered beside the buffer promises nothing
        ([WRITE, SYNC, WRITE], []),  # nobody was told
    ],
)
def test_the_order_is_judged(lines: list[str], broken: list[str], tmp_path: Path) -> None:
    found = order_broken(read_log(_log(tmp_path, lines)), told="pipe:[42]", database=DATABASE)
    assert len(found) == len(broken)
    assert all(text.startswith(start) for text, start in zip(found, broken, strict=True))


def test_a_sync_counts_from_its_end(tmp_path: Path) -> None:
    begun = SYNC.replace(") = 0", " <unfinished ...>")
    ended = "7 <... fdatasync resumed>) = 0"
    early = _log(tmp_path, [WRITE, begun, TOLD, ended])
    assert len(order_broken(read_log(early), told="pipe:[42]", database=DATABASE)) == 1
    late = _log(tmp_path, [WRITE, begun, ended, TOLD])
    assert order_broken(read_log(late), told="pipe:[42]", database=DATABASE) == []


def _log(folder: Path, lines: list[str]) -> Path:
    log = folder / "log"
    log.write_text("\n".join(lines), encoding="utf-8")
    return log
