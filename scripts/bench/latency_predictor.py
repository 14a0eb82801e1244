#!/usr/bin/env python
"""How well measured layers predict the latency of whole subnets: Kendall's tau and the median error on candidates held out.

Builds the latency table of an experiment file's space (or of a file with nothing but a generator and its input_shape) on this machine, as
autogc profile --build-latency-table does, and compares its predictions with end-to-end measurements that it has not seen. The weights are
fresh: they don't matter to time. A table that is there already is gone on with.

  python scripts/bench/latency_predictor.py search_spaces/quickstart.yaml --threads 1
  python scripts/bench/latency_predictor.py search_spaces/quickstart.yaml --backend onnxruntime --table ort.json

Wall-clock times mean little where others use the machine: what they used of it is printed with the result. --processor-time counts the
processor time of this thread instead (one thread, PyTorch eager, CPU), which leaves out the time in which others had the core; they still
share the caches. On a quiet machine with one thread the two are the same.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from autogc.cost.latency import Instruments, LatencyTable, build_latency_table
from autogc.cost.latency.meter import DeviceMeter
from autogc.pipeline.subject import open_subject


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", help="an experiment file")
    parser.add_argument("--table", type=Path, help="where the table is kept; in a temporary file when absent")
    parser.add_argument("--backend", choices=("eager", "compile", "onnxruntime"), default="eager")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 (default: cpu)")
    parser.add_argument("--threads", type=int, help="threads inside an operator (default: those there are)")
    parser.add_argument("--patience", type=float, default=10.0, help="seconds to wait for a quiet machine, six times in all (default: 10)")
    parser.add_argument("--processor-time", action="store_true", help="count this thread's processor time instead of the clock on the wall")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of the experiment file")
    args = parser.parse_args()
    if args.processor_time and (args.threads != 1 or args.backend != "eager" or args.device != "cpu"):
        parser.error("--processor-time is that of one thread: it goes with --threads 1, eager on the CPU")
    subject = open_subject(args.space, overrides=args.set)
    given = {"backend": args.backend, "device": args.device, "threads": args.threads, "patience_s": args.patience}
    config = subject.experiment.scores.latency.model_copy(update=given)
    instruments = Instruments(now=time.thread_time_ns) if args.processor_time else Instruments()
    meter = DeviceMeter(config, subject.supernet.example_shape, instruments=instruments)
    with tempfile.TemporaryDirectory() as directory:
        path = args.table or Path(directory) / "table.json"
        started = time.perf_counter()
        predictor = build_latency_table(subject.supernet, subject.space, config, path=path, meter=meter)
        seconds = time.perf_counter() - started
        spaces = LatencyTable.read(path).spaces.values()
        held_out = [min(passes) for record in spaces for passes in record.held_out.values()]
    rows = np.random.default_rng(0).integers(
        0, [len(d.values) for d in subject.space.decisions], size=(1_000_000, len(subject.space.decisions))
    )
    predictor.predict(rows[:1])
    started = time.perf_counter()
    predictor.predict(rows)
    million = time.perf_counter() - started
    fit = predictor.fit
    print(f"space: {args.space}, {subject.space.size:.3g} subnets, input {tuple(subject.supernet.example_shape)}")
    print(f"device: {predictor.setting}; {'processor time' if args.processor_time else 'wall clock'}")
    print(f"measured: {fit.calls} layers, {fit.learned} subnets to fit to, {fit.held_out} held out, in {seconds:.0f} s")
    print(f"held out: {min(held_out):.2f} to {max(held_out):.2f} ms")
    print("weights: " + ", ".join(f"{name} {weight:.3g}" for name, weight in fit.weights.items()) + f", constant {fit.constant_ms:.3g} ms")
    print(f"Kendall's tau {fit.tau:.3f}, median relative error {fit.median_error:.1%}, others used up to {fit.busy:.0%} of the machine")
    if fit.repeated_tau is not None:
        print(f"the held-out measurements repeated: Kendall's tau {fit.repeated_tau:.3f} with themselves")
    print(f"a million candidates predicted in {million:.2f} s")


if __name__ == "__main__":
    main()
