"""Runs unattended on a gateway: collects, seals, keeps, forwards."""

import sys

# structlog loads rich where it is installed, for tracebacks in colour: 5 MB of a gateway's memory
# for nothing. Hidden while structlog is imported, it is there for the command line's help.
if "structlog" not in sys.modules and "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment] # an import of it fails as if not there
    import structlog  # noqa: F401 # for what the import does

    del sys.modules["rich"]
