"""Peer of all_reduce.ts: gloo's all-reduce of as many bytes, over as many processes, by TCP."""
import os
import sys

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MASTER_ADDR"] = "127.0.0.1"
os.environ["GLOO_SOCKET_IFNAME"] = "lo"

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from peer import serve

BYTES, PROCESSES = int(sys.argv[1]), int(sys.argv[2])


def join(rank, port):
    torch.set_num_threads(1)
    os.environ["MASTER_PORT"] = str(port)
    dist.init_process_group("gloo", rank=rank, world_size=PROCESSES)
    return torch.zeros(BYTES // 4), torch.ones(1)


def follow(rank, port):
    values, go_on = join(rank, port)
    while True:
        dist.broadcast(go_on, 0)
        if go_on.item() == 0:
            return
        dist.all_reduce(values)
        dist.barrier()


if __name__ == "__main__":
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    others = [mp.Process(target=follow, args=(rank, port)) for rank in range(1, PROCESSES)]
    for other in others:
        other.start()
    values, go_on = join(0, port)

    def run():
        dist.broadcast(go_on, 0)
        dist.all_reduce(values)
        dist.barrier()

    run()
    serve(f"gloo of PyTorch {torch.__version__}", run)
    go_on.zero_()
    dist.broadcast(go_on, 0)
    for other in others:
        other.join()
