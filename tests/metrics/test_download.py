"""Published weights from a server on this machine: kept, checked, never half there."""

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from inception_weights import random_state

from autogc.config.experiment import Component, ScoresConfig
from autogc.data import DATASETS
from autogc.errors import CheckpointError
from autogc.metrics import Judge
from autogc.metrics.judge_networks import download, inception
from autogc.metrics.judge_networks.download import Published, check_named_hash
from autogc.metrics.networks import Networks
from autogc.progress import Silent

DATA = DATASETS.build("streets", {"height": 32, "width": 32, "train": 2, "validation": 2, "test": 2}, seed=0)
CONTENT = bytes(range(256)) * 10_000


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


class Told(Silent):
    def __init__(self):
        self.seen = []

    def start(self, task, *, total, done=0):
        self.seen.append((task, total))

    def update(self, done, **figures):
        self.seen.append(done)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(download, "ELSEWHERE", (tmp_path / "hub",))
    return tmp_path / "cache"


@pytest.fixture
def served(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def published(url, content=CONTENT, *, name="weights.pth"):
    return Published(name=name, url=f"{url}/{name}", sha256=hashlib.sha256(content).hexdigest(), size=len(content), key="scores.x.weights")


def test_a_file_is_downloaded_once_and_kept(served, cache):
    folder, url = served
    (folder / "weights.pth").write_bytes(CONTENT)
    wanted, told = published(url), Told()
    assert wanted.find() is None
    path = wanted.fetch(told)
    assert path == cache / "weights.pth" and path.read_bytes() == CONTENT
    assert told.seen[0] == ("downloading weights.pth (MB)", 3) and told.seen[-1] == 3
    (folder / "weights.pth").unlink()
    assert wanted.fetch(Silent()) == path
    assert [one.name for one in cache.iterdir()] == ["weights.pth"]


def test_a_damaged_copy_is_downloaded_again(served, cache):
    folder, url = served
    (folder / "weights.pth").write_bytes(CONTENT)
    cache.mkdir()
    (cache / "weights.pth").write_bytes(CONTENT[:-1])
    assert published(url).fetch(Silent()).read_bytes() == CONTENT


def test_pytorchs_own_cache_is_looked_at(cache, tmp_path):
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "weights.pth").write_bytes(CONTENT)
    assert published("http://127.0.0.1:1").fetch(Silent()) == tmp_path / "hub" / "weights.pth"
    assert not cache.exists()


@pytest.mark.parametrize("given", [CONTENT[:-1], CONTENT + b"more", b"x" * len(CONTENT)])
def test_what_is_not_what_was_published_is_not_kept(served, cache, given):
    folder, url = served
    (folder / "weights.pth").write_bytes(given)
    with pytest.raises(CheckpointError, match=r"is not weights\.pth: its SHA-256 is .* nothing was kept.*set scores\.x\.weights"):
        published(url).fetch(Silent())
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "file:///nowhere"])
def test_without_a_network_it_says_what_to_put_where(cache, url):
    with pytest.raises(CheckpointError) as found:
        published(url).fetch(Silent())
    message = str(found.value)
    assert f"weights.pth (2.6 MB) from {url}/weights.pth cannot be downloaded to {cache / 'weights.pth'}" in message
    assert "put it there, or set scores.x.weights" in message


def test_a_file_that_the_server_does_not_have(served, cache):
    with pytest.raises(CheckpointError, match="404"):
        published(served[1]).fetch(Silent())


def test_digits_of_a_hash_in_a_name_are_compared(tmp_path):
    digits = hashlib.sha256(CONTENT).hexdigest()[:8]
    for name, right in ((f"net-{digits}.pth", True), ("net-00000000.pth", False), ("net-2015.pth", True), ("net.pth", True)):
        (tmp_path / name).write_bytes(CONTENT)
        if right:
            check_named_hash(tmp_path / name)
        else:
            with pytest.raises(CheckpointError, match="begins with 00000000"):
                check_named_hash(tmp_path / name)


def test_a_judge_downloads_inception_before_its_first_score(served, cache, tmp_path, monkeypatch):
    folder, url = served
    torch.save(random_state(), folder / "weights.pth")
    content = (folder / "weights.pth").read_bytes()
    monkeypatch.setattr(inception, "PUBLISHED", published(url, content))
    scores = ScoresConfig(feature_network=Component(name="inception_fid", args={"features": 64}), segmenter=None)
    networks = Networks.build(scores, DATA, seed=0)
    # Built, to be looked at; nothing was downloaded.
    assert networks.downloads == (inception.PUBLISHED,) and not cache.exists()
    judge = Judge.prepare(scores, DATA, tmp_path / "judge", seed=0)
    assert judge.networks.downloads == () and (cache / "weights.pth").exists()
    assert "inception_score" in judge.metrics
    assert judge.score(lambda inputs: torch.zeros(len(inputs), 3, 32, 32), DATA.validation, metrics=["fid"]).scores["fid"] > 0
    assert Networks.build(scores, DATA, seed=0).downloads == ()
