"""The demo as the README promises it: two lots proved, nothing lost, a forgery named."""

from __future__ import annotations

import base64
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from pypdf import PdfReader

from aggregator.access import second_factor
from aggregator.clock import SystemClock
from plant.broker import mosquitto_path
from plant.demo.orders import LOTS
from tests.e2e.demo_rig import RunningDemo, demo


def assert_left(out: Path) -> None:
    """Assert that the records lie in ``out``: the clean one and the one with an excursion."""
    for lot in LOTS:
        record = json.loads((out / f"{lot}.json").read_bytes())
        assert record["lot"]["lot"] == lot
        assert record["complete"] is True
        assert record["seals"]["refused"] == []
        excursions = [each for each in record["exceptions"] if each["kind"] == "excursion"]
        assert bool(excursions) is (lot == LOTS[1])
        text = "".join(page.extract_text() for page in PdfReader(out / f"{lot}.pdf").pages)
        assert lot in text
        assert (out / f"{lot}.dossier").stat().st_size > 10_000


@pytest.mark.parametrize("broker", ["mosquitto", "embedded"])
def test_the_demo_proves_two_lots(tmp_path: Path, broker: str) -> None:
    if broker == "mosquitto" and mosquitto_path() is None:
        pytest.skip("mosquitto is not installed (apt-get install mosquitto)")
    switch = ["--embedded-broker"] if broker == "embedded" else []
    ended = demo("--once", "--patience", "6", "--out", str(tmp_path), *switch)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count("VERIFIED") == len(LOTS)
    assert "NOT VERIFIED" not in ended.stdout
    assert ("mosquitto" in ended.stdout) is (broker == "mosquitto")
    assert "✗" not in ended.stdout
    assert_left(tmp_path)


@pytest.mark.parametrize("trick", ["cut-network", "kill-agent"])
def test_a_trick_on_a_running_demo_loses_nothing(demo: RunningDemo, trick: str) -> None:
    ended = demo.trick(trick)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "lost: 0" in ended.stdout


def test_a_forgery_is_named_to_the_reading(demo: RunningDemo) -> None:
    assert_left(demo.out)
    ended = demo.trick("tamper")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "press-1/plate-temperature" in ended.stdout
    assert "named the reading that was altered" in ended.stdout


def test_the_two_persons_that_the_demo_names_can_log_in(demo: RunningDemo) -> None:
    commands = re.findall(r"^  \.venv/bin/lotproof-aggregator (user add .*)$", demo.told, re.M)
    assert len(commands) == 2
    for command in commands:
        ran = subprocess.run(
            (sys.executable, "-m", "aggregator", *shlex.split(command)),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        user, password, secret = re.findall(
            r"^account   (\S+).*\npassword  (.+?)  \(.*\ncodes .*secret=(\w+)", ran.stdout, re.M
        )[0]
        with httpx.Client(base_url=demo.base, timeout=60) as http:
            form = {"user": user, "password": password, "code": code_of(secret)}
            asked = http.post("/login/person", data=form)
            assert "New password" in asked.text, "the first password is to be changed"
            fresh = {**form, "new_password": "the press sings at dawn, twice"}
            assert http.post("/login/person", data=fresh).status_code == 200


def code_of(secret: str) -> str:
    """Return what an authenticator shows now."""
    return second_factor.code_at(
        base64.b32decode(secret + "=" * (-len(secret) % 8)),
        second_factor.step_at(SystemClock().now()),
    )


def test_a_trick_without_a_demo_says_what_to_do(tmp_path: Path) -> None:
    for trick in ("cut-network", "tamper"):
        ended = demo(trick, "--out", str(tmp_path))
        assert ended.returncode == 2
        assert "./dev demo" in ended.stdout
