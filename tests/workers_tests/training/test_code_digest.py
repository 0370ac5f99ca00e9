"""The key covers every constant and operator that decides training numbers, and nothing that does not."""

from __future__ import annotations

import ast
import copy
import hashlib
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import cache

import pytest

from search_space import parse_id, user_code
from search_space.errors import SweepError
from search_space.user_code import UserCode, install
from workers.training import code_digest as subject
from workers.training.code_digest import (
    PACKAGES,
    InstalledSources,
    code_digest,
    code_of,
    digest_of,
    digest_of_all,
    roots_of,
    shipped_families,
)
from workers.training.code_walk import Module, Program, Unit, reach, tokens
from workers.training.recipe import Recipe, recipe_for

FAMILY = """
from dataclasses import dataclass
from search_space import Config, family

def padding():
    return {gain}

@family("{name}")
@dataclass(frozen=True)
class Mine(Config):
    "One convolution, times a gain."
    K: int

    def build(self):
        from torch import nn
        return nn.Sequential(nn.Conv2d(1, self.scale**2, self.K, padding=padding()), nn.PixelShuffle(self.scale))
"""
CONFIGS = (
    "eSR-MAX_s2_K3_C2", "eSR-TM_s2_K3_C2", "eSR-TR_s2_K3_C2", "eSR-CNN_s2_C2_D2_S3", "ESPCN_s2_D2_S3",
    "FSRCNN_s2_D3_S2_M1", "Linear_s2_K3", "ABPN_s2_D2_M1", "ESPCN-BR_s2_D2_S3", "ECBSR_s2_D2_M1", "Bicubic_s2",
)  # fmt: skip


@cache
def sources() -> dict[str, str]:
    """The text of every module of ours, as a plain mapping."""
    installed = InstalledSources()
    found = {name: installed[name] for name in installed}
    return found | {f"{name}.__init__": "" for name in list(found) if f"{name}.__init__" in installed}


@cache
def program() -> Program:
    return Program(sources(), PACKAGES)


@cache
def families() -> tuple[Unit, ...]:
    return tuple(shipped_families(program(), sources()))


@cache
def reached() -> dict[Unit, Unit]:
    """Every unit that decides numbers of some family, and that family."""
    return {unit: family for family in families() for unit in reach(program(), roots_of(family))}


@cache
def whole(family: Unit) -> str:
    return digest_of(program(), roots_of(family))


def digest(changed: dict[str, str]) -> str:
    return digest_of_all(Program(changed, PACKAGES), changed)


def text_of(changes: dict[str, tuple[str, str]]) -> dict[str, str]:
    """All sources, with one piece of text replaced by another in some modules."""
    out = dict(sources())
    for module, (before, after) in changes.items():
        assert before in out[module], f"{module} does not hold {before!r}"
        out[module] = out[module].replace(before, after)
    return out


def parts_of(unit: Unit, tree: ast.Module) -> Iterator[ast.AST]:
    """The statements that a unit is, found in the tree anew, without what the digest leaves out on purpose."""
    for statement in tree.body:
        if unit.method and isinstance(statement, ast.ClassDef) and statement.name == unit.name:
            yield from (s for s in statement.body if isinstance(s, ast.FunctionDef) and s.name == unit.method)
        elif not unit.method and isinstance(statement, ast.ClassDef) and statement.name == unit.name:
            yield from statement.decorator_list
            yield from (s for s in statement.body if not isinstance(s, ast.FunctionDef))
        elif not unit.method and isinstance(statement, ast.FunctionDef) and statement.name == unit.name:
            yield statement
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            if any(isinstance(n, ast.Name) and n.id == unit.name for target in targets for n in ast.walk(target)):
                yield statement


def decisive(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, (ast.Raise, ast.Assert, ast.Import, ast.ImportFrom)):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.AnnAssign) and node.value is None:
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns"):
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, ast.AST):
                    yield from decisive(part)


def mutants(node: ast.AST) -> Iterator[tuple[str, object]]:
    """Other values for a field of a constant or an operator."""
    if isinstance(node, ast.Constant):
        value = node.value
        if isinstance(value, bool) or value is None:
            yield "value", not value
        elif isinstance(value, (int, float)):
            yield "value", value + 1
            yield "value", -value - 1
        elif isinstance(value, (str, bytes)):
            yield "value", value[:0] if value else type(value)(b"x")
        else:
            yield "value", 0
    elif isinstance(node, (ast.BinOp, ast.AugAssign)):
        yield "op", ast.Mod() if isinstance(node.op, ast.Add) else ast.Add()
        yield "op", ast.BitXor() if isinstance(node.op, ast.Sub) else ast.Sub()
    elif isinstance(node, ast.BoolOp):
        yield "op", ast.Or() if isinstance(node.op, ast.And) else ast.And()
    elif isinstance(node, ast.UnaryOp):
        yield "op", ast.UAdd() if isinstance(node.op, ast.USub) else ast.USub()
    elif isinstance(node, ast.Compare):
        for index, operator in enumerate(node.ops):
            for other in (ast.LtE, ast.Gt, ast.NotEq):
                if not isinstance(operator, other):
                    yield "ops", [*node.ops[:index], other(), *node.ops[index + 1 :]]


def test_each_changed_constant_and_operator_of_each_reachable_function_changes_the_digest() -> None:
    tried, survivors = 0, []
    for unit, family in reached().items():
        tree = program().module(unit.module).tree
        before = whole(family)
        parts = list(parts_of(unit, tree))
        assert parts, unit
        for node in (node for part in parts for node in decisive(part)):
            for name, other in mutants(node):
                original = getattr(node, name)
                setattr(node, name, other)
                changed = program().with_module(Module(unit.module, tree, program().module(unit.module).is_package))
                tried += 1
                if digest_of(changed, roots_of(family)) == before:
                    survivors.append(f"{unit}:{getattr(node, 'lineno', 0)} {name} -> {other!r}")
                setattr(node, name, original)
    assert tried > 1000
    assert survivors == []


def test_each_function_that_training_runs_is_reached() -> None:
    from workers.data.datasets import resolve
    from workers.data.image_set import ImageSet
    from workers.training.train import train

    photograph = resolve("embedded-train").pixels[0][:72, :72]
    images = ImageSet("small", ("photograph",), (photograph,))
    # What wraps the training and decides nothing; generated methods have no source.
    beside = {"workers.training.train.train", "workers.training.train.Reference.resume"}
    beside_modules = re.compile(r"workers\.training\.(code_digest|code_walk|normal_form|checkpoint)$")
    checks = re.compile(r"(__post_init__|require\w*)$")
    ran: set[str] = set()

    def record(frame, event, _):
        module = str(frame.f_globals.get("__name__", ""))
        name = frame.f_code.co_qualname.split(".<locals>")[0]
        ours = module.split(".")[0] in PACKAGES and "<" not in frame.f_code.co_filename + name
        # Not the body of a class, which runs when its module is imported.
        runs = event == "call" and bool(frame.f_code.co_flags & inspect.CO_OPTIMIZED)
        if runs and ours and not beside_modules.search(module) and not checks.search(name):
            ran.add(f"{module}.{name}")

    smoke = recipe_for("smoke").with_changes(steps=2)
    other = smoke.with_changes(start="passing", filters="taps", espcn="adam", loss="mse", diverged=1e9)
    for config_id in CONFIGS:
        config = parse_id(config_id)
        for recipe in (smoke, other):
            ran.clear()
            sys.setprofile(record)
            try:
                train(config, recipe, images, 0)
            finally:
                sys.setprofile(None)
            units = reach(program(), roots_of(Unit(type(config).__module__, type(config).__qualname__)))
            outside = ran - {str(unit) for unit in units} - beside
            # What the image set hands out is in the key as the digest of the data.
            assert {name for name in outside if not name.startswith("workers.data.image_set.")} == set(), config_id
    assert len(ran) > 10


@pytest.mark.parametrize(
    "name",
    [
        "workers.training.recipe.Recipe.rate",
        "workers.training.recipe.Recipe.peak_lr",
        "workers.training.train.CHECK_EVERY",
        "workers.training.patches.PatchSampler.cut",
        "workers.training.whitening.QUINTIC",
        "workers.training.precision.applied",
        "workers.data.degrade.low_resolution",
        "workers.data.luma.luma",
        "search_space.architectures.ecbsr.EdgeBlock.merged",
        "search_space.architectures.edge_sr.OneLayerNet.feature_maps",
        "search_space.config.Config.id",
    ],
)
def test_what_decides_numbers_is_reached(name: str) -> None:
    assert name in {str(unit) for unit in reached()}


@pytest.mark.parametrize(
    "name",
    [
        "workers.training.train.train",
        "workers.training.train.Reference.resume",
        "workers.training.checkpoint.to_checkpoint",
        "workers.training.recipe.Recipe.digest",
        "workers.training.recipe.Recipe.__post_init__",
        "search_space.families.espcn.ESPCN.convs",
        "search_space.architectures.ecbsr.EdgeBlockNet.fused",
    ],
)
def test_what_decides_no_numbers_is_not_reached(name: str) -> None:
    assert name not in {str(unit) for unit in reached()}


def test_engines_are_not_read() -> None:
    assert not any(unit.module.startswith("workers.packs") for unit in reached())
    without = {name: text for name, text in sources().items() if not name.startswith("workers.packs")}
    assert digest(without) == digest(dict(sources()))


class _Plain(ast.NodeTransformer):
    """Another docstring and other annotations everywhere."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return ast.Expr(ast.Constant("Something else.")) if is_text else self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(node.arg, ast.Name("object", ast.Load()))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Name("object", ast.Load())
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)


def test_comments_docstrings_layout_and_annotations_do_not_count() -> None:
    plain = {
        name: "# A comment.\n" + ast.unparse(ast.fix_missing_locations(_Plain().visit(ast.parse(text))))
        for name, text in sources().items()
    }
    assert plain["workers.training.train"] != sources()["workers.training.train"]
    assert digest(plain) == digest(dict(sources()))


def test_the_name_of_a_local_variable_does_not_count() -> None:
    changed = text_of({"workers.training.train": ("difference", "gap")})
    assert digest(changed) == digest(dict(sources()))


def test_the_text_of_an_error_does_not_count() -> None:
    changed = text_of({"workers.training.train": ("a weight is not finite", "a weight is NaN or infinite")})
    assert digest(changed) == digest(dict(sources()))


MODULES = sorted({unit.module for unit in reached()} - {root.module for root in subject.ROOTS})


@pytest.mark.parametrize("module", MODULES)
def test_a_renamed_module_does_not_count(module: str) -> None:
    parent, _, last = module.rpartition(".")
    renamed = f"{parent}.elsewhere"
    out = {}
    for name, text in sources().items():
        text = re.sub(rf"\b{re.escape(module)}\b", renamed, text)
        text = re.sub(rf"from {re.escape(parent)} import {last}\b", f"from {parent} import elsewhere as {last}", text)
        out[renamed if name == module else name] = text
    assert digest(out) == digest(dict(sources()))


def test_a_function_in_another_file_does_not_count() -> None:
    functions = [u for u in reached() if not u.method and not program().class_of(u)]
    moved = 0
    for unit in functions:
        tree = program().module(unit.module).tree
        own = [s for s in tree.body if isinstance(s, ast.FunctionDef) and s.name == unit.name]
        if not own:
            continue
        imports = [s for s in tree.body if isinstance(s, (ast.Import, ast.ImportFrom))]
        names = sorted(set(program().module(unit.module).bindings) - {unit.name})
        back = [ast.ImportFrom(unit.module, [ast.alias(name) for name in names], 0)] if names else []
        rest = [s for s in tree.body if s is not own[0]]
        there = ast.ImportFrom("workers.moved", [ast.alias("another_name", unit.name)], 0)
        function = copy.copy(own[0])
        function.name = "another_name"
        others = [m for m in map(program().module, {u.module for u in reached()}) if m.name != unit.module]
        here = Module(unit.module, ast.Module([there, *rest], []))
        elsewhere = Module("workers.moved", ast.Module([*imports, *back, function], []))
        changed = Program(sources(), PACKAGES, [*others, here, elsewhere])
        family = reached()[unit]
        assert digest_of(changed, roots_of(family)) == whole(family), unit
        moved += 1
    assert moved > 30


def test_two_constants_of_one_name_in_two_files_are_told_apart() -> None:
    both = "from workers.a import FLOOR as A\nfrom workers.b import FLOOR as B\ndef f():\n    return A - B\n"
    root = (Unit("workers.top", "f"),)
    one, other = (
        digest_of(
            Program({"workers.top": both, "workers.a": f"FLOOR = {a}", "workers.b": f"FLOOR = {b}"}, PACKAGES), root
        )
        for a, b in ((1, 2), (2, 1))
    )
    assert one != other


SAMPLE = '''
import numpy as np
from math import pi as circle
TABLE = {"a": 1}
TABLE.update(b=2)
def f(x, /, y=2, *rest, key: int = 3, **more):
    """Text."""
    text = f"{x!r:>{y}}" "tail" f"{x}"
    with open(text) as handle, handle:
        pass
    try:
        total = sum(v * circle for v in rest if v > 0)
    except (OSError, ValueError) as error:
        total = -1
    match x:
        case {"a": found, **others}:
            return found
        case [first, *tail] if (n := len(tail)) > 1:
            return lambda z=1: z + n
    return {**TABLE, "k": [*rest, total, np.pi, more, key]}, 1_000, 0x10, 1e3, b"x", ...
'''


def test_every_python_reads_a_piece_of_code_alike() -> None:
    # The same under 3.11, 3.12 and 3.13, whose trees of f-strings and functions differ.
    read = "\n".join(
        tokens(sample := Program({"workers.x": SAMPLE}, PACKAGES), reach(sample, [Unit("workers.x", "f")]))
    )
    assert hashlib.sha256(read.encode()).hexdigest()[:12] == "351fef6f7cb8"


def test_missing_sources_are_an_error_that_says_so() -> None:
    with pytest.raises(SweepError, match=r"source of the module workers\.training\.train is not installed"):
        digest_of(Program({}, PACKAGES), roots_of(Unit("search_space.families.espcn", "ESPCN")))


def test_a_config_depends_on_its_own_family_only() -> None:
    changed = text_of({"search_space.architectures.fsrcnn": ("PReLU", "ReLU")})
    own = {f.name: digest_of(Program(changed, PACKAGES), roots_of(f)) == whole(f) for f in families()}
    assert [name for name, same in own.items() if not same] == ["FSRCNN"]
    assert digest(changed) != digest(dict(sources()))


def test_the_installed_code_has_the_digest_of_its_sources() -> None:
    assert code_digest() == digest(dict(sources()))
    assert code_of(parse_id("ESPCN_s2_D2_S3")) == code_of(parse_id("ESPCN_s4_D9_S9"))
    assert code_of(parse_id("ESPCN_s2_D2_S3")) != code_of(parse_id("FSRCNN_s2_D3_S2_M1"))


def test_a_users_family_adds_what_its_file_computes_and_not_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_code, "_loaded", {})
    first = UserCode("edge_sweep_user_digest_test", "/here/net.py", FAMILY.format(name="Test-Digest", gain=1))

    def digest_with(path: str, source: str, module: str = first.module) -> str:
        install(UserCode(module, path, source))
        return code_of(parse_id("Test-Digest_s2_K3"))

    before = digest_with(first.path, first.source)
    assert before != code_digest()
    assert digest_with("/there/net.py", first.source) == before
    assert digest_with("/here/net.py", "# A comment.\n" + first.source.replace("times a gain", "scaled")) == before
    assert digest_with("/here/net.py", FAMILY.format(name="Test-Digest", gain=2)) != before
    assert code_of(parse_id("eSR-MAX_s2_K3_C1")) == whole(Unit("search_space.families.edge_sr", "ESRMax"))


OTHER = {
    "name": "another", "steps": 41, "batch": 9, "patch": 17, "border": 2, "lr": 2e-3, "family_lr": (("ESPCN", 2e-3),),
    "warmup": 6, "final_lr": 0.1, "betas": (0.8, 0.99), "eps": 1e-7, "filters": "taps", "gate": 9.0, "deep_gate": 2.0,
    "start": "passing", "espcn": "adam", "momentum": 0.9, "refresh": 400, "loss": "l1", "precision": "tf32",
    "diverged": 5.0, "esr_cnn": "orthogonal", "esr_cnn_momentum": 0.95, "family_steps": (("ESPCN", 50),),
    "schedule": "linear",
}  # fmt: skip


@pytest.mark.parametrize("name", [field.name for field in fields(Recipe)])
def test_every_field_of_a_recipe_but_its_name_changes_its_digest(name: str) -> None:
    recipe = recipe_for("smoke")
    other = replace(recipe, **{name: OTHER[name]})
    assert getattr(other, name) != getattr(recipe, name)
    assert (other.digest == recipe.digest) == (name == "name")
