"""The demo as a process of its own, as a person at a terminal meets it."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from plant.ports import free_port

READY_S: Final = 480.0
STOP_S: Final = 60.0
COMMAND: Final = (sys.executable, "-m", "plant.demo")
ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningDemo:
    """A demo that serves its console."""

    out: Path
    base: str  # address of the console
    link: str  # opens it once
    told: str  # what it has told until then

    def trick(self, name: str) -> subprocess.CompletedProcess[str]:
        """Play a trick from another terminal."""
        return demo(name, "--out", str(self.out))


def demo(*arguments: str, timeout_s: float = READY_S) -> subprocess.CompletedProcess[str]:
    """Run a command of the demo to its end."""
    return subprocess.run(
        (*COMMAND, *arguments),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@contextlib.contextmanager
def running_demo(out: Path) -> Iterator[RunningDemo]:
    """Run the demo until its console is open, and end it as Ctrl-C does."""
    command = (*COMMAND, "--out", str(out), "--port", str(free_port()), "--patience", "6")
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    deadline = threading.Timer(READY_S, process.kill)
    deadline.start()
    try:
        told = ""
        for line in process.stdout or ():
            told += line
            if "Ctrl-C ends it" in line:
                break
        deadline.cancel()
        link = re.search(r"(http://\S+)/login\?link=\S+", told)
        if link is None:
            raise AssertionError(f"the demo did not open its console:\n{told}")
        yield RunningDemo(out=out, base=link[1], link=link[0], told=told)
        process.send_signal(signal.SIGINT)
        assert process.wait(STOP_S) == 0, "Ctrl-C ends the demo in good order"
    finally:
        deadline.cancel()
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
