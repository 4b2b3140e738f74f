"""Accounts by the command line: made, listed, reset, ended; a mistake told with a way out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner, Result

from aggregator.__main__ import app

ADD: Final = ("add", "li.wei", "--name", "Li Wei", "--role", "qa", "--role", "releaser")


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "aggregator.toml"
    path.write_text(
        f'keys_folder = "{tmp_path}/keys"\n[store]\nurl = "sqlite:///{tmp_path}/aggregator.db"\n'
    )
    return path


def user(settings: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["user", *arguments, "--settings", str(settings)])


def listed(settings: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(user(settings, "ls", "--json").stdout)
    return found


def test_an_account_from_its_making_to_its_end(settings: Path) -> None:
    assert "nobody has an account yet" in user(settings, "ls").stdout
    made = user(settings, *ADD)
    assert made.exit_code == 0, made.output
    assert "account   li.wei (Li Wei)" in made.stdout
    assert re.search(r"^password  [0-9a-f]{5}(-[0-9a-f]{5}){3} ", made.stdout, re.MULTILINE)
    assert "otpauth://totp/Lotproof" in made.stdout
    (row,) = listed(settings)
    assert row == {
        "user": "li.wei",
        "printed_name": "Li Wei",
        "roles": ["qa", "releaser"],
        "state": "in force",
        "password": "issued",
    }
    shown = user(settings, "ls").stdout
    assert "li.wei  Li Wei  qa, releaser  waits for the first login" in shown
    again = user(settings, "reset", "li.wei", "--why", "lost the phone")
    assert again.exit_code == 0, again.output
    assert again.stdout != made.stdout
    assert user(settings, "disable", "li.wei", "--why", "left").exit_code == 0
    assert listed(settings)[0]["state"] == "ended"
    assert "li.wei  Li Wei  qa, releaser  has ended" in user(settings, "ls").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (ADD, "never given again"),
        (("add", "Li", "--name", "Li", "--role", "qa"), "is not a user id"),
        (("reset", "nobody", "--why", "x"), "there is no account"),
        (("disable", "nobody", "--why", "x"), "there is no account"),
        (("token", "li.wei", "--role", "qa"), "is a person's user id"),
    ],
)
def test_a_mistake_is_told_with_a_way_out(
    settings: Path, arguments: tuple[str, ...], said: str
) -> None:
    assert user(settings, *ADD).exit_code == 0
    refused = user(settings, *arguments)
    assert refused.exit_code == 2
    assert said in refused.output
