"""Fixtures every test may use."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared():
    """Locate a reference file that is not part of the project; skip the test where it is absent."""

    def locate(relative):
        path = SHARED / relative
        if not path.exists():
            pytest.skip(f"reference file {relative} is not here")
        return path

    return locate
