"""What a user may get wrong ends soon, in one line."""

from __future__ import annotations

import json
import os
import struct
import time

import pytest

from results_db.connection.urls import redact, scrub
from results_db.store import Store
from search_space.errors import BadWeights, StoreError, SweepError
from search_space.weights import read_state
from sweep.executors import cluster
from tests.sweep_tests.inside import inside as command
from workers.benchmark.lock import whole_machine
from workers.training.recipe import Recipe


def test_a_wrong_address_of_a_server_is_said_within_seconds():
    began = time.monotonic()
    with pytest.raises(StoreError):
        Store.open("postgresql+psycopg://me@127.0.0.1:9/db")
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("seed", ["99999999999999999999", "-9223372036854775809"])
def test_a_seed_beyond_64_bits_is_refused_in_one_line(seed):
    done = command("run", "--space", "demo", "--seed", seed, "--dry-run")
    assert done.returncode == 2 and "Traceback" not in done.stderr


def test_a_recipe_that_nests_without_end_is_no_recipe():
    with pytest.raises(SweepError, match="not JSON"):
        Recipe.from_json("[" * 100_000)


def test_a_weights_file_with_hundreds_of_thousands_of_tensors_is_refused_at_once():
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    header = json.dumps({f"tensor{i}": entry for i in range(30_000)}).encode()
    began = time.monotonic()
    with pytest.raises(BadWeights, match="table of contents"):
        read_state(struct.pack("<Q", len(header)) + header)
    assert time.monotonic() - began < 5


SECRETS = [
    "Authorization: Bearer {}",
    "curl -H 'Authorization: Bearer {}' https://host",
    "Authorization: Basic {}",
    "api_key={}",
    '{{"apiKey": "{}"}}',
    "AWS_SECRET_ACCESS_KEY={}",
    "aws_access_key_id = {}",
    "https://b.s3.amazonaws.com/k?X-Amz-Credential={0}&X-Amz-Signature={0}&x=1",
    "https://x.blob.core.windows.net/c?sv=1&sig={}&se=2",
    "https://storage.googleapis.com/b/o?X-Goog-Signature={}",
]


@pytest.mark.parametrize("form", SECRETS)
def test_secrets_are_masked_in_every_form_that_services_use(form):
    assert "s3cr3t" not in redact(form.format("s3cr3t"))


def test_secrets_are_masked_by_their_name_too():
    kept = scrub({"api_key": "s3cr3t", "AWS_SECRET_ACCESS_KEY": "s3cr3t", "Authorization": "Bearer s3cr3t", "key": "K"})
    assert "s3cr3t" not in json.dumps(kept) and kept["key"] == "K"


@pytest.mark.parametrize("harmless", ["KeyError: 'weights'", "the signature of forward", "a design = 3", "seed=1"])
def test_what_is_no_secret_stays(harmless):
    assert redact(harmless) == harmless


@pytest.mark.skipif(os.geteuid() != 0, reason="to be another user needs root")
def test_a_second_user_of_a_machine_can_take_the_benchmark_lock(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_SWEEP_LOCK", str(tmp_path / "lock"))
    tmp_path.chmod(0o1777)
    with whole_machine():
        pass
    assert (tmp_path / "lock").stat().st_mode & 0o777 in (0o644, 0o640, 0o600)
    (tmp_path / "lock").chmod(0o644)
    for folder in tmp_path.parents:
        if "pytest" in str(folder):
            folder.chmod(0o755)
    child = os.fork()
    if child == 0:
        try:
            os.setuid(12345)
            with whole_machine(wait=False):
                os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_cluster_of_our_own_needs_no_token_in_home(monkeypatch):
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    cluster._make_token()
    assert len(os.environ["RAY_AUTH_TOKEN"]) == 64
    cluster.disconnect()
    assert "RAY_AUTH_TOKEN" not in os.environ


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("AF_UNIX path length cannot exceed 107 bytes: /very/long", "TMPDIR"),
        ("Failed to connect to GCS", "RAY_AUTH_TOKEN"),
        ("ray client connection timeout", "RAY_AUTH_TOKEN"),
        ("something else", ""),
    ],
)
def test_an_error_of_ray_that_does_not_say_what_to_do_is_given_a_hint(words, hint):
    assert hint in cluster._hint(RuntimeError(words)) and bool(hint) is bool(cluster._hint(RuntimeError(words)))
