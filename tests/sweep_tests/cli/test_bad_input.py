"""Each kind of bad input: one clear line, an exit status that is not 0, nothing lost."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from PIL import Image

from tests.sweep_tests.inside import inside as command

RUN = ("run", "--recipe", "smoke", "--no-benchmark", "--executor", "inline")


def refused(done, *words: str) -> None:
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    line = " ".join(done.stderr.split())
    assert all(word in line for word in words), line


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("--space", "nowhere"), ("nowhere",)),
        (("--space", "demo", "--family", "SRGAN"), ("SRGAN",)),
        (("--space", "demo", "--scale", "5"), ("5",)),
        (("--space", "demo", "--where", "K=="), ("K==",)),
        (("--space", "demo", "--where", "__import__('os')"), ("__import__",)),
        (("--space", "demo", "--where", "scale > 9"), ("leave no config",)),
        (("--space", "demo", "--data-root", "/nonexistent"), ("/nonexistent",)),
        (("--space", "demo", "--recipe", "best"), ("unknown recipe 'best'",)),
        (("--space", "demo", "--executor", "magic"), ("unknown executor 'magic'",)),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(asked, words, tmp_path):
    refused(command(*RUN, *asked, "--db", str(tmp_path / "s.db")), *words)


@pytest.mark.parametrize(
    ("config", "words"), [("eSR-TM_s2_K4_C4", "K = 4"), ("eSR-TM_s5_K3_C4", "scale = 5"), ("x", "not a config id")]
)
def test_an_impossible_id_is_refused(config, words, tmp_path):
    refused(command("space", "show", config), words)


def test_an_empty_data_folder_is_refused(tmp_path):
    (tmp_path / "data" / "T91").mkdir(parents=True)
    refused(
        command(*RUN, "--space", "demo", "--data-root", str(tmp_path / "data"), "--db", str(tmp_path / "s.db")), "T91"
    )


def test_strict_refuses_a_truncated_or_tiny_image_by_name(small_data, tmp_path):
    root = tmp_path / "data"
    for name in ("T91", "Set5"):
        (root / name).mkdir(parents=True)
        for image in (small_data / name).iterdir():
            (root / name / image.name).write_bytes(image.read_bytes())
    whole = next((small_data / "T91").iterdir()).read_bytes()
    (root / "T91" / "cut.png").write_bytes(whole[: len(whole) // 2])
    asked = (*RUN, "--space", "demo", "--data-root", str(root), "--strict", "--db", str(tmp_path / "s.db"))
    refused(command(*asked), "cut.png")
    (root / "T91" / "cut.png").unlink()
    Image.new("RGB", (1, 1)).save(root / "T91" / "dot.png")
    refused(command(*asked), "dot.png")


def test_test_images_among_the_training_images_are_refused(small_data, tmp_path):
    asked = (*RUN, "--space", "demo", "--data-root", str(small_data), "--train", "Set5", "--db", str(tmp_path / "s.db"))
    refused(command(*asked), "in the training set and in a test set")


@pytest.mark.parametrize("verb", [("status",), ("resume",), ("run", "--space", "demo")])
def test_a_corrupt_database_is_refused_and_left_alone(verb, tmp_path):
    db = tmp_path / "s.db"
    db.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    before = db.read_bytes()
    refused(command(*verb, "--db", str(db)), "s.db")
    assert db.read_bytes() == before


def test_a_foreign_database_is_refused_and_left_alone(tmp_path):
    db = tmp_path / "s.db"
    with sqlite3.connect(db) as connection:
        connection.execute("create table shopping (item text)")
    refused(command("run", "--space", "demo", "--db", str(db)), "s.db")
    with sqlite3.connect(db) as connection:
        assert connection.execute("select name from sqlite_master").fetchall() == [("shopping",)]


def test_a_folder_that_cannot_be_written_gives_a_clear_line():
    refused(command("run", "--space", "demo", "--recipe", "smoke", "--db", "/proc/nowhere/s.db"), "/proc/nowhere")


@pytest.mark.parametrize("verb", [("status",), ("resume",), ("retry", "--failed"), ("logs", "Bicubic_s2")])
def test_a_database_that_is_not_there_is_not_made_by_looking(verb, tmp_path):
    db: Path = tmp_path / "none.db"
    done = command(*verb, "--db", str(db))
    assert done.returncode == 2 and "Traceback" not in done.stderr


def test_retry_wants_to_know_which(tmp_path):
    refused(command("retry", "--db", str(tmp_path / "s.db")), "--failed")
