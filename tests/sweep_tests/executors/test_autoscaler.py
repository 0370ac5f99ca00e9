"""``--workers``: a cluster that grows is asked for machines, on Ray's own autoscaler and its made-up cloud."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sweep.executors.places import Places
from tests.sweep_tests.conftest import SWEEP
from tests.sweep_tests.executors.ray_head import HEAD, ray_head


def cloud(gcs: str) -> dict[str, Any]:
    """What ``ray.cluster_utils.AutoscalingCluster`` writes; its own start first stops all of Ray on the machine."""
    nothing = ("initialization", "setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray")
    return {
        "cluster_name": "made-up",
        "max_workers": 2,
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": 0.1,
        "provider": {
            **{"type": "fake_multinode", "gcs_address": gcs},
            **{"disable_node_updaters": True, "disable_launch_config_check": True, "use_node_id_as_ip": True},
        },
        "head_node_type": "ray.head.default",
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "small": {"resources": {"CPU": 1, "object_store_memory": 100_000_000}, "node_config": {}, "max_workers": 2},
        },
        **{f"{name}_commands": [] for name in nothing},
        **{"auth": {}, "file_mounts": {}, "cluster_synced_files": [], "file_mounts_sync_continuously": False},
        **{"rsync_exclude": [], "rsync_filter": []},
    }


@pytest.fixture
def growing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a head without CPUs whose autoscaler may start two machines of one CPU."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    with socket.socket() as free:
        free.bind((HEAD, 0))
        port = free.getsockname()[1]
    config = tmp_path / "cloud.json"
    config.write_text(json.dumps(cloud(f"{HEAD}:{port}")))
    options = (f"--port={port}", f"--node-ip-address={HEAD}", "--num-cpus=0", f"--autoscaling-config={config}")
    environment = {**os.environ, "RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
    with ray_head(options, port, environment):
        yield f"{HEAD}:{port}"


LEFT = """
import json, sys
import ray
from ray.experimental.internal_kv import _internal_kv_get
from ray.autoscaler._private.constants import AUTOSCALER_RESOURCE_REQUEST_CHANNEL
ray.init(address=sys.argv[1], log_to_driver=False)
print(_internal_kv_get(AUTOSCALER_RESOURCE_REQUEST_CHANNEL).decode())
"""


@pytest.mark.slow
def test_a_head_without_cpus_is_asked_for_machines_which_are_waited_for_and_given_back(growing, small_data, tmp_path):
    asked = ("run", "--space", "eSR-MAX", "--scale", "2", "--limit", "4", "--recipe", "smoke", "--no-benchmark")
    done = subprocess.run(
        [
            *(SWEEP, *asked, "--pack-size", "1", "--data-root", str(small_data), "--db", str(tmp_path / "s.db")),
            *("--address", growing, "--workers", "2"),
        ],
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    assert "1 node: no CPUs; no workers yet" in done.stderr and "they are waited for" in done.stderr
    assert "4 of 4 done" in done.stderr
    left = subprocess.run([sys.executable, "-c", LEFT, growing], capture_output=True, text=True, timeout=120)
    assert left.stdout.strip().endswith("[]"), left.stdout + left.stderr


@pytest.mark.parametrize(("gpus", "bundle"), [(None, {"CPU": 2.0}), (1.0, {"CPU": 2.0, "GPU": 1.0})])
def test_a_request_names_what_each_worker_needs(gpus, bundle, monkeypatch):
    from sweep.executors import autoscaler

    asked: list[Any] = []
    # What Ray does with a request is the test above.
    monkeypatch.setattr("ray.autoscaler.sdk.request_resources", lambda bundles: asked.append(bundles))
    autoscaler.request(3, Places(2.0, gpus))
    autoscaler.withdraw()
    autoscaler.withdraw()
    assert asked == [[bundle] * 3, []]
