"""The experiment file: one YAML that says everything about a run. Every key is checked."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator

from autogc.config.generator import GeneratorConfig
from autogc.config.section import Positive, Section

Fraction = Annotated[float, Field(ge=0, le=1)]
COSTS = ("macs", "macs_published", "bops", "params", "storage_bytes", "peak_activation_bytes", "latency_ms")
# The scores that metrics/catalogue.py knows; a test sees that they are the same.
SCORES = ("fid", "kid", "precision", "recall", "miou", "pixel_accuracy", "inception_score", "psnr", "ssim", "lpips", "vol")


class Component(Section):
    """A registered thing by its name, with its builder's arguments."""

    name: str
    args: dict[str, Any] = Field(default_factory=dict)


class Optimization(Section):
    """How long and how fast one stage trains. Adam, constant rate for the first ``constant_fraction`` of the steps, then linear to zero."""

    steps: Positive
    batch_size: Positive = 4
    learning_rate: Annotated[float, Field(gt=0)] = 2e-4
    # The discriminator's, where it is another (GauGAN).
    discriminator_learning_rate: Annotated[float, Field(gt=0)] | None = None
    betas: tuple[Fraction, Fraction] = (0.5, 0.999)
    constant_fraction: Fraction = 0.5
    # The decay of an exponential moving average of the generator's weights, such as 0.999, which is then what the stage writes; null: none.
    average: Annotated[float, Field(gt=0, lt=1)] | None = None
    checkpoint_every: Positive = 100
    log_every: Positive = 20
    # A DeepSpeed configuration, taken whole; autogc adds only what is absent (batch size, Adam with the values above).
    deepspeed: dict[str, Any] = Field(default_factory=dict)


class LossWeights(Section):
    """Weights of GAN Compression's terms (equations 1 to 4) and of the tasks' own, and the adversarial objective by name.

    A term that the experiment's task does not have may not be given.
    """

    # A name, or a name with args: {name: wgan_gp, args: {penalty_weight: 10}}.
    adversarial: Annotated[Component, BeforeValidator(lambda value: {"name": value} if isinstance(value, str) else value)] = Component(
        name="hinge"
    )
    adversarial_weight: float = 1.0
    # Steps of the discriminator, each on a batch of its own, for one of the generator.
    critic_steps: Positive = 1
    # Against the ground truth where the data is paired, else (students) against the teacher's picture.
    reconstruction: Literal["l1", "mse"] = "l1"
    reconstruction_weight: float = 100.0
    # The same, between the features of a fixed network.
    perceptual: Component | None = None
    perceptual_weight: float = 0.0
    # Between the discriminator's features of real and generated pictures (GauGAN).
    feature_matching_weight: float = 0.0
    # There and back again (CycleGAN, StarGAN), and what is of the target domain already (CycleGAN).
    cycle_weight: float = 10.0
    identity_weight: float = 5.0
    # Generated pictures that CycleGAN's discriminators remember.
    pool_size: Annotated[int, Field(ge=0)] = 50
    # Domains, told by the discriminator (StarGAN).
    classification_weight: float = 1.0
    distillation_weight: float = 1.0
    # Modules of the generator whose outputs are distilled through learned 1x1 maps.
    distillation_layers: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _weighed(self) -> LossWeights:
        if self.perceptual is None and self.perceptual_weight:
            raise ValueError("perceptual_weight has no effect without perceptual, the network that it weighs")
        if self.perceptual is not None and "perceptual_weight" not in self.model_fields_set:
            raise ValueError("perceptual has no effect without perceptual_weight, which is 0 where nothing is said")
        return self


class TeacherConfig(Optimization):
    # A generator (and, with ``discriminator_checkpoint``, a discriminator) trained elsewhere: no teacher training then.
    checkpoint: str | None = None
    discriminator_checkpoint: str | None = None

    @model_validator(mode="after")
    def _together(self) -> TeacherConfig:
        if self.discriminator_checkpoint is not None and self.checkpoint is None:
            raise ValueError("discriminator_checkpoint goes with checkpoint, the generator it was trained with; it needs both or neither")
        return self


def _steps_or_share(value: Any) -> Any:
    steps = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if value == "auto" or steps or (isinstance(value, float) and 0 < value < 1):
        return value
    raise ValueError(f"must be a number of steps (300), a share of them between 0 and 1 (0.1), or auto, got {value!r}")


class SupernetConfig(Optimization):
    sampling: Literal["random", "sandwich"] = "random"
    # Qualified-name patterns (fnmatch) of convolutions that also get a separable operator.
    decompose: tuple[str, ...] = ()
    # How channels are ordered before training, most important first.
    importance: str = "l1"
    # Training inputs over which running statistics (batch norm) are taken anew for every subnet that is scored, drawn or exported.
    calibration_images: Positive = 128
    # Steps (1000), or a share of them (0.1), between two looks at what subnets make of watch_images validation inputs, beside answers that
    # cost nothing. auto: as often as costs some 3 percent of the training.
    watch_every: Annotated[int | float | Literal["auto"], BeforeValidator(_steps_or_share)] = "auto"
    watch_images: Annotated[int, Field(ge=2)] = 8
    # Search a supernet that is no better than those answers; without it the run ends before the search.
    accept_trivial: bool = False


class DimensionConfig(Section):
    """Which values one dimension may take.

    ``choices`` maps patterns of stage (for ``width``: channel group) names, ``*`` for the rest, to the values allowed there; where none
    matches, the dimension is not searched.
    """

    choices: dict[str, tuple[Any, ...]]
    # Lists of names that share one decision; names not listed decide alone.
    tie: tuple[tuple[str, ...], ...] = ()


class SpaceConfig(Section):
    """What is searched. What is absent is made from the generator itself; ``autogc inspect`` shows what comes out."""

    # Stage name -> patterns (fnmatch) of layer names. The first stage that matches a layer owns it.
    stages: dict[str, tuple[str, ...]] | None = None
    # Dimension name -> its choices. A dimension that is not named is not searched.
    dimensions: dict[str, DimensionConfig] | None = None


class SearchConfig(Section):
    objectives: tuple[str, ...] = ("fid", "macs")
    # Cost name -> the most allowed.
    constraints: dict[str, float] = Field(default_factory=dict)
    evaluations: Positive = 100
    sampler: Component = Component(name="auto")
    # Trials evaluated at the same time, and cores for each of them.
    concurrent: Positive = 2
    cpus_per_trial: Annotated[float, Field(gt=0)] = 1
    gpus_per_trial: Annotated[float, Field(ge=0)] = 0
    # Images of the validation split that score a candidate; all of them when absent.
    images: Positive | None = None
    # Of them made and judged at once; auto: the largest batch that saves time, found once at the start of the search.
    batch_size: Positive | Literal["auto"] = 16
    # What candidates' pictures are made and judged in. auto: bfloat16 where the device is quicker in it, for the generator and the networks
    # that judge, or for these alone, if no objective of the largest and the smallest subnet moves by as much as search/precision.py says.
    precision: Literal["float32", "bfloat16", "auto"] = "float32"

    @property
    def known_batch_size(self) -> int:
        """The batch size as far as it is known before the search: 16 for ``auto``."""
        return 16 if self.batch_size == "auto" else self.batch_size

    @model_validator(mode="after")
    def _known(self) -> SearchConfig:
        problems = [
            f"objective {name!r} is not one of {', '.join(SCORES + COSTS)}" for name in self.objectives if name not in SCORES + COSTS
        ]
        problems += [f"constraint {name!r} is not one of {', '.join(COSTS)}" for name in self.constraints if name not in COSTS]
        if not 2 <= len(self.objectives) <= 3 or len(set(self.objectives)) != len(self.objectives):
            problems.append(f"objectives must be two or three different names, got {list(self.objectives)}")
        if not set(self.objectives) & set(SCORES):
            problems.append(f"objectives need at least one score ({', '.join(SCORES)})")
        if problems:
            raise ValueError("; ".join(problems))
        return self


class LatencyConfig(Section):
    """The papers' protocol: batch 1, ``warmup`` runs, then the median and spread of ``runs``."""

    device: str = "cpu"
    # What runs the generator: PyTorch as it is, torch.compile, or ONNX Runtime.
    backend: Literal["eager", "compile", "onnxruntime"] = "eager"
    warmup: Annotated[int, Field(ge=0)] = 100
    runs: Positive = 100
    threads: Positive | None = None
    # Seconds to wait for a machine that others keep busy; then it is measured all the same, and said.
    patience_s: Annotated[float, Field(ge=0)] = 10.0
    # Measured layers to predict from (autogc profile --build-latency-table); where latency is searched for and there is none, one is made.
    table: str | None = None


class PixelsConfig(Section):
    """How PSNR and SSIM compare 8-bit pictures. Super-resolution papers take ``y`` and leave out as many border pixels as the scale."""

    channel: Literal["rgb", "y"] = "rgb"
    border: Annotated[int, Field(ge=0)] = 0


class KidConfig(Section):
    """KID over all pairs of pictures; ``subsets`` takes the mean over that many random subsets of ``subset_size`` instead, as published."""

    subsets: Annotated[int, Field(ge=0)] = 0
    subset_size: Annotated[int, Field(ge=2)] = 1000


class InceptionScoreConfig(Section):
    """The Inception Score of all pictures together, or the mean over ``splits`` random parts of equal size: papers take 10."""

    splits: Positive = 1


SplitName = Literal["train", "validation", "test"]


def _for_every_split(value: Any) -> Any:
    return dict.fromkeys(get_args(SplitName), value) if isinstance(value, str) else {} if value is None else value


class ScoresConfig(Section):
    """The networks that judge: ``feature_network`` for FID, KID, precision and recall, and the Inception Score, ``segmenter`` for mIoU and
    pixel accuracy, ``similarity`` for LPIPS; null for none.

    ``auto`` is what suits the dataset: ``dataset_segmenter`` where there are labels, else ``dataset_classifier`` where there are domains.
    """

    feature_network: Component | None = Component(name="auto")
    segmenter: Component | None = Component(name="auto")
    similarity: Component | None = None
    # Statistics from a file (pytorch-fid's .npz, or what autogc data statistics wrote) in the place of the real pictures' own: for every
    # split, or {test: FILE, validation: FILE}, where a split that is not named is compared with its pictures.
    reference: Annotated[dict[SplitName, str], BeforeValidator(_for_every_split)] = Field(default_factory=dict)
    pixels: PixelsConfig = PixelsConfig()
    kid: KidConfig = KidConfig()
    inception_score: InceptionScoreConfig = InceptionScoreConfig()
    # Resamples of the generated pictures for an interval around every score; 0 for none, a few hundred for one to print.
    bootstrap: Annotated[int, Field(ge=0)] = 0
    latency: LatencyConfig = LatencyConfig()


class ExportConfig(Section):
    # knee, best, smallest, or the first digits of a candidate's hash.
    pick: str = "knee"


class TrackingConfig(Section):
    # An MLflow tracking URI; a database in the run directory when absent.
    uri: str | None = None
    experiment: str | None = None
    enabled: bool = True
    # The front's pictures are refreshed on the parent run after this many evaluations.
    refresh_every: Positive = 10

    @field_validator("uri")
    @classmethod
    def _without_secrets(cls, uri: str | None) -> str | None:
        if uri is not None and urlsplit(uri).password is not None:
            raise ValueError(
                "holds a password, which would be written to the run directory: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD "
                "for a server, or the database's own password file, and leave it out here"
            )
        return uri


class Experiment(Section):
    """An experiment file, whole."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
    seed: Annotated[int, Field(ge=0)] = 0
    device: str = "auto"
    # Training processes. More than one are launched by Ray, as they are with --address.
    workers: Positive = 1
    # What the generator is trained for (training/tasks); what the dataset is for when absent.
    task: str | None = None
    data: Component
    generator: GeneratorConfig
    discriminator: Component = Component(name="patchgan")
    losses: LossWeights = LossWeights()
    teacher: TeacherConfig
    supernet: SupernetConfig
    space: SpaceConfig = SpaceConfig()
    scores: ScoresConfig = ScoresConfig()
    search: SearchConfig = SearchConfig()
    export: ExportConfig = ExportConfig()
    finetune: Optimization
    tracking: TrackingConfig = TrackingConfig()
