"""Pictures: every pixel where it belongs, the same bytes every time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganpipe.pictures import (
    BACKGROUND,
    CELL_SIDE,
    FRAMES,
    STEP_CELL,
    as_images,
    grid,
    heat_map,
    labelled,
    save_evolution,
    save_png,
    sheet,
    strip,
)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("pad", "scale"), [(0, 1), (2, 1), (3, 4)])
def test_a_grid_puts_every_pixel_in_its_place(channels: int, pad: int, scale: int) -> None:
    images = noise(5, 4, 6, channels)
    picture = grid(images, columns=3, pad=pad, scale=scale)
    assert picture.mode == {1: "L", 3: "RGB"}[channels]
    assert picture.size == (3 * (6 * scale + pad) + pad, 2 * (4 * scale + pad) + pad)
    expected = np.full((picture.height, picture.width, channels), BACKGROUND, np.uint8)
    for number in range(5):
        for y in range(4 * scale):
            for x in range(6 * scale):
                row, column = divmod(number, 3)
                place = (pad + row * (4 * scale + pad) + y, pad + column * (6 * scale + pad) + x)
                expected[place] = images[number, y // scale, x // scale]
    assert np.array_equal(np.asarray(picture).reshape(expected.shape), expected)


@pytest.mark.parametrize(("side", "scale"), [(8, 8), (28, 3), (32, 2), (63, 2), (64, 1), (300, 1)])
def test_small_images_are_enlarged(side: int, scale: int) -> None:
    assert grid(noise(1, side, side, 1), columns=1, pad=0).size == (side * scale, side * scale)


def test_a_sheet_shows_walks_in_rows() -> None:
    walks = noise(2, 5, 64, 64, 3)
    assert np.array_equal(np.asarray(sheet(walks.reshape(10, 64, 64, 3), columns=5))[68:132, 134:198], walks[1, 2])


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (9, 3), (10, 4), (100, 10)])
def test_a_sheet_is_about_square(count: int, columns: int) -> None:
    assert sheet(noise(count, 64, 64, 1)).width == columns * 66 + 2


def test_a_sheet_of_vectors_is_a_heat_map() -> None:
    vectors = np.random.default_rng(0).random((5, 4), np.float32)
    assert np.array_equal(np.asarray(sheet(vectors)), np.asarray(heat_map(vectors)))


def test_a_heat_map_is_white_where_one() -> None:
    vectors = np.array([[1, 0, 0.5], [2, -3, 0.2]], np.float32)
    picture = np.asarray(heat_map(vectors, cell=(2, 3)))
    assert picture.shape == (4, 9)
    assert np.array_equal(picture[::2, ::3], [[255, 0, 128], [255, 0, 51]])
    assert np.array_equal(picture, picture[::2, ::3].repeat(2, axis=0).repeat(3, axis=1))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_heat_map_refuses_what_has_no_grey(value: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        heat_map(np.array([[0.5, value]]))


def test_a_png_is_saved_whole_and_the_same_every_time(tmp_path: Path) -> None:
    picture = grid(noise(9, 28, 28, 3), columns=3)
    for name in ("one.png", "two.png"):
        save_png(picture, tmp_path / "new" / name)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["one.png", "two.png"]
    assert (tmp_path / "new/one.png").read_bytes() == (tmp_path / "new/two.png").read_bytes()
    assert np.array_equal(np.asarray(Image.open(tmp_path / "new/one.png")), np.asarray(picture))


def test_pictures_import_neither_torch_nor_matplotlib() -> None:
    code = "import sys, ganpipe.pictures; print([m for m in ('torch', 'matplotlib', 'h5py') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def previews(folder: Path, items: list[np.ndarray]) -> list[Path]:
    paths = [folder / f"kimg-{number:09.3f}.png" for number in range(len(items))]
    for path, item in zip(paths, items, strict=True):
        save_png(sheet(item), path)
    return paths


def test_previews_of_vectors_are_stacked_in_time(tmp_path: Path) -> None:
    vectors = [np.full((3, 4), value, np.float32) for value in (0.0, 0.5, 1.0)]
    vectors[1][1:] = 0.9  # only the topmost counts
    paths = previews(tmp_path, vectors)
    save_evolution(paths, tmp_path, "vector")
    first = (tmp_path / "evolution.png").read_bytes()
    assert np.array_equal(
        np.asarray(Image.open(tmp_path / "evolution.png")), np.asarray(heat_map(np.stack([v[0] for v in vectors])))
    )
    save_evolution(paths, tmp_path, "vector")
    assert (tmp_path / "evolution.png").read_bytes() == first


@pytest.mark.parametrize("channels", [1, 3])
def test_previews_of_images_are_a_film(channels: int, tmp_path: Path) -> None:
    paths = previews(tmp_path, [np.full((4, 8, 8, channels), value, np.uint8) for value in (0, 100, 200)])
    save_evolution(paths, tmp_path, "image")
    first = (tmp_path / "evolution.gif").read_bytes()
    film = Image.open(tmp_path / "evolution.gif")
    assert film.n_frames == 3
    for frame, path in enumerate(paths):
        film.seek(frame)
        assert np.abs(np.asarray(film.convert("L")).astype(int) - np.asarray(Image.open(path).convert("L"))).max() < 8
    save_evolution(paths, tmp_path, "image")
    assert (tmp_path / "evolution.gif").read_bytes() == first


def test_a_film_has_no_more_frames_than_it_may_and_ends_with_the_last(tmp_path: Path) -> None:
    paths = previews(tmp_path, [np.full((1, 8, 8, 1), value, np.uint8) for value in range(2 * FRAMES)])
    save_evolution(paths, tmp_path, "image")
    film = Image.open(tmp_path / "evolution.gif")
    assert film.n_frames == FRAMES
    film.seek(FRAMES - 1)
    assert np.asarray(film.convert("L"))[10, 10] == 2 * FRAMES - 1


def test_frames_are_shrunk_by_a_whole_number(tmp_path: Path) -> None:
    save_evolution(previews(tmp_path, [noise(9, 600, 300, 3)]), tmp_path, "image")
    width, height = Image.open(tmp_path / "evolution.gif").size
    assert (width, height) == (-(-908 // 3), -(-1808 // 3))


def test_vectors_become_images_one_pixel_high_and_images_stay() -> None:
    found = as_images(np.array([[0, 0.5, 1], [-3, 2, 0.1]], np.float32))
    assert found.tolist() == [[[[0], [128], [255]]], [[[0], [255], [26]]]]
    images = noise(2, 4, 4, 3)
    assert as_images(images) is images


@pytest.mark.parametrize("channels", [1, 3])
def test_a_label_stands_before_its_row_and_the_picture_is_untouched(channels: int) -> None:
    picture = grid(noise(6, 64, 64, channels), columns=2)
    whole = labelled(picture, ["a", "", "ccc"])
    margin = whole.width - picture.width
    assert whole.height == picture.height
    assert np.array_equal(np.asarray(whole)[:, margin:], np.asarray(picture))
    third = np.array_split((np.asarray(whole)[:, :margin] != BACKGROUND).reshape(picture.height, -1), 3)
    assert third[0].any()
    assert not third[1].any()
    assert third[2].sum() > third[0].sum()
    assert labelled(picture, ["a", "", "ccc ccc"]).width > whole.width


def test_time_runs_right_and_columns_run_up() -> None:
    notes = np.zeros((1, 5, 3), np.float32)  # five steps, three columns
    notes[0, :, 0] = 1.0  # the first column, at all steps
    notes[0, 4, 2] = 0.5  # the last column, at the last step
    found = as_images(notes, "sequence")[0, :, :, 0]
    assert found.tolist() == [[0, 0, 0, 0, 128], [0] * 5, [255] * 5]


def test_sequences_are_scaled_by_what_they_hold_or_by_given_limits() -> None:
    notes = np.array([[[-1.0], [0.0]], [[3.0], [1.0]]], np.float32)
    assert as_images(notes)[..., 0].tolist() == [[[0, 64]], [[255, 128]]], "all items by the same range"
    assert as_images(notes, limits=(0.0, 1.0))[..., 0].tolist() == [[[0, 0]], [[255, 255]]]
    assert as_images(notes, limits=(-5.0, 5.0))[..., 0].tolist() == [[[102, 128]], [[204, 153]]]
    assert not as_images(np.full((2, 4, 3), 7.0)).any(), "a range of one number is black"


def test_a_sheet_of_sequences_is_a_grid_of_heat_maps() -> None:
    notes = np.random.default_rng(0).random((10, 48, 6), np.float32)
    picture = np.asarray(sheet(notes))
    down, across = STEP_CELL
    assert picture.shape == (3 * (6 * down + 2) + 2, 4 * (48 * across + 2) + 2)
    fifth = picture[52:100:down, 2:194:across]
    assert np.array_equal(fifth, as_images(notes)[4, :, :, 0])
    assert not np.array_equal(picture, np.asarray(sheet(notes, limits=(0.0, 2.0))))


@pytest.mark.parametrize(
    "items",
    [np.zeros((3, 8), np.int32), np.zeros(3, np.int64), np.zeros((3, 8), np.uint8), np.zeros((3, 8, 2), np.int32)],
)
@pytest.mark.parametrize("draw", [as_images, sheet, lambda items: strip([("caption", items)])])
def test_tokens_labels_and_attributes_are_not_drawn(items: np.ndarray, draw: Callable[[np.ndarray], object]) -> None:
    with pytest.raises(ValueError, match="has no picture"):
        draw(items)


def test_a_kind_that_the_array_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="does not hold items of kind 'sequence'"):
        as_images(np.zeros((2, 3)), "sequence")
    with pytest.raises(ValueError, match="does not hold items of kind 'image'"):
        sheet(np.zeros((2, 3)), kind="image")
    with pytest.raises(ValueError, match="not finite"):
        sheet(np.full((1, 2, 2), np.nan))


def test_a_strip_puts_what_belongs_together_in_a_row() -> None:
    low, high = noise(3, 16, 16, 3), noise(3, 64, 64, 3)
    picture = np.asarray(strip([("low", low), ("made", high), ("target", high[::-1])]))
    head = picture.shape[0] - 3 * (CELL_SIDE + 2) - 2
    assert 10 < head < 40 and picture.shape[1] == 3 * (CELL_SIDE + 4)
    for row in range(3):
        top = head + 2 + row * (CELL_SIDE + 2)
        cells = [
            picture[top : top + CELL_SIDE, left : left + CELL_SIDE] for left in (2, CELL_SIDE + 6, 2 * CELL_SIDE + 10)
        ]
        assert np.array_equal(cells[0], low[row].repeat(8, 0).repeat(8, 1)), "enlarged by a whole number"
        assert np.array_equal(cells[1], high[row].repeat(2, 0).repeat(2, 1))
        assert np.array_equal(cells[2], high[2 - row].repeat(2, 0).repeat(2, 1))
    for left in range(0, 3 * (CELL_SIDE + 4), CELL_SIDE + 4):
        assert (picture[:head, left : left + CELL_SIDE + 4] > 200).any(), "a title over each column"


def test_a_strip_centres_what_does_not_fill_its_cell() -> None:
    picture = np.asarray(
        strip([("a", np.full((1, 50, 50, 1), 255, np.uint8)), ("b", np.zeros((1, 128, 128, 1), np.uint8))])
    )
    white = np.argwhere(picture[-130:, :130] == 255)
    assert (white.min(0) - [0, 2]).tolist() == [14, 0] and (white.max(0) - white.min(0)).tolist() == [99, 99]


@pytest.mark.parametrize("rows", [1, 2, 10])
@pytest.mark.parametrize("side", [8, 28, 64, 128, 256])
def test_a_strip_is_of_a_sane_size(rows: int, side: int) -> None:
    picture = strip([("given", noise(rows, side, side, 1)), ("made", noise(rows, side, side, 3))])
    cell = max(side, CELL_SIDE - CELL_SIDE % side)
    assert picture.mode == "RGB" and picture.width == 2 * (cell + 4)
    assert rows * cell < picture.height < rows * (cell + 2) + 40


def test_a_strip_takes_all_kinds_and_widens_for_a_title() -> None:
    columns = [
        ("notes", np.random.default_rng(0).random((2, 48, 6))),
        ("vector", np.eye(2, 4)),
        ("image", noise(2, 32, 32, 1)),
    ]
    plain = strip(columns)
    assert plain.mode == "L"
    assert strip([("a title that is wider than the column", columns[0][1]), *columns[1:]]).width > plain.width
    with pytest.raises(ValueError, match="unequal length: a 2, b 3"):
        strip([("a", noise(2, 4, 4, 1)), ("b", noise(3, 4, 4, 1))])


def frames(film: Path) -> list[np.ndarray]:
    found = []
    with Image.open(film) as opened:
        for number in range(opened.n_frames):
            opened.seek(number)
            found.append(np.asarray(opened.convert("RGB")).astype(int))
    return found


def test_a_growing_output_is_a_film_on_one_canvas(tmp_path: Path) -> None:
    """Sheets of 68, 132 and 260 pixels: the first three times as large with a rim, the second with a wider one."""
    paths = [tmp_path / f"kimg-{number}.png" for number in range(3)]
    for path, side, value in zip(paths, (64, 128, 256), (0, 100, 200), strict=True):
        save_png(sheet(np.full((1, side, side, 3), value, np.uint8)), path)
    save_evolution(paths, tmp_path, "image")
    small, medium, large = frames(tmp_path / "evolution.gif")
    assert small.shape == medium.shape == large.shape == (260, 260, 3)
    for frame, value, inner in ((small, 0, 3 * 64), (medium, 100, 128), (large, 200, 256)):
        of_value = np.argwhere(np.abs(frame - value).max(axis=-1) < 8)
        assert (of_value.max(0) - of_value.min(0) + 1).tolist() == [inner, inner]
        assert np.abs(of_value.min(0) + of_value.max(0) - 259).max() <= 1, "centred"
    assert np.abs(small[0, 0] - BACKGROUND).max() < 8
    first = (tmp_path / "evolution.gif").read_bytes()
    save_evolution(paths, tmp_path, "image")
    assert (tmp_path / "evolution.gif").read_bytes() == first


def test_previews_of_sequences_are_a_film(tmp_path: Path) -> None:
    paths = previews(tmp_path, [np.random.default_rng(seed).random((4, 24, 3), np.float32) for seed in range(3)])
    save_evolution(paths, tmp_path, "sequence")
    assert [frame.shape[:2] for frame in frames(tmp_path / "evolution.gif")] == [(2 * 26 + 2, 2 * 98 + 2)] * 3
    assert not (tmp_path / "evolution.png").exists()


def test_vectors_that_grow_are_stacked_too(tmp_path: Path) -> None:
    save_evolution(previews(tmp_path, [np.ones((2, 2), np.float32), np.zeros((2, 4), np.float32)]), tmp_path, "vector")
    picture = np.asarray(Image.open(tmp_path / "evolution.png"))
    assert picture[::8, ::32].tolist() == [[255, 255, BACKGROUND, BACKGROUND], [0] * 4]
