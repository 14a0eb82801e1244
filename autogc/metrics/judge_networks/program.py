"""Networks that come as a file which holds their program too: TorchScript, or an exported program (``torch.export.save``).

Such a file is a program, and running it is running somebody's work, in PyTorch's operators. What autogc sees to is that nothing else is in
it. TorchScript is read by PyTorch's own reader, which knows tensors and the classes that the file defines in TorchScript, and no Python;
operators that write or read files are refused by name, wherever that stands in the code. ``torch.export.load`` would unpickle objects,
evaluate expressions and look functions up by name, so an archive is looked through first (``exported.check_archive``), and refused where it
holds anything but aten operators and plain tensors.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from autogc.errors import CheckpointError, ConfigError
from autogc.metrics.judge_networks.download import check_named_hash
from autogc.metrics.judge_networks.exported import check_archive
from autogc.metrics.registry import hash_tensors

# The operators of TorchScript that touch files.
FILES = re.compile(rb"\b(save|from_file)\b")


class Program(nn.Module):
    """A network from a file. It pickles and copies as the file's bytes, since neither kind of program can be pickled itself."""

    def __init__(self, content: bytes, *, name: str) -> None:
        super().__init__()
        self._content, self.name = content, name
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.kind, self.net = _load(content, name)
        self.training = False
        for tensor in self.net.parameters():
            tensor.requires_grad_(False)
        self._loaded = hash_tensors(self.state_dict())

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the file; of the tensors where somebody changed them."""
        now = hash_tensors(self.state_dict())
        return self.sha256 if now == self._loaded else now

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)

    def train(self, mode: bool = True) -> Program:
        """Leave the program as it is: exported ones have only the mode in which they were exported, which should be evaluation."""
        self.training = False
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Program:
        """Move the constants of an exported program too, and the devices that its graph makes tensors on: ``to`` knows parameters alone."""
        super()._apply(fn, recurse)
        if isinstance(self.net, torch.fx.GraphModule):
            device = fn(torch.empty(0)).device
            for module in self.net.modules():
                for name, value in list(vars(module).items()):
                    if isinstance(value, Tensor):
                        setattr(module, name, fn(value))
            for node in self.net.graph.nodes:
                if "device" in node.kwargs:
                    node.kwargs = {**node.kwargs, "device": device}
            self.net.recompile()
        return self

    def __reduce__(self) -> tuple[Callable[..., Program], tuple[bytes, str]]:
        return _program, (self._content, self.name)


def load_program(file: str, *, network: str, sha256: str | None = None) -> Program:
    """Return the network in ``file`` for the judging network called ``network``, on the CPU.

    Raises ``ConfigError`` where there is no such file, ``CheckpointError`` where it is not what ``sha256`` (or the digits in its name)
    says, is no program, or holds what autogc runs of no file.
    """
    path = Path(file).expanduser()
    if not path.is_file():
        raise ConfigError(f"{network}: {path} does not exist; give a TorchScript file, or one that torch.export.save wrote")
    check_named_hash(path)
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != str(sha256).lower():
        raise CheckpointError(f"{path} is another file than the experiment means: its SHA-256 is {found}, and args.sha256 is {sha256}")
    return Program(content, name=path.name)


def _program(content: bytes, name: str) -> Program:
    return Program(content, name=name)


def _load(content: bytes, name: str) -> tuple[str, nn.Module]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            code = [archive.read(one) for one in archive.infolist() if one.filename.endswith(".py")]
    except zipfile.BadZipFile as error:
        raise CheckpointError(f"{name} is neither TorchScript nor an exported program ({error})") from error
    inside = {one.split("/", 1)[-1] for one in names}
    try:
        with warnings.catch_warnings():
            # TorchScript is deprecated, and still what published networks come as.
            warnings.simplefilter("ignore")
            if "archive_format" in inside:
                check_archive(content, name=name)
                program = torch.export.load(io.BytesIO(content))
                # Guards are expressions of the file's; a picture that does not fit fails in the network itself.
                return "exported program", program.module(check_guards=False)
            if any(one.startswith("code/") for one in inside):
                called = next((found for text in code if (found := FILES.search(text))), None)
                if called is not None:
                    raise CheckpointError(f"{name} is not loaded: its code names {called[1].decode()}, which is for files")
                script: nn.Module = torch.jit.load(io.BytesIO(content), map_location="cpu")
                return "TorchScript", script.eval()
    except CheckpointError:
        raise
    # What readers of two formats may raise about a damaged file is documented nowhere.
    except Exception as error:
        raise CheckpointError(f"{name} cannot be loaded ({type(error).__name__}: {_first_line(error)})") from error
    raise CheckpointError(f"{name} is neither TorchScript nor an exported program; a state dict alone does not say how to compute")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "no reason given"
