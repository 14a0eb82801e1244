"""What a comparison says, without training anything: tau, the uniform generator's choice, the candidates' choice, the words."""

import random
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

import pytest
from scipy.stats import kendalltau

from autogc.config.load import load_experiment
from autogc.pipeline import Run
from autogc.pipeline.compare import Comparison, Outcome, Ranked, Ranking, verdict
from autogc.pipeline.compare.comparison import tau
from autogc.pipeline.compare.ranking import spread_over_cost
from autogc.pipeline.compare.uniform import EQUAL, kept_channels, nearest_from_above, uniform_of, write_uniform
from autogc.pipeline.compare.write import averaged, table_rows
from autogc.progress import Silent
from autogc.search import Evaluation
from autogc.supernet.candidate import Candidate
from autogc.supernet.supernet import Supernet
from autogc.tracking import SubnetRow
from autogc.training import train_from_scratch
from autogc.training.stage import build_generator, example_input

UNSEEN = Path(__file__).parent / "unseen"


def row(name: str, macs: float = 1e6, **scores: float) -> SubnetRow:
    return SubnetRow(name, scores=scores, macs=macs)


def outcome(after: SubnetRow, *, before: SubnetRow | None = None, ranking: Ranking | None = None, **others: list[SubnetRow]) -> Outcome:
    return Outcome(
        run="runs/tiny",
        seed=0,
        chosen="abc",
        objectives=("fid",),
        supernet_steps=800,
        finetune_steps=400,
        teacher=row("teacher", fid=0.1, miou=0.9),
        before=before or row("chosen, from the supernet", fid=9.0, miou=0.0, pixel_accuracy=0.0),
        after=after,
        others={kind: dict(enumerate(rows)) for kind, rows in others.items()},
        uniform={"label": "base_channels 6"},
        ranking=ranking,
    )


def ranking(way: str = "alone") -> Ranking:
    macs = (1.0, 2.0, 3.0, 4.0, 5.0)
    supernet, trained = (9.0, 7.0, 8.0, 5.0, 4.0), (6.0, 7.0, 5.0, 3.0, 4.0)
    members = tuple(
        Ranked(f"c{place}", macs[place], {"fid": supernet[place]}, {"fid": trained[place]}, quarter=place < 3, tenth=place < 2)
        for place in range(5)
    )
    return Ranking(way=way, steps=800, images=None, members=members)


def test_tau_is_the_share_of_pairs_in_order() -> None:
    draws = random.Random(0)
    for size in (2, 5, 12):
        before, after = ([draws.random() for _ in range(size)] for _ in range(2))
        pairs = list(combinations(range(size), 2))
        agreeing = sum((before[i] - before[j]) * (after[i] - after[j]) > 0 for i, j in pairs)
        assert tau(before, after) == pytest.approx((2 * agreeing - len(pairs)) / len(pairs))
        assert tau(before, after) == pytest.approx(kendalltau(before, after).statistic)
    assert tau([1, 2, 3], [1, 2, 3]) == 1 and tau([1, 2, 3], [3, 2, 1]) == -1
    # One tie of before: 2 pairs agree, none disagrees, 2 of before's pairs and 3 of after's have an order: 2 / sqrt(2 * 3).
    assert tau([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / 6**0.5)
    assert tau([1], [1]) is None and tau([1, 1], [1, 2]) is None


def test_the_ranking_by_hand() -> None:
    found = ranking()
    # Pairs of (9, 7, 8, 5, 4) and (6, 7, 5, 3, 4): 0-1, 1-2 and 3-4 disagree, the other 7 of 10 agree.
    assert found.tau("fid") == pytest.approx(0.4)
    # Of the cheapest three 0-2 alone agrees.
    assert found.tau("fid", cheapest_quarter=True) == pytest.approx(-1 / 3)
    assert found.behind("fid", higher_is_better=False) == [3.0, 0.0]
    assert found.behind("fid", higher_is_better=True) == [-3.0, 0.0]
    written = found.to_json()
    assert written["tau"] == {"fid": {"overall": found.tau("fid"), "cheapest_quarter": found.tau("fid", cheapest_quarter=True)}}
    assert Ranking.from_json(written) == found
    said = verdict([outcome(row("a", fid=1.0), ranking=found)])
    assert (
        "Ranking by FID in the supernet against the same candidates distilled alone for 800 steps: Kendall's tau 0.40 over 5 candidates, "
        "-0.33 over the 3 of the cheapest quarter." in said
    )
    assert said[-1] == (
        "Subnets of the cheapest tenth (2 of these candidates) are in the supernet 1.50 worse in FID on average than the same architecture "
        "distilled alone for 800 steps; the one that loses most is 3.00 worse."
    )
    assert not any("tenth" in one for one in verdict([outcome(row("a", fid=1.0), ranking=ranking("finetuned"))]))


def test_the_verdict_where_the_subnet_is_better() -> None:
    found = outcome(
        row("a", fid=0.5, pixel_accuracy=0.6, vol=3.0),
        uniform=[row("u", fid=value, pixel_accuracy=0.5, vol=9.0) for value in (0.6, 0.7, 0.8)],
    )
    assert verdict([found]) == [
        "The chosen subnet beats the uniformly narrower generator in 3 of 3 seeds on FID and Pixel acc.",
        "Fine-tuning made the chosen subnet better than it was in the supernet on FID and Pixel acc.",
    ]


def test_the_verdict_where_it_is_not() -> None:
    before = row("chosen, from the supernet", fid=0.74, miou=0.7, ssim=0.4)
    uniform = row("u", fid=0.45, miou=0.61, ssim=0.4)
    lost = outcome(row("a", fid=0.79, miou=0.6, ssim=0.4), before=before, uniform=[uniform])
    assert verdict([lost]) == [
        "The chosen subnet does NOT beat the uniformly narrower generator: better in 0 of 1 seed on FID (0.79 against 0.45) and "
        "mIoU (0.600 against 0.610).",
        "The chosen subnet equals the uniformly narrower generator on SSIM.",
        "Fine-tuning did NOT make it better on FID (0.79 against 0.74 before) and mIoU (0.600 against 0.700 before).",
    ]
    mixed = outcome(row("a", fid=0.5, miou=0.6), alone=[row("d", fid=0.4, miou=0.5), row("d", fid=0.7, miou=0.5)])
    assert verdict([mixed])[:2] == [
        "The chosen subnet beats the same architecture distilled alone in 2 of 2 seeds on mIoU.",
        "The chosen subnet does NOT always beat the same architecture distilled alone on FID (0.50 against 0.55 on average, better in "
        "1 of 2 seeds).",
    ]


def test_several_runs_are_counted_together() -> None:
    runs = [outcome(row("a", fid=0.5), uniform=[row("u", fid=value)]) for value in (0.6, 0.7, 0.4)]
    assert "better in 2 of 3 runs" in verdict(runs)[0] and "does NOT always beat" in verdict(runs)[0]
    table = {one.name: one for one in table_rows(runs)}
    assert table["u"].scores["fid"] == pytest.approx(1.7 / 3) and table["u"].intervals["fid"] == (0.4, 0.7)
    assert table["a"].scores["fid"] == 0.5 and table["a"].intervals == {}
    assert averaged([runs[0].after]) is runs[0].after
    assert averaged([row("narrower (base_channels 6)", fid=1.0), row("narrower (base_channels 7)", fid=2.0)]).name == "narrower"


def test_a_comparison_is_json(tmp_path: Path) -> None:
    import json

    found = outcome(row("a", fid=0.5), uniform=[row("u", fid=0.6), row("u", fid=0.7)], ranking=ranking())
    (tmp_path / "comparison.json").write_text(json.dumps(Comparison(tmp_path, (found,)).to_json(verdict([found])), allow_nan=False))
    assert Comparison.of(tmp_path).outcomes == (found,)


def test_rounding_up_is_exact_for_a_sizes_own_shares() -> None:
    for size in range(1, 65):
        for multiple in (one for one in (1, 4) if size % one == 0):
            for kept in range(multiple, size + 1, multiple):
                assert kept_channels(size, multiple, kept / size) == kept
    assert kept_channels(12, 4, 0.34) == 8 and kept_channels(7, 1, 0.01) == 1


def test_the_nearest_from_above() -> None:
    sizes = [1, 2, 4, 7, 9]
    for wanted in range(100):
        above = [size for size in sizes if size * size >= wanted]
        size, below = nearest_from_above(sizes, lambda size: size * size, wanted)
        assert size == (above[0] if above else 9)
        assert below == (sizes[sizes.index(size) - 1] if size > 1 else None)


def evaluations(count: int) -> list[Evaluation]:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        Evaluation(
            trial=place,
            candidate=Candidate({"weight_bits": {"layer": place + 1}}),
            genotype={},
            state="complete",
            reason=None,
            scores={"fid": float(place % 7)},
            costs={"macs": float(1000 - place)},
            provenance={},
            seed=0,
            versions={},
            started=now,
            finished=now,
            worker="here",
        )
        for place in range(count)
    ]


def test_candidates_are_spread_over_cost_and_more_of_them_add_to_fewer() -> None:
    known = evaluations(80)
    members = {one.candidate.hash for one in known[::5]}
    taken = spread_over_cost(known, members, 12)
    assert len({one.candidate.hash for one in taken}) == 12
    assert taken[:5] == spread_over_cost(known, members, 5)
    ranks = sorted(79 - one.trial for one in taken)  # from the cheapest
    assert ranks[0] < 5 and ranks[-1] > 74
    assert sum(rank < 20 for rank in ranks) >= 5 and sum(rank < 8 for rank in ranks) >= 2
    assert 4 <= sum(one.candidate.hash in members for one in taken) <= 9
    assert len(spread_over_cost(known[:3], members, 12)) == 3


@pytest.fixture(scope="module")
def loom(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of a class that nobody here has written a space for, its supernet untrained."""
    run = Run(tmp_path_factory.mktemp("loom"), load_experiment(UNSEEN / "loom.yaml"), lock=None, address=None, progress=Silent())
    run.__dict__["supernet"] = Supernet.convert(build_generator(run.experiment, run.data), example_input(run.data), verify=False).eval()
    return run


def test_a_class_of_the_users_own_is_narrowed_evenly(loom: Run, tmp_path: Path) -> None:
    full = loom.costs.costs(Candidate({}))["macs"]
    half = uniform_of(loom, full * 0.5, tmp_path / "half.json")
    assert half.widths is not None and half.below is not None
    assert half.below[1] < full * 0.5 * (1 - EQUAL) <= half.macs < full
    share = float(half.label.split()[-2]) / 100
    for group in loom.supernet.discovery.groups:
        slack = 1e-3 * group.size  # the label is rounded
        kept = half.widths[group.name]
        assert kept % group.multiple == 0 and -slack <= kept - share * group.size < group.multiple + slack
    assert "at least 98% of the chosen subnet's" in half.note
    assert uniform_of(loom, full * 0.5, tmp_path / "half.json") == half
    least = uniform_of(loom, 1.0, tmp_path / "least.json")
    assert least.below is None and "fewer MACs (1) than any uniformly narrower generator can have" in least.note
    assert full * (1 - EQUAL) <= uniform_of(loom, full, tmp_path / "full.json").macs <= full

    from autogc.config.experiment import Optimization
    from autogc.cost import fvcore_macs
    from autogc.export import load_package

    package = write_uniform(loom, half, tmp_path / "package")
    source = loom.experiment.generator.source
    module = load_package(package, source=source).module
    assert fvcore_macs(module, example_input(loom.data)) == half.macs
    train_from_scratch(loom.experiment, package, tmp_path / "trained", optimization=Optimization(steps=1, batch_size=2), seed=3)
    trained = load_package(tmp_path / "trained", source=source)
    assert trained.values == {} and trained.costs["macs"] == half.macs
