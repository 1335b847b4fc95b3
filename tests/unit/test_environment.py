"""One set of pins: requirements.in, requirements.lock and environment.yaml say the same."""

from pathlib import Path

import yaml

ENVIRONMENTS = Path(__file__).parents[2] / "envs"


def pins(lines):
    lines = (line.split("#")[0].strip() for line in lines)
    return dict(line.lower().replace("_", "-").split("==") for line in lines if line)


def test_pins_agree():
    direct = pins((ENVIRONMENTS / "requirements.in").read_text().splitlines())
    lock = pins((ENVIRONMENTS / "requirements.lock").read_text().splitlines())
    conda = yaml.safe_load((ENVIRONMENTS / "environment.yaml").read_text())["dependencies"]
    assert direct.items() <= lock.items()
    assert pins(conda[-1]["pip"]) == direct
