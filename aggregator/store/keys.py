"""The aggregator's own keys: one seals receipts, one signs the log, one wraps second factors."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aggregator.errors import SettingsError
from protocols.wire.errors import WireError
from protocols.wire.seal import SealKey, SoftwareSealKey

SEAL_FILE: Final = "seal.pem"
LOG_FILE: Final = "log.pem"
ACCESS_FILE: Final = "access.key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Secret keys of the aggregator."""

    seal: SealKey  # receipts, commands
    log: SealKey  # checkpoints of the log; Ed25519
    access: bytes  # 256 random bits: second factors of accounts


def load_keys(folder: Path) -> Keys:
    """Return the keys kept in ``folder``, made where they are missing (folder 0700, files 0600).

    Raises SettingsError for a file that is no key, cannot be read, or may be read by others.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Keys(
            seal=_key(folder / SEAL_FILE),
            log=_key(folder / LOG_FILE),
            access=_random_key(folder / ACCESS_FILE),
        )
    except OSError as error:
        raise SettingsError(
            f"the keys in {folder} cannot be used: {error.strerror}",
            hint="keys_folder must belong to the user that runs the aggregator",
        ) from None


def _key(path: Path) -> SoftwareSealKey:
    if not path.exists():
        key = SoftwareSealKey.generate()
        _write(path, key.to_pem())
        return key
    _check_mode(path)
    try:
        return SoftwareSealKey.from_pem(path.read_bytes())
    except WireError as error:
        raise SettingsError(f"{path}: {error}", hint=error.hint) from None


def _random_key(path: Path) -> bytes:
    if not path.exists():
        _write(path, secrets.token_bytes(_ACCESS_BYTES))
    _check_mode(path)
    key = path.read_bytes()
    if len(key) != _ACCESS_BYTES:
        raise SettingsError(f"{path} is no key of {_ACCESS_BYTES} bytes", hint="restore it")
    return key


def _check_mode(path: Path) -> None:
    if path.stat().st_mode & 0o077:
        raise SettingsError(f"the key {path} may be read by others", hint=f"chmod 600 {path}")


_ACCESS_BYTES: Final = 32


def _write(path: Path, data: bytes) -> None:
    """Write the whole file durably or none of it: half a key would refuse every later start."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
