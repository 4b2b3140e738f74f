"""The house is tidy, and each rule is shown to catch what it is for."""

from __future__ import annotations

import pytest

from tests.arch import tidy, words
from tests.arch.sources import Source, sources

RULES = (*tidy.RULES, words.misused_words)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_file_keeps_the_rule(rule: tidy.Rule) -> None:
    breaches = [message for source in sources() for message in rule(source)]
    assert not breaches, "\n".join(["", *breaches])


def test_no_folder_is_crowded() -> None:
    breaches = list(tidy.crowded_folders(source.path for source in sources()))
    assert not breaches, "\n".join(["", *breaches])


LONG_BODY = "\n".join(f"    step_{number}()" for number in range(61))
SHORTER_BODY = "\n".join(LONG_BODY.splitlines()[:59])
PLANTED = [
    (tidy.file_length, "edge_agent/buffer.py", "pass\n" * 401),
    (tidy.file_length, "tests/unit/test_buffer.py", "pass\n" * 601),
    (tidy.function_length, "edge_agent/buffer.py", f"def run():\n    '''Run.'''\n{LONG_BODY}\n"),
    (tidy.vague_name, "edge_agent/buffer_utils.py", ""),
    (tidy.vague_name, "edge_agent/common/buffer.py", ""),
    (tidy.one_sentence, "edge_agent/buffer.py", "'''Keep bundles. Free them later.'''\n"),
    (tidy.no_promises, "edge_agent/buffer.py", "pass  # TODO: free them\n"),
    (tidy.no_line_numbers, "edge_agent/buffer.py", "pass  # see line 12 of seal.py\n"),
    (tidy.no_assert, "edge_agent/buffer.py", "assert number >= 0\n"),
    (tidy.reasoned_exemption, "edge_agent/buffer.py", "import os  # noqa: F401\n"),
    (tidy.reasoned_exemption, "edge_agent/buffer.py", "x = y  # type: ignore[name-defined]\n"),
    (words.misused_words, "edge_agent/buffer.py", "def add(sample): ...\n"),
    (words.misused_words, "edge_agent/buffer.py", "class TagTable: ...\n"),
    (words.misused_words, "edge_agent/collect.py", "self.data_points = 3\n"),
    (words.misused_words, "edge_agent/packet.py", ""),
    (words.misused_words, "protocols/wire/seal.py", "try: ...\nexcept E as exception: ...\n"),
]


@pytest.mark.parametrize(
    ("rule", "path", "text"), PLANTED, ids=[f"{rule.__name__}-{path}" for rule, path, _ in PLANTED]
)
def test_a_planted_breach_is_caught(rule: tidy.Rule, path: str, text: str) -> None:
    (message,) = rule(Source(path=path, text=text))
    assert path in message
    assert ";" in message, "a message says what to do instead"


KEPT = [
    (tidy.file_length, "edge_agent/buffer.py", "pass\n" * 400),
    (tidy.function_length, "edge_agent/buffer.py", f"def run():\n{SHORTER_BODY}\n"),
    (tidy.one_sentence, "edge_agent/buffer.py", "'''Keep bundles, e.g. Those of a day.'''\n"),
    (tidy.no_assert, "tests/unit/test_buffer.py", "assert 1 + 1\n"),
    (tidy.reasoned_exemption, "edge_agent/a.py", "import os  # noqa: F401 # patched by asyncua\n"),
    (
        words.misused_words,
        "edge_agent/buffer.py",
        "def add(tag_read, read_point): ...\n",
    ),
    (tidy.reasoned_exemption, "edge_agent/a.py", "# patched by asyncua\nimport os  # noqa\n"),
    (words.misused_words, "edge_agent/buffer.py", "library.tag(sample=1).quality()\n"),
    (words.misused_words, "protocols/wire/cbor.py", "tag = 18\n"),
]


@pytest.mark.parametrize(
    ("rule", "path", "text"), KEPT, ids=[f"{rule.__name__}-{path}" for rule, path, _ in KEPT]
)
def test_what_is_right_passes(rule: tidy.Rule, path: str, text: str) -> None:
    assert list(rule(Source(path=path, text=text))) == []


def test_a_crowded_folder_is_caught() -> None:
    paths = [f"edge_agent/room_{number}.py" for number in range(17)]
    (message,) = tidy.crowded_folders([*paths, "tests/unit/test_buffer.py"])
    assert message.startswith("edge_agent: 17 ")
