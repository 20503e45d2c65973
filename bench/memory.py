"""Peer of memory.ts: answers `run` with the peak memory of this process in bytes, after some steps.

Arguments: threads, steps, name of the network.
"""
import re
import sys

import torch

from step_networks import step_of

threads, steps, network = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
torch.set_num_threads(threads)
step = step_of(network, False)
for _ in range(steps):
    step()
peak = int(re.search(r"VmHWM:\s+(\d+) kB", open("/proc/self/status").read()).group(1)) * 1024
version = ".".join(torch.__version__.split(".")[:2])
print(f"ready PyTorch {version} eager, Adam", flush=True)
for line in sys.stdin:
    if line.strip() != "run":
        break
    print(peak, flush=True)
