"""The engine gives the bytes, the waits and the counts of the reference, for any format, framing and state.

Each example is a seed. All tests here together compare more than 100,000 lines, PROPERTY_EXAMPLES times as many if that
is set: a third of them anew, the others again as lists or to be counted only. Each test fails if it exercised too
little, by what went in and what the reference made of it.
"""

import os
import random
from collections.abc import Callable

import hypothesis
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from enricher.vocabulary import Cause, State
from tests.unit.enrich.generators.clusters import STATES
from tests.unit.enrich.generators.comparison import check
from tests.unit.enrich.generators.formats import FAMILIES
from tests.unit.enrich.generators.framings import FRAMINGS
from tests.unit.enrich.generators.scenarios import Run, Scenario
from tests.unit.enrich.generators.tally import Tally

EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "1"))
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""A smaller seed is no simpler: `check` itself looks for fewer lines that fail."""
ROUNDS = 12
"""Largest number of times that the examples are drawn: what is rare may be missing from the first ones."""


def for_all_seeds(
    name: str, examples: int, run: Callable[[int, Tally], None], lines: int, least: dict[str, float]
) -> None:
    """Run something for many seeds, until they exercise enough: `lines` for each example, and what `least` has."""
    tally = Tally()

    @settings(max_examples=examples * EXAMPLES, phases=PHASES)
    @given(seed=st.integers(0, 2**32))
    def run_all(seed: int) -> None:
        run(seed, tally)

    for number in range(ROUNDS):
        # Where CI is set, Hypothesis would draw the same seeds for each name, and in each round.
        (hypothesis.seed(f"{name} {number}")(run_all) if "CI" in os.environ else run_all)()
        if not tally.lacking(least):
            break
    print(tally)
    tally.require(examples * lines, least)


@pytest.mark.parametrize("family", FAMILIES)
def test_formats(family: str) -> None:
    """Every framing, each in another state."""

    def run(seed: int, tally: Tally) -> None:
        states = random.Random(seed).sample(STATES, len(FRAMINGS))
        for framing, state in zip(FRAMINGS, states, strict=True):
            check(Run(Scenario(family, framing, state, seed)), tally)

    # Lines of tries that still wait when a run ends are not compared.
    lines = 800 if family == "envoy tries" else 1050
    least = {f"lines with {framing}": 0.15 for framing in FRAMINGS} | LEAST_OF_FORMATS[family]
    for_all_seeds(family, 4, run, lines, least)


ATTRIBUTED = {"access lines": 0.7, "failed attempts": 0.04, "exact attempts": 0.1, "assumed attempts": 0.01}
SEVERAL = ATTRIBUTED | {"lines with several attempts": 0.01}
LEAST_OF_FORMATS = {
    **dict.fromkeys(FAMILIES, ATTRIBUTED),
    **dict.fromkeys(("ingress-nginx", "nginx custom", "nginx json", "nginx none", "any nginx"), SEVERAL),
    "nginx client status": SEVERAL | {"routes": 0.05, "access lines": 0.5, "attempts that were given up": 0.01},
    "nginx none": {"access lines": 0.3, "parse_error lines": 1},
    "changing": {"access lines": 0.5, "failed attempts": 0.04, "exact attempts": 0.1},
    "detected": {"access lines": 0.4, "exact attempts": 1},
    "profile": {"access lines": 0.5, "exact attempts": 1},
    "haproxy": {"access lines": 0.6, "failed attempts": 0.02, "reported attempts": 1, "routes": 0.1},
    "envoy tries": ATTRIBUTED | {"access lines": 0.3, "lines with several attempts": 3},
    **dict.fromkeys(
        ("envoy pairs", "envoy json pairs"),
        ATTRIBUTED | {"access lines": 0.2, "try lines": 0.2, "failed attempts": 0.01},
    ),
    **dict.fromkeys(("envoy text", "envoy json", "traefik common", "traefik json"), ATTRIBUTED | {"routes": 0.1}),
    "traced": ATTRIBUTED | {"access lines": 0.5, "trace_ids": 0.2, "span_ids": 0.15},
    "any haproxy": ATTRIBUTED | {"reported attempts": 1},
    "any envoy": ATTRIBUTED | {"gateways": 0.1},  # few formats have a listener: see test_names_of_gateways.py
}
"""What each family's lines must exercise."""


@pytest.mark.parametrize("state", STATES)
def test_states(state: str) -> None:
    """Every framing, each with another family of formats."""

    def run(seed: int, tally: Tally) -> None:
        families = random.Random(seed).sample(list(FAMILIES), len(FRAMINGS))
        for framing, family in zip(FRAMINGS, families, strict=True):
            check(Run(Scenario(family, framing, state, seed)), tally)

    least = {"access lines": 0.6, "clients that are pods": 1} | LEAST_OF_STATES.get(state, WATCHED)
    for_all_seeds(state, 4, run, 1050, least)


WATCHED = {
    "exact attempts": 0.15,
    "grace attempts": 1,
    "assumed attempts": 1,
    "unknown attempts": 0.01,
    "straddling windows": 0.02,
    **dict.fromkeys(("attempts with zone", "attempts with zone_crossed", "attempts with workload"), 1),
    "failed attempts": 0.05,
    "lines with several attempts": 1,
}
LEAST_OF_STATES = {
    "fixed": {"exact attempts": 0.2, "unknown attempts": 0.05},
    "snapshot": {"assumed attempts": 0.3, "unknown attempts": 0.01},
    "out of sync": {"assumed attempts": 0.1, "exact attempts": 1},
    "young": {"assumed attempts": 0.1, "straddling windows": 0.02},
    "services": WATCHED | {"service attempts": 1},
}
"""What each state's lines must exercise."""


FREQUENT_CAUSES = (Cause.APPLICATION, Cause.TIMEOUT, Cause.SHUTTING_DOWN, Cause.UNKNOWN)
"""Causes that some attempts of ten runs have for certain; the others are rarer, or belong to no attempt."""


def test_error_lines_and_waits() -> None:
    """nginx in sync: error lines before and after their access lines, answers that were cut off, lines that wait."""

    def run(seed: int, tally: Tally) -> None:
        family = random.Random(seed).choice(("ingress-nginx", "nginx custom", "nginx json", "two escapes"))
        for framing in ("cri", "cri mixed", "cri fragments", "docker"):
            check(Run(Scenario(family, framing, "in sync", seed, lines=30, is_live=True)), tally)

    for_all_seeds(
        "error lines",
        6,
        run,
        1300,
        {
            "error lines": 0.01,
            "attempts with a reason": 0.004,
            "cut-off attempts": 1,
            "holds": 20,
            "holds after which the histories had changed": 1,
            "blocks": 10,
            "reported attempts": 0,
            **{f"attempts at pods that were {state}": 1 for state in State if state},
            **{f"{cause} attempts": 1 for cause in FREQUENT_CAUSES},
            **dict.fromkeys(
                ("attempts with state_seconds", "attempts with age_seconds", "attempts with late_seconds"), 1
            ),
            "ambiguous attempts": 1,
        },
    )
