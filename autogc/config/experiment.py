"""The experiment file: one YAML that says everything about a run. Every key is checked."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator

from autogc.config.generator import GeneratorConfig
from autogc.config.pick import Pick, parse_pick
from autogc.config.recipes import RecipeRecord, resolved
from autogc.config.section import Positive, Section
from autogc.errors import ConfigError

Fraction = Annotated[float, Field(ge=0, le=1)]
COSTS = ("macs", "macs_published", "bops", "params", "storage_bytes", "peak_activation_bytes", "latency_ms")
# The scores that metrics/catalogue.py knows; a test sees that they are the same.
SCORES = ("fid", "kid", "precision", "recall", "miou", "pixel_accuracy", "inception_score", "psnr", "ssim", "lpips", "vol")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class Component(Section):
    """A registered thing by its name, with its builder's arguments."""

    name: str
    args: dict[str, Any] = Field(default_factory=dict)


class Optimization(Section):
    """How long and how fast one stage trains. Constant rate for the first ``constant_fraction`` of the steps, then linear to zero."""

    steps: Positive
    batch_size: Positive = 4
    # The generator's; discriminators are trained by Adam. Muon (training/muon.py) has decays of its own, not ``betas``, and takes fewer
    # steps where imitation is the aim.
    optimizer: Literal["adam", "muon"] = "adam"
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


class TermConfig(Section):
    """One distillation term (losses/terms): what it is called, its weight (0: left out) and its builder's arguments."""

    # The registered term; the key that it stands under when absent.
    name: str | None = None
    weight: Annotated[float, Field(ge=0)]
    args: dict[str, Any] = Field(default_factory=dict)
    # What the student's image is compared with: what it should be like in this task, or the teacher's image of the same input.
    against: Literal["target", "teacher"] = "target"


class StudentWeights(Section):
    """Weights that are others for students (supernet and fine-tuning) than for the teacher; as above where nothing is said."""

    adversarial_weight: float | None = None
    reconstruction: Literal["l1", "mse"] | None = None
    reconstruction_weight: float | None = None
    perceptual_weight: float | None = None
    feature_matching_weight: float | None = None
    cycle_weight: float | None = None
    classification_weight: float | None = None


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
    # What students are asked for besides: distillation terms by name (losses/terms), a number being a term's weight.
    terms: dict[str, Annotated[TermConfig, BeforeValidator(lambda value: {"weight": value} if _is_number(value) else value)]] = Field(
        default_factory=dict
    )
    students: StudentWeights = StudentWeights()

    def of_students(self) -> LossWeights:
        """Return the weights that students are trained with."""
        return self.model_copy(update=self.students.model_dump(exclude_none=True))

    def active_terms(self) -> dict[str, tuple[str, TermConfig]]:
        """Return the terms with a weight, by key, each with the name that it is registered under."""
        return {key: (term.name or key, term) for key, term in self.terms.items() if term.weight}

    @model_validator(mode="after")
    def _weighed(self) -> LossWeights:
        weighed = self.perceptual_weight or self.students.perceptual_weight
        if self.perceptual is None and weighed:
            raise ValueError("perceptual_weight has no effect without perceptual, the network that it weighs")
        asked = "perceptual_weight" in self.model_fields_set or self.students.perceptual_weight is not None or self.terms
        if self.perceptual is not None and not asked:
            raise ValueError("perceptual has no effect without perceptual_weight, which is 0 where nothing is said")
        return self


class StudentsConfig(Section):
    """What students' images are compared with, by the reconstruction and the perceptual term (GAN Compression, equation 1).

    ``truth``, ``teacher`` (its output for the same input) or ``both``; where nothing is said, the truth where the data is paired, and the
    teacher's output elsewhere, where there is no other. The weights multiply those of the two terms.
    """

    target: Literal["truth", "teacher", "both"] | None = None
    truth_weight: Annotated[float, Field(ge=0)] = 1.0
    teacher_weight: Annotated[float, Field(ge=0)] = 1.0

    @model_validator(mode="after")
    def _weighed(self) -> StudentsConfig:
        used = {"truth": {"truth_weight"}, "teacher": {"teacher_weight"}, "both": {"truth_weight", "teacher_weight"}, None: set[str]()}
        for name in ("truth_weight", "teacher_weight"):
            if name not in used[self.target] and getattr(self, name) != 1:
                raise ValueError(f"{name} has no effect with target {self.target}: say target: both")
        return self


class TeacherConfig(Optimization):
    # A generator (and, with ``discriminator_checkpoint``, a discriminator) trained elsewhere: no teacher training then.
    checkpoint: str | None = None
    discriminator_checkpoint: str | None = None
    # Another generator than the one that becomes the supernet: a larger one, say. The supernet then starts from fresh weights.
    generator: GeneratorConfig | None = None
    # Its layers that are distilled, one for each of losses.distillation_layers; the same names when empty.
    distillation_layers: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _untrained(cls, tree: Any) -> Any:
        """A checkpoint takes no steps; where none are said, 1 stands for that."""
        return {"steps": 1, **tree} if isinstance(tree, dict) and tree.get("checkpoint") is not None else tree

    @model_validator(mode="after")
    def _together(self) -> TeacherConfig:
        if self.discriminator_checkpoint is not None and self.checkpoint is None:
            raise ValueError("discriminator_checkpoint goes with checkpoint, the generator it was trained with; it needs both or neither")
        if self.distillation_layers and self.generator is None:
            raise ValueError("distillation_layers has no effect without generator: losses.distillation_layers are the teacher's too")
        return self


def _steps_or_share(value: Any) -> Any:
    steps = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if value == "auto" or steps or (isinstance(value, float) and 0 < value < 1):
        return value
    raise ValueError(f"must be a number of steps (300), a share of them between 0 and 1 (0.1), or auto, got {value!r}")


class SupernetConfig(Optimization):
    # What it starts from where the teacher is another generator (teacher.generator): weights of ``generator``, fresh ones when absent.
    checkpoint: str | None = None
    # Which subnets are trained at a step (training/sampling.py): one; the largest, the smallest and one; or, of those that
    # search.constraints allow, the most expensive, the cheapest, and ``subnets`` more at evenly spread costs.
    sampling: Literal["random", "sandwich", "budget"] = "random"
    subnets: Positive = 1
    # The weights that training begins with (supernet/start.py): the teacher's, or new ones near the identity.
    start: Literal["teacher", "identity"] = "teacher"
    # Qualified-name patterns (fnmatch) of convolutions that also get a separable operator.
    decompose: tuple[str, ...] = ()
    # Qualified-name patterns (fnmatch) of the parts that subnets may leave out, such as residual blocks; autogc inspect lists them.
    skip: tuple[str, ...] = ()
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


class FinetuneConfig(Optimization):
    # Steps from one look at the validation split to the next: the best step by the first objective that is a score is what is written, the
    # start among them. null: the last step is.
    validate_every: Positive | None = None


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
    # Cost or score -> the most allowed, or the least of a score of which more is better. Costs are met before anything is evaluated; of
    # scores the sampler learns what came of its candidates.
    constraints: dict[str, float] = Field(default_factory=dict)
    evaluations: Positive = 100
    sampler: Component = Component(name="auto")
    # Trials evaluated at the same time, and cores for each of them.
    concurrent: Positive = 2
    cpus_per_trial: Annotated[float, Field(gt=0)] = 1
    gpus_per_trial: Annotated[float, Field(ge=0)] = 0
    # Images of the validation split that score a candidate; all of them when absent.
    images: Positive | None = None
    # A candidate is scored on so many of them first, and on all only if it may reach the front then (sampler gp, one modelled objective).
    first_images: Positive | None = None
    # Resamples of the images for an interval around each score of the front's members, once the search is done; 0 for none.
    intervals: Annotated[int, Field(ge=0)] = 100
    # Run directories of other searches over the same decisions, whose evaluations teach the sampler and whose fronts are tried first.
    start_from: tuple[str, ...] = ()
    # Of them made and judged at once; auto: the largest batch that saves time, found once at the start of the search.
    batch_size: Positive | Literal["auto"] = 16
    # What candidates' pictures are made and judged in. auto: bfloat16 where the device is quicker in it, for the generator and the networks
    # that judge, or for these alone, if no objective of the largest and the smallest subnet moves by as much as search/precision.py says.
    precision: Literal["float32", "bfloat16", "auto"] = "float32"

    @property
    def known_batch_size(self) -> int:
        """The batch size as far as it is known before the search: 16 for ``auto``."""
        return 16 if self.batch_size == "auto" else self.batch_size

    @property
    def cost_limits(self) -> dict[str, float]:
        """The constraints on costs: those that can be met before anything is evaluated."""
        return {name: limit for name, limit in self.constraints.items() if name in COSTS}

    @field_validator("start_from", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _known(self) -> SearchConfig:
        problems = [
            f"objective {name!r} is not one of {', '.join(SCORES + COSTS)}" for name in self.objectives if name not in SCORES + COSTS
        ]
        problems += [
            f"constraint {name!r} is not one of {', '.join(SCORES + COSTS)}" for name in self.constraints if name not in SCORES + COSTS
        ]
        if not 2 <= len(self.objectives) <= 3 or len(set(self.objectives)) != len(self.objectives):
            problems.append(f"objectives must be two or three different names, got {list(self.objectives)}")
        if not set(self.objectives) & set(SCORES):
            problems.append(f"objectives need at least one score ({', '.join(SCORES)})")
        if self.first_images is not None and self.images is not None and self.first_images >= self.images:
            problems.append(f"first_images ({self.first_images}) must be fewer than images ({self.images})")
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

    ``auto`` is what suits the dataset: ``dataset_segmenter`` where there are labels, else ``dataset_classifier`` where there are domains,
    else for colour images ``efficientnet_lite0``, which the extra ``judges`` installs.
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
    """Which subnet is fine-tuned: ``knee``, ``best``, ``smallest``, the first digits of a candidate's hash, or limits on scores.

    ``{fid: 10%, psnr: 29.5}`` is the cheapest (by the first objective that is a cost) whose FID on the validation images is at most a tenth
    more than the teacher's and whose PSNR is at least 29.5; where none is, the nearest.
    """

    pick: Annotated[Pick, BeforeValidator(lambda value: parse_pick(value, scores=SCORES))] = "knee"
    # So many promising members of the front are fine-tuned, and the choice is made among them afterwards, by the validation images.
    finalists: Positive = 1


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


IMITATION_LOSSES: dict[str, Any] = {"adversarial_weight": 0.0, "reconstruction_weight": 1.0}
IMITATION_OPTIMIZATION: dict[str, Any] = {"betas": (0.9, 0.999)}


class Experiment(Section):
    """An experiment file, whole."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
    # A named set of losses and settings that this file starts from (config/recipes): its name, or, in a run's own copy, what it was.
    recipe: RecipeRecord | None = None
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
    students: StudentsConfig = StudentsConfig()
    teacher: TeacherConfig
    supernet: SupernetConfig
    space: SpaceConfig = SpaceConfig()
    scores: ScoresConfig = ScoresConfig()
    search: SearchConfig = SearchConfig()
    export: ExportConfig = ExportConfig()
    finetune: FinetuneConfig
    tracking: TrackingConfig = TrackingConfig()

    @property
    def teacher_generator(self) -> GeneratorConfig:
        """The generator that the teacher is: the one that becomes the supernet, where nothing else is said."""
        return self.teacher.generator or self.generator

    @property
    def teacher_layers(self) -> tuple[str, ...]:
        """The teacher's layers whose outputs are distilled."""
        return self.teacher.distillation_layers or self.losses.distillation_layers

    @model_validator(mode="after")
    def _apart(self) -> Experiment:
        if self.supernet.checkpoint is not None and self.teacher.generator is None:
            raise ValueError("supernet.checkpoint has no effect without teacher.generator: the supernet starts from the teacher's weights")
        if len(self.teacher_layers) != len(self.losses.distillation_layers):
            raise ValueError(
                f"teacher.distillation_layers names {len(self.teacher_layers)} layers and losses.distillation_layers "
                f"{len(self.losses.distillation_layers)}: one for each"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, tree: Any) -> Any:
        """Put beneath what the file says its recipe's settings and, beneath those, what imitation does: L1 and Adam's usual betas, no
        discriminator."""
        if not isinstance(tree, dict):
            return tree
        try:
            tree = resolved(tree)
        except ConfigError as error:
            raise ValueError("; ".join(error.problems).removeprefix("recipe: ")) from None
        if tree.get("task") != "imitation":
            return tree
        tree = {**tree, "losses": _with_defaults(tree.get("losses", {}), IMITATION_LOSSES)}
        for stage in ("teacher", "supernet", "finetune"):
            tree[stage] = _with_defaults(tree.get(stage), IMITATION_OPTIMIZATION)
        return tree

    @model_validator(mode="after")
    def _imitated(self) -> Experiment:
        if self.task == "imitation" and self.teacher.checkpoint is None:
            raise ValueError("task imitation needs teacher.checkpoint, the weights of the generator that is to be imitated")
        return self

    @property
    def scored(self) -> tuple[str, ...]:
        """The scores that the search gives every candidate: of its objectives, its constraints and what the choice goes by."""
        pick = self.export.pick
        named = (*self.search.objectives, *self.search.constraints, *(pick if isinstance(pick, dict) else ()))
        return tuple(dict.fromkeys(name for name in named if name in SCORES))


def _with_defaults(given: Any, usual: dict[str, Any]) -> Any:
    if isinstance(given, Section):
        given = given.model_dump(exclude_unset=True)
    return {**usual, **given} if isinstance(given, dict) else given
