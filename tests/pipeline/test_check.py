"""Bad input gets one clear error, before anything is trained."""

from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from autogc.config.load import load_experiment
from autogc.data import open_data
from autogc.errors import AutogcError, CheckpointError, ConfigError, ConversionError, DataError, InfeasibleError
from autogc.metrics.judge_networks import download
from autogc.pipeline import Run, check, make_plan, run_stages
from autogc.pipeline.check_components import tree_problems

BAD: list[tuple[str, type[AutogcError], str]] = [
    ("data.name=street", ConfigError, "data: no dataset named 'street': did you mean 'streets'"),
    ("data.args.hight=32", ConfigError, "data: dataset 'streets' takes no argument 'hight': did you mean 'height'"),
    ("generator.name=resnt", ConfigError, "generator: no generator named 'resnt': did you mean 'resnet'"),
    ("generator.args.base_channels=-4", ConfigError, "generator: 'resnet' can't be built"),
    ("generator.args.norm=layer", ConfigError, "generator:"),
    ("space.dimensions.widht.choices.all=[8]", ConfigError, "space.dimensions: no dimension named 'widht': did you mean 'width'"),
    ("discriminator.args.layers=9", ConfigError, "discriminator 'patchgan' does not run on images of 32 x 32"),
    ("losses.adversarial=hing", ConfigError, "losses.adversarial: no"),
    ("scores.feature_network.name=inceptoin", ConfigError, "scores.feature_network: no feature network named"),
    ("search.sampler.name=gpp", ConfigError, "search.sampler: no sampler named 'gpp': did you mean 'gp'"),
    ("search.sampler={name: nsga2, args: {population_size: 1}}", ConfigError, "search.sampler: 'nsga2' can't be used"),
    ("search.sampler.name=CmaEsSampler", ConfigError, "search.sampler: 'CmaEsSampler' can't be used"),
    ("data.args.train=many", ConfigError, "data: 'streets' can't be built"),
    ("scores.feature_network.args.steps=many", ConfigError, "scores: a network can't be built"),
    ("device=gpu", ConfigError, "device:"),
    ("scores.latency.device=tpu", ConfigError, "scores.latency.device:"),
    ("teacher.deepspeed.zero_optimization.stage=3", ConfigError, "teacher.deepspeed.zero_optimization.stage 3 is not supported"),
    ("search.objectives=[miou, macs]", ConfigError, "search.objectives: miou needs scores.segmenter, which is null"),
    ("search={objectives: [fid, macs], images: 1}", ConfigError, "search.objectives: fid needs at least 2 generated images"),
    ("scores.kid.subsets=10", ConfigError, "search.objectives: kid needs at least 1000 generated images"),
    (
        "losses={perceptual: {name: vgg19, args: {weights: no.pth}}, perceptual_weight: 1}",
        ConfigError,
        "losses.perceptual: vgg19: no.pth does",
    ),
    (
        "losses={perceptual: {name: efficientnet_lite0, args: {layers: {stage12: 1}}}, perceptual_weight: 1}",
        ConfigError,
        "losses.perceptual: efficientnet_lite0 has no layer 'stage12'",
    ),
    ("losses.distillation_layers=[down3]", ConversionError, "did you mean 'down"),
    ("supernet.decompose=['block.*']", ConversionError, "'block.*' matches no"),
    ("supernet.skip=['block.*']", ConversionError, "supernet.skip: 'block.*' matches nothing that can be left out"),
    ("supernet.importance=l7", AutogcError, "l7"),
    ("space.stages.all=['stem.*']", ConfigError, "no stage has"),
    ("space.dimensions.width.choices.down9.conv=[8]", ConfigError, "'down9.conv' matches nothing"),
    ("space.dimensions.weight_bits.choices.all=[32, 99]", ConfigError, "space.dimensions.weight_bits"),
    ("search.constraints.storage_bytes=10", InfeasibleError, "the least that this space reaches is"),
    ("search.constraints.latency_ms=0.0001", InfeasibleError, "latency_ms at most 0.0001 can't be met: the smallest subnets"),
    ("teacher.checkpoint=nowhere.safetensors", CheckpointError, "nowhere.safetensors"),
]


@pytest.mark.parametrize(("override", "kind", "message"), BAD, ids=[override for override, _, _ in BAD])
def test_bad_input(tiny: Path, override: str, kind: type[AutogcError], message: str) -> None:
    extra = ["scores.segmenter=null"] if "miou" in override else ["search.objectives=[kid, macs]"] if "kid" in override else []
    with pytest.raises(kind) as caught:
        check(load_experiment(tiny, overrides=[override, *extra]))
    assert message in str(caught.value)


def test_problems_of_several_components_come_together(tiny: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        check(load_experiment(tiny, overrides=["data.name=street", "generator.args.block=2", "device=gpu"]))
    assert len(caught.value.problems) == 3


def test_a_checkpoint_that_does_not_fit_names_what_is_missing_and_unexpected(tiny: Path, tmp_path: Path) -> None:
    torch.save({"stem.conv.weight": torch.zeros(1), "other": torch.zeros(1)}, tmp_path / "weights.pt")
    with pytest.raises(CheckpointError) as caught:
        check(load_experiment(tiny, overrides=[f"teacher.checkpoint={tmp_path / 'weights.pt'}"]))
    for part in ("missing: ", "down1.conv.weight", "unexpected: other", "other shapes: stem.conv.weight"):
        assert part in str(caught.value)


def test_data_is_decoded_by_the_check(tiny: Path, tmp_path: Path) -> None:
    for name in ("photos", "maps"):
        (tmp_path / name).mkdir()
        for picture in ("one.png", "two.png"):
            (tmp_path / name / picture).write_bytes(b"not a picture")
    part = "{input: maps, target: photos}"
    args = f"{{root: {tmp_path}, train: {part}, validation: {part}, test: {part}, height: 32, width: 32, classes: [road, sky]}}"
    with pytest.raises(DataError, match=r"one\.png"):
        check(load_experiment(tiny, overrides=[f"data={{name: paired_folders, args: {args}}}"]))


def test_a_plan_writes_nothing_and_says_what_would_be_done(tiny: Path, tmp_path: Path) -> None:
    plan = make_plan(tmp_path / "run", load_experiment(tiny))
    assert not (tmp_path / "run").exists()
    assert list(plan.stages) == ["teacher", "supernet", "search", "export", "finetune", "report"]
    assert plan.stages["teacher"] == "train 4 steps"
    assert plan.stages["search"] == "4 evaluations"
    assert 0 < plan.share <= 1
    assert plan.smallest["macs"] < plan.largest["macs"] == plan.teacher["macs"]
    sizes = [len(values) for values in plan.decisions.values()]
    assert plan.size == torch.tensor(sizes).prod().item()


def test_a_plan_of_a_run_of_another_experiment_is_refused(tiny: Path, tmp_path: Path) -> None:
    Run.open(tmp_path / "run", load_experiment(tiny)).close()
    (tmp_path / "run" / "teacher").mkdir()
    with pytest.raises(AutogcError, match="seed: 0 -> 1"):
        make_plan(tmp_path / "run", load_experiment(tiny, overrides=["seed=1"]))


def test_what_the_schema_refuses_and_wrong_names_come_in_one_wave(tiny: Path) -> None:
    wrong = ["teacher.step=3", "generator.name=resnt", "space.dimensions.widht.choices.all=[8]", "finetune.deepspeed.bf16=1", "device=gpu"]
    wrong += ["losses.adversarial=hing", "scores.latency.warmpu=1", "supernet.steps=none"]
    with pytest.raises(ConfigError) as caught:
        load_experiment(tiny, overrides=wrong, also=tree_problems)
    keys = ("teacher.step", "generator", "space.dimensions", "finetune.deepspeed.bf16", "device", "losses.adversarial")
    for key in (*keys, "scores.latency.warmpu", "supernet.steps"):
        assert sum(problem.startswith(key) for problem in caught.value.problems) == 1, key
    assert len(caught.value.problems) == 8


NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self, inputs, outputs=3):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, x):
        y = self.conv(x).tanh()
        return {returned}
"""
OWN: list[tuple[str, list[str], str]] = [
    ("y", ["generator.args.inputs=4"], "generator 'net.py:Net' does not run on an input of"),
    ("{'images': y}", [], "generator 'net.py:Net' makes dict of an input of"),
    ("y[:, :, ::2]", [], "generator 'net.py:Net' makes (1, 3, 16, 32) of an input of"),
    ("y.nothing", [], "does not run on an input of"),
    ("y", ["generator.input_shape=[3, 32, 32]"], "generator.input_shape is [3, 32, 32], but the dataset 'streets' gives ["),
    ("y", ["generator.args.input=4"], "generator: net.py:Net can't be built from args"),
]


@pytest.mark.parametrize(("returned", "overrides", "message"), OWN)
def test_what_is_wrong_with_a_generator_of_ones_own(tiny: Path, tmp_path: Path, returned: str, overrides: list[str], message: str) -> None:
    (tmp_path / "net.py").write_text(NET.format(returned=returned))
    channels = open_data(load_experiment(tiny).data, seed=0).input_channels
    own = f"generator={{module: net.py:Net, args: {{inputs: {channels}}}}}"
    with pytest.raises(ConfigError) as caught:
        check(load_experiment(tiny, overrides=[own, *overrides]))
    assert message in str(caught.value)


def test_what_must_be_downloaded_is_said_and_fetched_before_anything_is_trained(tiny: Path, tmp_path: Path, monkeypatch) -> None:
    asked: list[str] = []

    def away(request, timeout):
        asked.append(request.full_url)
        raise URLError("no route")

    monkeypatch.setattr(download, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(download, "ELSEWHERE", ())
    monkeypatch.setattr(download.urllib.request, "urlopen", away)
    experiment = load_experiment(tiny, overrides=["scores.feature_network={name: inception_fid}"])
    plan = make_plan(tmp_path / "run", experiment)
    assert not asked
    assert len(plan.downloads) == 1 and "pt_inception-2015-12-05-6726825d.pth (95.6 MB) from https://github.com/" in plan.downloads[0]
    with (
        Run.open(tmp_path / "run", experiment) as run,
        pytest.raises(CheckpointError, match=r"cannot be downloaded .*no route.* or set scores\.feature_network\.args\.weights"),
    ):
        run_stages(run)
    assert len(asked) == 1 and not (tmp_path / "run" / "teacher").exists()


def test_reference_statistics_are_read_before_anything_is_trained(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"scores\.reference: .*none\.npz does not exist"):
        check(load_experiment(tiny, overrides=[f"scores.reference={tmp_path / 'none.npz'}"]))


def test_the_teachers_discriminator_judges_where_it_sees_pictures_alone(tiny: Path) -> None:
    network = "scores.feature_network={name: teacher_discriminator, args: {layer: model.0}}"
    with pytest.raises(ConfigError, match="sees the input beside the picture"):
        check(load_experiment(tiny, overrides=[network]))
