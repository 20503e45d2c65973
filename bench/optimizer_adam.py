"""Peer of optimizer_adam.ts: PyTorch's Adam over tensors of the sizes given.

Arguments: threads, repeats, then the size of each tensor.
"""
import sys
import time

import torch

from peer import serve

threads, repeats, *sizes = map(int, sys.argv[1:])
torch.set_num_threads(threads)


def optimizer_of(foreach):
    weights = [torch.randn(size) * 0.05 for size in sizes]
    for weight in weights:
        weight.requires_grad_(True)
        weight.grad = torch.randn(weight.numel()) * 0.01
    return torch.optim.Adam(weights, lr=1e-3, foreach=foreach)


def time_of(optimizer):
    start = time.perf_counter()
    optimizer.step()
    return time.perf_counter() - start


candidates = {"foreach": optimizer_of(True), "for-loop": optimizer_of(False)}
times = {name: [] for name in candidates}
for _ in range(12):
    for name, optimizer in candidates.items():
        times[name].append(time_of(optimizer))
fastest = min(times, key=lambda name: sorted(times[name])[len(times[name]) // 2])
version = ".".join(torch.__version__.split(".")[:2])
serve(f"PyTorch {version} Adam ({fastest})", candidates[fastest].step, repeats)
