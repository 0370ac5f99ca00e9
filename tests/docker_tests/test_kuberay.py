"""docker/kuberay.yaml against the RayCluster schema, and the promises its comments make."""

from __future__ import annotations

import importlib.metadata
import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.docker_tests.operator_schema import strict
from tests.docker_tests.raycluster_schema import RAY_CLUSTER
from tests.search_space_tests.shared_material import shared

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker" / "kuberay.yaml").read_text()
SLIPS = [
    ("authOptions", "authOption"),
    ('"0"', "0"),
    ("livenessProbe", "livenesProbe"),
    ("sizeLimit: 2Gi", "sizeLimit: [2]"),
    ("claimName", "claim"),
    ("      maxReplicas: 8\n", ""),
]


@pytest.fixture
def cluster() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(TEXT)
    return found


def pods(cluster: dict[str, Any]) -> list[dict[str, Any]]:
    spec = cluster["spec"]
    return [group["template"]["spec"] for group in [spec["headGroupSpec"], *spec["workerGroupSpecs"]]]


def test_the_cluster_keeps_to_the_schema(cluster: dict[str, Any]):
    jsonschema.validate(cluster, RAY_CLUSTER)


@pytest.mark.parametrize(("old", "new"), [*SLIPS, ("sizeLimit: 2Gi", "sizeLimit: 2GiB")])
def test_the_schema_would_refuse_a_slip(old: str, new: str):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(TEXT.replace(old, new)), RAY_CLUSTER)


@pytest.fixture(scope="module")
def operators() -> jsonschema.Draft4Validator:
    """The schema of the operator itself: ``rayclusters-crd.yaml`` of its helm chart, at EDGE_SWEEP_KUBERAY_CRD."""
    named = os.environ.get("EDGE_SWEEP_KUBERAY_CRD")
    file = Path(named) if named else shared("cluster/kuberay/rayclusters-crd.yaml")
    return jsonschema.Draft4Validator(strict(yaml.load(file.read_text(), yaml.CSafeLoader), "v1"))


def test_the_cluster_keeps_to_the_schema_of_the_operator_itself(
    cluster: dict[str, Any], operators: jsonschema.Draft4Validator
):
    operators.validate(cluster)


@pytest.mark.parametrize(("old", "new"), SLIPS)
def test_the_schema_of_the_operator_would_refuse_a_slip(old: str, new: str, operators: jsonschema.Draft4Validator):
    assert not operators.is_valid(yaml.safe_load(TEXT.replace(old, new)))


def test_rays_autoscaler_reads_the_cluster_as_meant(cluster: dict[str, Any]):
    from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr
    from ray.autoscaler._private.util import validate_config

    cluster["metadata"]["namespace"] = "default"
    derived = _derive_autoscaling_config_from_ray_cr(cluster)
    validate_config(derived)
    head, workers = derived["available_node_types"]["headgroup"], derived["available_node_types"]["gpu"]
    assert head["resources"]["CPU"] == 0, "nothing is trained on the head"
    assert (workers["min_workers"], workers["max_workers"]) == (1, 8)
    assert (workers["resources"]["CPU"], workers["resources"]["GPU"]) == (8, 1)


def test_the_head_mounts_the_volume_of_the_images_that_is_claimed(cluster: dict[str, Any]):
    claim = yaml.safe_load((ROOT / "docker" / "kuberay-data.yaml").read_text())
    assert (claim["apiVersion"], claim["kind"]) == ("v1", "PersistentVolumeClaim")
    head = pods(cluster)[0]
    (volume,) = [volume for volume in head["volumes"] if "persistentVolumeClaim" in volume]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    mounts = {mount["name"]: mount["mountPath"] for mount in head["containers"][0]["volumeMounts"]}
    assert mounts[volume["name"]] == "/data"


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
