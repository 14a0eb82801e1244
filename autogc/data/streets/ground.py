"""The sky, the ground and the houses of a street."""

from __future__ import annotations

import numpy as np

from autogc.data.streets.canvas import CAMERA_HEIGHT, Canvas
from autogc.data.streets.light import mix, part, rgb, smoothstep, wave
from autogc.data.streets.scene import FARTHEST, NEAREST, Building, Scene

STOREY = 3.0
# Farther away, lane markings would be thinner than a pixel of the smallest pictures.
MARKED = 24.0
# Facade and window frame by height: a taller house is of another kind, and the label map shows how tall it is.
STYLES = (
    (8.6, (0.80, 0.70, 0.54), 2.4),
    (10.7, (0.66, 0.34, 0.26), 2.8),
    (12.8, (0.78, 0.60, 0.34), 3.4),
    (99.0, (0.42, 0.52, 0.62), 2.0),
)


def paint_sky(canvas: Canvas, scene: Scene) -> None:
    """Paint the gradient, the glow round the sun, the sun, and a line of far roofs and hills."""
    light, size = canvas.light, np.float32(1 / canvas.height)
    up = np.clip((canvas.horizon - canvas.rows) / canvas.horizon, 0, 1)[:, None, None]
    # Squaring keeps the horizon's colour low, as a real sky does.
    high = 1 - (1 - up) * (1 - up)
    canvas.colours[:] = light.horizon * (1 - high) + light.zenith * high
    right = (canvas.columns - (canvas.vanishing + scene.sun[0] * canvas.height)) * size
    above = (canvas.rows - (canvas.horizon - scene.sun[1] * canvas.height)) * size
    distance = right[None, :] ** 2 + above[:, None] ** 2
    glow = (0.008 / (0.008 + distance))[..., None] * np.float32(0.55)
    canvas.colours[:] = canvas.colours * (1 - glow) + (light.sun * 0.4 + 0.6) * glow
    everywhere = slice(0, None)
    canvas.paint(everywhere, everywhere, mix((1.0, 0.80, 0.48), (1.0, 0.99, 0.93), light.height), "sun", where=distance < 0.042**2)
    skyline = 0.012 + 0.02 * wave(canvas.columns * size * 2.3) + 0.012 * (wave(canvas.columns * size * 9.7) > 0.5)
    far = canvas.rows[:, None] > canvas.horizon - skyline[None, :] * canvas.height
    canvas.paint(everywhere, everywhere, light.haze(rgb(0.45, 0.45, 0.5) * light.falling_on(0), FARTHEST), "building", where=far)


def paint_ground(canvas: Canvas, scene: Scene) -> None:
    """Paint road, markings, pavement and grass, with the shadow of the houses on the sun's side."""
    light = canvas.light
    rows = canvas.span(canvas.horizon + 1, canvas.height, rows=True)
    z = (canvas.focal * CAMERA_HEIGHT / (canvas.rows[rows] - canvas.horizon)).astype(np.float32)[:, None]
    x = (canvas.columns[None, :] - canvas.vanishing) * z / np.float32(canvas.focal)
    side = np.abs(x)
    # Texture finer than a pixel would only be noise: it fades with the distance.
    fine = np.clip(1.6 - z / 18, 0, 1)
    shade = 1 - 0.42 * smoothstep((_shadow_edge(scene, canvas) - (x if light.side < 0 else -x)) * 1.5)
    lit = light.ambient + light.sun * (0.45 + 0.3 * light.height) * shade[..., None]
    everywhere = slice(0, None)

    def cover(albedo: np.ndarray, name: str, where: np.ndarray) -> None:
        canvas.paint(rows, everywhere, light.haze(albedo * lit, z), name, where=where)

    tracks = 0.04 * wave(side / scene.road * 2)
    grain = 0.05 * fine * (wave(x * 1.7 + z * 0.6) * wave(x * 1.1 - z * 0.9) - 0.25)
    cover(rgb(0.36, 0.36, 0.38) - (tracks + grain)[..., None], "road", np.ones_like(side, bool))
    dash = (side < 0.18) & (part((z + scene.dashes) / 6) < 0.5)
    edge = np.abs(side - (scene.road - 0.40)) < 0.17
    marks = dash | edge
    if scene.crossing is not None:
        ahead = (z > scene.crossing) & (z < scene.crossing + 3.0)
        marks = np.where(ahead & (side < scene.road - 0.2), part(side / 1.1 + 0.25) < 0.5, marks)
    cover(rgb(0.92, 0.92, 0.88), "marking", marks & (z < MARKED))
    tiles = 0.14 * fine * ((part(side) < 0.12) | (part(z * 0.8) < 0.12))
    kerb = np.where(side < scene.road + 0.25, 0.16, 0.0)
    paving = rgb(0.60, 0.57, 0.54) + (kerb - tiles)[..., None]
    cover(paving, "pavement", side >= scene.road)
    mown = 0.10 * fine * (part(z / 2.4) < 0.5) + 0.05 * wave(x * 3 + z)
    turf = rgb(0.30, 0.50, 0.20) - mown[..., None] * rgb(0.6, 1.0, 0.5)
    for sign, grass in zip((-1, 1), scene.grass, strict=True):
        if grass:
            cover(turf, "grass", (x * sign > scene.road + 0.3) & (x * sign < scene.road + 0.62 * scene.pavement))


def _shadow_edge(scene: Scene, canvas: Canvas) -> float:
    """Return how far from the middle the shadow of the sun's side ends: a low sun throws it across the road."""
    return -scene.wall + (1.5 + 6.0 * (1 - canvas.light.height)) * (0.4 + 0.6 * abs(canvas.light.side))


def paint_buildings(canvas: Canvas, scene: Scene) -> None:
    """Paint both rows of houses, the far ones first."""
    for sign, row in zip((-1, 1), scene.buildings, strict=True):
        for building in reversed(row):
            _paint_end(canvas, building, sign=sign, wall=scene.wall)
            _paint_front(canvas, building, sign=sign, wall=scene.wall)


def _style(building: Building) -> tuple[np.ndarray, float]:
    _, facade, pitch = next(style for style in STYLES if building.height < style[0])
    return np.asarray(facade, np.float32), pitch


def _paint_end(canvas: Canvas, building: Building, *, sign: int, wall: float) -> None:
    """Paint the end of a house that looks at the viewer; a nearer house hides what it covers of it."""
    if building.near <= NEAREST:
        return
    edge, outer = canvas.column(sign * wall, building.near), canvas.column(sign * (wall + 9), building.near)
    columns = canvas.span(min(edge, outer), max(edge, outer), rows=False)
    rows = canvas.span(canvas.row(building.height, building.near), canvas.row(0, building.near), rows=True)
    facade, pitch = _style(building)
    x = (np.abs(canvas.columns[columns] - canvas.vanishing) * (building.near / canvas.focal) - wall)[None, :]
    above = (CAMERA_HEIGHT - (canvas.rows[rows] - canvas.horizon) * (building.near / canvas.focal))[:, None]
    colour = _facade(canvas, building, along=x, above=above, facade=facade, pitch=pitch, facing=0, step=building.near / canvas.focal)
    canvas.paint(rows, columns, canvas.light.haze(colour * np.float32(0.8), building.near), "building")


def _paint_front(canvas: Canvas, building: Building, *, sign: int, wall: float) -> None:
    """Paint the long side of a house, which runs towards the vanishing point."""
    near = canvas.column(sign * wall, building.near)
    far = canvas.column(sign * wall, min(building.far, FARTHEST))
    columns = canvas.span(min(near, far), max(near, far), rows=False)
    if columns.start == columns.stop:
        return
    # On this wall the distance depends on the column alone.
    z = np.float32(canvas.focal * wall) / np.abs(canvas.columns[columns] - canvas.vanishing)
    tops = canvas.horizon + canvas.focal * (CAMERA_HEIGHT - building.height) / z
    feet = canvas.horizon + canvas.focal * CAMERA_HEIGHT / z
    rows = canvas.span(float(tops.min()), float(feet.max()), rows=True)
    above = CAMERA_HEIGHT - (canvas.rows[rows][:, None] - np.float32(canvas.horizon)) * (z / np.float32(canvas.focal))[None, :]
    facade, pitch = _style(building)
    step = z * z / np.float32(canvas.focal * wall)
    along = (z - building.near)[None, :]
    colour = _facade(canvas, building, along=along, above=above, facade=facade, pitch=pitch, facing=sign, step=step[None, :])
    inside = (above < building.height) & (above >= 0)
    canvas.paint(rows, columns, canvas.light.haze(colour, z[None, :]), "building", where=inside)


def _facade(
    canvas: Canvas,
    building: Building,
    *,
    along: np.ndarray,
    above: np.ndarray,
    facade: np.ndarray,
    pitch: float,
    facing: float,
    step: np.ndarray | float,
) -> np.ndarray:
    """Return the colours (rows, columns, 3) of a wall at ``along`` metres from its corner and ``above`` metres over the ground.

    ``step`` is how many metres one pixel spans: windows that are no wider melt into the wall.
    """
    light = canvas.light
    sharp = np.clip(1.5 - step * (2.4 / pitch), 0, 1)
    below_roof = building.height - above
    across, up = part(along / pitch), part(below_roof / STOREY)
    ground_floor = above < 2.6
    window = (np.abs(across - 0.5) < 0.27) & (np.abs(up - 0.52) < 0.26) & (below_roof > 0.5) & ~ground_floor
    share = (window * sharp)[..., None]
    courses = (0.06 * sharp) * (part(above / 0.75) < 0.5)
    stone = facade * (1 - courses[..., None])
    stone = np.where(ground_floor[..., None], facade * np.float32(0.55) + np.float32(0.05), stone)
    stone = np.where((below_roof < 0.45)[..., None], facade * np.float32(1.18), stone)
    colour = stone * light.falling_on(facing)
    glass = (light.zenith * np.float32(0.55) + np.float32(0.05)) * np.ones_like(share)
    if light.lamps_on:
        lamp = (part(np.floor(along / pitch) * 0.4 + np.floor(below_roof / STOREY) * 0.3) < 0.55)[..., None]
        glass = np.where(lamp, rgb(1.0, 0.82, 0.45), glass)
    return colour * (1 - share) + glass * share
