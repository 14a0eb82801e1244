"""Reading and writing experiment files, and telling two of them apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from autogc.config.experiment import Experiment
from autogc.config.recipes import resolved
from autogc.config.schema import flatten, problems_of, split_key
from autogc.config.source import locate
from autogc.errors import ConfigError, nearest
from autogc.files import sha256_json, write_text

# What may change between two invocations on one run directory: how much and where the work is done, not what is made.
# (More evaluations continue a search; another pick exports another of its subnets.)
CHANGEABLE = (
    "device",
    "workers",
    "search.evaluations",
    "search.concurrent",
    "search.cpus_per_trial",
    "search.gpus_per_trial",
    "search.intervals",
    "scores.latency.patience_s",
    "supernet.watch_every",
    "supernet.watch_images",
    "supernet.accept_trivial",
    "export.pick",
    "export.pick.*",
    "export.finalists",
    "tracking.*",
    "*.checkpoint_every",
    "*.log_every",
)


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice, and reads ``1e-4`` as the number that it is (YAML 1.1 makes it a string)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[Any, int] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
                continue
            line = key_node.start_mark.line + 1
            if key_node.value in lines:
                reason = f"key {key_node.value!r} is given twice, at lines {lines[key_node.value]} and {line}"
                raise yaml.constructor.ConstructorError(None, None, reason, key_node.start_mark)
            lines[key_node.value] = line
        return super().construct_mapping(node, deep=deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789"))


def load_experiment(
    path: str | Path, *, overrides: Sequence[str] = (), also: Callable[[Mapping[str, Any]], list[str]] | None = None
) -> Experiment:
    """Read an experiment file. ``overrides`` are strings such as ``"search.evaluations=40"``, their values YAML.

    A generator of the user's own is looked for beside the file and in the current directory; what is returned has its absolute path and the
    hash of its source. ``also`` is asked what else is wrong with the file's tree of keys, where the schema refuses it: all is told at once.
    Raises ConfigError with every problem: unknown keys (with the nearest valid ones), missing keys, values of a wrong type or range.
    """
    return validated(*read_tree(path, overrides=overrides), source=str(path), also=also)


def validated(
    tree: dict[str, Any], problems: list[str], *, source: str, also: Callable[[Mapping[str, Any]], list[str]] | None = None
) -> Experiment:
    """Return the experiment that ``tree`` says. Raises ConfigError with ``problems`` and those of the tree."""
    try:
        experiment = Experiment.model_validate(tree)
    except ValidationError as error:
        raise ConfigError([*problems, *problems_of(error), *(also(tree) if also else ())], source=source) from None
    if problems:
        raise ConfigError([*problems, *(also(tree) if also else ())], source=source)
    return experiment


def read_tree(path: str | Path, *, overrides: Sequence[str] = ()) -> tuple[dict[str, Any], list[str]]:
    """Return a file's keys and values with the overrides in place, its recipe's values beneath them and the user's generator located, and
    what is wrong with these three.

    Raises ConfigError where there is no such file or it holds no mapping.
    """
    path = Path(path)
    if not path.is_file():
        beside = [str(found) for found in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
        hint = nearest(str(path), beside) if beside else f"there is no YAML file in {path.parent}"
        raise ConfigError(f"no such file; {hint}", source=str(path))
    tree = parse_yaml(path.read_text(encoding="utf-8"), source=str(path))
    if not isinstance(tree, dict):
        raise ConfigError(f"must be a mapping of keys to values, got {type(tree).__name__}", source=str(path))
    problems = [problem for override in overrides for problem in _override(tree, override)]
    try:
        tree = resolved(tree)
    except ConfigError as error:
        problems += error.problems
        del tree["recipe"]
    for key, section in (("generator", tree), ("teacher.generator", tree.get("teacher"))):
        if isinstance(section, dict) and isinstance(section.get("generator"), dict):
            try:
                section["generator"] = locate(section["generator"], base=path.parent)
            except ConfigError as error:
                problems += [f"{key}.module: {problem}" for problem in error.problems]
    return tree, problems


def parse_yaml(text: str, *, source: str) -> Any:
    """Parse YAML safely. Raises ConfigError, with the line, where it is not YAML or gives a key twice."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ConfigError(f"{where}{error.problem}", source=source) from None
    except yaml.YAMLError as error:
        raise ConfigError(str(error), source=source) from None


def _override(tree: dict[str, Any], override: str) -> list[str]:
    """Put one ``key=value`` into ``tree``; return what is wrong with it. Unknown keys are left to the schema to refuse."""
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals or not key:
        return [f"--set {override}: must read key=value, such as search.evaluations=40"]
    try:
        value = parse_yaml(text, source=f"--set {key}")
    except ConfigError as error:
        return [f"--set {key}: {problem}" for problem in error.problems]
    *parents, last = split_key(key)
    here = tree
    for depth, part in enumerate(parents):
        if here.get(part) is None:
            here[part] = {}
        if not isinstance(here[part], dict):
            return [f"--set {key}: {'.'.join(parents[: depth + 1])} is {here[part]!r}, which has no keys"]
        here = here[part]
    here[last] = value
    return []


def dump_experiment(experiment: Experiment, path: str | Path) -> None:
    """Write an experiment as YAML that ``load_experiment`` reads back to an equal one."""
    write_text(path, yaml.safe_dump(experiment.model_dump(mode="json"), sort_keys=False, allow_unicode=True))


def diff_experiments(before: Experiment, after: Experiment, *, ignore: Iterable[str] = ()) -> list[str]:
    """Return each difference as ``dotted.key: value before -> value after``, leaving out keys that match a pattern of ``ignore``.

    A generator of the user's own is its class's name and its source's content, wherever the file lies.
    """
    patterns = tuple(ignore)
    old, new = (flatten(_decisive(experiment)) for experiment in (before, after))
    found = []
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key, _ABSENT), new.get(key, _ABSENT)
        if was != now and not matches(key, patterns=patterns):
            edited = key == "generator.source_sha256" and _ABSENT not in (was, now)
            found.append(f"{key}: {_shown(was)} -> {_shown(now)}" + (f" ({after.generator.source} was edited)" if edited else ""))
    return found


def fingerprint(experiment: Experiment) -> str:
    """Return the SHA-256 over everything that decides what a run makes; equal for experiments that may share a run directory."""
    leaves = flatten(_decisive(experiment))
    return sha256_json({key: value for key, value in leaves.items() if not matches(key, patterns=CHANGEABLE)})


def _decisive(experiment: Experiment) -> dict[str, Any]:
    # What a recipe stands for is in the rest; its name alone decides nothing.
    tree = {**experiment.model_dump(mode="json", exclude={"recipe"}), "generator": experiment.generator.identity}
    if experiment.teacher.generator is not None:
        tree["teacher"]["generator"] = experiment.teacher.generator.identity
    return tree


def matches(key: str, *, patterns: Iterable[str]) -> bool:
    """Tell whether a dotted key matches one of the patterns."""
    return any(fnmatchcase(key, pattern) for pattern in patterns)


_ABSENT = object()


def _shown(value: Any) -> str:
    return "absent" if value is _ABSENT else repr(value)
