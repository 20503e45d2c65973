"""Peer of gradient_layers.ts: the gradient of one layer in PyTorch, its forward pass done before.

Arguments: threads, repeats, name of the layer, tokens, width, rows of the table.
"""
import sys

import torch

from peer import serve

threads, repeats, layer = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
tokens, width, rows = (int(argument) for argument in sys.argv[4:7])
torch.set_num_threads(threads)
torch.manual_seed(0)
dy = torch.randn(tokens, width)
if layer == "layer_norm":
    wrt = [torch.randn(shape).requires_grad_() for shape in [(tokens, width), (width,), (width,)]]
    y = torch.nn.functional.layer_norm(wrt[0], (width,), wrt[1], wrt[2])
else:
    wrt = [torch.randn(rows, width).requires_grad_()]
    y = torch.nn.functional.embedding(torch.randint(0, rows, (tokens,)), wrt[0])
version = ".".join(torch.__version__.split(".")[:2])
serve(
    f"PyTorch {version} autograd",
    lambda: torch.autograd.grad(y, wrt, dy, retain_graph=True),
    repeats,
)
