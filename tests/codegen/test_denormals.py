"""Training takes denormal numbers for zero, and the thread that asked for it goes on as before."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

import symbackprop as sb
from symbackprop.codegen import denormals

TINY = np.float32(1e-40)


@njit
def halve(values, out):
    """Half of the values, denormal ones flushed."""
    control = denormals.flush_denormals()
    for i in range(values.shape[0]):
        out[i] = values[i]*values.dtype.type(0.5)
    denormals.restore(control)


def test_what_is_denormal_is_zero_until_the_state_is_restored() -> None:
    values, out = np.array([1.0, TINY, -TINY, np.inf], np.float32), np.ones(4, np.float32)
    halve(values, out)
    assert (out == ([0.5, 0, 0, np.inf] if denormals.IS_X86 else values/2)).all()
    assert np.float32(TINY)*np.float32(0.5) == TINY/2 != 0


@pytest.mark.parametrize("threads", [1, 2])
def test_fit_leaves_no_denormal_moment_and_no_flag_behind(threads: int) -> None:
    """The momentum of a weight whose input is 0 after the first batch falls by 0.5 in each step."""
    x, y = sb.data("x", sb.size("N"), 3), sb.data("y", sb.size("N"), 2)
    z = sb.layers.dense(x, 2, "identity")
    model = sb.Model(inputs=x, targets=y, output=z, loss=sb.losses.squared_error(z, y))
    inputs, targets = np.zeros((512, 3), np.float32), np.ones((512, 2), np.float32)
    inputs[:2] = 1
    model.fit(inputs, targets, epochs=1, batch_size=2, shuffle=False, threads=threads,
              optimizer=sb.optimizers.SGD(0.01, momentum=0.5), verbose=False, seed=0)
    assert "flush_denormals()" in model.source
    assert TINY*np.float32(0.5) == TINY/2 != 0
    for value in model.parameters.values():
        assert not ((value != 0) & (np.abs(value) < np.finfo(value.dtype).tiny)).any()
