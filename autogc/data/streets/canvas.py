"""The picture and label map that a street is painted on, twice as fine as the sample made of it."""

from __future__ import annotations

import numpy as np

from autogc.data.streets.light import Light
from autogc.data.streets.scene import CLASSES, Scene

FINENESS = 2
CAMERA_HEIGHT = 5.0
FOCAL_LENGTH = 0.75
LABEL = {name: index for index, name in enumerate(CLASSES)}


class Canvas:
    """Colours (H, W, 3) in 0..1 and labels (H, W), with the perspective that places metres on them."""

    def __init__(self, scene: Scene, *, height: int, width: int) -> None:
        self.height, self.width = height * FINENESS, width * FINENESS
        self.colours = np.zeros((self.height, self.width, 3), np.float32)
        self.labels = np.zeros((self.height, self.width), np.uint8)
        self.focal = FOCAL_LENGTH * self.height
        self.vanishing = self.width / 2 + scene.vanishing * self.height
        self.horizon = self.height / 2 - scene.horizon * self.height
        low, high = 0.12, 0.40
        self.light = Light(height=(scene.sun[1] - low) / (high - low), side=max(-1.0, min(1.0, scene.sun[0] * 9)))
        # Pixel centres, so that a picture twice as large shows the same street.
        self.rows = np.arange(self.height, dtype=np.float32) + np.float32(0.5)
        self.columns = np.arange(self.width, dtype=np.float32) + np.float32(0.5)

    def column(self, x: float, z: float) -> float:
        """Return where ``x`` metres to the right, ``z`` metres away, appears."""
        return self.vanishing + self.focal * x / z

    def row(self, above: float, z: float) -> float:
        """Return where ``above`` metres over the ground, ``z`` metres away, appears."""
        return self.horizon + self.focal * (CAMERA_HEIGHT - above) / z

    def span(self, low: float, high: float, *, rows: bool) -> slice:
        """Return the pixels whose centres lie in [low, high)."""
        limit = self.height if rows else self.width
        first = min(max(int(np.ceil(low - 0.5)), 0), limit)
        return slice(first, max(first, min(int(np.ceil(high - 0.5)), limit)))

    def paint(self, rows: slice, columns: slice, colour: np.ndarray, name: str, *, where: np.ndarray | None = None) -> None:
        """Paint ``colour`` (broadcast to the block) of class ``name``, on all of the block or on its pixels ``where``."""
        colours, labels = self.colours[rows, columns], self.labels[rows, columns]
        if where is None:
            colours[:] = colour
            labels[:] = LABEL[name]
        else:
            np.copyto(colours, colour, where=where[..., None])
            labels[where] = LABEL[name]

    def reduced(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the sample: the picture (3, H, W), each pixel the mean of four, and the labels (H, W), the most frequent of four."""
        colours = np.clip(self.colours, 0, 1)
        pairs = colours[0::2] + colours[1::2]
        mean = (pairs[:, 0::2] + pairs[:, 1::2]) * np.float32(0.25)
        picture = np.floor(mean * np.float32(255) + np.float32(0.5)).astype(np.uint8)
        a, b, c, d = (self.labels[row::2, column::2] for row in (0, 1) for column in (0, 1))
        labels = np.where((a == b) | (a == c) | (a == d), a, np.where((b == c) | (b == d), b, c))
        return np.ascontiguousarray(picture.transpose(2, 0, 1)), labels
