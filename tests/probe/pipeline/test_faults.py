"""Faults add copies and change nothing else: what is shown stays the same, and the Run says so."""

from __future__ import annotations

from typing import Any, get_args

import av
import numpy as np
import pytest

from probe.errors import InputError
from probe.pipeline import faults, infer
from probe.pipeline.planes import views
from probe.scenario import Fault, InferPart

ALL = list(get_args(Fault))
TENSOR = np.arange(1 * 3 * 24 * 32, dtype=np.float32).reshape(1, 3, 24, 32)


def shown(path: Any) -> list[bytes]:
    """Return the pictures of a film, as bytes."""
    with av.open(str(path)) as film:
        return [picture.to_ndarray().tobytes() for picture in film.decode(video=0)]


def picture(form: str = "yuv420p", size: tuple[int, int] = (70, 48)) -> av.VideoFrame:
    noise = np.random.default_rng(3).integers(0, 256, (size[1], size[0], 3), np.uint8)
    made = av.VideoFrame.from_ndarray(noise, format="rgb24").reformat(format=form)
    made.pts, made.colorspace, made.color_range = 11, 1, 1
    return made


class Watching:
    """Stands for a session: gives back what it got, and remembers how it lay in memory."""

    def __init__(self) -> None:
        self.got: list[Any] = []

    def run(self, _names: Any, feeds: dict[str, Any]) -> list[Any]:
        self.got.append(feeds["image"])
        return [np.array(feeds["image"])]


def watched(models: Any, *asked: Fault) -> tuple[infer.Model, Watching]:
    session = Watching()
    model = infer.load(InferPart(model=str(models.identity())))
    same = {name: getattr(model, name) for name in model.__dataclass_fields__}
    return faults.treated(infer.Model(**{**same, "session": session}), asked), session


def test_a_program_without_faults_is_as_it_was(models: Any) -> None:
    model = infer.load(InferPart(model=str(models.identity())))
    assert faults.treated(model, []) is model
    assert faults.treated(model, ["stride-padded", "copy-between-stages"]) is model
    pictures = faults.Pictures(["cast-forced", "contiguity-lost"])
    assert not pictures
    one = picture()
    assert pictures(one) is one


@pytest.mark.parametrize(
    ("fault", "contiguous"), [("cast-forced", True), ("contiguity-lost", False)]
)
def test_a_tensor_takes_its_detour_with_the_same_values(
    models: Any, fault: Fault, contiguous: bool
) -> None:
    model, session = watched(models, fault)
    (result,) = model.run({"image": TENSOR})
    got = session.got[0]
    assert np.array_equal(result, TENSOR)
    assert got.dtype == np.float32
    assert got.flags.c_contiguous == contiguous
    assert not np.shares_memory(got, TENSOR)


def test_the_runtime_takes_what_is_out_of_order(models: Any) -> None:
    model = infer.load(InferPart(model=str(models.identity())))
    faulty = faults.treated(model, ["contiguity-lost", "cast-forced"])
    assert np.array_equal(faulty.run({"image": TENSOR})[0], TENSOR)
    assert faulty.fact() == model.fact()


def test_a_copied_picture_is_another_one_with_the_same_content() -> None:
    one = picture()
    other = faults.Pictures(["copy-between-stages"])(one)
    assert other is not one
    for copied, plane in zip(views(other), views(one), strict=True):
        assert np.array_equal(copied, plane)
        assert not np.shares_memory(copied, plane)
    for name in ("pts", "time_base", "colorspace", "color_range", "width", "height"):
        assert getattr(other, name) == getattr(one, name)


def test_a_padded_picture_goes_on_as_it_was_and_its_rows_lie_further_apart() -> None:
    pictures, one = faults.Pictures(["stride-padded"]), picture()
    assert pictures(one) is one
    for padded, plane in zip(pictures._padded, views(one), strict=True):
        assert padded.strides[0] == plane.shape[1] + faults.PADDING
        assert np.array_equal(padded[:, : plane.shape[1]], plane)
    before = pictures._padded
    pictures(one)
    assert pictures._padded is before
    pictures(picture(size=(32, 16)))
    assert pictures._padded[0].shape == (16, 32 + faults.PADDING)


@pytest.mark.parametrize("fault", ["stride-padded", "copy-between-stages"])
def test_pictures_of_other_formats_are_refused(fault: Fault) -> None:
    with pytest.raises(InputError, match="yuv422p") as caught:
        faults.Pictures([fault])(picture("yuv422p"))
    assert caught.value.remedy


def test_a_live_program_with_all_faults_shows_the_same(
    clips: Any, models: Any, programs: Any, tmp_path: Any
) -> None:
    scenario = {
        "source": {"clip": str(clips.make(bframes=2)), "policy": "block"},
        "stage": {
            "infer": {"model": str(models.brightness())},
            "postprocess": {"kind": "mask"},
            "render": {"sink": "file"},
        },
    }
    films = []
    for asked in ([], ALL):
        account = programs.run({**scenario, "program": {"faults": asked}})
        assert account.code == 0, account.stderr
        assert account.facts.get("faults", []) == asked
        films.append(shown(tmp_path / "output.mp4"))
        for each in (tmp_path / "tapes").iterdir():
            each.unlink()
    assert len(films[0]) > 60
    assert films[0] == films[1]


def test_a_generating_program_with_all_faults_shows_the_same(programs: Any, tmp_path: Any) -> None:
    from scenarios import assets

    films = []
    for asked in ([], ALL):
        account = programs.run(
            {
                "mode": "generate",
                "generate": {"requests": 1, "frames": 4, "steps": 2, "scale": 2},
                "stage": {
                    "infer": {"model": str(assets.path("generator_fp32.onnx"))},
                    "postprocess": {"kind": "image"},
                },
                "run": {"duration": "60s"},
                "program": {"faults": asked},
            }
        )
        assert account.code == 0, account.stderr
        assert account.facts.get("faults", []) == asked
        films.append(shown(tmp_path / "output-0000.mp4"))
    assert films[0]
    assert films[0] == films[1]
