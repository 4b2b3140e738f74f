"""The broker's access list, read as mosquitto reads it (mosquitto.conf(5), acl_file).

Only ``user``, ``topic read|write`` and ``pattern read|write`` with ``%u`` are known: what
``deploy/mosquitto/lotproof.acl`` uses.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple


class Rule(NamedTuple):
    """One permission; ``user`` None: for everybody."""

    user: str | None
    write: bool
    filter: str


class AccessList:
    """Who may read and write which topics; what no rule allows is refused."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = rules

    @classmethod
    @lru_cache(maxsize=4)
    def read(cls, path: Path) -> AccessList:
        """Read a list from its file; ValueError names a line that is not understood."""
        rules, user = [], None
        for line in path.read_text(encoding="utf-8").splitlines():
            words = line.partition("#")[0].split()
            match words:
                case []:
                    pass
                case ["user", name]:
                    user = name
                case ["topic", ("read" | "write") as access, text] if user:
                    rules.append(Rule(user, access == "write", text))
                case ["pattern", ("read" | "write") as access, text]:
                    rules.append(Rule(None, access == "write", text))
                case _:
                    raise ValueError(f"{path}: not understood: {line!r}")
        return cls(tuple(rules))

    def allows(self, user: str, topic: str, *, write: bool) -> bool:
        """Tell whether ``user`` may write to, or subscribe to, ``topic`` (a name or a filter)."""
        return any(
            rule.write is write
            and rule.user in (None, user)
            and _within(topic, rule.filter.replace("%u", user))
            for rule in self._rules
        )


def _within(topic: str, allowed: str) -> bool:
    """Tell whether every topic that ``topic`` names is one that ``allowed`` names."""
    asked, given = topic.split("/"), allowed.split("/")
    return len(asked) == len(given) and all(
        wanted == level or (level == "+" and wanted != "#")
        for wanted, level in zip(asked, given, strict=True)
    )
