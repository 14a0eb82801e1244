"""The command line. Commands are imported when they are called, so that ``autogc --help`` is quick."""

from __future__ import annotations

import importlib
import shlex
import sys
from typing import Any

import click

from autogc.errors import AutogcError

# Each command is a module of this package that has a click command named ``command``. In the order in which they are used.
COMMANDS = {
    "run": "Do everything: teacher, supernet, search, export, fine-tuning, report.",
    "data": "Look at a dataset, or pack it into Parquet shards.",
    "inspect": "Show what a generator's supernet can vary, and what it can't, with the reasons.",
    "profile": "Show what one subnet costs, by formula and counted again, layer by layer.",
    "teacher": "Train the teacher, or take it from a checkpoint.",
    "supernet": "Distil the teacher into the supernet.",
    "search": "Search the supernet's subnets for the Pareto front.",
    "export": "Write one subnet of the front as a package that stands alone.",
    "finetune": "Train an exported subnet further.",
    "evaluate": "Score an exported subnet.",
    "report": "Measure and score teacher, front and chosen subnet; print the table.",
    "explain": "Show which decisions the scores are a matter of, and where quality is lost.",
    "compare": "Compare the chosen subnet with what could have been trained instead, and check the ranking.",
    "ui": "Open the MLflow UI on a run.",
}

INTERRUPTED = 130
REFUSED = 2


class Commands(click.Group):
    """A group that knows its commands' names and first lines without importing them, and turns errors into messages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"autogc.cli.{cmd_name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from autogc.errors import nearest

            ctx.fail(f"no command {args[0]!r}; {nearest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except AutogcError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(REFUSED)
        except KeyboardInterrupt:
            click.echo(f"\nStopped; what was finished is on disk. The same command continues:\n  {_this_command()}", err=True)
            ctx.exit(INTERRUPTED)


def _this_command() -> str:
    return shlex.join(["autogc", *sys.argv[1:]])


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Start with:  autogc run search_spaces/quickstart.yaml --dry-run",
)
@click.version_option(package_name="autogc")
def main() -> None:
    """Make a GAN's generator small and fast: search its subnets, export and fine-tune the one you choose.

    One experiment file says everything about a run, and one run directory holds everything that came of it.
    Any command can be stopped at any time; the same command continues where it stopped.
    """
