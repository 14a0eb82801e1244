"""What stands where in a street: the random part of the embedded dataset, in metres.

X runs to the right, z away from the viewer, heights up from the ground. The chance of every scene equals that of its mirror image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CLASSES = ("sky", "sun", "building", "road", "marking", "pavement", "grass", "tree", "car", "pedestrian", "pole")
NEAREST, FARTHEST = 4.0, 70.0


@dataclass(frozen=True)
class Building:
    """A house that faces the street between ``near`` and ``far``, ``height`` tall."""

    near: float
    far: float
    height: float


@dataclass(frozen=True)
class Figure:
    """A car, tree, pedestrian or pole (``kind``) that stands at (``x``, ``z``), ``height`` tall; ``variant`` is its look."""

    kind: str
    x: float
    z: float
    height: float
    variant: int


@dataclass(frozen=True)
class Scene:
    """A street. Places in the picture are shares of its height, measured from its centre: positive is right and up."""

    vanishing: float
    horizon: float
    sun: tuple[float, float]
    road: float
    pavement: float
    grass: tuple[bool, bool]
    buildings: tuple[tuple[Building, ...], tuple[Building, ...]]
    crossing: float | None
    dashes: float
    figures: tuple[Figure, ...]

    @property
    def wall(self) -> float:
        """How far the houses stand from the middle of the road."""
        return self.road + self.pavement


class Dice:
    """Draws from one stream of doubles: the one method of numpy's generators that is the oldest and the least likely to change."""

    def __init__(self, *seed: int) -> None:
        self._stream = np.random.Generator(np.random.PCG64(list(seed)))

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * float(self._stream.random())

    def chance(self, probability: float) -> bool:
        return float(self._stream.random()) < probability

    def upto(self, count: int) -> int:
        """Return one of 0 .. count - 1."""
        return int(float(self._stream.random()) * count)


def compose(dice: Dice) -> Scene:
    """Return a random street."""
    road = dice.between(2.9, 4.0)
    grass = (dice.chance(0.4), dice.chance(0.4))
    pavement = dice.between(2.0, 3.2)
    wall = road + pavement
    sun_height = dice.between(0.12, 0.40)
    # A street is open towards its end: the higher the sun, the farther to the side it is still seen.
    sun_side = dice.between(0.12, 0.50) * (sun_height - 0.06) * (1 if dice.chance(0.5) else -1)
    figures = [figure for side in (-1, 1) for figure in _roadside(dice, side=side, road=road, wall=wall, grass=grass[side > 0])]
    figures += _traffic(dice, road=road)
    return Scene(
        vanishing=dice.between(-0.10, 0.10),
        horizon=dice.between(0.00, 0.08),
        sun=(sun_side, sun_height),
        road=road,
        pavement=pavement,
        grass=grass,
        buildings=(_row(dice), _row(dice)),
        crossing=dice.between(8.0, 14.0) if dice.chance(0.3) else None,
        dashes=dice.between(0.0, 6.0),
        figures=tuple(sorted(figures, key=lambda figure: -figure.z)),
    )


def _row(dice: Dice) -> tuple[Building, ...]:
    """Return one side's houses, nearest first. Neighbours differ in height, or the label map would not show where one ends."""
    row: list[Building] = []
    near, height = NEAREST, 0.0
    while near < FARTHEST:
        far = near + dice.between(8.0, 18.0)
        previous, height = height, dice.between(6.5, 15.0)
        if abs(height - previous) < 2.0:
            height = previous + 2.5 if previous < 11.0 else previous - 2.5
        row.append(Building(near=near, far=far, height=height))
        near = far
    return tuple(row)


def _roadside(dice: Dice, *, side: int, road: float, wall: float, grass: bool) -> list[Figure]:
    """Return what stands beside the road: trees or lamps at even distances, people, parked cars."""
    figures = []
    trees = grass or dice.chance(0.25)
    pitch, start = dice.between(9.0, 14.0), dice.between(6.5, 12.0)
    while start < (45.0 if trees else 26.0):
        z, start = start, start + pitch
        x = side * (road + 0.5)
        if trees:
            figures.append(Figure("tree", x + side * 0.4, z, dice.between(4.2, 6.2), dice.upto(3)))
        else:
            figures.append(Figure("pole", x, z, 5.6, side))
    for _ in range(dice.upto(4)):
        x = side * dice.between(road + 0.6, wall - 0.5)
        figures.append(Figure("pedestrian", x, dice.between(6.0, 13.5), dice.between(1.7, 2.0), dice.upto(2)))
    if dice.chance(0.5):
        z = dice.between(7.5, 16.0)
        for place in range(1 + dice.upto(3)):
            figures.append(_car(dice, x=side * (road - 1.0), z=z + 6.0 * place))
    return figures


def _traffic(dice: Dice, *, road: float) -> list[Figure]:
    return [_car(dice, x=side * road * 0.45, z=dice.between(9.0, 34.0)) for side in (-1, 1) if dice.chance(0.45)]


def _car(dice: Dice, *, x: float, z: float) -> Figure:
    """Return a small car (variant 0), an estate car (1) or a van (2); the label map tells them apart by height."""
    variant = dice.upto(3)
    return Figure("car", x, z, (1.45, 1.75, 2.3)[variant] * dice.between(0.97, 1.03), variant)
