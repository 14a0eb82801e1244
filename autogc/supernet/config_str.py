"""GAN Compression's ``config_str`` as a candidate of a ResNet generator's supernet, and back."""

from __future__ import annotations

from autogc.errors import CandidateError, ConfigError
from autogc.models.config_str import BLOCKS, ChannelWidths
from autogc.supernet.candidate import Candidate, Value
from autogc.supernet.groups import ChannelGroup
from autogc.supernet.supernet import Supernet


def candidate_of_config_str(config_str: str, supernet: Supernet, *, legacy: bool = False) -> Candidate:
    """Return the subnet of ``supernet`` (of a ``resnet`` or ``mobile_resnet`` with nine blocks) that eight or six numbers name.

    ``autogc.models.config_str`` says what the numbers mean. Residual blocks that may be dense or separable are separable, as GAN
    Compression's are. A supernet that it published keeps its meaning under ``importance="position"``, which leaves channels in order.

    Raises CandidateError for numbers that can't be read or are larger than the supernet, and for a supernet of another generator.
    """
    try:
        widths = ChannelWidths.parse(config_str, legacy=legacy)
    except ConfigError as error:
        raise CandidateError(error.problems[0]) from error
    chosen: dict[str, Value] = {}
    for part, group in _groups(supernet).items():
        width = widths.blocks[int(part.partition(".")[2])] if part.startswith("blocks.") else getattr(widths, part)
        if width > group.size:
            raise CandidateError(f"config_str {config_str} asks for {width} channels at {group.name}, the supernet has {group.size}")
        if width < group.size:
            chosen[group.name] = width
    candidate = Candidate({"width": chosen, "operator": {site: "separable" for site in supernet.sites if site.startswith("blocks.")}})
    supernet.check(candidate)
    return candidate


def config_str_of_candidate(candidate: Candidate, supernet: Supernet) -> str:
    """Return a candidate as eight numbers. Raises CandidateError where they can't say what it is: widths of a third's blocks that
    differ, or anything besides widths and separable blocks.
    """
    sites = {site for site in supernet.sites if site.startswith("blocks.")}
    operators = candidate.choices.get("operator", {})
    others = [name for name in candidate.choices if name not in ("width", "operator")]
    others += [f"operator {operator} at {site}" for site, operator in operators.items() if operator != "separable" or site not in sites]
    others += [f"operator dense at {site}" for site in sorted(sites - set(operators))]
    if others:
        raise CandidateError(f"config_str says the widths of decomposed blocks, and this candidate has {', '.join(others)}")
    groups = _groups(supernet)
    width = {part: int(candidate.get("width", group.name, group.size)) for part, group in groups.items()}
    try:
        return str(
            ChannelWidths(
                stem=width["stem"],
                down1=width["down1"],
                down2=width["down2"],
                blocks=tuple(width[f"blocks.{index}"] for index in range(BLOCKS)),
                up1=width["up1"],
                up2=width["up2"],
            )
        )
    except ConfigError as error:
        raise CandidateError(error.problems[0]) from error


def _groups(supernet: Supernet) -> dict[str, ChannelGroup]:
    """Return the channel group of each part that a number is for. Raises CandidateError where there is none."""
    layers = {part: f"{part}.conv" for part in ("stem", "down1", "down2", "up1", "up2")}
    layers |= {f"blocks.{index}": f"blocks.{index}.conv1" for index in range(BLOCKS)}
    groups = {group.name: group for group in supernet.discovery.groups}
    found = {}
    for part, layer in layers.items():
        # The channels of a decomposed convolution are made by its pointwise half.
        group = groups.get(layer, groups.get(f"{layer}.pointwise"))
        if group is None:
            raise CandidateError(
                f"config_str is for a resnet or mobile_resnet of {BLOCKS} blocks, and this supernet has no channels made by {layer}"
            )
        found[part] = group
    if len(found) != len(groups):
        extra = sorted(set(groups) - {group.name for group in found.values()})
        raise CandidateError(
            f"config_str is for a resnet or mobile_resnet of {BLOCKS} blocks, and this supernet also has {', '.join(extra)}"
        )
    return found
