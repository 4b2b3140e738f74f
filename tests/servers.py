"""Real servers for tests: a private PostgreSQL, made once a run and ended by it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plant.ports import free_port


class Postgres:
    """A running PostgreSQL cluster on one port of loopback."""

    def __init__(self, folder: Path, port: int, tools: Path) -> None:
        self.folder = folder
        self.port = port
        self._tools = tools
        self._databases = 0

    def database(self) -> str:
        """Make an empty database and return its URL."""
        self._databases += 1
        name = f"lotproof_{self._databases}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", name)
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 "
            f"-c unix_socket_directories={self.folder} -c shared_buffers=64MB"
        )
        log = str(self.folder / "server.log")
        self._run(
            "pg_ctl", "-D", str(self.folder / "data"), "-o", options, "-l", log, "-w", "start"
        )

    def stop(self, mode: str = "fast") -> None:
        """End the server, if it runs: ``fast`` in order, ``immediate`` as a power cut would."""
        if not (self.folder / "data" / "postmaster.pid").exists():
            return
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", mode, "-w", "stop")

    def initialise(self) -> None:
        """Make the cluster's files."""
        self._run(
            "initdb",
            "-D",
            str(self.folder / "data"),
            "-U",
            "postgres",
            "--auth=trust",
            "-E",
            "UTF8",
        )

    def _run(self, tool: str, *arguments: str) -> None:
        command = [str(self._tools / tool), *arguments]
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            command = ["runuser", "-u", "postgres", "--", *command]
        # What the server writes must not hold a pipe of ours open: it outlives pg_ctl.
        with (self.folder / "tools.log").open("ab") as output:
            subprocess.run(
                command,
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=120,
                cwd=self.folder,
            )


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Run a cluster of its own; skip where PostgreSQL is not installed."""
    tools = postgres_tools()
    if tools is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="lotproof-postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        server = Postgres(folder, free_port(), tools)
        server.initialise()
        try:
            server.start()
            yield server
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def postgres_tools() -> Path | None:
    """Return the folder of initdb and pg_ctl, the newest version's where there are several."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return folders[-1].parent if folders else None
