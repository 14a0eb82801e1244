"""``python -m autogc``: the command line."""

from autogc.cli import main

main(prog_name="autogc")
