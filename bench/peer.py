"""The Python side of a bench: answers each line `run` on stdin with a time in ms on stdout."""
import sys
import time


def serve(name, run, repeats=1):
    """Says `ready NAME`, then times `repeats` calls of `run` for each request; ends with stdin."""
    print("ready", name, flush=True)
    for line in sys.stdin:
        if line.strip() != "run":
            break
        start = time.perf_counter()
        for _ in range(repeats):
            run()
        print((time.perf_counter() - start) * 1000 / repeats, flush=True)
