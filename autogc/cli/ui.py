"""``autogc ui``."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import click

from autogc.cli.options import run_argument


@click.command("ui")
@run_argument()
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Where it listens.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="This machine alone can see it, unless changed; it asks for no password."
)
def command(run_directory: Path, port: int, host: str) -> None:
    """Open the MLflow UI on RUN: the front as it grows, the image grid, and one nested run for each candidate.

    In the run's page, the figures are under Artifacts, in front/.

    \b
    Example:
      autogc ui runs/quickstart --port 5001
    """
    from autogc.tracking import ui_address, ui_command

    arguments = ui_command(run_directory, port=port, host=host)
    click.echo(f"{ui_address(run_directory, port=port, host=host)}\n(Ctrl-C ends it)")
    raise SystemExit(subprocess.call(arguments, env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}))
