"""The gateway's seal key: made at the first start, kept in a file that nobody else may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from edge_agent.errors import KeyFileError
from protocols.wire.errors import MalformedError
from protocols.wire.seal import Algorithm, SoftwareSealKey


def load_or_create(path: Path, algorithm: Algorithm = Algorithm.ED25519) -> SoftwareSealKey:
    """Return the key in ``path``, made there first if there is none.

    Raises KeyFileError where the file cannot be read, is no key, or others may read it.
    """
    if not path.exists():
        _create(path, algorithm)
    return load(path)


def load(path: Path) -> SoftwareSealKey:
    """Return the key in ``path``; KeyFileError as for ``load_or_create``."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise KeyFileError(
                f"others may read the seal key {path} (mode {mode:04o})",
                hint=f"chmod 600 {path}; if somebody did read it, enrol a new key",
            )
        return SoftwareSealKey.from_pem(path.read_bytes())
    except OSError as error:
        raise KeyFileError(
            f"the seal key {path} cannot be read: {error.strerror}",
            hint="the key must belong to the user that runs the agent",
        ) from error
    except MalformedError as error:
        raise KeyFileError(f"{path}: {error}", hint=error.hint) from error


def _create(path: Path, algorithm: Algorithm) -> None:
    """Write a new key under its name only when all of it is on disk."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(SoftwareSealKey.generate(algorithm).to_pem())
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise KeyFileError(
            f"the seal key {path} cannot be made: {error.strerror}",
            hint="the folder must exist and belong to the user that runs the agent",
        ) from error
