"""``autogc data``: look at a dataset, pack one, take its statistics."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from autogc.cli.options import make_console, verbose_option

if TYPE_CHECKING:
    from collections import Counter

    from rich.table import Table

    from autogc.data import Dataset
    from autogc.data.check import Findings

REFUSED = 2
# Of pictures that are there twice so many are listed; of files that cannot be used, all.
LISTED = 20
FEW_SIZES = 3

set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a key of SPACE.yaml, its value written as YAML: --set data.args.root=../photos. Can be given many times.",
)


@click.group("data")
def command() -> None:
    """Look at a dataset before training on it, pack it into Parquet shards, or take the statistics that FID compares with.

    \b
    Examples:
      autogc data check search_spaces/quickstart.yaml
      autogc data pack search_spaces/quickstart.yaml packed/quickstart
      autogc data statistics search_spaces/horse2zebra_cyclegan.yaml --out zebras.safetensors
    """


@command.command("check")
@click.argument("what", metavar="SPACE.yaml|ROOT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@set_option
@verbose_option
def check(what: tuple[Path, ...], overrides: tuple[str, ...]) -> None:
    """Decode every file of SPACE.yaml's dataset, or every image in the folders ROOT..., and say what there is: counts, sizes, modes, files
    that cannot be used, pictures that are there twice (in one split, or in two), shares of the classes.

    The exit status is 2 where a file cannot be used.

    \b
    Examples:
      autogc data check search_spaces/quickstart.yaml
      autogc data check photos/train photos/test
    """
    spaces = [path for path in what if path.suffix.lower() in (".yaml", ".yml")]
    if spaces and len(what) > 1:
        raise click.UsageError("give one experiment file, or folders")
    if overrides and not spaces:
        raise click.UsageError("--set changes a key of SPACE.yaml, and folders were given")
    from autogc.cli.display import display
    from autogc.data.check import check_dataset, check_folders

    console = make_console()
    data = _dataset(spaces[0], overrides) if spaces else None
    with display(make_console(stderr=True)) as progress:
        found = check_folders(what, progress=progress) if data is None else check_dataset(data, progress=progress)
    console.print(found.description, markup=False)
    _print_lists(found)
    for table in [_parts(found)] + ([_classes(found)] if found.class_names else []):
        console.print(table)
    if found.bad:
        raise click.exceptions.Exit(REFUSED)


@command.command("pack")
@click.argument("space", metavar="SPACE.yaml", type=click.Path(path_type=Path))
@click.argument("directory", metavar="DIRECTORY", type=click.Path(path_type=Path, file_okay=False))
@click.option("--rows-per-shard", type=click.IntRange(min=1), help="How many samples a shard holds. [default: about 256 MB of pixels]")
@set_option
@verbose_option
def pack(space: Path, directory: Path, rows_per_shard: int | None, overrides: tuple[str, ...]) -> None:
    """Write SPACE.yaml's dataset to the new DIRECTORY as Parquet shards, which can be copied to a bucket and are trained from as they are:
    batches are bit for bit those of the original.

    \b
    Example:
      autogc data pack search_spaces/quickstart.yaml packed/quickstart
    """
    from autogc.cli.display import display
    from autogc.data.packed.write import pack as write

    data = _dataset(space, overrides)
    with display(make_console(stderr=True)) as progress:
        manifest = write(data, directory, rows_per_shard=rows_per_shard, progress=progress)
    shards = [shard for split in manifest.splits for table in split.tables.values() for shard in table.shards]
    size = sum((directory / shard.file).stat().st_size for shard in shards)
    click.echo(f"{directory}: {len(shards)} shards, {size / 1e6:,.1f} MB. To train from it, write in {space}:")
    click.echo(f"data:\n  name: parquet\n  args:\n    root: {directory}")
    click.echo(f"In a bucket, root is its URL, such as s3://BUCKET/{directory.name}.")


@command.command("statistics")
@click.argument("space", metavar="SPACE.yaml", type=click.Path(path_type=Path))
@click.option("--out", required=True, metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="A .safetensors, or .npz.")
@click.option("--split", type=click.Choice(["train", "validation", "test"]), default="test", show_default=True, help="Which real pictures.")
@set_option
@verbose_option
def statistics(space: Path, out: Path, split: str, overrides: tuple[str, ...]) -> None:
    """Write the mean and covariance of the real pictures' features, by SPACE.yaml's feature network, to FILE: what FID compares with.

    A .safetensors says which network saw which pictures, and is refused by any other; an .npz is pytorch-fid's format, for its network
    alone.

    \b
    Example:
      autogc data statistics search_spaces/horse2zebra_cyclegan.yaml --split test --out zebras.safetensors
    """
    from autogc.cli.display import display
    from autogc.config.load import load_experiment
    from autogc.pipeline.statistics import write_statistics

    experiment = load_experiment(space, overrides=overrides)
    with display(make_console(stderr=True)) as progress:
        found = write_statistics(experiment, out, split=split, progress=progress)
    click.echo(
        f"{out}: {found.images} pictures of the {split} split, {len(found.mean)} features of {found.made['network']}. To compare with them:"
    )
    click.echo(f"scores:\n  reference: {{{split}: {out}}}")


def _dataset(space: Path, overrides: tuple[str, ...]) -> Dataset:
    from autogc.config.load import load_experiment
    from autogc.data import open_data

    experiment = load_experiment(space, overrides=overrides)
    return open_data(experiment.data, seed=experiment.seed)


def _print_lists(found: Findings) -> None:
    if found.bad:
        click.echo(f"Cannot be used ({len(found.bad)}):")
        for problem in found.bad:
            click.echo(f"  {problem}")
    within = [group for part in found.parts for group in part.repeated]
    for title, groups in (("More than once in one split", within), ("In more than one split", found.across)):
        if groups:
            click.echo(f"{title} ({len(groups)}):")
            for group in groups[:LISTED]:
                click.echo(f"  {' = '.join(group)}")
            if len(groups) > LISTED:
                click.echo(f"  and {len(groups) - LISTED} more")


def _table(title: str) -> Table:
    from rich import box
    from rich.table import Table

    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)


def _parts(found: Findings) -> Table:
    table = _table("What there is")
    for column in ("split", "samples", "pictures", "sizes", "modes", "unusable", "repeated", "also elsewhere", "unlabelled"):
        table.add_column(column, justify="left" if column in ("split", "sizes", "modes") else "right", overflow="fold")
    shared = {name for group in found.across for name in group}
    for part in found.parts:
        elsewhere = sum(any(name in shared for name in names) for names in part.seen.values())
        table.add_row(
            part.name,
            f"{part.samples:,}",
            f"{sum(part.sizes.values()):,}",
            _sizes(part.sizes),
            ", ".join(f"{mode} {count:,}" for mode, count in part.modes.most_common()),
            str(len(part.bad)),
            str(len(part.repeated)),
            str(elsewhere),
            "" if part.unlabelled is None else f"{part.unlabelled:.1%}",
        )
    return table


def _sizes(sizes: Counter[tuple[int, int]]) -> str:
    """Return sizes as width x height, as people write them: all where they are few, otherwise the range and the middle."""
    if len(sizes) <= FEW_SIZES:
        return ", ".join(f"{width}x{height} {count:,}" for (height, width), count in sizes.most_common())
    every = sorted(sizes.elements(), key=lambda size: size[0] * size[1])
    least, middle, most = (f"{width}x{height}" for height, width in (every[0], every[len(every) // 2], every[-1]))
    return f"{least} to {most}, median {middle}"


def _classes(found: Findings) -> Table:
    table = _table("Shares of the labelled pixels")
    table.add_column("class")
    for part in found.parts:
        table.add_column(part.name, justify="right")
    shares = [part.shares(len(found.class_names)) for part in found.parts]
    for place, name in enumerate(found.class_names):
        table.add_row(name, *("" if share is None else f"{share[place]:.2%}" for share in shares))
    return table
