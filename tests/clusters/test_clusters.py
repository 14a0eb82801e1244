"""The cluster files parse, say what Ray's own schema allows, and let nobody in without a token."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

CLUSTERS = Path(__file__).resolve().parents[2] / "clusters"
LAUNCHER = ("aws.yaml", "machines.yaml")


@pytest.mark.parametrize("name", LAUNCHER)
def test_launcher_files_follow_rays_schema(name: str) -> None:
    import jsonschema
    import ray.autoscaler

    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    config = yaml.safe_load((CLUSTERS / name).read_text())
    jsonschema.validate(config, schema)
    assert config["cluster_name"] == "autogc"
    start = [command for command in config["head_start_ray_commands"] if "ray start" in command]
    assert len(start) == 1 and "--head" in start[0] and "--dashboard-host=127.0.0.1" in start[0]
    (join,) = [command for command in config["worker_start_ray_commands"] if "ray start" in command]
    assert "--address=$RAY_HEAD_IP:6379" in join
    assert start[0].startswith("RAY_AUTH_MODE=token ") and join.startswith("RAY_AUTH_MODE=token ")
    assert "~/.ray/auth_token" in config["file_mounts"].values()


def test_aws_types_are_consistent() -> None:
    config = yaml.safe_load((CLUSTERS / "aws.yaml").read_text())
    types = config["available_node_types"]
    assert config["head_node_type"] in types
    workers = sum(kind["max_workers"] for name, kind in types.items() if name != config["head_node_type"])
    assert workers <= config["max_workers"]


def test_kubernetes_manifest() -> None:
    claim, cluster = yaml.safe_load_all((CLUSTERS / "kubernetes.yaml").read_text())
    constraints = (CLUSTERS.parent / "constraints.txt").read_text().splitlines()
    spec = cluster["spec"]
    assert (cluster["apiVersion"], cluster["kind"]) == ("ray.io/v1", "RayCluster")
    assert f"ray=={spec['rayVersion']}" in constraints
    assert spec["authOptions"] == {"mode": "token"}
    assert spec["headGroupSpec"]["serviceType"] == "ClusterIP"
    assert spec["headGroupSpec"]["rayStartParams"]["dashboard-host"] == "127.0.0.1"
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert volumes["runs"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        (container,) = pod["containers"]
        assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
        assert container["resources"]["limits"] == container["resources"]["requests"]
    for group in spec["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


@pytest.mark.parametrize("name", ["one-machine.sh", "slurm.sh"])
def test_scripts_are_bash(name: str) -> None:
    subprocess.run([shutil.which("bash") or "bash", "-n", str(CLUSTERS / name)], check=True)


@pytest.mark.parametrize("name", ["one-machine.sh", "slurm.sh"])
def test_scripts_ask_for_a_token(name: str) -> None:
    text = (CLUSTERS / name).read_text()
    assert (
        text.index("export RAY_AUTH_MODE=token")
        < text.index("ray get-auth-token --generate > /dev/null")
        < text.index("--disable-usage-stats")
    )
    assert "--include-dashboard=false" in text


def test_every_option_given_to_ray_exists() -> None:
    from ray.scripts.scripts import start

    known = {option for parameter in start.params for option in parameter.opts + parameter.secondary_opts}
    used = set()
    for path in CLUSTERS.iterdir():
        for line in path.read_text().splitlines():
            if "ray start" in line or "--num-cpus" in line:
                used |= {word.split("=")[0] for word in line.split() if word.startswith("--") and word != "--"}
    assert used and used - known == set()
