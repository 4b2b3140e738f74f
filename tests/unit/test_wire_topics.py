"""Topics: ours or none."""

from __future__ import annotations

import pytest

from protocols.wire.errors import IdentityError
from protocols.wire.topics import Channel, parse_topic, topic


def test_a_filter_over_all_gateways() -> None:
    assert topic("+", Channel.BUNDLE) == "lotproof/v1/+/bundle"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lotproof/v1",
        "lotproof/v1//bundle",
        "lotproof/v1/gw-1",
        "lotproof/v1/gw-1/",
        "lotproof/v1/gw-1/elsewhere",
        "lotproof/v1/gw-1/bundle/more",
        "lotproof/v2/gw-1/bundle",
        "x/lotproof/v1/gw-1/bundle",
        "lotproof/v1/a/lotproof/v1/gw-1/bundle",
    ],
)
def test_other_topics_are_refused(text: str) -> None:
    with pytest.raises(IdentityError):
        parse_topic(text)
