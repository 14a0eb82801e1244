"""A whole experiment that takes seconds."""

import subprocess
import sys
from pathlib import Path

import pytest

TINY = """
name: tiny
data: {name: streets, args: {train: 8, validation: 4, test: 4, height: 32, width: 32}}
generator: {name: resnet, args: {base_channels: 16, blocks: 1}}
discriminator: {name: patchgan, args: {base_channels: 8, layers: 1}}
losses: {reconstruction_weight: 10, distillation_layers: [down2, up1]}
teacher: {steps: 4, batch_size: 2, checkpoint_every: 2, log_every: 1}
supernet: {steps: 4, batch_size: 2, checkpoint_every: 2, log_every: 1, decompose: ["blocks.*"], accept_trivial: true}
finetune: {steps: 4, batch_size: 2, checkpoint_every: 2, log_every: 1}
scores:
  feature_network: {name: dataset_segmenter, args: {steps: 4}}
  segmenter: {name: dataset_segmenter, args: {steps: 4}}
  latency: {warmup: 1, runs: 3, patience_s: 0}
space:
  stages: {all: ["*"]}
  dimensions:
    width: {choices: {"*": [1.0, 0.5]}}
    operator: {choices: {all: [dense, separable]}}
    weight_bits: {choices: {all: [32, 8]}}
search:
  objectives: [fid, macs]
  constraints: {storage_bytes: 100000}
  evaluations: 4
  concurrent: 1
tracking: {refresh_every: 2}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The path of a tiny experiment's file."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


def run_autogc(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    return subprocess.run([sys.executable, "-m", "autogc", *map(str, arguments)], capture_output=True, text=True, timeout=400)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """A finished tiny run: its experiment's file, its directory, and what the command printed."""
    directory = tmp_path_factory.mktemp("job")
    file = directory / "tiny.yaml"
    file.write_text(TINY)
    done = run_autogc("run", file, "--run-dir", directory / "run")
    assert done.returncode == 0, done.stdout + done.stderr
    return file, directory / "run", done.stdout + done.stderr
