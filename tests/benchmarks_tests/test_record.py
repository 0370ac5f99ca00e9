"""What a committed result says about the code that it is of."""

import subprocess

from benchmarks._record import git_revision


def test_a_revision_is_marked_when_code_changed_but_not_when_a_result_did(tmp_path, monkeypatch):
    def git(*line: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *line], check=True, cwd=tmp_path)

    (tmp_path / "benchmarks" / "results").mkdir(parents=True)
    code, result = tmp_path / "code.py", tmp_path / "benchmarks" / "results" / "one.json"
    code.write_text("1")
    result.write_text("{}")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message=first")
    monkeypatch.chdir(tmp_path / "benchmarks")
    clean = git_revision()
    assert clean not in ("", "unknown") and not clean.endswith("+")
    result.write_text('{"a": 1}')
    (result.parent / "another.json").write_text("{}")
    assert git_revision() == clean
    code.write_text("2")
    assert git_revision() == clean + "+"
