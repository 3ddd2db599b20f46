"""The engine gives the bytes, the waits and the counts of the reference, for any format, framing and state."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.enrich.generators.clusters import STATES
from tests.unit.enrich.generators.comparison import check
from tests.unit.enrich.generators.formats import FAMILIES
from tests.unit.enrich.generators.framings import FRAMINGS
from tests.unit.enrich.generators.scenarios import Run, Scenario
from tests.unit.enrich.generators.tally import Tally


@pytest.mark.parametrize("family", FAMILIES)
def test_formats(family: str) -> None:
    """Every framing, each in another state."""
    tally = Tally()

    @settings(max_examples=6, deadline=None)
    @given(seed=st.integers(0, 2**32))
    def agree(seed: int) -> None:
        states = random.Random(seed).sample(STATES, len(FRAMINGS))
        for framing, state in zip(FRAMINGS, states, strict=True):
            check(Run(Scenario(family, framing, state, seed)), tally)

    agree()
