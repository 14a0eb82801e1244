"""The front, interactive (plotly) and still, and how its hypervolume grew (matplotlib). Pure: evaluations in, figure out.

Failed evaluations, those with an objective that is not a finite number and those over a constraint are not drawn.
"""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autogc.files import replacing
from autogc.tracking.quantities import QUANTITIES, scale_of, shown
from autogc.tracking.series import arrange, hypervolume_history

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as StillFigure
    from plotly.graph_objects import Figure

    from autogc.search.ledger import Evaluation

INK, SOFT, MUTED, GRID, FRONT, TEACHER = "#1f2933", "#52606d", "#9aa5b1", "#e4e7eb", "#0b6e99", "#c2410c"
COLOURS = "viridis"
PAPER = "rgba(255,255,255,0.9)"
LABELLED_MEMBERS = 12  # more names than this cover each other in a still figure


def front_figure(
    evaluations: Sequence[Evaluation],
    objectives: Sequence[str],
    *,
    teacher: Mapping[str, float] | None = None,
    constraints: Mapping[str, float] | None = None,
) -> Figure:
    """Return the interactive front of two or three objectives (the third is the colour).

    Hovering a point says its hash, trial, scores, costs and choices. ``teacher`` gives the teacher's values by name.
    """
    from plotly import graph_objects as go

    series = arrange(evaluations, objectives, teacher=teacher, constraints=constraints)
    figure = go.Figure()
    for name, group, size in (("evaluated", series.others, 7), ("front", series.members, 11)):
        on_front = name == "front"
        marker: dict[str, Any] = {"size": size, "color": FRONT if on_front else MUTED, "line": {"width": 1, "color": "white"}}
        if on_front and series.colour:
            marker |= {
                "color": series.scaled(series.colour, group),
                "colorscale": COLOURS.capitalize(),
                "showscale": True,
                "colorbar": {"title": {"text": series.axis(series.colour), "side": "right"}, "thickness": 14},
            }
        bars = series.bars(series.y, group) if on_front else None
        spread: dict[str, Any] = {} if bars is None else {"array": bars[1], "arrayminus": bars[0], "color": FRONT, "thickness": 1}
        figure.add_scatter(
            x=series.scaled(series.x, group),
            y=series.scaled(series.y, group),
            error_y=spread or None,
            name=f"{name} ({len(group)})",
            mode="lines+markers" if on_front and not series.colour else "markers",
            line={"shape": series.step, "width": 2, "color": FRONT},
            marker=marker,
            opacity=1.0 if on_front else 0.6,
            customdata=[evaluation.candidate.hash for evaluation in group],
            hovertext=[_hover(evaluation) for evaluation in group],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    # The teacher is costly and good: the legend goes to the corner of what is costly and bad.
    upwards = QUANTITIES[series.y].higher_is_better
    if series.teacher_drawn:
        figure.add_scatter(
            x=[series.teacher[series.x] / series.divisor(series.x)],
            y=[series.teacher[series.y] / series.divisor(series.y)],
            name="teacher",
            mode="markers",
            marker={"symbol": "star", "size": 16, "color": TEACHER, "line": {"width": 1, "color": "white"}},
            hovertext=["<br>".join(["<b>teacher</b>", *_quantities(series.teacher)])],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    figure.update_layout(
        template="plotly_white",
        title={"text": series.title, "subtitle": {"text": "<br>".join([series.subtitle, *_lines(escape(series.judges))])}},
        legend={"y": 0.0 if upwards else 1.0, "yanchor": "bottom" if upwards else "top", "x": 1.0, "xanchor": "right", "bgcolor": PAPER},
        hoverlabel={"align": "left", "bgcolor": "white", "font": {"family": "monospace", "size": 11, "color": INK}},
        margin={"l": 80, "r": 30, "t": 130, "b": 70},
        font={"color": INK},
    )
    axis = {"gridcolor": GRID, "zeroline": False, "linecolor": MUTED, "ticks": "outside"}
    spacing: dict[str, Any] = {"type": "linear"}
    if series.logarithmic:
        spacing = {"type": "log", "tickvals": series.ticks, "ticktext": [f"{tick:g}" for tick in series.ticks]}
    figure.update_xaxes(title=series.axis(series.x), **spacing, **axis)
    figure.update_yaxes(title=series.axis(series.y), **axis)
    return figure


def front_png(
    evaluations: Sequence[Evaluation],
    objectives: Sequence[str],
    path: str | Path,
    *,
    teacher: Mapping[str, float] | None = None,
    constraints: Mapping[str, float] | None = None,
) -> None:
    """Write the same front as a still picture (1600 x 1000 pixels), members labelled with the first digits of their hashes."""
    from matplotlib.ticker import LogLocator

    series = arrange(evaluations, objectives, teacher=teacher, constraints=constraints)
    figure, axes = _canvas()
    others = (series.scaled(series.x, series.others), series.scaled(series.y, series.others))
    members = (series.scaled(series.x, series.members), series.scaled(series.y, series.members))
    axes.scatter(*others, s=26, color=MUTED, alpha=0.6, linewidths=0, label=f"evaluated ({len(series.others)})", zorder=2)
    look: dict[str, Any] = {"edgecolors": "white", "linewidths": 0.8, "label": f"front ({len(series.members)})", "zorder": 4}
    if series.colour:
        points = axes.scatter(*members, s=72, c=series.scaled(series.colour, series.members), cmap=COLOURS, **look)
        bar = figure.colorbar(points, ax=axes, pad=0.02)
        bar.set_label(series.axis(series.colour), color=INK)
        bar.outline.set_visible(False)  # type: ignore[operator]
    else:
        axes.plot(*members, drawstyle="steps-post" if series.step == "hv" else "steps-pre", color=FRONT, linewidth=1.8, zorder=3)
        axes.scatter(*members, s=62, color=FRONT, **look)
    bars = series.bars(series.y, series.members)
    if bars is not None:
        axes.errorbar(*members, yerr=bars, fmt="none", ecolor=FRONT, elinewidth=1.0, capsize=2.5, zorder=3)
    if series.teacher_drawn:
        x, y = (series.teacher[name] / series.divisor(name) for name in (series.x, series.y))
        axes.scatter(x, y, marker="*", s=230, color=TEACHER, edgecolors="white", linewidths=0.8, label="teacher", zorder=5)
    if series.logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    if len(series.members) <= LABELLED_MEMBERS:
        for evaluation, x, y in zip(series.members, *members, strict=True):
            name = evaluation.candidate.hash[:6]
            axes.annotate(name, (x, y), xytext=(5, 6), textcoords="offset points", fontsize=7.5, color=SOFT, family="monospace")
    _dress(axes, title=series.title, subtitle=series.subtitle, x=series.axis(series.x), y=series.axis(series.y))
    axes.legend(loc="lower right" if QUANTITIES[series.y].higher_is_better else "upper right", framealpha=0.9, edgecolor=GRID, fontsize=9)
    axes.text(0, -0.13, "\n".join(_lines(series.judges)), transform=axes.transAxes, fontsize=7, color=SOFT, va="top")
    save_figure(figure, path)


def hypervolume_png(
    evaluations: Sequence[Evaluation],
    objectives: Sequence[str],
    path: str | Path,
    *,
    reference: Mapping[str, float],
    constraints: Mapping[str, float] | None = None,
) -> None:
    """Write how the dominated hypervolume (higher is better) grew over the finished evaluations, in units of the scaled axes."""
    from matplotlib.ticker import MaxNLocator

    history = hypervolume_history(evaluations, objectives, reference=reference, constraints=constraints)
    divisor, units = 1.0, []
    for name in objectives:
        scale, unit = scale_of(name, [reference[name]])
        divisor *= scale
        units.append(QUANTITIES[name].title + (f" ({unit})" if unit else ""))
    figure, axes = _canvas()
    counts, volumes = range(1, len(history) + 1), [volume / divisor for _, volume in history]
    axes.step(counts, volumes, where="post", color=FRONT, linewidth=1.8)
    axes.fill_between(counts, volumes, step="post", color=FRONT, alpha=0.10, linewidth=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(bottom=0)
    point = ", ".join(f"{QUANTITIES[name].title} {shown(name, reference[name])}" for name in objectives)
    subtitle = f"after each of {len(history)} evaluations; reference point: {point}"
    _dress(axes, title="Hypervolume of the front", subtitle=subtitle, x="evaluations finished", y=" x ".join(units) + ", higher is better")
    save_figure(figure, path)


def _hover(evaluation: Evaluation) -> str:
    lines = [f"<b>{evaluation.candidate.hash}</b>  trial {evaluation.trial}", *_quantities({**evaluation.scores, **evaluation.costs})]
    for name, (lower, upper) in evaluation.intervals.items():
        lines.append(f"{QUANTITIES[name].title} of 95 % of resamples: {shown(name, lower)} to {shown(name, upper)}")
    by_dimension: dict[str, list[str]] = defaultdict(list)
    for decision, value in evaluation.genotype.items():
        dimension, _, target = decision.partition("/")
        by_dimension[dimension].append(f"{target or dimension}={value}")
    for dimension, choices in by_dimension.items():
        lines += [escape(line) for line in textwrap.wrap(f"{dimension}: " + ", ".join(choices), width=72)]
    return "<br>".join(lines)


def _lines(text: str) -> list[str]:
    """Break a long line into those that fit under a title or a figure."""
    return textwrap.wrap(text, width=130)


def _quantities(values: Mapping[str, float]) -> list[str]:
    return [f"{QUANTITIES[name].title}: {shown(name, value)}" for name, value in values.items() if name in QUANTITIES]


def still_figure(width: float, height: float) -> StillFigure:
    """Return an empty figure of so many inches, at 200 pixels an inch."""
    # Not pyplot: its list of figures belongs to the main thread, and the tracker draws in its own.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as StillFigure

    figure = StillFigure(figsize=(width, height), dpi=200, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: StillFigure, path: str | Path) -> None:
    """Write a figure as a PNG, whole or not at all."""
    with replacing(path) as beside:
        figure.savefig(beside, format="png")


def _canvas() -> tuple[StillFigure, Axes]:
    figure = still_figure(8, 5)
    return figure, figure.add_subplot()


def _dress(axes: Axes, *, title: str, subtitle: str, x: str, y: str) -> None:
    axes.set_title(f"{title}\n", loc="left", fontsize=12, fontweight="bold", color=INK)
    axes.text(0, 1.02, subtitle, transform=axes.transAxes, fontsize=8.5, color=SOFT, va="bottom")
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.grid(visible=True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(MUTED)
