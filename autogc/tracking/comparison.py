"""The figure and the page of a comparison: the chosen subnet beside what it is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from autogc.files import replacing, write_text
from autogc.tracking.album import GRID_PNG
from autogc.tracking.figures import FRONT, GRID, INK, MUTED, SOFT, TEACHER
from autogc.tracking.quantities import axis_title, scale_of
from autogc.tracking.report import INDEX_HTML, REPORT_MD, STYLE, html_table, subnets_html
from autogc.tracking.table import SubnetRow, markdown_table

SCORES_PNG = "scores.png"
# How each group of points looks, in the order in which they come: the marker, its colour, and whether it is filled.
LOOKS = (
    ("*", TEACHER, True),
    ("o", FRONT, False),
    ("o", FRONT, True),
    ("s", "#6d28d9", True),
    ("^", "#b45309", True),
    ("D", "#15803d", True),
)
PAIRED = (("o", MUTED, True), ("D", FRONT, True))
CAPTIONS = {SCORES_PNG: "Scores against MACs", GRID_PNG: "Pictures of the test split"}


@dataclass(frozen=True)
class Points:
    """A group of generators in the figure: their MACs and the values of one score."""

    name: str
    macs: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Panel:
    """One part of the figure: a score against MACs. ``joined``: the n-th points of two groups are one generator, before and after."""

    title: str
    score: str
    groups: tuple[Points, ...]
    joined: bool = False


def comparison_png(rows: Sequence[Sequence[Panel]], path: str | Path) -> None:
    """Draw rows of panels as a still picture, MACs on a logarithmic axis."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator

    across = max(len(row) for row in rows)
    figure = Figure(figsize=(6.4 * across, 4.6 * len(rows)), dpi=160, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(rows), across, squeeze=False)
    for number, row in enumerate(rows):
        for place in range(across):
            axes = grid[number, place]
            if place >= len(row):
                axes.set_visible(False)
                continue
            panel = row[place]
            macs = [one for group in panel.groups for one in group.macs]
            values = [one for group in panel.groups for one in group.values]
            divisor, _ = scale_of("macs", macs)
            if panel.joined:
                first, second = panel.groups
                axes.vlines([one / divisor for one in first.macs], first.values, second.values, color=GRID, linewidth=1.5, zorder=1)
            for group, (marker, colour, filled) in zip(panel.groups, PAIRED if panel.joined else LOOKS, strict=False):
                axes.scatter(
                    [one / divisor for one in group.macs],
                    group.values,
                    marker=marker,
                    s=180 if marker == "*" else 46,
                    facecolors=colour if filled else "white",
                    edgecolors="white" if filled else colour,
                    linewidths=0.8 if filled else 1.6,
                    label=group.name,
                    zorder=3,
                )
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0, 7.0)))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.set_title(panel.title, loc="left", fontsize=10, fontweight="bold", color=INK)
            axes.set_xlabel(axis_title("macs", macs), color=INK)
            axes.set_ylabel(axis_title(panel.score, values), color=INK)
            axes.grid(visible=True, color=GRID, linewidth=0.8)
            axes.set_axisbelow(True)
            axes.tick_params(which="both", colors=INK, labelsize=8)
            for side, spine in axes.spines.items():
                spine.set_visible(side in ("left", "bottom"))
                spine.set_color(MUTED)
            axes.legend(framealpha=0.9, edgecolor=GRID, fontsize=8, labelcolor=SOFT)
    with replacing(path) as beside:
        figure.savefig(beside, format="png")


def write_page(
    directory: str | Path,
    *,
    title: str,
    sentences: Sequence[str],
    rows: Sequence[SubnetRow],
    every: Sequence[SubnetRow],
    tables: Sequence[tuple[str, Sequence[str], Sequence[Sequence[str]]]],
    notes: Sequence[str],
    files: Sequence[str],
) -> None:
    """Write report.md and index.html: the verdict's ``sentences``, the table, a row for ``every`` training where there are several of a
    kind, further ``tables`` (title, head, lines), the pictures in ``files``, and ``notes`` on where the numbers come from."""
    directory = Path(directory)
    text = [f"# {title}\n", "".join(f"- {one}\n" for one in sentences), f"## On the test split\n\n{markdown_table(rows)}"]
    page = [f"<h1>{escape(title)}</h1>", "<ul>" + "".join(f"<li>{escape(one)}</li>" for one in sentences) + "</ul>"]
    page += ["<h2>On the test split</h2>", subnets_html(rows)]
    for file in files:
        text.append(f"## {CAPTIONS[file]}\n\n![{CAPTIONS[file]}]({file})\n")
        page.append(f'<h2>{CAPTIONS[file]}</h2><div class="scroll"><a href="{file}"><img src="{file}" alt="{CAPTIONS[file]}"></a></div>')
    if every:
        text.append(f"## Every training\n\n{markdown_table(every)}")
        page += ["<h2>Every training</h2>", subnets_html(every)]
    for name, head, lines in tables:
        ruled = [f"| {' | '.join(cells)} |" for cells in (head, ["---", *["---:"] * (len(head) - 1)], *lines)]
        text.append(f"## {name}\n\n" + "\n".join(ruled) + "\n")
        page += [f"<h2>{escape(name)}</h2>", html_table(head, lines)]
    text.append("## Where the numbers come from\n\n" + "".join(f"- {note}\n" for note in notes))
    page.append("<h2>Where the numbers come from</h2><ul>" + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>")
    head_ = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title><style>{STYLE}</style>'
    body = "\n".join(page)
    write_text(directory / REPORT_MD, "\n".join(text))
    write_text(directory / INDEX_HTML, f'<!doctype html>\n<html lang="en"><head>{head_}</head>\n<body>\n{body}\n</body></html>\n')
