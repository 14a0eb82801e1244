"""What a search's decisions do to a score, as a figure and as the lines of a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autogc.tracking.figures import FRONT, GRID, INK, MUTED, SOFT, save_figure, still_figure
from autogc.tracking.quantities import QUANTITIES, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from autogc.search.explain import Effect, Explanation

SHOWN = 12  # decisions of the figure and the table, those that matter most
TITLE = "What {score} is a matter of"
HEAD = ("stage", "decision", "share of the variance", "expected score, by value (evaluated)", "most expensive value, in the chosen one")


def caption(explanation: Explanation) -> str:
    """Return what the figure shows, in a line."""
    return TITLE.format(score=QUANTITIES[explanation.score].title)


def basis(explanation: Explanation) -> str:
    """Return what it was learned from and how far it can be trusted, in a sentence."""
    return (
        f"a model of {explanation.evaluations} evaluations in the supernet; on those that it was not told of, Kendall's tau between its "
        f"predictions and their scores is {explanation.agreement:.2f}"
    )


def explained_lines(explanation: Explanation, most: int = SHOWN) -> list[tuple[str, ...]]:
    """Return a line of the table (``HEAD``) for each of the ``most`` decisions that matter most."""
    return [
        (effect.stage, effect.decision, f"{effect.share:.1%}", _values(explanation.score, effect), _regained(explanation.score, effect))
        for effect in explanation.effects[:most]
    ]


def explained_png(explanation: Explanation, path: str | Path) -> None:
    """Write the figure: the shares of stages and dimensions, and the score that each value of the decisions that matter most makes."""
    figure = still_figure(11, 5.6)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.35))
    _draw_shares(left, explanation)
    _draw_values(right, explanation)
    figure.suptitle(caption(explanation), x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK)
    figure.supxlabel(basis(explanation), x=0.01, ha="left", fontsize=7.5, color=SOFT)
    save_figure(figure, path)


def _draw_shares(axes: Axes, explanation: Explanation) -> None:
    stages = list(explanation.shares)
    dimensions = list(dict.fromkeys(dimension for shares in explanation.shares.values() for dimension in shares))
    table = np.array([[explanation.shares[stage].get(dimension, np.nan) for dimension in dimensions] for stage in stages])
    axes.imshow(np.ma.masked_invalid(table), cmap="Blues", vmin=0, vmax=max(float(np.nanmax(table)), 0.01), aspect="auto")
    for row, column in np.argwhere(np.isfinite(table)):
        dark = table[row, column] > 0.6 * np.nanmax(table)
        axes.text(column, row, f"{table[row, column]:.0%}", ha="center", va="center", fontsize=8, color="white" if dark else INK)
    axes.set_xticks(range(len(dimensions)), [name.replace("_", "\n") for name in dimensions], fontsize=8)
    axes.set_yticks(range(len(stages)), stages, fontsize=8)
    axes.set_title("share of its variance, with interactions", loc="left", fontsize=9.5, color=INK)
    axes.tick_params(length=0, colors=INK)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_values(axes: Axes, explanation: Explanation) -> None:
    effects = explanation.effects[:SHOWN]
    for place, effect in enumerate(effects):
        axes.plot([min(effect.scores), max(effect.scores)], [place, place], color=MUTED, linewidth=1.2, zorder=1)
        sizes = [28 + 60 * count / max(explanation.evaluations, 1) for count in effect.tried]
        faces = [FRONT if count else "white" for count in effect.tried]
        axes.scatter(effect.scores, [place] * len(effect.scores), s=sizes, c=faces, edgecolors=FRONT, linewidths=0.8, zorder=2)
        low, high = int(np.argmin(effect.scores)), int(np.argmax(effect.scores))
        for end, shift, aligned in ((low, -7, "right"), (high, 7, "left")):
            look: dict[str, Any] = {"textcoords": "offset points", "fontsize": 6.5, "ha": aligned, "va": "center", "color": SOFT}
            axes.annotate(str(effect.values[end]), (effect.scores[end], place), xytext=(shift, 0), **look)
    axes.margins(x=0.16)
    axes.set_yticks(range(len(effects)), [effect.decision for effect in effects], fontsize=7.5)
    axes.invert_yaxis()
    quantity = QUANTITIES[explanation.score]
    better = "higher" if quantity.higher_is_better else "lower"
    axes.set_xlabel(f"{quantity.title}{f' ({quantity.unit})' if quantity.unit else ''}, {better} is better", fontsize=9, color=INK)
    axes.set_title("expected with each value (white: never evaluated)", loc="left", fontsize=9.5, color=INK)
    axes.grid(visible=True, axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=8)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(MUTED)


def _values(score: str, effect: Effect) -> str:
    parts = zip(effect.values, effect.scores, effect.tried, strict=True)
    return ", ".join(f"{value}: {shown(score, found)} ({tried})" for value, found, tried in parts)


def _regained(score: str, effect: Effect) -> str:
    if effect.regained is None or effect.paid is None:
        return ""
    unit = QUANTITIES[score].unit
    size = f"{abs(effect.regained):.3g}{f' {unit}' if unit else ''}"
    return f"{size} {'better' if effect.regained > 0 else 'worse'} at {effect.paid:.2f}x the MACs"
