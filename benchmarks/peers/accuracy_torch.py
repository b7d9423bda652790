"""The same nets in torch, from weights of the same distributions: CASE DATA EPOCHS SEED …"""

from __future__ import annotations

import copy
import json
import sys
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional


def convolutional() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Linear(128, 10))


def dense() -> nn.Sequential:
    return nn.Sequential(nn.Linear(784, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(0.5),
                         nn.Linear(256, 10))


NETS = {"digits": (convolutional, 0.05, None), "mnist": (dense, 0.05, 8)}


def begin(net: nn.Sequential) -> None:
    """Weights of He where a relu follows, of Glorot at the end, biases zero: as this library's."""
    layers = [layer for layer in net if isinstance(layer, (nn.Linear, nn.Conv2d))]
    for layer in layers:
        if layer is layers[-1] or any(isinstance(other, nn.BatchNorm1d) for other in net):
            nn.init.xavier_uniform_(layer.weight)
        else:
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)


def accuracy(net: nn.Sequential, X: torch.Tensor, Y: torch.Tensor) -> float:
    net.eval()
    with torch.no_grad():
        return float((net(X).argmax(1) == Y).double().mean())


def trained(case: str, given: dict[str, Any], epochs: int, seed: int) -> float:
    """The test accuracy of one seed."""
    make, rate, patience = NETS[case]
    torch.manual_seed(seed)
    net, order = make(), np.random.default_rng(seed)
    begin(net)
    rule = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9)
    best, waited, kept = -1.0, 0, net.state_dict()
    for _ in range(epochs):
        net.train()
        rows = order.permutation(len(given["X"]))
        for first in range(0, len(rows), 32):
            own = rows[first:first + 32]
            rule.zero_grad()
            functional.cross_entropy(net(given["X"][own]), given["Y"][own]).backward()
            rule.step()
        if patience is None:
            continue
        score = accuracy(net, given["X_val"], given["Y_val"])
        waited += 1
        if score > best:
            best, waited, kept = score, 0, copy.deepcopy(net.state_dict())
        if waited >= patience:
            break
    if patience is not None:
        net.load_state_dict(kept)
    return accuracy(net, given["X_test"], given["Y_test"])


def main(case: str, path: str, epochs: str, *seeds: str) -> None:
    with np.load(path) as file:
        given = {name: torch.from_numpy(array) for name, array in file.items()}
    print(json.dumps([trained(case, given, int(epochs), int(seed)) for seed in seeds]))


if __name__ == "__main__":
    main(*sys.argv[1:])
