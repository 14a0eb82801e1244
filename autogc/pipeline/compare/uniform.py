"""The uniformly narrower generator: what one would train by hand instead of searching."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autogc.config.generator import GeneratorConfig
from autogc.cost import CostModel
from autogc.errors import AutogcError
from autogc.export import write_package
from autogc.export.package import MANIFEST
from autogc.files import read_json, sha256_json, write_json
from autogc.models import build_generator_component, completed
from autogc.supernet.candidate import Candidate
from autogc.supernet.supernet import Supernet
from autogc.tracking.quantities import shown
from autogc.training.randomness import seeded
from autogc.training.stage import example_input, given_to_generator

if TYPE_CHECKING:
    from autogc.pipeline.run import Run

WIDTH_ARGUMENT = "base_channels"
# So many fewer MACs than the chosen subnet, as a share, still are equally many: the next size up may have a quarter more.
EQUAL = 0.02


@dataclass(frozen=True)
class Uniform:
    """A uniformly narrower generator: of a builder that takes it by ``base_channels``, of any other by a candidate of widths alone.

    ``macs`` are its own, ``wanted`` the chosen subnet's; ``below`` says the next smaller one and its MACs, None where this is the smallest.
    """

    label: str
    macs: float
    wanted: float
    base_channels: int | None = None
    widths: Mapping[str, int] | None = None
    below: tuple[str, float] | None = None

    @property
    def slug(self) -> str:
        """The name of its directory."""
        return self.label.replace(" ", "-") if self.widths is None else f"widths-{sha256_json(dict(self.widths))[:16]}"

    @property
    def note(self) -> str:
        """Which one it is and why, in a sentence."""
        own, wanted = shown("macs", self.macs), shown("macs", self.wanted)
        if self.below is None and self.macs > self.wanted:
            return (
                f"The chosen subnet has fewer MACs ({wanted}) than any uniformly narrower generator can have: "
                f"the smallest, {self.label}, has {own} and is what it is compared with."
            )
        smaller = "" if self.below is None else f" ({self.below[0]} has {shown('macs', self.below[1])})"
        return (
            f"Uniformly narrower: {self.label}, {own} MACs, the smallest that has at least {1 - EQUAL:.0%} of the chosen subnet's "
            f"{wanted}{smaller}."
        )


def uniform_of(run: Run, macs: float, path: Path) -> Uniform:
    """Return the uniformly narrower generator of the run that has the fewest MACs of those with at least ``macs``, or less by no more than
    ``EQUAL``; kept in ``path``."""
    if path.is_file():
        kept = read_json(path)
        if kept["wanted"] == macs:
            below = kept.pop("below")
            return Uniform(**kept, below=None if below is None else (below[0], below[1]))
    found = _by_argument(run, macs) or _by_groups(run, macs)
    write_json(path, asdict(found))
    return found


def write_uniform(run: Run, uniform: Uniform, directory: Path) -> Path:
    """Write the uniform generator as a package, dense and uncompressed, to train from fresh weights; return where."""
    if (directory / MANIFEST).is_file():
        return directory
    if uniform.base_channels is not None:
        narrow = _narrowed(run, uniform.base_channels)
        supernet, candidate, generator = _plain_supernet(run, narrow), Candidate({}), narrow
        costs = CostModel(supernet).costs(candidate)
    else:
        assert uniform.widths is not None
        supernet, candidate, generator = run.supernet, _candidate(run, uniform.widths), run.experiment.generator
        costs = run.costs.costs(candidate)
    write_package(
        directory,
        supernet=supernet,
        candidate=candidate,
        generator=completed(generator, **given_to_generator(run.data)),
        input_shape=tuple(example_input(run.data).shape),
        costs=costs,
        scores={},
        experiment=run.experiment.model_dump(mode="json"),
        provenance={"uniform": uniform.label},
    )
    return directory


def nearest_from_above(sizes: Sequence[int], macs: Callable[[int], float], wanted: float) -> tuple[int, int | None]:
    """Return the smallest of ascending ``sizes`` whose MACs are at least ``wanted``, and the one before it, None where it is the first.

    MACs grow with the size, so that few are counted. The largest stands for more than there is.
    """
    low, high = 0, len(sizes) - 1
    while low < high:
        middle = (low + high) // 2
        if macs(sizes[middle]) >= wanted:
            high = middle
        else:
            low = middle + 1
    return sizes[low], sizes[low - 1] if low else None


def _by_argument(run: Run, wanted: float) -> Uniform | None:
    """The builder with another ``base_channels``; None for one that does not take it, or that it makes no narrower."""
    generator = run.experiment.generator
    if generator.source is not None:
        return None
    full = completed(generator, **given_to_generator(run.data)).args.get(WIDTH_ARGUMENT)
    if not isinstance(full, int):
        return None
    counted: dict[int, float] = {}

    def macs(channels: int) -> float:
        if channels not in counted:
            supernet = _plain_supernet(run, _narrowed(run, channels))
            counted[channels] = CostModel(supernet).costs(Candidate({}), only=("macs",))["macs"]
        return counted[channels]

    sizes = [channels for channels in range(1, full + 1) if _can_be_built(run, channels)]
    if len(sizes) < 2 or macs(sizes[0]) >= macs(sizes[-1]):
        return None
    run.progress.note("compare: looking for the uniformly narrower generator")
    size, before = nearest_from_above(sizes, macs, wanted * (1 - EQUAL))
    below = None if before is None else (f"{WIDTH_ARGUMENT} {before}", macs(before))
    return Uniform(f"{WIDTH_ARGUMENT} {size}", macs(size), wanted, base_channels=size, below=below)


def _by_groups(run: Run, wanted: float) -> Uniform:
    """Each channel group at the same share of its channels, rounded up to what it can have."""
    groups = run.supernet.discovery.groups
    shares = sorted({kept / group.size for group in groups for kept in range(group.multiple, group.size + 1, group.multiple)})
    shares = shares or [1.0]

    def widths(place: int) -> dict[str, int]:
        return {group.name: kept_channels(group.size, group.multiple, shares[place]) for group in groups}

    def macs(place: int) -> float:
        return run.costs.costs(_candidate(run, widths(place)), only=("macs",))["macs"]

    def label(place: int) -> str:
        return f"every layer at {100 * shares[place]:.3g} %"

    place, before = nearest_from_above(range(len(shares)), macs, wanted * (1 - EQUAL))
    below = None if before is None else (label(before), macs(before))
    return Uniform(label(place), macs(place), wanted, widths=widths(place), below=below)


def kept_channels(size: int, multiple: int, share: float) -> int:
    """Return ``share`` of ``size`` channels, rounded up to a multiple."""
    # Less a little: where the share is one of this size's own, 3 / 7 of 7 may come out above 3.
    return min(max(1, ceil((share * size - 1e-9) / multiple)) * multiple, size)


def _candidate(run: Run, widths: Mapping[str, int]) -> Candidate:
    sizes = {group.name: group.size for group in run.supernet.discovery.groups}
    narrower = {name: kept for name, kept in widths.items() if kept < sizes[name]}
    return Candidate({"width": narrower} if narrower else {})


def _narrowed(run: Run, channels: int) -> GeneratorConfig:
    generator = run.experiment.generator
    return generator.model_copy(update={"args": {**generator.args, WIDTH_ARGUMENT: channels}})


def _can_be_built(run: Run, channels: int) -> bool:
    try:
        _build(run, _narrowed(run, channels))
    except AutogcError:
        return False
    return True


def _build(run: Run, generator: GeneratorConfig) -> Any:
    with seeded(run.experiment.seed, "uniform"):
        return build_generator_component(generator, **given_to_generator(run.data))


def _plain_supernet(run: Run, generator: GeneratorConfig) -> Supernet:
    return Supernet.convert(_build(run, generator), example_input(run.data), verify=False)
