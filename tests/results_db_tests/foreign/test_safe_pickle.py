from __future__ import annotations

import pickle
import pickletools
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results_db.foreign import safe_pickle
from search_space.errors import BadData
from tests.results_db_tests.kit.published import Evaluates, Runs, document

NUMBERS = st.one_of(
    st.integers(-(2**62), 2**62),
    st.floats(allow_nan=False),
    st.floats(allow_nan=False, width=32).map(np.float32),
    st.floats(allow_nan=False).map(np.float64),
    st.integers(-(2**31), 2**31 - 1).map(np.int32),
    st.integers(-(2**62), 2**62).map(np.int64),
)
TABLES = st.dictionaries(st.text(max_size=12), st.dictionaries(st.text(max_size=12), NUMBERS, max_size=6), max_size=6)
SAMPLE = pickle.dumps(document(), 4)


@given(TABLES, st.sampled_from([3, 4, 5]))
def test_a_table_of_numbers_reads_as_unpickling_it_would(table: dict[str, dict[str, Any]], protocol: int) -> None:
    assert safe_pickle.loads(pickle.dumps(table, protocol)) == table


@pytest.mark.parametrize("protocol", [4, 5])
@pytest.mark.parametrize("kind", [Runs, Evaluates])
def test_a_hostile_pickle_is_refused_and_never_run(tmp_path: Path, kind: type[Runs], protocol: int) -> None:
    witness = tmp_path / "was-run"
    for content in (kind(f"touch {witness}"), {"eSR-TM_s2_K5_C4": {"psnr_Set5": kind(f"touch {witness}")}}):
        with pytest.raises(BadData, match=r"refused: it asks for .* nothing in the file was run"):
            safe_pickle.loads(pickle.dumps(content, protocol))
    assert not witness.exists()


@pytest.mark.parametrize(
    "raw",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"\x80\x02cbuiltins\neval\n(X\x04\x00\x00\x00True\x85R.",
        b"\x80\x04\x8c\x05numpy\x8c\x05dtype\x93.",
        b"\x80\x04\x8c\x05numpy\x8c\x05dtype\x93)R.",
        b"\x80\x04\x8c\x05numpy\x8c\x05dtype\x93}b.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
        b"\x80\x04]\x8c\x01ae.",
        b"\x80\x04P1\n.",
        b"\x80\x04\x82\x01.",
        b"\x80\x04((((((.",
        b"\x80\x04}(K\x01K\x02u.",
        b"\x80\x04h\x05.",
        b"\x80\x04N.",
        b"\x80\x04",
        b".",
        b"",
    ],
)
def test_what_is_not_a_table_of_numbers_is_refused(raw: bytes) -> None:
    with pytest.raises(BadData):
        safe_pickle.loads(raw)


def test_a_memo_at_a_giant_index_takes_no_memory() -> None:
    raw = b"\x80\x02}r" + struct.pack("<I", 2**31 - 1) + b"."
    assert safe_pickle.loads(raw) == {}


def test_a_file_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_pickle, "MAX_BYTES", 100)
    with pytest.raises(BadData, match="larger than"):
        safe_pickle.loads(SAMPLE)


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        safe_pickle.loads(raw)
    except BadData as error:
        assert "\n" not in str(error)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_is_read_or_refused(data: st.DataObject) -> None:
    raw = bytearray(SAMPLE)
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        safe_pickle.loads(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    except BadData as error:
        assert "\n" not in str(error)


@given(st.lists(st.sampled_from(pickletools.opcodes).map(lambda op: op.code.encode("latin-1")), max_size=30))
@settings(max_examples=300)
def test_any_order_of_opcodes_is_read_or_refused(codes: list[bytes]) -> None:
    try:
        safe_pickle.loads(b"\x80\x04" + b"".join(codes) + b".")
    except BadData as error:
        assert "\n" not in str(error)
