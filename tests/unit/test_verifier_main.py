"""The verifier's command line, its policy file and its report, as an auditor meets them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from protocols.wire.dossier.archive import read_archive, write_archive
from protocols.wire.dossier.file import write_dossier
from tests import dossiers
from verifier.__main__ import main
from verifier.errors import PolicyError
from verifier.policy import read_policy
from verifier.report import FINDINGS_MAX, conclude
from verifier.texts import TITLES, WORDS

POLICY = f"""
aggregator = ["{dossiers.AGGREGATOR.public.to_text()}"]
log = "{dossiers.LOG_KEY.to_text()}"

[gateways]
gw-07 = ["{dossiers.PRESS_KEY.public.to_text()}"]
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    dossier, trust = tmp_path / "L-0042.dossier", tmp_path / "plant-1.toml"
    dossier.write_bytes(dossiers.packed())
    trust.write_text(POLICY)
    return dossier, trust


def test_verified(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    dossier, trust = files
    assert main([str(dossier), "--trust", str(trust)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("VERIFIED  lot L-0042 of 04012345123456")
    assert len(lines) == 1 + len(TITLES)
    assert all(title["en"] in line for title, line in zip(TITLES.values(), lines[1:], strict=True))


def test_not_verified_names_the_reading(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    dossier, trust = files
    members = read_archive(dossier.read_bytes())
    members["series/000.cbor"] = members["series/001.cbor"]
    dossier.write_bytes(write_archive(members))
    assert main([str(dossier), "--trust", str(trust), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "NOT_VERIFIED"
    assert [check["number"] for check in report["checks"]] == list(TITLES)
    assert report["altered"][0]["signal"] == dossiers.TEMPERATURE
    assert main([str(dossier), "--trust", str(trust)]) == 1
    text = capsys.readouterr().out
    assert "Altered readings:" in text
    assert "press-1/plate-temperature at 2026-11-22T08:00:02.000000000Z" in text


def test_cannot_decide_without_a_policy_or_a_file(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    dossier, trust = files
    assert main([str(dossier), "--trust", str(dossier)]) == 2
    assert "CANNOT DECIDE" in capsys.readouterr().err
    assert main([str(dossier) + "x", "--trust", str(trust)]) == 2


def test_chinese(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    dossier, trust = files
    assert main([str(dossier), "--trust", str(trust), "--lang", "zh"]) == 0
    assert "验证通过" in capsys.readouterr().out


def test_every_text_is_there_in_both_languages() -> None:
    assert WORDS["en"].keys() == WORDS["zh"].keys()
    assert list(TITLES) == list(range(1, 17))
    assert all(title.keys() == {"en", "zh"} for title in TITLES.values())


def test_it_starts_with_the_standard_library_and_cryptography_alone(
    files: tuple[Path, Path],
) -> None:
    """An auditor installs little: no other library is loaded by a run."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "from verifier.__main__ import main\n"
        f"status = main([{str(files[0])!r}, '--trust', {str(files[1])!r}])\n"
        "roots = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "own = {'verifier', 'protocols', 'cryptography', '_cffi_backend', 'cffi', '_openssl'}\n"
        "print(sorted(roots - own - set(sys.stdlib_module_names)), file=sys.stderr)\n"
        "sys.exit(status)"
    )
    root = Path(__file__).resolve().parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stderr.strip()) == (0, "[]")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("log = ", "not TOML"),
        ("", "names no log"),
        (POLICY.replace("aggregator", "agregator"), "unknown field 'agregator'"),
        (POLICY.replace("ED25519", "RSA", 1), "not a public key"),
        (POLICY.replace("lotproof.example", "lotproof.exampel"), "does not fit"),
        (f'log = "{dossiers.LOG_KEY.to_text()}"', "no key of the aggregator"),
        (f"witnesses_required = 1\n{POLICY}", "witnesses_required"),
        (f"witnesses_required = true\n{POLICY}", "witnesses_required"),
        (POLICY.replace("gw-07", '"GW 07"'), "not a gateway id"),
        (POLICY.replace("gw-07 = [", "gw-07 = 1 #"), "not a list"),
        (f"gateways = 1\naggregator = []\nlog = '{dossiers.LOG_KEY.to_text()}'", "not a table"),
    ],
    ids=range(11),  # the texts hold keys made anew in each process; tests need one name in all
)
def test_a_policy_that_cannot_be_used_says_why(text: str, complaint: str) -> None:
    with pytest.raises(PolicyError, match=complaint) as caught:
        read_policy(text.encode())
    assert caught.value.hint


def test_a_policy_is_read() -> None:
    policy = read_policy(POLICY.encode())
    assert policy.aggregator == (dossiers.AGGREGATOR.public,)
    assert policy.log == dossiers.LOG_KEY
    assert policy.gateways == {"gw-07": (dossiers.PRESS_KEY.public,)}


def test_findings_are_bounded() -> None:
    check = conclude(1, "", failed=[str(at) for at in range(100)])
    assert len(check.findings) == FINDINGS_MAX + 1
    assert check.findings[-1] == "… and 80 more"


def test_a_dossier_with_private_columns_says_so(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    dossier, trust = files
    dossier.write_bytes(write_dossier(dossiers.dossier(disclosed=True), dossiers.AGGREGATOR))
    assert main([str(dossier), "--trust", str(trust)]) == 0
    assert "6 withheld on the aggregator's word" in capsys.readouterr().out
