"""docker/kuberay.yaml against the RayCluster schema, and the promises its comments make."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.docker_tests.raycluster_schema import RAY_CLUSTER

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker" / "kuberay.yaml").read_text()


@pytest.fixture
def cluster() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(TEXT)
    return found


def pods(cluster: dict[str, Any]) -> list[dict[str, Any]]:
    spec = cluster["spec"]
    return [group["template"]["spec"] for group in [spec["headGroupSpec"], *spec["workerGroupSpecs"]]]


def test_the_cluster_keeps_to_the_schema(cluster: dict[str, Any]):
    jsonschema.validate(cluster, RAY_CLUSTER)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("authOptions", "authOption"),
        ('"0"', "0"),
        ("livenessProbe", "livenesProbe"),
        ("sizeLimit: 2Gi", "sizeLimit: 2GiB"),
    ],
)
def test_the_schema_would_refuse_a_slip(old: str, new: str):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(TEXT.replace(old, new)), RAY_CLUSTER)


def test_pods_run_as_the_images_user_with_token_authentication(cluster: dict[str, Any]):
    assert cluster["spec"]["authOptions"] == {"mode": "token"}
    for pod in pods(cluster):
        assert pod["securityContext"]["runAsUser"] == 10001


def test_every_mounted_volume_is_there(cluster: dict[str, Any]):
    for pod in pods(cluster):
        mounted = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_probes_call_only_what_the_image_has(cluster: dict[str, Any]):
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text()
    assert "procps" in dockerfile
    for pod in pods(cluster):
        for container in pod["containers"]:
            for probe in ("readinessProbe", "livenessProbe"):
                assert container[probe]["exec"]["command"][0] in ("ray", "pgrep")


def test_the_health_check_command_is_one_of_rays():
    from ray.scripts.scripts import cli

    options = {option for parameter in cli.commands["health-check"].params for option in parameter.opts}
    assert "--address" in options


def test_limits_are_at_least_what_is_requested_of_gpus(cluster: dict[str, Any]):
    for pod in pods(cluster):
        for container in pod["containers"]:
            wanted, most = container["resources"]["requests"], container["resources"]["limits"]
            assert wanted.get("nvidia.com/gpu") == most.get("nvidia.com/gpu")


def test_the_ray_version_is_the_installed_one(cluster: dict[str, Any]):
    assert cluster["spec"]["rayVersion"] == importlib.metadata.version("ray")


def test_file_and_guide_name_the_same_operator():
    guide = (ROOT / "docs" / "cluster.md").read_text()
    pattern = r"operator\W+(\d[\d.]+\d) or later"
    assert re.findall(pattern, TEXT) == re.findall(pattern, guide) == ["1.5.1"]
