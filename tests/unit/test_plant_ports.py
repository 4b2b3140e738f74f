"""Free ports: another each time, none that is taken, none that the system may give to others."""

from __future__ import annotations

import contextlib
import socket

from plant.ports import free_port


def test_no_port_is_given_twice_nor_one_that_is_taken() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == len(ports)
    with socket.socket() as holder:
        following = ports[-1] + 1
        with contextlib.suppress(OSError):  # then another process holds it
            holder.bind(("127.0.0.1", following))
        assert free_port() != following


def test_a_port_is_none_that_linux_gives_by_itself() -> None:
    """ip(7): ip_local_port_range begins at 32,768."""
    assert all(1024 < free_port() < 32_768 for _ in range(50))
