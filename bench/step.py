"""Peer of step.ts: a whole training step in PyTorch, eager, with the faster of its two Adams.

Arguments: threads, repeats, name of the network.
"""
import sys
import time

import torch

from step_networks import step_of
from peer import serve

threads, repeats, network = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
torch.set_num_threads(threads)


def time_of(step):
    start = time.perf_counter()
    for _ in range(max(1, repeats // 2)):
        step()
    return time.perf_counter() - start


candidates = {"foreach": step_of(network, True), "for-loop": step_of(network, False)}
times = {name: [] for name in candidates}
for _ in range(5):
    for name, step in candidates.items():
        times[name].append(time_of(step))
fastest = min(times, key=lambda name: sorted(times[name])[len(times[name]) // 2])
version = ".".join(torch.__version__.split(".")[:2])
serve(f"PyTorch {version} eager, Adam ({fastest})", candidates[fastest], repeats)
