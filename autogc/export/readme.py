"""The page that explains a package to whoever receives it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autogc.files import write_text
from autogc.metrics.catalogue import METRICS
from autogc.supernet.candidate import Candidate

MEANINGS = {
    "macs": "multiply-accumulates of convolutions and linear layers for one image, as they are done (fvcore's count)",
    "macs_published": "the same with transposed convolutions counted at their output positions, as papers do",
    "bops": "bit operations: macs x bits of the weights x bits of the activations, 32 where they are not quantised",
    "params": "parameters",
    "storage_bytes": "bytes of packed.safetensors, which is what ships",
    "peak_activation_bytes": "the most bytes of activations held at one time for one image (PyTorch eager, float32, no kernel's workspace)",
    "latency_ms": "milliseconds for one image, the median of several runs",
} | {name: metric.meaning for name, metric in METRICS.items()}


def readme(
    path: Path,
    *,
    candidate: Candidate,
    costs: Mapping[str, float],
    scores: Mapping[str, float],
    provenance: Mapping[str, Any],
    manifest: Mapping[str, Any],
    generator_file: str | None = None,
    needed: str | None = None,
) -> None:
    """Write the page.

    ``generator_file`` is the copy of the user's own generator in the package, where it has one; ``needed`` the ``source`` to load it with
    where that copy does not suffice.
    """
    trust, warning, row = "", "", ""
    if needed is not None:
        trust = f', source="{needed}"'
        warning = (
            f"The generator is a class of its author's own. `{generator_file}` is a copy of its source, which does not stand alone: "
            "loading runs yours, of the same content.\n\n"
        )
    elif generator_file is not None:
        trust = ", trust_source=True"
        warning = (
            f"The generator is a class in `{generator_file}`, which loading it with `trust_source=True` runs: read it first. "
            'With a file of the same content at hand, `source="path/to/it.py"` runs that one.\n\n'
        )
    if generator_file is not None:
        row = f"| `{generator_file}` | the source of the full generator's class |\n"
    _, channels, height, width = manifest["input_shape"]
    versions = manifest["versions"]
    origin = f"Fine-tuned from the package with manifest {manifest['parent']['manifest_sha256'][:16]}. " if manifest["parent"] else ""
    text = f"""# Compressed generator {candidate.hash}

Written by autogc {versions["autogc"]} (torch {versions["torch"]}) on {manifest["created_at"]}. {origin}Load it:

{warning}```python
import torch
from autogc.export import load_package
generator = load_package("DIRECTORY"{trust}).module  # a plain torch.nn.Module in evaluation mode
with torch.inference_mode():
    images = generator(torch.zeros(1, {channels}, {height}, {width}))  # float32 in [-1, 1] to images (1, C, H, W) in [-1, 1]
```

## Numbers, for an input of {channels} x {height} x {width}

{_table(costs, {**MEANINGS, **_timed(provenance)})}

{_table(scores, MEANINGS)}

How the scores were taken:

```json
{json.dumps(dict(provenance), indent=2, sort_keys=True)}
```

## Files

| file | holds |
|---|---|
| `manifest.json` | format, hashes of all files, where the package comes from |
| `architecture.json` | the generator's builder, each module that differs from what it makes, the layout of the packed weights |
| `candidate.json` | what was chosen: widths, operators, pruning, formats; all that is not named is as in the full generator |
| `weights.safetensors` | the weights as float32 |
| `packed.safetensors` | the same weights as they ship, pruned, quantised and packed; `autogc.export.unpack_weights` reads it |
{row}| `costs.json`, `scores.json` | the numbers above, and how they were taken |
"""
    write_text(path, text)


def _timed(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Return what the latency is one of, where the provenance says it."""
    how = provenance.get("latency")
    if not how or "backend" not in how:
        return {}
    taken = f"median of {how['runs']} runs after {how['warmup']}" if "runs" in how else "predicted"
    return {"latency_ms": f"milliseconds for one image with {how['backend']} on {how['device']}, {how['threads']} threads, {taken}"}


def _table(numbers: Mapping[str, float], meanings: Mapping[str, str]) -> str:
    if not numbers:
        return "No numbers of this kind were taken."
    rows = [f"| `{name}` | {_figure(value)} | {meanings.get(name, '')} |" for name, value in numbers.items()]
    return "\n".join(["| | | what it is |", "|---|---:|---|", *rows])


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
