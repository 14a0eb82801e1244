"""``autogc search``."""

from autogc.cli.stage import stage_command

command = stage_command(
    "search",
    """Search the supernet's subnets for the Pareto front of the objectives.

    A finished search goes on with more evaluations: --set search.evaluations=200.""",
)
