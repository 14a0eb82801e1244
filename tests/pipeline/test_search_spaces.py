"""Every experiment file that is shipped can be read, names what there is, and says how it is run."""

from pathlib import Path

import pytest

from autogc.config.load import load_experiment
from autogc.pipeline import check
from autogc.pipeline.check import component_problems, deepspeed_problems

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "search_spaces").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_file_is_right(path: Path) -> None:
    experiment = load_experiment(path)
    assert component_problems(experiment) + deepspeed_problems(experiment) == []
    assert experiment.name == path.stem
    assert path.read_text().splitlines()[0].startswith(f"# autogc run search_spaces/{path.name}")


def test_the_quickstart_passes_every_check() -> None:
    few = [f"data.args.{split}=2" for split in ("train", "validation", "test")]
    checked = check(load_experiment(ROOT / "search_spaces" / "quickstart.yaml", overrides=few))
    dimensions = {
        dimension for decision in checked.space.decisions for value in decision.values for dimension, _, _ in decision.effects(value)
    }
    assert dimensions == {"width", "filter_pruning", "operator", "element_pruning", "weight_bits", "codebook", "activation_bits"}
