"""Generated: each statement stands under the formula that it computes."""

from math import inf

import numpy as np
from numba import njit

from symbackprop.codegen.blas import gemm_nn_from, gemm_nt_short, gemm_tn
from symbackprop.codegen.memory import flat, view
from symbackprop.codegen.pipeline import Straight
from symbackprop.codegen.rows import add_rows
from symbackprop.codegen.vectormath import added, carried, exp, log, maximum, minus, tanh

real = np.float32


@njit(
    nogil=True,
    no_cfunc_wrapper=True,
    cache=True,
    pipeline_class=Straight,
    error_model="numpy",
    fastmath={"contract", "reassoc", "nsz", "arcp", "afn"},
)
def kernel(
    N,
    x,  # data x: N × 8
    y,  # data y: N × 10
    W1,  # parameter W1: 8 × 9
    b1,  # parameter b1: 9
    W2,  # parameter W2: 9 × 10
    b2,  # parameter b2: 10
    L_out,
    dLdW1,  # intermediate ∂L/∂W1: 8 × 9
    dLdb1,  # intermediate ∂L/∂b1: 9
    dLdW2,  # intermediate ∂L/∂W2: 9 × 10
    dLdb2,  # intermediate ∂L/∂b2: 10
    slot0,
    slot1,
    slot2,
    slot3,
):
    # z1[n,j] = Σ_i x[n,i]·W1[i,j] + b1[j]
    z1 = view(slot0, (N, 9))
    gemm_nn_from(N, 9, 8, real(1), x, W1, b1, z1)

    # h[n,j] = tanh(z1[n,j])
    h = view(slot0, (N, 9))
    h_flat, z1_flat = flat(h), flat(z1)
    for entry in range(N*9):
        h_flat[entry] = tanh(z1_flat[entry])

    # z[n,k] = Σ_j h[n,j]·W2[j,k] + b2[k]
    z = view(slot1, (N, 10))
    gemm_nn_from(N, 10, 9, real(1), h, W2, b2, z)

    # m1[n] = max_k z[n,k]
    m1 = view(slot2, (N,))
    for n in range(N):
        largest = real(-inf)
        for k in range(10):
            largest = maximum(largest, z[n, k])
        m1[n] = largest

    # d1[n,k] = z[n,k] − m1[n]
    d1 = view(slot1, (N, 10))
    for n in range(N):
        for k in range(10):
            d1[n, k] = minus(z[n, k], m1[n])

    # e1[n,k] = exp(d1[n,k])
    e1 = view(slot2, (N, 10))
    e1_flat, d1_flat = flat(e1), flat(d1)
    for entry in range(N*10):
        e1_flat[entry] = exp(d1_flat[entry])

    # s4[n] = Σ_k e1[n,k]
    s4 = view(slot3, (N,))
    for n in range(N):
        total = real(0)
        for k in range(10):
            total += e1[n, k]
        s4[n] = total

    # p[n,k] = e1[n,k]/s4[n]
    p = view(slot2, (N, 10))
    for n in range(N):
        for k in range(10):
            p[n, k] = e1[n, k]/s4[n]

    # log_s[n] = log(s4[n])
    log_s = view(slot3, (N,))
    for n in range(N):
        log_s[n] = log(s4[n])

    # s3 = Σ_{n,k} (d1[n,k] − log_s[n])·y[n,k]
    total = real(0)
    rest = real(0)
    for block in range(0, N, max(1, 128//10)):
        part = real(0)
        for n in range(block, min(block + max(1, 128//10), N)):
            for k in range(10):
                part += (d1[n, k] - log_s[n])*y[n, k]
        total, rest = added(total, rest, part)
    s3 = total

    # L = −s3/N
    L = -s3/real(N)

    # δ2[n,k] = (p[n,k] − y[n,k])/N
    delta2 = view(slot2, (N, 10))
    delta2_flat, y_flat, p_flat = flat(delta2), flat(y), flat(p)
    for entry in range(N*10):
        delta2_flat[entry] = (p_flat[entry] - y_flat[entry])/real(N)

    # ∂L/∂h[n,j] = Σ_k δ2[n,k]·W2[j,k]
    dLdh = view(slot1, (N, 9))
    gemm_nt_short(N, 9, 10, real(1), delta2, W2, real(0), dLdh)

    # δ1[n,j] = ∂L/∂h[n,j]·(1 − h[n,j]²)
    delta1 = view(slot1, (N, 9))
    delta1_flat, h_flat, dLdh_flat = flat(delta1), flat(h), flat(dLdh)
    for entry in range(N*9):
        delta1_flat[entry] = dLdh_flat[entry]*(real(1) - h_flat[entry]**2)

    # ∂L/∂W1[i,j] = Σ_n x[n,i]·δ1[n,j]
    gemm_tn(8, 9, N, real(1), x, delta1, real(0), dLdW1)

    # ∂L/∂b1[j] = Σ_n δ1[n,j]
    dLdb1_rest = view(slot3, (9,))
    for j in range(9):
        dLdb1[j] = real(0)
        dLdb1_rest[j] = real(0)
    for block in range(0, N, 64):
        add_rows(dLdb1_rest, delta1, block, min(block + 64, N))
        for j in range(9):
            dLdb1[j], dLdb1_rest[j] = carried(dLdb1[j], dLdb1_rest[j])

    # ∂L/∂W2[j,k] = Σ_n h[n,j]·δ2[n,k]
    gemm_tn(9, 10, N, real(1), h, delta2, real(0), dLdW2)

    # ∂L/∂b2[k] = Σ_n δ2[n,k]
    dLdb2_rest = view(slot0, (10,))
    for k in range(10):
        dLdb2[k] = real(0)
        dLdb2_rest[k] = real(0)
    for block in range(0, N, 64):
        add_rows(dLdb2_rest, delta2, block, min(block + 64, N))
        for k in range(10):
            dLdb2[k], dLdb2_rest[k] = carried(dLdb2[k], dLdb2_rest[k])

    L_out[()] = L
