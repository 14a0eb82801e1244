"""The keys that DeepSpeed's configuration has at its top: it takes any other in silence, a misspelt one too.

Read off a configuration that wrote down which keys DeepSpeed 0.19.8 asks it for; a test does that again. Not imported from DeepSpeed,
which takes seconds to import and does not list them.
"""

from __future__ import annotations

from collections.abc import Iterable

from autogc.errors import nearest

KNOWN = frozenset(
    (
        "activation_checkpointing",
        "aio",
        "autotuning",
        "bf16",
        "bfloat16",
        "checkpoint",
        "comet",
        "comms_logger",
        "communication_data_type",
        "compile",
        "csv_monitor",
        "data_efficiency",
        "data_types",
        "dataloader_drop_last",
        "datastates_ckpt",
        "disable_allgather",
        "disable_python_gc",
        "dump_state",
        "expert_parallel",
        "flops_profiler",
        "fp16",
        "gradient_accumulation_steps",
        "gradient_allreduce_op",
        "gradient_clipping",
        "gradient_predivide_factor",
        "hybrid_engine",
        "log_level",
        "managed_gradient_accumulation",
        "memory_breakdown",
        "optimizer",
        "pipeline",
        "prescale_gradients",
        "scheduler",
        "seq_parallel_communication_data_type",
        "steps_per_print",
        "tensor_parallel",
        "tensorboard",
        "timers",
        "torch_autocast",
        "train_batch_size",
        "train_micro_batch_size_per_gpu",
        "use_data_before_expert_parallelism",
        "vocabulary_size",
        "wall_clock_breakdown",
        "wandb",
        "weight_quantization",
        "zero_allow_untested_optimizer",
        "zero_force_ds_cpu_optimizer",
        "zero_optimization",
    )
)
# What DeepSpeed knew once and refuses now, when its engine is made.
REMOVED = frozenset(
    (
        "amp",
        "compression_training",
        "curriculum_learning",
        "eigenvalue",
        "elasticity",
        "graph_harvesting",
        "nebula",
        "progressive_layer_drop",
        "quantize_training",
        "sparse_attention",
        "sparse_gradients",
    )
)


def unknown_keys(keys: Iterable[str]) -> list[str]:
    """Return what is wrong with each key that DeepSpeed does not have, with the nearest that it has."""
    return [
        f"deepspeed.{key}: DeepSpeed has removed this feature; leave it out"
        if key in REMOVED
        else f"deepspeed.{key}: DeepSpeed has no such key; {nearest(str(key), KNOWN)}"
        for key in keys
        if key not in KNOWN
    ]
