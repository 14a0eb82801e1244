"""``autogc teacher``."""

from autogc.cli.stage import stage_command

command = stage_command(
    "teacher",
    """Train the teacher, the generator that is to be compressed, and its discriminator.

    With teacher.checkpoint in the file it is not trained but loaded, checked and copied.""",
)
