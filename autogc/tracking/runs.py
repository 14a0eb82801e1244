"""One parent run a search and one child run a candidate, in MLflow: found again after a kill, never made twice."""

from __future__ import annotations

import logging
import math
import os
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autogc.tracking.outbox import AwayError, RefusedError

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from autogc.search.ledger import Evaluation

PARENT = "mlflow.parentRunId"
TOKEN, HASH, TRIAL, STATE, REASON, LOGGED = (f"autogc.{name}" for name in ("run", "candidate", "trial", "state", "reason", "logged"))
HYPERVOLUME = "hypervolume"
PARAMS_A_CALL, METRICS_A_CALL, RUNS_A_PAGE = 100, 1000, 1000  # MLflow's own limits
LONGEST_VALUE = 500
SHOWN_AS = {"mlflow.experimentKind": "custom_model_development"}  # the UI opens on runs, not on traces of language models
PROBE_SECONDS = 3.0


@dataclass(frozen=True)
class Point:
    """A value of a curve: ``timestamp`` in milliseconds since 1970."""

    key: str
    value: float
    step: int
    timestamp: int


class Runs:
    """The runs of one search. Every method talks to the store at once, may be repeated, and raises AwayError or RefusedError.

    ``token`` is what the parent is recognised by: it is decided before the parent is made, so that a kill in between leaves no orphan.
    """

    def __init__(
        self,
        *,
        uri: str,
        artifacts: Path | None,
        experiment: str,
        token: str,
        name: str,
        tags: Mapping[str, str],
        params: Mapping[str, str],
    ) -> None:
        self.uri = uri
        self.parent_id: str | None = None
        self.experiment_id: str | None = None
        self._artifacts = artifacts
        self._experiment = experiment
        self._token = token
        self._name = name
        self._tags = dict(tags)
        self._params = dict(params)
        self._client: MlflowClient | None = None
        self._children: dict[tuple[str, int], tuple[str, bool]] = {}  # (hash, trial) -> run, whether it is whole
        self._volumes: set[int] = set()

    def connect(self) -> None:
        """Find or make the parent run, mark it as running, and learn which candidates have a run already."""
        if self.parent_id is not None:
            return
        with self._talking() as client:
            found = client.get_experiment_by_name(self._experiment)
            if found is None:
                location = self._artifacts.as_uri() if self._artifacts else None
                self.experiment_id = client.create_experiment(self._experiment, artifact_location=location, tags=SHOWN_AS)
            else:
                self.experiment_id = found.experiment_id
            runs = client.search_runs([self.experiment_id], f"tags.`{TOKEN}` = '{self._token}'", max_results=1)
            if runs:
                parent_id = runs[0].info.run_id
                client.update_run(parent_id, status="RUNNING")
            else:
                parent_id = client.create_run(self.experiment_id, run_name=self._name, tags={**self._tags, TOKEN: self._token}).info.run_id
                self._log(client, parent_id, params=self._params)
            for child in self._children_of(client, parent_id):
                tags = child.data.tags
                if HASH in tags and TRIAL in tags:
                    self._children[tags[HASH], int(tags[TRIAL])] = (child.info.run_id, LOGGED in tags)
            self._volumes = {metric.step for metric in client.get_metric_history(parent_id, HYPERVOLUME)}
            self.parent_id = parent_id

    def log_evaluation(self, evaluation: Evaluation) -> None:
        """Make the candidate's child run with its choices, scores and costs; nothing when it is there."""
        key = (evaluation.candidate.hash, evaluation.trial)
        run_id, whole = self._children.get(key, (None, False))
        if whole:
            return
        with self._talking() as client:
            if run_id is None:
                assert self.experiment_id is not None and self.parent_id is not None
                tags = {PARENT: self.parent_id, HASH: key[0], TRIAL: str(key[1]), STATE: evaluation.state}
                started = round(evaluation.started.timestamp() * 1000)
                run_id = client.create_run(self.experiment_id, start_time=started, run_name=key[0], tags=tags).info.run_id
                self._children[key] = (run_id, False)
            finished = round(evaluation.finished.timestamp() * 1000)
            values = {**evaluation.scores, **evaluation.costs}
            if evaluation.first is not None:
                values |= {f"first_images_{name}": value for name, value in evaluation.first["scores"].items()}
            points = [Point(name, value, evaluation.trial, finished) for name, value in values.items() if math.isfinite(value)]
            tags = {LOGGED: "1", **({REASON: evaluation.reason[:LONGEST_VALUE]} if evaluation.reason else {})}
            tags |= {
                f"autogc.{name}": str(value)[:LONGEST_VALUE]
                for name, value in {**evaluation.provenance, "worker": evaluation.worker}.items()
            }
            client.set_terminated(run_id, "FAILED" if evaluation.state == "failed" else "FINISHED", end_time=finished)
            self._log(client, run_id, params={name: str(value) for name, value in evaluation.genotype.items()}, points=points, tags=tags)
        self._children[key] = (run_id, True)

    def log_latency(self, evaluation: Evaluation) -> None:
        """Put an evaluation's latency on the candidate's run once more, later than what is there: the newest value counts."""
        run_id, _ = self._children.get((evaluation.candidate.hash, evaluation.trial), (None, False))
        if run_id is None:
            return
        now = round(time.time() * 1000)
        with self._talking() as client:
            points = [Point("latency_ms", evaluation.costs["latency_ms"], evaluation.trial, now)]
            tags = {"autogc.latency": str(evaluation.provenance["latency"])[:LONGEST_VALUE]}
            self._log(client, run_id, points=points, tags=tags)

    def log_points(self, points: Sequence[Point]) -> None:
        """Add values to the parent's curves; those that are not finite are left out."""
        with self._talking() as client:
            self._log(client, self._parent, points=[point for point in points if math.isfinite(point.value)])

    def log_hypervolume(self, points: Sequence[Point]) -> None:
        """Add the values of the hypervolume's curve that the parent does not have."""
        new = [point for point in points if point.step not in self._volumes]
        self.log_points(new)
        self._volumes.update(point.step for point in new)

    def log_files(self, path: Path, *, under: str | None = None) -> None:
        """Copy a file, or what a directory holds, to the parent's artifacts, in place of what has the same name there."""
        with self._talking() as client:
            if path.is_dir():
                client.log_artifacts(self._parent, str(path), under)
            else:
                client.log_artifact(self._parent, str(path), under)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags of the parent."""
        with self._talking() as client:
            self._log(client, self._parent, tags=tags)

    def finish(self, status: str) -> None:
        """End the parent as FINISHED, FAILED or KILLED."""
        with self._talking() as client:
            client.set_terminated(self._parent, status)

    @property
    def _parent(self) -> str:
        assert self.parent_id is not None
        return self.parent_id

    @contextmanager
    def _talking(self) -> Iterator[MlflowClient]:
        """Give a client, and sort what goes wrong into away and refused; anything else passes."""
        import requests.exceptions
        from mlflow.exceptions import MlflowException

        probe(self.uri)
        try:
            if self._client is None:
                self._client = open_client(self.uri)
            yield self._client
        except MlflowException as error:
            cause = error.__cause__ or error.__context__
            if isinstance(cause, requests.exceptions.ConnectionError | requests.exceptions.Timeout):
                raise AwayError(f"MLflow at {self.uri} went away: {cause}") from error
            if 400 <= error.get_http_status_code() < 500 and error.get_http_status_code() not in (408, 429):
                raise RefusedError(str(error)) from error
            raise

    def _log(
        self,
        client: MlflowClient,
        run_id: str,
        *,
        params: Mapping[str, str] | None = None,
        points: Sequence[Point] = (),
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Log everything in as few calls as MLflow's limits allow; the tags go with the last, so that they say that it is whole."""
        from mlflow.entities import Metric, Param, RunTag

        entries = [Param(allowed(name), value[:LONGEST_VALUE]) for name, value in (params or {}).items()]
        metrics = [Metric(allowed(point.key), point.value, point.timestamp, point.step) for point in points]
        while len(entries) > PARAMS_A_CALL or len(entries) + len(metrics) > METRICS_A_CALL:
            now, entries = entries[:PARAMS_A_CALL], entries[PARAMS_A_CALL:]
            first, metrics = metrics[: METRICS_A_CALL - len(now)], metrics[METRICS_A_CALL - len(now) :]
            client.log_batch(run_id, metrics=first, params=now)
        client.log_batch(run_id, metrics=metrics, params=entries, tags=[RunTag(name, value) for name, value in (tags or {}).items()])

    def _children_of(self, client: MlflowClient, parent_id: str) -> Iterator[Any]:
        assert self.experiment_id is not None
        token = None
        while True:
            page = client.search_runs([self.experiment_id], f"tags.`{PARENT}` = '{parent_id}'", max_results=RUNS_A_PAGE, page_token=token)
            yield from page
            token = page.token
            if not token:
                return


def open_client(uri: str) -> MlflowClient:
    """Return a client of its own, touching no global state; a new database is made silently."""
    # MLflow has no other way to be told to write to the store alone, and to print nothing; who set these keeps their choice.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    from mlflow import MlflowClient

    with quiet("alembic", "mlflow.store.db.utils"):
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)  # what makes the database
    return client


def probe(uri: str) -> None:
    """Raise AwayError when a server does not answer within seconds; MLflow itself would retry for minutes inside one call."""
    if not uri.startswith(("http://", "https://")):
        return
    try:
        urllib.request.urlopen(uri.rstrip("/") + "/health", timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError:
        return  # an answer, whatever it says
    except urllib.error.URLError as error:
        if not isinstance(error.reason, ssl.SSLError):
            raise AwayError(f"MLflow at {uri} cannot be reached ({error.reason}); what there is to say waits") from error
    except OSError as error:
        raise AwayError(f"MLflow at {uri} cannot be reached ({error}); what there is to say waits") from error


def allowed(name: str) -> str:
    """Return a name with what MLflow does not allow in it replaced."""
    return re.sub(r"[^\w\-./: ]", "_", name)[:250]


@contextmanager
def quiet(*names: str) -> Iterator[None]:
    """Silence loggers below WARNING for a while."""
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
