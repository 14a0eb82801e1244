"""One tiny experiment, and the results of its stages, shared by the tests of training."""

import random
from pathlib import Path

import pytest
from tiny_experiment import make_experiment

from autogc.config.experiment import Experiment
from autogc.config.generator import GeneratorConfig
from autogc.cost import CostModel
from autogc.export import write_package
from autogc.supernet import Space
from autogc.training import load_supernet, train_supernet, train_teacher
from autogc.training.stage import build_data


@pytest.fixture(scope="session")
def experiment() -> Experiment:
    return make_experiment()


@pytest.fixture(scope="session")
def stages(experiment: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with ``teacher``, ``supernet`` and ``export``, the package of a subnet that uses every dimension."""
    directory = tmp_path_factory.mktemp("stages")
    train_teacher(experiment, directory / "teacher")
    train_supernet(experiment, directory / "teacher", directory / "supernet")
    data = build_data(experiment)
    supernet = load_supernet(experiment, data, directory / "supernet")
    space = Space.build(experiment.space, supernet)
    genotype = space.sample(random.Random(0)) | {d.name: d.values[-1] for d in space.decisions}
    candidate = space.candidate(genotype)
    write_package(
        directory / "export",
        supernet=supernet,
        candidate=candidate,
        generator=GeneratorConfig(name="resnet", args={**experiment.generator.args, "in_channels": data.input_channels, "out_channels": 3}),
        input_shape=(1, data.input_channels, data.height, data.width),
        costs=CostModel(supernet, space).costs(candidate),
        scores={},
        experiment=experiment.model_dump(mode="json"),
        provenance={},
    )
    return directory
