"""The network that the pages of the forms derive."""

from sympy import Sum, exp, log, tanh

import symbackprop as sb

N = sb.size("N")
n, i, j, k = sb.indices("n i j k", N, 64, 32, 10)
x, y = sb.data("x", n, i), sb.data("y", n, k, facts=[sb.one_hot(k)])
W1, b1 = sb.parameter("W1", i, j), sb.parameter("b1", j)
W2, b2 = sb.parameter("W2", j, k), sb.parameter("b2", k)

h = sb.define("h", (n, j), tanh(Sum(x[n, i]*W1[i, j], i) + b1[j]))
z = sb.define("z", (n, k), Sum(h[n, j]*W2[j, k], j) + b2[k])
p = sb.define("p", (n, k), exp(z[n, k])/Sum(exp(z[n, k]), k))
L = sb.define("L", (), -Sum(y[n, k]*log(p[n, k]), n, k)/N)

d = sb.derive(L)
