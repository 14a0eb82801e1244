"""Files that are decoded when they are asked for: the cache's bound, what travels, which file is named."""

import pickle

import numpy as np
import pytest
from PIL import Image

from autogc.data.cache import Cache
from autogc.data.filelist import FileList, FileSamples
from autogc.data.readers import LargePicture, Photo
from autogc.errors import DataError
from autogc.progress import Silent


def test_the_cache_stays_within_its_bound_and_forgets_the_oldest():
    cache = Cache(100)
    made = []

    def value(key, nbytes):
        def make():
            made.append(key)
            return key, nbytes

        return cache.get(key, make)

    for key in "abca":
        assert value(key, 30) == key
    assert made == list("abc")
    value("d", 30)  # b is the one asked for longest ago
    value("a", 30)
    assert made == list("abcd")
    value("b", 30)
    assert made == list("abcdb")
    value("large", 500)
    value("d", 30)
    assert made[-2:] == ["large", "d"]


@pytest.fixture
def files(tmp_path):
    found = []
    for index in range(5):
        found.append(tmp_path / f"{index}.png")
        Image.fromarray(np.full((16, 8 + 8 * index, 3), index, np.uint8)).save(found[-1])
    return found


def test_it_decodes_what_is_asked_for_only(files):
    files[2].write_bytes(b"")
    pictures = FileList(files, Photo(16, 16))
    assert [picture.mean() for picture in pictures.take([4, 0, 1])] == [4, 0, 1]
    with pytest.raises(DataError, match=r"2.png cannot be decoded"):
        pictures.take([1, 2])
    with pytest.raises(DataError, match=r"2.png cannot be decoded"):
        pictures.check()
    assert pictures.nbytes == 5 * 3 * 16 * 16


def test_sizes_are_known_from_headers(files):
    pictures = FileList(files, LargePicture(4))
    assert pictures.sizes() == [(3, 16, 8 + 8 * index) for index in range(5)] and pictures.shape(2) == (3, 16, 24)
    assert FileList(files, LargePicture(4, reduced=True)).shape(4) == (3, 4, 10)
    assert pictures.nbytes == sum(picture.nbytes for picture in pictures.take(range(5)))


def test_turned_pictures_have_the_size_that_they_are_seen_at(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((16, 24, 3), np.uint8)).save(tmp_path / "0.jpg", exif=exif)
    pictures = FileList([tmp_path / "0.jpg"], LargePicture(2))
    assert pictures.shape(0) == pictures[0].shape == (3, 24, 16)


def test_it_travels_as_its_paths(files):
    pictures = FileList(files, Photo(64, 64))
    pictures.take(range(5))
    sent = pickle.dumps(pictures)
    assert len(sent) < 2000
    assert np.array_equal(pickle.loads(sent)[3], pictures[3])


def test_a_split_is_decoded_up_to_the_limit(files):
    lists = {"targets": FileList(files, Photo(16, 16))}
    assert isinstance(FileSamples("train", lists, limit=5 * 3 * 16 * 16)(Silent()).targets, np.ndarray)
    assert FileSamples("train", lists, limit=5 * 3 * 16 * 16 - 1)(Silent()).targets is lists["targets"]
