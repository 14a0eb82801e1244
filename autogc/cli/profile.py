"""``autogc profile``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autogc.cli.options import make_console, overrides_option, verbose_option

if TYPE_CHECKING:
    from rich.table import Table

    from autogc.pipeline.profile import Profile
    from autogc.pipeline.profile_latency import LatencyProfile

# What every number means, below the table.
CONVENTIONS = (
    "MACs: multiply-accumulates of convolutions and matrix products for one image, as they are done; in the published convention "
    "transposed convolutions are counted at their output positions, as papers do.",
    "BOPs: MACs x bits of the weight x bits of what it is multiplied with, 32 where they are not quantised (a codebook holds float32); "
    "pruned weights are multiplied as zeros, and count.",
    "Peak activation memory: the tensors that one forward pass holds at one time, input and output included, weights not (batch 1, "
    "float32, PyTorch eager, where quantised activations are float32 tensors too); what kernels allocate for themselves is the machine's.",
)


@click.command("profile")
@click.argument("subject", metavar="SPACE.yaml|DIRECTORY", type=click.Path(path_type=Path))
@click.option(
    "--candidate",
    metavar="FILE|full|smallest",
    help="Which subnet of SPACE.yaml: a package's candidate.json, a JSON file with a value for every decision, or one of the two ends. "
    "[default: full]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
@click.option("--source", metavar="FILE", help="Where DIRECTORY's generator is a class of your own: your file with it, which is run.")
@click.option("--trust-source", is_flag=True, help="The same, running the copy in DIRECTORY: read it first.")
@click.option("--latency", is_flag=True, help="Measure its latency too, as scores.latency says.")
@click.option(
    "--build-latency-table",
    "build",
    metavar="[FILE]",
    is_flag=False,
    flag_value="",
    help="Measure the layers of SPACE.yaml's subnets on this machine into FILE, or what it lacks of them, and predict from it. "
    "[default: a name that says the device]",
)
@click.option("--latency-table", "table", metavar="FILE", help="Predict its latency from a table that was built before.")
@overrides_option
@verbose_option
def command(
    subject: Path,
    candidate: str | None,
    as_json: bool,
    source: str | None,
    trust_source: bool,
    latency: bool,
    build: str | None,
    table: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Show what one subnet costs: every cost by its formula and counted again on the real module, and layer by layer.

    SPACE.yaml may be an experiment, or a file with nothing but a generator and its input_shape: then no data is needed. The subnet has
    fresh weights; nothing is trained. DIRECTORY is an exported package: what its costs.json says is counted again.

    \b
    Examples:
      autogc profile search_spaces/quickstart.yaml --candidate smallest
      autogc profile search_spaces/quickstart.yaml --candidate runs/quickstart/export/3f2a91c04d5e6b78/candidate.json --json
      autogc profile runs/quickstart/export/3f2a91c04d5e6b78 --latency
      autogc profile search_spaces/quickstart.yaml --build-latency-table here.json
    """
    from autogc.cli.display import display
    from autogc.pipeline.profile import profile_package, profile_subnet
    from autogc.pipeline.profile_latency import profile_package_latency, profile_subnet_latency

    timed = None
    if build is not None and table is not None:
        raise click.UsageError("--build-latency-table and --latency-table exclude each other: a table that is built is predicted from")
    if subject.is_dir():
        if build is not None or table is not None:
            raise click.UsageError(f"{subject} is a package: its --latency can be measured; latency tables go with a SPACE.yaml")
        if candidate is not None or overrides:
            raise click.UsageError(f"{subject} is a package, which is one subnet: --candidate and --set go with a SPACE.yaml")
        found = profile_package(subject, source=source, trust_source=trust_source)
        if latency:
            timed = profile_package_latency(subject, source=source, trust_source=trust_source)
    else:
        if source is not None or trust_source:
            raise click.UsageError("--source and --trust-source go with a package's directory; a SPACE.yaml names its own generator")
        found = profile_subnet(subject, candidate=candidate or "full", overrides=overrides)
        if latency or build is not None or table is not None:
            with display(make_console(stderr=True)) as progress:
                timed = profile_subnet_latency(
                    subject,
                    candidate=candidate or "full",
                    overrides=overrides,
                    measure=latency,
                    build=build,
                    table=table,
                    progress=progress,
                )
    if as_json:
        _print_json(found, timed)
    else:
        _print_tables(found, timed)


def _print_json(found: Profile, timed: LatencyProfile | None) -> None:
    import json

    latency = {} if timed is None else {"latency": timed.to_json()}
    click.echo(json.dumps({**found.to_json(), **latency}, indent=2))


def _print_tables(found: Profile, timed: LatencyProfile | None) -> None:
    console = make_console()
    for table in (_costs(found), _operators(found), _layers(found)):
        console.print(table)
    more = found.memory.with_workspaces_bytes
    console.print(f"With the workspaces of this machine's kernels the peak was {more:,} bytes.", markup=False)
    for line in (*CONVENTIONS, *(() if timed is None else timed.sentences())):
        console.print(line, markup=False, style="dim")
    console.print(f"Next:  {found.following}", markup=False, soft_wrap=True)


def _table(title: str, **columns: Any) -> Table:
    """Return an empty table; ``columns`` say how each is justified."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column, justify in columns.items():
        table.add_column(column.replace("_", " "), justify=justify, overflow="fold")
    return table


def _costs(found: Profile) -> Table:
    from autogc.tracking.quantities import QUANTITIES

    shape = " x ".join(map(str, found.example.shape[1:]))
    title = f"{found.what}: candidate {found.candidate.hash}, for an input of {shape}"
    table = _table(title, cost="left", **{found.formula: "right"}, counted_again="right", difference="right", by="left")
    for one in found.comparisons:
        said, difference = ("-" if number is None else f"{number:,}" for number in (one.formula, one.difference))
        if one.formula and one.difference:
            difference += f" ({one.difference / one.formula:+.2%})"
        table.add_row(QUANTITIES[one.cost].title, said, f"{one.counted:,}", difference, one.referee)
    return table


def _operators(found: Profile) -> Table:
    table = _table("fvcore by operator", operator="left", count="right", in_MACs="left")
    from autogc.cost.fvcore_reference import MULTIPLYING

    for operator, count in found.counts.by_operator.items():
        table.add_row(operator, f"{count:,}", "yes" if operator in MULTIPLYING else "no, shown apart")
    return table


def _layers(found: Profile) -> Table:
    table = _table(
        "Layers",
        layer="left",
        kind="left",
        output="left",
        MACs="right",
        share="right",
        bits="right",
        BOPs="right",
        parameters="right",
        stored_bytes="right",
    )
    whole = max(found.counts.total("macs"), 1)
    for layer in found.counts.layers:
        shape = "" if layer.output_shape is None else " x ".join(map(str, layer.output_shape[1:]))
        bits = f"{layer.weight_bits} x {layer.activation_bits}" if layer.macs else ""
        numbers = (f"{layer.macs:,}", f"{layer.macs / whole:.1%}", bits, f"{layer.bops:,}", f"{layer.params:,}", f"{layer.stored_bytes:,}")
        table.add_row(layer.name, layer.kind, shape, *numbers)
    return table
