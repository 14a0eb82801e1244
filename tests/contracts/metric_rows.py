"""What the metrics' contract asks of each: one ``Row`` a metric. A new metric adds one to ``ROWS``, with all of its parts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import metric_references as references
import metric_scenes as scenes
import torch
from hypothesis import strategies as st
from metric_scenes import Change, features_of, flat, seen

from autogc.metrics import Reference
from autogc.metrics.confusion import confusion_of_each
from autogc.metrics.metric import Observation, Setting


@dataclass(frozen=True)
class Known:
    """What is seen, under which setting, and the score that it has by the arithmetic that ``why`` says."""

    why: str
    scene: tuple[Observation, Setting]
    value: float


@dataclass(frozen=True)
class Row:
    """What a metric is asked for.

    ``worse(level)`` is what is seen of ``metric_scenes.COUNT`` pictures that are the worse the higher the level in 0..1 is, all of them
    under ``setting``. ``invariances`` are the changes, by name, that must leave a score alone: the pictures' order, and one of its own at
    least. ``draw`` makes what is seen and the setting, and ``independent`` the score of those by other code, equal to a relative
    ``tolerance``. ``broken`` is what must be an error, by what is wrong with it. ``resampled`` is the score of a selection of pictures
    that may repeat, by other code, for a metric that has a rule of its own for those.
    """

    worse: Callable[[float], Observation]
    known: Sequence[Known]
    invariances: Mapping[str, Change]
    draw: st.SearchStrategy[tuple[Observation, Setting]]
    independent: Callable[[Observation, Setting], float]
    broken: Mapping[str, Observation]
    setting: Setting = field(default_factory=Setting)
    tolerance: float = 1e-9
    resampled: Callable[[Observation, Setting, torch.Tensor], float] | None = None


AMONG_REAL = Setting(reference=Reference(scenes.REAL_FEATURES))
CLASSES = Setting(class_names=("a", "b", "c"))
SQUARE = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)]
LINE = [(0.0,), (1.0,), (2.0,), (3.0,)]
BEYOND = [(-4.0,), (-3.0,), (6.0,), (7.0,)]
BLACK, WHITE, ONE_MORE = flat(0), flat(255), flat(1)
CHECKERS = (torch.arange(4)[:, None] + torch.arange(4)).remainder(2).mul(2).sub(1).view(1, 1, 4, 4).float()
DOT = torch.full((1, 1, 5, 5), -1.0).index_put((*map(torch.tensor, (0, 0, 2, 2)),), torch.tensor(1.0))
NAN_FEATURES = {"NaN": scenes.with_nan(scenes.moved_features(0.5), "features")}
NAN_PICTURES = {"NaN": scenes.with_nan(scenes.noisy(0.5), "pictures")}
NO_LABELS = {"no labelled pixel": scenes.changed(scenes.guessed(0.5), torch.zeros_like, "confusion")}
SSIM_C1 = (0.01 * 255) ** 2
OF_FEATURES = {"order": scenes.order, "order of the real": scenes.real_order, "rotation": scenes.rotation}
OF_LABELS = {"order": scenes.order, "other names": scenes.other_names, "all pixels twice": scenes.all_pixels_twice}
OF_PAIRS = {"order": scenes.order, "flip": scenes.flip, "quarter turn": scenes.quarter_turn}


def labelled(labels: list[int], found: list[int]) -> tuple[Observation, Setting]:
    """One picture of one row."""
    pixels = torch.tensor([[found]]), torch.tensor([[labels]])
    return Observation(torch.zeros(1, 1, 1, len(labels)), confusion=confusion_of_each(*pixels, classes=3)), CLASSES


ROWS: dict[str, Row] = {
    "fid": Row(
        worse=scenes.moved_features,
        known=[
            Known("moved by (3, 4): 9 + 16", features_of([(x + 3, y + 4) for x, y in SQUARE], SQUARE), 25.0),
            Known("twice the deviation: (2 - 1)^2 of 5/3", features_of([(2 * x - 1.5,) for (x,) in LINE], LINE), 5 / 3),
        ],
        invariances=OF_FEATURES | {"shift": scenes.shift},
        draw=references.features(least=2),
        independent=references.fid,
        broken=NAN_FEATURES,
        setting=AMONG_REAL,
        tolerance=1e-5,
    ),
    "kid": Row(
        worse=scenes.moved_features,
        known=[
            Known("k(1, 1) + k(0, 0) - 2 k(1, 0) = 8 + 1 - 2", features_of([(1.0,), (1.0,)], [(0.0,), (0.0,)]), 7.0),
            Known("k(0, 1) + k(0, 2) - 2 (1 + 1 + 1 + 27) / 4", features_of([(0.0,), (1.0,)], [(0.0,), (2.0,)]), -13.0),
            Known("two features: 1 + 1 - 2 (27 + 27 + 1 + 1) / 4", features_of([(2.0, 0.0), (0.0, 2.0)], [(2.0, 2.0), (0.0, 0.0)]), -26.0),
        ],
        invariances=OF_FEATURES,
        draw=references.features(least=2),
        independent=references.kid,
        broken=NAN_FEATURES,
        setting=AMONG_REAL,
        resampled=references.kid_resampled,
    ),
    "precision": Row(
        worse=scenes.moved_features,
        known=[Known("the real balls reach from -3 to 6", features_of(BEYOND, LINE), 0.5)],
        invariances=OF_FEATURES | {"shift": scenes.shift, "scale": scenes.scale},
        draw=references.features(),
        independent=references.precision,
        broken=NAN_FEATURES,
        setting=AMONG_REAL,
    ),
    "recall": Row(
        worse=scenes.fewer_kinds,
        known=[Known("the generated balls reach from -3 to 6", features_of(LINE, BEYOND), 0.5)],
        invariances=OF_FEATURES | {"shift": scenes.shift, "scale": scenes.scale},
        draw=references.features(),
        independent=references.recall,
        broken=NAN_FEATURES,
        setting=AMONG_REAL,
        resampled=references.recall_resampled,
    ),
    "miou": Row(
        worse=scenes.guessed,
        known=[
            Known("1/2 of a, 2/3 of b, no c", labelled([0, 0, 1, 1], [0, 1, 1, 1]), 7 / 12),
            Known("a pixel without a label does not count", labelled([0, 1, 255], [0, 1, 2]), 1.0),
        ],
        invariances=OF_LABELS,
        draw=references.label_maps(),
        independent=references.miou,
        broken=NO_LABELS,
        setting=CLASSES,
    ),
    "pixel_accuracy": Row(
        worse=scenes.guessed,
        known=[
            Known("three of four", labelled([0, 0, 1, 1], [0, 1, 1, 1]), 3 / 4),
            Known("a pixel without a label does not count", labelled([0, 1, 255], [0, 1, 2]), 1.0),
            Known("one without a class that was found does", labelled([0, 1], [0, 255]), 1 / 2),
        ],
        invariances=OF_LABELS,
        draw=references.label_maps(),
        independent=references.pixel_accuracy,
        broken=NO_LABELS,
        setting=CLASSES,
    ),
    "inception_score": Row(
        worse=scenes.unsure,
        known=[
            Known("four classes, each sure, as many of each", (seen(probabilities=torch.eye(4)), Setting()), 4.0),
            Known("nothing is told apart", (seen(probabilities=torch.full((5, 4), 0.25)), Setting()), 1.0),
        ],
        invariances={"order": scenes.order, "other classes": scenes.other_classes},
        draw=references.probabilities(),
        independent=references.inception_score,
        broken={"NaN": scenes.with_nan(scenes.unsure(0.5), "probabilities")},
    ),
    "psnr": Row(
        worse=scenes.noisy,
        known=[
            Known("black for white: 10 log10(255^2 / 255^2)", (seen(pictures=BLACK, target=WHITE), Setting()), 0.0),
            Known("off by one of 255", (seen(pictures=BLACK, target=ONE_MORE), Setting()), 20 * math.log10(255)),
            Known("equal: infinite, which counts as 100", (seen(pictures=BLACK, target=BLACK), Setting()), 100.0),
        ],
        invariances=OF_PAIRS | {"brighter": scenes.brighter},
        draw=references.pictures(),
        independent=references.psnr,
        broken=NAN_PICTURES,
    ),
    "ssim": Row(
        worse=scenes.noisy,
        known=[
            Known("equal", (seen(pictures=BLACK, target=BLACK), Setting()), 1.0),
            Known("flat: only the means differ", (seen(pictures=BLACK, target=WHITE), Setting()), SSIM_C1 / (255**2 + SSIM_C1)),
        ],
        invariances=OF_PAIRS,
        draw=references.pictures(least=11),
        independent=references.ssim,
        broken=NAN_PICTURES,
    ),
    "lpips": Row(
        worse=scenes.less_alike,
        known=[
            Known("the mean", (seen(target=scenes.NO_PICTURES, similarity=torch.tensor([0.1, 0.3])), Setting()), 0.2),
            Known("equal pictures", (scenes.looked_at(scenes.flat(0, 255, side=31), scenes.flat(0, 255, side=31)), Setting()), 0.0),
        ],
        # The network is float32.
        invariances={"order": scenes.order, "swapped": scenes.swapped},
        draw=references.pictures_to_look_at(),
        independent=references.lpips,
        broken={"NaN": scenes.looked_at(scenes.with_nan(scenes.less_alike(0.5), "pictures").pictures, scenes.less_alike(0.5).pictures)},
        tolerance=1e-3,
    ),
    "vol": Row(
        worse=scenes.blurred,
        known=[
            Known("flat", (seen(pictures=flat(77)), Setting()), 0.0),
            Known("each pixel against four opposite ones: (4 * 255)^2", (seen(pictures=CHECKERS), Setting()), 1020.0**2),
            Known("one dot in 25: 255^2 (4^2 + 4) / 25", (seen(pictures=DOT), Setting()), 52020.0),
        ],
        invariances=OF_PAIRS | {"brighter": scenes.brighter},
        draw=references.pictures(least=2),
        independent=references.vol,
        broken=NAN_PICTURES,
    ),
}  # fmt: skip
