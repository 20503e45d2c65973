"""Peer of step.ts: a whole training step in PyTorch, eager, with the faster of its two Adams.

Arguments: threads, repeats, name of the network.
"""
import sys
import time

import torch
from torch import nn

from peer import serve


def digits_cnn():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding="same"), nn.ReLU(), nn.MaxPool2d(2, 2), nn.Dropout(0.25),
        nn.BatchNorm2d(16), nn.MaxPool2d(2, 2),
        nn.Conv2d(16, 32, 3, padding="same"), nn.ReLU(), nn.MaxPool2d(2, 2), nn.Dropout(0.25),
        nn.BatchNorm2d(32), nn.Flatten(),
        nn.Linear(32, 256), nn.ReLU(), nn.Dropout(0.4), nn.BatchNorm1d(256),
        nn.Linear(256, 10), nn.Softmax(dim=-1),
    )


def mlp():
    return nn.Sequential(
        nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10),
    )


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )


# Shape of a batch, and whether labels are one-hot rows for mean squared error.
NETWORKS = {
    "digits_cnn": (digits_cnn, (64, 1, 8, 8), True),
    "mlp": (mlp, (128, 784), False),
    "lenet": (lenet, (128, 1, 28, 28), False),
}

threads, repeats, network = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
torch.set_num_threads(threads)
build, shape, one_hot = NETWORKS[network]
torch.manual_seed(0)
x = torch.rand(shape)
labels = torch.randint(0, 10, (shape[0],))
target = nn.functional.one_hot(labels, 10).float() if one_hot else labels
criterion = nn.MSELoss() if one_hot else nn.CrossEntropyLoss()


def step_of(foreach):
    model = build().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, foreach=foreach)

    def step():
        optimizer.zero_grad(set_to_none=True)
        criterion(model(x), target).backward()
        optimizer.step()

    return step


def time_of(step):
    start = time.perf_counter()
    for _ in range(10):
        step()
    return time.perf_counter() - start


candidates = {"foreach": step_of(True), "for-loop": step_of(False)}
times = {name: [] for name in candidates}
for _ in range(5):
    for name, step in candidates.items():
        times[name].append(time_of(step))
fastest = min(times, key=lambda name: sorted(times[name])[len(times[name]) // 2])
version = ".".join(torch.__version__.split(".")[:2])
serve(f"PyTorch {version} eager, Adam ({fastest})", candidates[fastest], repeats)
