"""Packed sets: what is written, what is refused, and that workers share one copy."""

import json
import pickle
import sys
from itertools import islice

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from autogc.data import DATASETS, filelist, training_batches
from autogc.data.packed import Manifest, write
from autogc.data.packed.place import Place
from autogc.data.packed.tables import BlockList
from autogc.data.packed.write import pack
from autogc.errors import ConfigError, DataError


def streets(**counts):
    return DATASETS.build("streets", {"height": 32, "width": 40, "train": 9, "validation": 2, "test": 2, **counts}, seed=0)


def packed(root, **arguments):
    return DATASETS.build("parquet", {"root": str(root), **arguments}, seed=0)


@pytest.fixture
def directory(tmp_path):
    pack(streets(), tmp_path / "set", rows_per_shard=4)
    return tmp_path / "set"


def test_what_is_written(directory):
    shards = sorted((directory / "train" / "samples").iterdir())
    assert [pq.read_metadata(path).num_rows for path in shards] == [4, 4, 1]
    schema = pq.read_schema(shards[0])
    said = json.loads(schema.metadata[b"autogc"])
    assert said["version"] == 1 and said["split"] == "train" and said["fingerprint"] == streets().fingerprint
    assert set(schema.names) == {"place", "name", "targets", "labels"}
    row = pq.read_table(shards[1]).slice(2, 1)
    expected = streets().train.load()
    assert row["place"][0].as_py() == 6 and row["name"][0].as_py() == "train-00006"
    assert row["targets"][0].as_py() == expected.targets[6].tobytes() and row["labels"][0].as_py() == expected.labels[6].tobytes()
    assert pq.read_metadata(shards[0]).row_group(0).column(2).compression == "ZSTD"


def test_packing_twice_writes_the_same_bytes(directory, tmp_path):
    pack(streets(), tmp_path / "again", rows_per_shard=4)
    for path in directory.rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(directory)).read_bytes()


def test_a_url_serves_as_well_as_a_directory(directory):
    a, b = packed(f"file://{directory}"), packed(directory)
    assert torch.equal(a.train.batch().target, b.train.batch().target) and a.fingerprint == b.fingerprint


def test_rows_are_found_in_groups_and_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "GROUP_BYTES", 3 * 32 * 40 * 2)  # less than two samples with their labels
    data = streets(train=11)
    pack(data, tmp_path / "set", rows_per_shard=4)
    monkeypatch.setattr(write, "GROUP_BYTES", 3 * 4 * 32 * 40)
    pack(data, tmp_path / "groups", rows_per_shard=8)
    groups = pq.read_metadata(tmp_path / "groups" / "train" / "samples" / "00000.parquet").num_row_groups
    assert groups > 1
    monkeypatch.setattr(filelist, "MEMORY_LIMIT", 0)
    for name in ("set", "groups"):
        split = packed(tmp_path / name).train
        assert not isinstance(split.load().targets, np.ndarray)
        assert torch.equal(split.batch([10, 0, 5]).target, data.train.batch([10, 0, 5]).target)
        assert torch.equal(split.batch().labels, data.train.batch().labels)


def test_a_lazy_split_travels_as_its_address(directory, monkeypatch):
    monkeypatch.setattr(filelist, "MEMORY_LIMIT", 0)
    split = packed(directory).train
    split.batch()
    assert len(pickle.dumps(split)) < 10_000
    assert torch.equal(pickle.loads(pickle.dumps(split)).batch().target, streets().train.batch().target)


@pytest.mark.parametrize("limit", [filelist.MEMORY_LIMIT, 0])
def test_pictures_of_different_sizes(tmp_path, monkeypatch, limit):
    generator = np.random.default_rng(0)
    for index, (height, width) in enumerate([(32, 40), (24, 48), (36, 24)]):
        (tmp_path / "hr").mkdir(exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (height, width, 3)).astype(np.uint8)).save(tmp_path / "hr" / f"{index}.png")
    folders = {name: {"high": "hr"} for name in ("train", "validation", "test")}
    data = DATASETS.build("super_resolution", {"root": str(tmp_path), **folders, "scale": 2, "crop": 16}, seed=0)
    pack(data, tmp_path / "set", rows_per_shard=2)
    monkeypatch.setattr(filelist, "MEMORY_LIMIT", limit)
    ours = packed(tmp_path / "set")
    for a, b in zip(ours.test.batches(2), data.test.batches(2), strict=True):
        assert torch.equal(a.input, b.input) and torch.equal(a.target, b.target)
    for a, b in zip(*(islice(training_batches(one.train, 2, seed=0), 4) for one in (ours, data)), strict=True):
        assert torch.equal(a.input, b.input) and torch.equal(a.target, b.target)


@pytest.mark.parametrize("limit", [filelist.MEMORY_LIMIT, 0])
def test_a_shard_that_was_changed_is_named(directory, monkeypatch, limit):
    path = directory / "train" / "samples" / "00001.parquet"
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(filelist, "MEMORY_LIMIT", limit)
    with pytest.raises(DataError, match=r"train/samples/00001.parquet is not what was packed"):
        packed(directory).check()


def test_a_shard_that_is_missing_is_named(directory):
    (directory / "test" / "samples" / "00000.parquet").unlink()
    with pytest.raises(DataError, match=r"test/samples/00000.parquet cannot be read"):
        packed(directory)


def test_what_is_no_packed_set_is_refused(directory, tmp_path):
    with pytest.raises(DataError, match=r"nowhere/manifest.json cannot be read .*data.args.root"):
        packed(tmp_path / "nowhere")
    with pytest.raises(DataError, match="cannot be opened"):
        packed("nothing://at/all")
    manifest = json.loads((directory / "manifest.json").read_text())
    for changed, message in (({"version": 2}, "has version 2"), ({"format": "x"}, "no manifest"), ({"splits": [{}]}, "is damaged")):
        (directory / "manifest.json").write_text(json.dumps(manifest | changed))
        with pytest.raises(DataError, match=message):
            packed(directory)


def test_nothing_is_overwritten_and_nothing_half_written_stays(directory, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="exists already"):
        pack(streets(), directory)
    with pytest.raises(ConfigError, match="at least 1 row"):
        pack(streets(), tmp_path / "other", rows_per_shard=0)
    monkeypatch.setattr(write, "write_json", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        pack(streets(), tmp_path / "other")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["set"]


def test_without_ray_nothing_of_it_is_imported(directory):
    before = "ray" in sys.modules
    packed(directory).check()
    assert ("ray" in sys.modules) == before


def test_a_reader_of_a_training_that_just_ended_is_asked_for_again(directory, monkeypatch):
    import ray
    from ray.exceptions import RayActorError

    from autogc.data.packed import shared

    place = Place(str(directory))
    table = Manifest.from_json(place.json("manifest.json"), where="").splits[0].tables["samples"]
    asked, deaths = [], [RayActorError(), RayActorError()]

    class Remote:
        """Stands for the actor and for its method: ``.options(...).remote(...)`` and ``.blocks.remote(...)``."""

        def options(self, *, name, namespace, get_if_exists):
            asked.append(name)
            return self

        def remote(self, *args):
            return self if not args else [place.table(shard) for shard in args[1]]

        blocks = property(lambda self: self)

    def get(found):
        if deaths:
            raise deaths.pop()
        return (found, None) if len(asked) == 3 and not resolved else found

    resolved = []
    monkeypatch.setattr(ray, "remote", lambda **_: lambda _: Remote())
    monkeypatch.setattr(ray, "get", lambda found: (get(found), resolved.append(True))[0])
    monkeypatch.setattr(shared, "SECONDS_BETWEEN", 0.0)
    tables, _ = shared.shared_tables(place, table)
    assert len(set(asked)) == 1 and len(asked) == 3
    assert [one.num_rows for one in tables] == [4, 4, 1]
    deaths += [RayActorError() for _ in range(shared.ATTEMPTS)]
    with pytest.raises(RayActorError):
        shared.shared_tables(place, table)


def test_blocks_in_any_order_are_one_list(directory):
    place = Place(str(directory))
    table = Manifest.from_json(place.json("manifest.json"), where="").splits[0].tables["samples"]
    blocks = [place.table(shard) for shard in table.shards]
    # Ray cuts large blocks in two, wherever.
    pieces = [blocks[2], blocks[0].slice(0, 3), blocks[1], blocks[0].slice(3)]
    expected = streets().train.load()
    for column in table.columns:
        pictures = BlockList(column, pieces)
        assert len(pictures) == 9 and pictures.sizes() is None
        assert np.array_equal(np.stack(pictures.take(range(9))), getattr(expected, column.field))


def worker_function():
    """Return what each worker of the test below does: it writes where its pictures lie, and the batches of its rank."""

    # Defined here, so that Ray sends it as it is and workers need not find this file.
    def on_worker(given):
        from itertools import islice
        from pathlib import Path

        import ray.train
        import torch

        from autogc.data import DATASETS, training_batches

        context = ray.train.get_context()
        data = DATASETS.build("parquet", {"root": given["root"]}, seed=0)
        blocks = data.train.load().targets
        mapped = [line.split()[0] for line in Path("/proc/self/maps").read_text().splitlines() if "plasma" in line]
        ranges = [tuple(int(end, 16) for end in one.split("-")) for one in mapped]
        in_store = all(any(low <= blocks[place].ctypes.data < high for low, high in ranges) for place in range(len(blocks)))
        batches = training_batches(data.train, 4, seed=5, rank=context.get_world_rank(), workers=context.get_world_size())
        targets = torch.stack([batch.target for batch in islice(batches, 6)])
        torch.save({"in_store": in_store, "targets": targets}, f"{given['out']}/{context.get_world_rank()}.pt")

    return on_worker


@pytest.mark.slow
def test_workers_share_one_copy_and_the_order_is_the_same(tmp_path):
    import ray
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    # Large enough for the store: Ray sends objects of less than 100 kB along with messages.
    data = streets(train=8, height=96, width=128)
    pack(data, tmp_path / "set", rows_per_shard=4)
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        TorchTrainer(
            worker_function(),
            train_loop_config={"root": str(tmp_path / "set"), "out": str(tmp_path)},
            torch_config=TorchConfig(backend="gloo"),
            scaling_config=ScalingConfig(num_workers=2),
            run_config=RunConfig(storage_path=str(tmp_path / "ray"), name="test"),
        ).fit()
    finally:
        ray.shutdown()
    found = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    assert all(one["in_store"] for one in found)
    whole = [batch.target for batch in islice(training_batches(data.train, 4, seed=5), 6)]
    assert torch.equal(torch.cat([one["targets"] for one in found], dim=1), torch.stack(whole))
