from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from autogc.search.pareto import hypervolume
from autogc.tracking import front_figure, front_png, hypervolume_history, hypervolume_png, reference_point
from autogc.tracking.quantities import axis_title, judge_of, scale_of, shown
from autogc.tracking.series import arrange

TEACHER = {"fid": 10.0, "miou": 0.5, "macs": 56e9}


def traces(figure):
    return {trace.name.split(" ")[0]: trace for trace in figure.data}


def test_the_front_is_drawn_in_the_units_of_its_axes(evaluations):
    drawn = traces(front_figure(evaluations, ("fid", "macs"), teacher=TEACHER))
    assert list(drawn["front"].x) == [1.0, 2.0, 4.0]  # 1e9, 2e9, 4e9 MACs in G
    assert list(drawn["front"].y) == [50.0, 30.0, 20.0]
    assert list(drawn["evaluated"].x) == [3.0]
    assert (drawn["teacher"].x, drawn["teacher"].y) == ((56.0,), (10.0,))
    assert drawn["front"].name == "front (3)"


@pytest.mark.parametrize(("objective", "anchor"), [("fid", "top"), ("miou", "bottom")])
def test_the_legend_keeps_out_of_the_teachers_corner(evaluations, objective, anchor):
    assert front_figure(evaluations, (objective, "macs")).layout.legend.yanchor == anchor


def test_failed_infinite_and_over_a_constraint_are_not_drawn(evaluations):
    drawn = traces(front_figure(evaluations, ("fid", "macs"), constraints={"macs": 2.5e9}))
    assert sorted([*drawn["front"].x, *drawn["evaluated"].x]) == [1.0, 2.0]


def test_hovering_says_hash_scores_costs_and_choices(evaluations):
    text = traces(front_figure(evaluations, ("fid", "macs")))["front"].hovertext[0]
    for said in (evaluations[0].candidate.hash, "trial 0", "FID: 50.00", "MACs: 1.000 G", "Stored size: 1.000 MB", "width: stem=8"):
        assert said in text


def test_intervals_are_bars_of_the_front(evaluations, tmp_path):
    assert traces(front_figure(evaluations, ("fid", "macs")))["front"].error_y.array is None
    known = {"intervals": {"fid": [45.0, 58.0]}}
    first = replace(evaluations[0], provenance={**evaluations[0].provenance, **known})
    drawn = traces(front_figure([first, *evaluations[1:]], ("fid", "macs")))["front"]
    assert list(drawn.error_y.array) == [8.0, 0.0, 0.0] and list(drawn.error_y.arrayminus) == [5.0, 0.0, 0.0]
    assert "FID of 95 % of resamples: 45.00 to 58.00" in drawn.hovertext[0]
    assert "bars: 95 % of resamples of the images" in arrange([first, *evaluations[1:]], ("fid", "macs")).subtitle
    for name, one in (("with", first), ("without", evaluations[0])):
        front_png([one, *evaluations[1:]], ("fid", "macs"), tmp_path / f"{name}.png")
    assert (np.asarray(Image.open(tmp_path / "with.png")) != np.asarray(Image.open(tmp_path / "without.png"))).any()


def test_a_third_objective_is_the_colour_and_has_no_line(evaluations):
    figure = front_figure(evaluations, ("fid", "miou", "macs"))
    front = traces(figure)["front"]
    assert front.mode == "markers"
    # With mIoU maximised trial 2 is on the front too.
    assert list(front.x) == [1.0, 2.0, 3.0, 4.0]
    assert list(front.marker.color) == [0.30, 0.40, 0.45, 0.35]
    assert "higher is better" in front.marker.colorbar.title.text


def test_axes_say_unit_direction_and_judge(evaluations):
    layout = front_figure(evaluations, ("fid", "macs"), teacher=TEACHER).layout
    assert layout.xaxis.title.text == "MACs (G)"
    assert layout.xaxis.type == "log"  # 1 G to the teacher's 56 G
    assert layout.yaxis.title.text == "FID (lower is better)"
    assert "FID: feature network " + PROVENANCE_LABEL in layout.title.subtitle.text.replace("<br>", " ")
    assert front_figure(evaluations, ("fid", "macs")).layout.xaxis.type == "linear"


PROVENANCE_LABEL = "a segmenter trained on streets (synthetic)"


def test_two_scores_and_no_cost(evaluations):
    series = arrange(evaluations, ("fid", "miou"))
    assert (series.y, series.x, series.step) == ("fid", "miou", "vh")
    # Ascending in mIoU: trial 3 (20, .35), 1 (30, .40), 2 (45, .45).
    assert [member.trial for member in series.members] == [3, 1, 2]


def test_hypervolume_history_is_the_hypervolume_of_each_beginning(evaluations):
    reference = {"fid": 60.0, "macs": 5e9}
    history = hypervolume_history(evaluations, ("fid", "macs"), reference=reference)
    # By hand: (60-50)(5-1) = 40; + (50-30)(5-2) = 60 -> 100; trial 2 adds nothing; + (30-20)(5-4) = 10 -> 110, in FID x GMACs.
    assert [trial for trial, _ in history] == [0, 1, 2, 3]
    assert [volume for _, volume in history] == pytest.approx([40e9, 100e9, 100e9, 110e9])
    points = np.array([[e.scores["fid"], e.costs["macs"]] for e in evaluations[:4]])
    for count, (_, volume) in enumerate(history, start=1):
        assert volume == pytest.approx(hypervolume(points[:count], np.array([60.0, 5e9])))


def test_hypervolume_history_with_a_maximised_objective(evaluations):
    history = hypervolume_history(evaluations[:2], ("miou", "macs"), reference={"miou": 0.2, "macs": 5e9})
    # (.3-.2)(5-1) = .4; with (.4, 2): .4 + (.4-.3)(5-2) = .7
    assert [volume for _, volume in history] == pytest.approx([0.4e9, 0.7e9])


def test_history_follows_the_order_of_finishing(evaluations):
    late = [replace(evaluations[0], finished=evaluations[3].finished), *evaluations[1:3]]
    assert [trial for trial, _ in hypervolume_history(late, ("fid", "macs"), reference={"fid": 60.0, "macs": 5e9})] == [1, 2, 0]


def test_the_reference_lies_a_tenth_of_the_range_beyond_the_worst(evaluations):
    point = reference_point(evaluations, ("fid", "miou", "macs"))
    assert point == pytest.approx({"fid": 50 + 3.0, "miou": 0.30 - 0.015, "macs": 4e9 + 0.3e9})
    assert reference_point(evaluations[4:], ("fid", "macs")) is None


@pytest.mark.parametrize("objectives", [("fid", "macs"), ("fid", "miou", "macs")])
def test_pictures_are_written_whole_and_show_something(evaluations, objectives, tmp_path):
    front_png(evaluations, objectives, tmp_path / "front.png", teacher=TEACHER)
    reference = reference_point(evaluations, objectives)
    hypervolume_png(evaluations, objectives, tmp_path / "hypervolume.png", reference=reference)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["front.png", "hypervolume.png"]
    for path in tmp_path.iterdir():
        with Image.open(path) as image:
            assert image.size == (1600, 1000)
            colours = image.convert("RGB").getcolors(maxcolors=1 << 20)
            assert max(count for count, _ in colours) < 0.99 * 1600 * 1000


def test_the_still_front_plots_the_same_numbers(evaluations, tmp_path, monkeypatch):
    from autogc.tracking import figures

    kept = []
    monkeypatch.setattr(figures, "save_figure", lambda figure, path: kept.append(figure))
    front_png(evaluations, ("fid", "macs"), tmp_path / "front.png", teacher=TEACHER)
    axes = kept[0].axes[0]
    offsets = {points.get_label(): points.get_offsets().tolist() for points in axes.collections}
    assert offsets == {"evaluated (1)": [[3.0, 45.0]], "front (3)": [[1.0, 50.0], [2.0, 30.0], [4.0, 20.0]], "teacher": [[56.0, 10.0]]}
    assert [text.get_text() for text in axes.texts[:3]] == [evaluations[i].candidate.hash[:6] for i in (0, 1, 3)]
    assert axes.get_xscale() == "log" and axes.get_xlabel() == "MACs (G)"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("macs", 5.68e9, "5.680 G"),
        ("macs", 56_799_264_768, "56.80 G"),
        ("params", 11_378_179, "11.38 M"),
        ("params", 640, "640"),
        ("storage_bytes", 812_345, "812.3 kB"),
        ("storage_bytes", 500, "500 B"),
        ("latency_ms", 30.123, "30.12 ms"),
        ("fid", 45.612, "45.61"),
        ("miou", 0.4271, "0.427"),
        ("fid", None, "-"),
    ],
)
def test_values_as_a_reader_wants_them(name, value, text):
    assert shown(name, value) == text


def test_scales_and_titles():
    assert scale_of("macs", [2e6, 3e8]) == (1e6, "M")
    assert scale_of("storage_bytes", [5e6]) == (1e6, "MB")
    assert scale_of("macs", []) == (1.0, "")
    assert axis_title("storage_bytes", [2048]) == "Stored size (kB)"
    assert axis_title("miou", [0.4]) == "mIoU (higher is better)"
    assert axis_title("psnr", [30.0]) == "PSNR (dB, higher is better)"


def test_what_stands_beside_a_score_is_its_network_and_its_protocol():
    said = {"feature_network": "LeNet", "segmenter": None, "protocols": {"inception_score": "one split", "psnr": "luma"}}
    assert judge_of("inception_score", said) == "IS: feature network LeNet, one split"
    assert judge_of("psnr", said) == "PSNR: luma"
    assert judge_of("miou", said) == judge_of("macs", said) == judge_of("ssim", said) == ""


def test_a_score_that_is_maximised_without_a_network_is_drawn(evaluations):
    changed = [replace(one, scores={"psnr": 60 - one.scores["fid"]}) for one in evaluations[:4]]
    drawn = traces(front_figure(changed, ("psnr", "macs")))
    assert list(drawn["front"].y) == [10.0, 30.0, 40.0]
