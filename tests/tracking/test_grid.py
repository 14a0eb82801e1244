from __future__ import annotations

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw

from autogc.image_grid import CELL, GAP, MARGIN, UNLABELLED, input_picture, is_one_hot, palette, picture
from autogc.tracking import Column, GridRow, SubnetRow, image_grid, subnet_column

COLUMNS = [
    Column("real"),
    subnet_column(SubnetRow("teacher", scores={"fid": 20.0}, macs=8e9)),
    subnet_column(SubnetRow("a3f09c11", scores={"fid": 25.0}, macs=1e9)),
]


def one_hot(labels: torch.Tensor, channels: int) -> torch.Tensor:
    return F.one_hot(labels, channels).permute(2, 0, 1).float() * 2 - 1


def rows(height: int = 12, width: int = 16, count: int = 2) -> list[GridRow]:
    labels = torch.arange(height * width).reshape(height, width) % 3
    levels = (-1.0, 0.0, 1.0)
    return [GridRow(f"v{n}", one_hot(labels, 4), tuple(torch.full((3, height, width), level) for level in levels)) for n in range(count)]


def test_a_grid_has_a_cell_for_each_picture_and_room_for_captions(tmp_path):
    image_grid(rows(), tmp_path / "grid.png", columns=COLUMNS)
    with Image.open(tmp_path / "grid.png") as image:
        factor = CELL // 16
        width, height = 16 * factor, 12 * factor
        assert image.width == 2 * MARGIN + 4 * width + 3 * GAP
        below_captions = image.height - MARGIN - 2 * height - GAP
        assert below_captions > MARGIN + 3 * 13  # a title and two lines
        # Each column's colour, in the middle of both rows.
        for row in range(2):
            middle = below_captions + row * (height + GAP) + height // 2
            seen = [image.getpixel((MARGIN + column * (width + GAP) + width // 2, middle)) for column in (1, 2, 3)]
            assert seen == [(0, 0, 0), (128, 128, 128), (255, 255, 255)]
        # Pixels are enlarged whole: the first is class 0, the second class 1.
        assert image.getpixel((MARGIN + 1, below_captions + 1)) == palette(4)[0]
        assert image.getpixel((MARGIN + factor + 1, below_captions + 1)) == palette(4)[1]


def test_captions_stand_over_their_columns(tmp_path, monkeypatch):
    written = []
    original = ImageDraw.ImageDraw.text
    monkeypatch.setattr(
        ImageDraw.ImageDraw, "text", lambda self, xy, text, **k: (written.append((xy, text)), original(self, xy, text, **k))
    )
    image_grid(rows(), tmp_path / "grid.png", columns=COLUMNS, class_names=("sky", "road", "car"))
    texts = [text for _, text in written]
    assert texts == ["sky", "road", "car", "input", "real", "teacher", "MACs 8.000 G", "FID 20.00", "a3f09c11", "MACs 1.000 G", "FID 25.00"]
    lefts = {text: xy[0] for xy, text in written}
    step = (CELL // 16) * 16 + GAP
    assert [lefts[text] - MARGIN for text in ("input", "real", "teacher", "a3f09c11")] == [0, step, 2 * step, 3 * step]
    assert lefts["MACs 1.000 G"] == lefts["a3f09c11"]


def test_a_title_too_wide_for_its_column_is_cut(tmp_path, monkeypatch):
    written = []
    original = ImageDraw.ImageDraw.text
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", lambda self, xy, text, **k: (written.append(text), original(self, xy, text, **k)))
    image_grid(rows(), tmp_path / "grid.png", columns=[*COLUMNS[:2], Column("a name " * 20)])
    assert written[-1].startswith("a name") and written[-1].endswith("…")


def test_the_legend_takes_room_only_for_label_maps(tmp_path):
    names = ("sky", "road", "car")
    image_grid(rows(), tmp_path / "plain.png", columns=COLUMNS)
    image_grid(rows(), tmp_path / "labels.png", columns=COLUMNS, class_names=names)
    photographs = [GridRow("p", torch.zeros(3, 12, 16), row.images) for row in rows()]
    image_grid(photographs, tmp_path / "photographs.png", columns=COLUMNS, class_names=names)
    heights = {path.stem: Image.open(path).height for path in tmp_path.iterdir()}
    assert heights["labels"] > heights["plain"] == heights["photographs"]


def test_rows_of_different_sizes_lie_under_each_other(tmp_path):
    sizes = ((100, 230), (150, 120))  # 120 is enlarged to 240 x 300, 230 stays
    given = [GridRow("v", torch.zeros(3, 5, 5), tuple(torch.full((3, *size), level) for level in (-1.0, 1.0))) for size in sizes]
    image_grid(given, tmp_path / "grid.png", columns=COLUMNS[:2])
    with Image.open(tmp_path / "grid.png") as image:
        assert image.width == 2 * MARGIN + 3 * 240 + 2 * GAP
        top = image.height - MARGIN - 300 - GAP - 100
        first, second = MARGIN + 240 + GAP, MARGIN + 2 * (240 + GAP)
        assert [image.getpixel((left + 120, top + 50)) for left in (MARGIN, first, second)] == [(128,) * 3, (0,) * 3, (255,) * 3]
        assert [image.getpixel((left + 235, top + 50)) for left in (MARGIN, first)] == [(255,) * 3] * 2  # what is left of the column
        below = top + 100 + GAP
        assert [image.getpixel((left + 235, below + 290)) for left in (MARGIN, first)] == [(128,) * 3, (0,) * 3]


def test_what_is_nothing_to_look_at_has_no_column(tmp_path, monkeypatch):
    written = []
    original = ImageDraw.ImageDraw.text
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", lambda self, xy, text, **k: (written.append(text), original(self, xy, text, **k)))
    noise = [GridRow("n", None, (torch.zeros(1, 16, 16),)) for _ in range(2)]
    image_grid(noise, tmp_path / "grid.png", columns=COLUMNS[1:2])
    assert "input" not in written
    assert Image.open(tmp_path / "grid.png").width == 2 * MARGIN + CELL


def test_what_is_asked_for_stands_under_the_input(tmp_path, monkeypatch):
    written = {}
    original = ImageDraw.ImageDraw.text
    monkeypatch.setattr(
        ImageDraw.ImageDraw, "text", lambda self, xy, text, **k: (written.update({text: xy}), original(self, xy, text, **k))
    )
    asked = [GridRow("d", torch.zeros(3, CELL, CELL), (torch.zeros(3, CELL, CELL),), caption=f"to {name}") for name in ("young", "male")]
    image_grid(asked, tmp_path / "grid.png", columns=COLUMNS[1:2])
    height = Image.open(tmp_path / "grid.png").height
    assert written["to young"][0] == written["to male"][0] == MARGIN
    assert written["to male"][1] - written["to young"][1] > CELL + GAP and written["to male"][1] < height - MARGIN
    plain = [GridRow("d", row.input, row.images) for row in asked]
    image_grid(plain, tmp_path / "plain.png", columns=COLUMNS[1:2])
    assert Image.open(tmp_path / "plain.png").height < height


def test_inputs_are_drawn_as_what_they_are():
    labels = torch.tensor([[0, 1], [2, 2]])
    drawn = input_picture(one_hot(labels, 3), classes=2)
    assert [drawn.getpixel((x, y)) for y in range(2) for x in range(2)] == [*palette(2), UNLABELLED, UNLABELLED]
    photograph = torch.tensor([-1.0, 0.0, 1.0]).view(3, 1, 1).expand(3, 2, 2)
    assert input_picture(photograph).getpixel((0, 0)) == (0, 128, 255)
    assert input_picture(torch.zeros(1, 2, 2)).getpixel((0, 0)) == (128, 128, 128)
    assert is_one_hot(one_hot(labels, 3)) and not is_one_hot(torch.full((3, 2, 2), -1.0)) and not is_one_hot(torch.ones(3, 2, 2))


def test_pictures_clamp_and_survive_nan():
    image = torch.tensor([-3.0, 3.0, float("nan")]).view(1, 1, 3)
    assert [picture(image).getpixel((x, 0)) for x in range(3)] == [(0, 0, 0), (255, 255, 255), (0, 0, 0)]


def test_the_palette_keeps_a_class_its_colour_and_colours_apart():
    assert palette(12) == palette(35)[:12]
    colours = torch.tensor(palette(35), dtype=torch.float)
    distances = torch.cdist(colours, colours) + torch.eye(35) * 1000
    assert distances.min() > 10
