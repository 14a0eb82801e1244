"""Cars, trees, people and lamps: flat figures that stand in the street, painted far to near."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from autogc.data.streets.canvas import Canvas
from autogc.data.streets.light import rgb, wave
from autogc.data.streets.scene import Figure, Scene

CAR_WIDTH = (1.75, 1.8, 1.95)
CAR_PAINT = ((0.72, 0.12, 0.12), (0.16, 0.28, 0.62), (0.90, 0.90, 0.88))
COAT = ((0.70, 0.22, 0.30), (0.16, 0.34, 0.46))
LEAVES = ((0.22, 0.42, 0.14), (0.30, 0.46, 0.12), (0.16, 0.36, 0.20))
# Crown of a tree: centre and radius of each ball, as shares of the height.
CROWN = ((0.0, 0.72, 0.24), (-0.17, 0.58, 0.18), (0.17, 0.58, 0.18), (-0.09, 0.84, 0.15), (0.10, 0.82, 0.16))


class Block:
    """The pixels that a figure may cover, with the metres to its right (``x``) and over the ground (``y``) at each."""

    def __init__(self, canvas: Canvas, figure: Figure, *, half_width: float, height: float, below: float = 0.0) -> None:
        self.canvas, self.z = canvas, figure.z
        scale = np.float32(figure.z / canvas.focal)
        left, right = canvas.column(figure.x - half_width, figure.z), canvas.column(figure.x + half_width, figure.z)
        self.columns = canvas.span(left, right, rows=False)
        self.rows = canvas.span(canvas.row(height, figure.z), canvas.row(-below, figure.z), rows=True)
        self.x = ((canvas.columns[self.columns] - np.float32(canvas.column(figure.x, figure.z))) * scale)[None, :]
        self.y = ((np.float32(canvas.row(0, figure.z)) - canvas.rows[self.rows]) * scale)[:, None]
        self.metres_a_pixel = float(scale)

    def paint(self, colour: np.ndarray, name: str, where: np.ndarray) -> None:
        """Paint ``colour``, as lit but not yet hazed."""
        self.canvas.paint(self.rows, self.columns, self.canvas.light.haze(colour, self.z), name, where=where)

    def tint(self, colour: np.ndarray, where: np.ndarray, share: float = 1.0) -> None:
        """Lay ``colour`` over what is there without changing its class."""
        colours = self.canvas.colours[self.rows, self.columns]
        veiled = self.canvas.light.haze(np.broadcast_to(np.asarray(colour, np.float32), (3,)), self.z)
        np.copyto(colours, colours * (1 - share) + veiled * share, where=where[..., None])


def paint_figures(canvas: Canvas, scene: Scene) -> None:
    """Paint the scene's figures in their order, far to near."""
    for figure in scene.figures:
        PAINTERS[figure.kind](canvas, figure)


def _shadow(canvas: Canvas, figure: Figure, *, half_width: float) -> None:
    """Darken the ground at a figure's foot, away from the sun."""
    reach = half_width * (1 + 0.8 * (1 - canvas.light.height))
    away = -canvas.light.side * (reach - half_width)
    block = Block(canvas, figure, half_width=2.2 * reach, height=0.35 * half_width, below=0.35 * half_width)
    inside = ((block.x - away) / reach) ** 2 + (block.y / (0.3 * half_width)) ** 2 < 1
    block.tint(rgb(0.08, 0.08, 0.12), inside, 0.5)


def _paint_car(canvas: Canvas, figure: Figure) -> None:
    light, half, tall = canvas.light, CAR_WIDTH[figure.variant] / 2, figure.height
    _shadow(canvas, figure, half_width=1.15 * half)
    block = Block(canvas, figure, half_width=half * 1.02, height=tall)
    x, y = block.x, block.y
    side = np.abs(x)
    waist = tall * 0.56
    # The cabin narrows towards the roof; corners are cut.
    cabin = (y < tall) & (side < half * (0.96 - 0.30 * np.clip((y - waist) / (tall - waist), 0, 1) ** 2))
    body = (y > 0.22) & np.where(y < waist, side < half, cabin)
    wheels = (y >= 0) & (y < 0.45) & (side > half * 0.62) & (side < half * 0.98)
    paint = np.asarray(CAR_PAINT[figure.variant], np.float32)
    gloss = 0.62 + 0.42 * np.clip(y / tall, 0, 1) + 0.25 * light.side * x / half
    block.paint(rgb(0.05, 0.05, 0.06), "car", wheels)
    block.paint(paint * light.falling_on(0) * gloss[..., None], "car", body)
    sky = light.horizon * np.float32(0.55) + light.zenith * np.float32(0.15)
    glass = (y > waist * 1.06) & (y < tall * 0.90) & (side < half * 0.70)
    block.paint((0.35 + 0.65 * np.clip((y - waist) / (tall - waist), 0, 1))[..., None] * sky, "car", glass)
    lamps = (np.abs(y - waist * 0.80) < 0.13) & (side > half * 0.66) & (side < half * 0.95)
    block.tint(rgb(1.0, 0.16, 0.10) if light.lamps_on else rgb(0.75, 0.08, 0.06), lamps)
    block.tint(rgb(0.85, 0.80, 0.45), (np.abs(y - 0.52) < 0.09) & (side < 0.26))
    block.tint(rgb(0.10, 0.10, 0.11), (np.abs(y - 0.28) < 0.08) & (side < half * 0.95) & ~wheels)


def _paint_tree(canvas: Canvas, figure: Figure) -> None:
    light, tall = canvas.light, figure.height
    _shadow(canvas, figure, half_width=0.22 * tall)
    block = Block(canvas, figure, half_width=0.40 * tall, height=tall)
    x, y = block.x, block.y
    trunk = (np.abs(x) < 0.17 - 0.01 * y) & (y < 0.6 * tall)
    bark = rgb(0.36, 0.26, 0.18) * (0.8 + 0.5 * light.side * np.clip(x / 0.17, -1, 1))[..., None]
    block.paint(bark * light.falling_on(0), "tree", trunk)
    green = np.asarray(LEAVES[figure.variant], np.float32)
    fine = min(1.0, max(0.0, 1.6 - 14 * block.metres_a_pixel))
    leaves = wave(x * 1.9 + y * 0.8) * wave(y * 1.7 - x * 0.7)
    crowns = sorted(CROWN, key=lambda ball: -ball[2])
    for across, up, radius in crowns:
        dx, dy = (x - across * tall) / (radius * tall), (y - up * tall) / (radius * tall)
        ball = dx * dx + dy * dy
        bright = 0.78 + 0.30 * dy + 0.34 * light.side * dx - 0.18 * ball + 0.42 * fine * (leaves - 0.25)
        block.paint(green * light.falling_on(0) * np.clip(bright, 0.25, 1.6)[..., None] * np.float32(1.15), "tree", ball < 1)


def _paint_pedestrian(canvas: Canvas, figure: Figure) -> None:
    light, tall = canvas.light, figure.height
    _shadow(canvas, figure, half_width=0.32)
    block = Block(canvas, figure, half_width=0.46, height=tall)
    x, y = block.x, block.y
    side = np.abs(x)
    lit = light.falling_on(0) * (0.95 + 0.45 * light.side * np.clip(x / 0.3, -1, 1))[..., None]
    legs = (y < 0.48 * tall) & (side < 0.27) & ((side > 0.035) | (y > 0.30 * tall))
    coat = (y >= 0.42 * tall) & (y < 0.84 * tall) & (side < 0.39 - 0.12 * np.clip(y / tall - 0.5, 0, 1))
    head = x * x + (y - 0.91 * tall) ** 2 < 0.19**2
    block.paint(rgb(0.16, 0.16, 0.24) * lit, "pedestrian", legs)
    block.paint(np.asarray(COAT[figure.variant], np.float32) * lit, "pedestrian", coat)
    block.paint(rgb(0.80, 0.60, 0.48) * lit, "pedestrian", head)


def _paint_pole(canvas: Canvas, figure: Figure) -> None:
    """Paint a street lamp; its ``variant`` is the side of the road, towards whose middle the arm reaches."""
    light, tall = canvas.light, figure.height
    reach = 1.3
    block = Block(canvas, figure, half_width=reach + 0.2, height=tall + 0.1)
    thick = max(0.15, 1.3 * block.metres_a_pixel)
    inward = block.x * -figure.variant
    mast = (np.abs(block.x) < thick) & (block.y < tall) & (block.y >= 0)
    arm = (np.abs(block.y - (tall - thick)) < thick) & (inward > 0) & (inward < reach)
    lit = (0.9 + 0.5 * light.side * np.clip(block.x / thick, -1, 1))[..., None] * light.falling_on(0)
    block.paint(rgb(0.34, 0.37, 0.38) * lit * np.ones_like(block.y)[..., None], "pole", mast | arm)
    lamp = (np.abs(block.y - (tall - 1.2 * thick)) < 1.3 * thick) & (inward > reach - 0.6) & (inward < reach + 0.1)
    glow = rgb(1.0, 0.92, 0.62) if light.lamps_on else rgb(0.75, 0.78, 0.78)
    block.paint(glow, "pole", lamp)


PAINTERS: dict[str, Callable[[Canvas, Figure], None]] = {
    "car": _paint_car,
    "tree": _paint_tree,
    "pedestrian": _paint_pedestrian,
    "pole": _paint_pole,
}
