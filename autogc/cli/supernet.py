"""``autogc supernet``."""

from autogc.cli.stage import stage_command

command = stage_command(
    "supernet",
    """Distil the teacher into the supernet.

    All subnets are trained here at once, in one set of weights, a candidate sampled at each step; the search trains nothing.""",
)
