"""The page: complete by itself, well-formed, and it shows what was measured."""

import base64
import io
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_mri_cae import InputError, Volume
from napari_mri_cae.corruptions import BlankOut, GaussianNoise
from napari_mri_cae.evaluation import (
    Condition,
    Evaluation,
    EvaluationSettings,
    Row,
    compare_models,
    summarize,
    write_report,
)
from napari_mri_cae.evaluation.report.charts import box_charts, round_values, strength_charts
from napari_mri_cae.models import Model

VOID = {"meta", "img", "br", "line", "circle", "rect", "path", "polyline", "link", "hr"}


class Page(HTMLParser):
    """Reads a page, and refuses tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attributes}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attributes}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def evaluation(volumes: list[Path], model: Model) -> Evaluation:
    conditions = [Condition(), GaussianNoise(sigma=0.05), GaussianNoise(sigma=0.1), BlankOut(size=4)]
    settings = EvaluationSettings(planes=("axial", "sagittal"), every=3)
    return Evaluation(volumes, [model], conditions, ["median", "nlm"], settings)


@pytest.fixture(scope="module")
def rows(evaluation: Evaluation) -> list[Row]:
    return [row for batch in evaluation.run() for row in batch]


@pytest.fixture(scope="module")
def page(evaluation: Evaluation, rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Page:
    folder = tmp_path_factory.mktemp("report")
    path = write_report(evaluation, rows, folder / "report.html", command="mri-cae evaluate <x> & y")
    assert [file.name for file in folder.iterdir()] == ["report.html"]
    return Page(path.read_text(encoding="utf-8"))


def test_needs_no_network_and_no_program(page: Page) -> None:
    assert not page.all("script")
    assert not page.all("link")
    addresses = [value for _, attributes in page.tags for name, value in attributes.items()
                 if name in ("src", "href", "data", "srcset")]  # fmt: skip
    assert addresses
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


def test_every_mean_is_there(page: Page, rows: list[Row]) -> None:
    for one in summarize(rows):
        if np.isfinite(one.mean["psnr"]):
            assert f"{one.mean['psnr']:.2f}" in page.text
        if np.isfinite(one.mean["ssim"]):
            assert f"{one.mean['ssim']:.4f}" in page.text
    for test in compare_models(rows, models=["tiny"], unit="slice"):
        assert np.isnan(test.difference) or f"{test.difference:.2f}" in page.text


def test_says_what_matters(page: Page, evaluation: Evaluation) -> None:
    for text in (
        "It is not a diagnosis",
        "Slices of one subject are not independent",
        "data range 1",
        "Holm",
        "With 2 subjects, Wilcoxon's p cannot be below 0.5",
        "mri-cae evaluate <x> & y",
        "nlm is told the true strength",
        evaluation.provenance()["volumes"][1]["sha256"],
        "seed",
        "torch",
    ):
        assert " ".join(text.split()) in " ".join(page.text.split())


def test_pictures_are_the_slices(page: Page, evaluation: Evaluation) -> None:
    pictures = [image for image in page.all("img") if " slice " in image["alt"]]
    # Clean, noise and blank-out; a good, a median and the worst; four panels.
    assert len(pictures) == 3 * 3 * 4
    noisy = [image for image in page.all("img") if image["alt"].startswith("residual, ")][3]
    _, volume, plane = noisy["alt"].split(", ")
    index = int(plane.split()[-1])
    number = [name.volume for name in evaluation.names].index(volume)
    clean, _, reconstructed = evaluation.reconstruct(
        Volume.load(evaluation.paths[number]), "axial", index, evaluation.conditions[2]
    )
    residual = (clean - reconstructed).numpy()
    pixels = np.array(Image.open(io.BytesIO(base64.b64decode(noisy["src"].split(",")[1]))).convert("RGB"))
    assert pixels.shape[:2] == residual.shape
    blue, orange = (pixels[..., channel].astype(int) for channel in (2, 0))
    # Orange where the original is brighter, blue where it is darker, black where they are equal.
    assert (orange > blue)[residual > 0.01].all()
    assert (blue > orange)[residual < -0.01].all()
    assert pixels[np.abs(residual) < 1e-4].max(initial=0) < 10


def test_names_are_text(evaluation: Evaluation, rows: list[Row], tmp_path: Path) -> None:
    named = [
        row._replace(corruption="<script>alert(1)</script>") if row.kind == "none" else row for row in rows
    ]
    path = write_report(evaluation, named, tmp_path / "report.html")
    assert not Page(path.read_text()).all("script")


def test_only_baselines(volumes: list[Path], tmp_path: Path) -> None:
    evaluation = Evaluation(volumes[:1], [], [GaussianNoise(sigma=0.1)], ["median"])
    rows = [row for batch in evaluation.run() for row in batch]
    assert "median" in Page(write_report(evaluation, rows, tmp_path / "report.html").read_text()).text


def test_nothing_to_report(evaluation: Evaluation, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no rows"):
        write_report(evaluation, [], tmp_path / "report.html")


def test_round_values() -> None:
    assert round_values(0, 0.1) == [0, 0.02, 0.04, 0.06, 0.08, 0.1]
    assert round_values(19.7, 41.2) == [20, 25, 30, 35, 40]
    assert round_values(-0.3, 0.31, about=4) == [-0.2, 0, 0.2]


def test_curves_and_boxes(row: Callable) -> None:
    values = {0.05: [30.0, 32.0, 34.0], 0.1: [20.0, 21.0, 28.0]}
    rows = [
        row(psnr, strength=strength, corruption=f"noise {strength}", slice=index)
        for strength, of_strength in values.items()
        for index, psnr in enumerate(of_strength)
    ]
    (chart,) = strength_charts(summarize(rows), {"first": 0}, {"gaussian-noise": ("Noise", "sigma")})
    near, far = chart.curves[0].points
    # Twice as far from 0, and higher is better: up, where y is smaller.
    zero = next(tick.place for tick in chart.x_ticks if tick.label == "0")
    assert far.x - zero == pytest.approx(2 * (near.x - zero))
    assert near.y < far.y
    assert chart.top <= near.y <= far.y <= chart.bottom
    weak, strong = box_charts(rows, "whole slice", {"first": 0})
    ticks = {float(tick.label): tick.place for tick in strong.x_ticks}
    (low, left), (high, right) = min(ticks.items()), max(ticks.items())
    unit = (right - left) / (high - low)
    box = strong.boxes[0]
    for place, value in (
        (box.low, 20),
        (box.first, 20.5),
        (box.median, 21),
        (box.third, 24.5),
        (box.high, 28),
    ):
        assert place == pytest.approx(left + (value - low) * unit)
    assert weak.boxes[0].beyond == ()
