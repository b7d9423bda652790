"""Generated: each statement stands under the formula that it computes."""

from math import inf

import numpy as np
from numba import njit

from symbackprop.codegen.blas import gemm_nn, gemm_nn_from, gemm_nt_short, gemm_tn
from symbackprop.codegen.denormals import flush_denormals, restore
from symbackprop.codegen.memory import flat, view
from symbackprop.codegen.pipeline import Straight
from symbackprop.codegen.rows import add_rows, take_rows
from symbackprop.codegen.vectormath import added, carried, exp, log, maximum, minus, tanh

real = np.float32
float64 = np.float64


@njit(
    nogil=True,
    no_cfunc_wrapper=True,
    cache=True,
    pipeline_class=Straight,
    error_model="numpy",
    fastmath={"contract", "reassoc", "nsz", "arcp", "afn"},
)
def train(
    order,
    batch_size,
    rate,
    momentum,
    lam,
    W1,  # parameter W1: 6 × 5
    b1,  # parameter b1: 5
    W2,  # parameter W2: 5 × 3
    v1,  # state v1: 6 × 5
    t,
    x_rows,  # data x: N × 6
    y_rows,  # data y: N
    x_batch,  # data x: N × 6
    y_batch,  # data y: N
    slot0,
    slot1,
    slot2,
    slot3,
    slot4,
    losses,
):
    control = flush_denormals()
    sum_of_losses = 0.0
    for run in range(order.shape[0]):
        for first in range(0, order.shape[1], batch_size):
            N = min(batch_size, order.shape[1] - first)

            # x[n,i]: the rows of this batch
            x = view(x_batch, (N, 6))
            take_rows(x, x_rows, order[run], first, batch_size)

            # y[n]: the rows of this batch
            y = view(y_batch, (N,))
            for n in range(N):
                y[n] = y_rows[order[run, first + n]]

            # z1[n,j] = Σ_i x[n,i]·W1[i,j] + b1[j]
            z1 = view(slot0, (N, 5))
            gemm_nn_from(N, 5, 6, real(1), x, W1, b1, z1)

            # h[n,j] = tanh(z1[n,j])
            h = view(slot0, (N, 5))
            h_flat, z1_flat = flat(h), flat(z1)
            for entry in range(N*5):
                h_flat[entry] = tanh(z1_flat[entry])

            # z[n,k] = Σ_j h[n,j]·W2[j,k]
            z = view(slot1, (N, 3))
            gemm_nn(N, 3, 5, real(1), h, W2, real(0), z)

            # m1[n] = max_k z[n,k]
            m1 = view(slot2, (N,))
            for n in range(N):
                largest = real(-inf)
                for k in range(3):
                    largest = maximum(largest, z[n, k])
                m1[n] = largest

            # d1[n,k] = z[n,k] − m1[n]
            d1 = view(slot1, (N, 3))
            for n in range(N):
                for k in range(3):
                    d1[n, k] = minus(z[n, k], m1[n])

            # e1[n,k] = exp(d1[n,k])
            e1 = view(slot2, (N, 3))
            e1_flat, d1_flat = flat(e1), flat(d1)
            for entry in range(N*3):
                e1_flat[entry] = exp(d1_flat[entry])

            # s4[n] = Σ_k e1[n,k]
            s4 = view(slot3, (N,))
            for n in range(N):
                total = real(0)
                for k in range(3):
                    total += e1[n, k]
                s4[n] = total

            # p[n,k] = e1[n,k]/s4[n]
            p = view(slot2, (N, 3))
            for n in range(N):
                for k in range(3):
                    p[n, k] = e1[n, k]/s4[n]

            # s2 = Σ_{i,j} W1[i,j]²
            total = real(0)
            rest = real(0)
            W1_flat = flat(W1)
            for block in range(0, 6*5, 1024):
                part = real(0)
                for entry in range(block, min(block + 1024, 6*5)):
                    part += W1_flat[entry]**2
                total, rest = added(total, rest, part)
            s2 = total

            # s3 = Σ_n (d1[n,y[n]] − log(s4[n]))
            total = real(0)
            rest = real(0)
            for block in range(0, N, 128):
                part = real(0)
                for n in range(block, min(block + 128, N)):
                    part += d1[n, y[n]] - log(s4[n])
                total, rest = added(total, rest, part)
            s3 = total

            # L = lam·s2 − s3/N
            L = lam*s2 - s3/real(N)

            # δ2[n,k] = (p[n,k] − [k = y[n]])/N
            delta2 = view(slot2, (N, 3))
            for n in range(N):
                for k in range(3):
                    delta2[n, k] = (p[n, k] - real(k == y[n]))/real(N)

            # ∂L/∂h[n,j] = Σ_k δ2[n,k]·W2[j,k]
            dLdh = view(slot1, (N, 5))
            gemm_nt_short(N, 5, 3, real(1), delta2, W2, real(0), dLdh)

            # δ1[n,j] = ∂L/∂h[n,j]·(1 − h[n,j]²)
            delta1 = view(slot1, (N, 5))
            delta1_flat, h_flat, dLdh_flat = flat(delta1), flat(h), flat(dLdh)
            for entry in range(N*5):
                delta1_flat[entry] = dLdh_flat[entry]*(real(1) - h_flat[entry]**2)

            # t1[i,j] = Σ_n x[n,i]·δ1[n,j]
            t1 = view(slot3, (6, 5))
            gemm_tn(6, 5, N, real(1), x, delta1, real(0), t1)

            # v1_next[i,j] = momentum·v1[i,j] + 2·lam·W1[i,j] + t1[i,j]
            v1_next = v1
            v1_next_flat, v1_flat, W1_flat, t1_flat = flat(v1_next), flat(v1), flat(W1), flat(t1)
            for entry in range(6*5):
                v1_next_flat[entry] = (
                    momentum*v1_flat[entry] + real(2)*lam*W1_flat[entry] + t1_flat[entry]
                )

            # t_next = 1 + t
            t_next = t
            t_next[()] = real(1) + t[()]

            # W1_next[i,j] = W1[i,j] − rate·v1_next[i,j]
            W1_next = W1
            W1_next_flat, v1_next_flat, W1_flat = flat(W1_next), flat(v1_next), flat(W1)
            for entry in range(6*5):
                W1_next_flat[entry] = W1_flat[entry] - rate*v1_next_flat[entry]

            # ∂L/∂b1[j] = Σ_n δ1[n,j]
            dLdb1 = view(slot3, (5,))
            dLdb1_rest = view(slot4, (5,))
            for j in range(5):
                dLdb1[j] = real(0)
                dLdb1_rest[j] = real(0)
            for block in range(0, N, 64):
                add_rows(dLdb1_rest, delta1, block, min(block + 64, N))
                for j in range(5):
                    dLdb1[j], dLdb1_rest[j] = carried(dLdb1[j], dLdb1_rest[j])

            # b1_next[j] = b1[j] − rate·∂L/∂b1[j]/t_next
            b1_next = b1
            for j in range(5):
                b1_next[j] = b1[j] - rate*dLdb1[j]/t_next[()]

            # W2_next[j,k] = W2[j,k] − rate·Σ_n h[n,j]·δ2[n,k]
            W2_next = W2
            gemm_tn(5, 3, N, -rate, h, delta2, real(1), W2_next)

            losses[run, first//batch_size] = L
            sum_of_losses += float64(L)*float64(N)
    restore(control)
    return sum_of_losses
