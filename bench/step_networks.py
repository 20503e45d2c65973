"""The networks of step_problems.ts in PyTorch: how to build each, its batch, and its loss."""
import sys
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent.parent / "fixtures" / "golden" / "models"))
from networks import Bert, Gpt, MobileNetV2, ResNet  # noqa: E402

TOKENS = 128
GPT_VOCABULARY = 8192
BERT_VOCABULARY = 30522


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


class MaskedOnly(nn.Module):
    """BERT with the loss on its first output alone; the second head still takes part."""

    def __init__(self):
        super().__init__()
        self.inner = Bert(2, 2, 128, 512, BERT_VOCABULARY, 512)

    def forward(self, inputs):
        return self.inner(*inputs)[0]


def images(batch, *shape):
    return lambda: torch.rand(batch, *shape)


def tokens(batch, vocabulary):
    return lambda: torch.randint(0, vocabulary, (batch, TOKENS))


def bert_inputs():
    ids = tokens(8, BERT_VOCABULARY)()
    return ids, torch.randint(0, 2, ids.shape), torch.ones_like(ids)


# How to build it, what makes a batch, the shape of the labels, their number of classes.
NETWORKS = {
    "digits_cnn": (digits_cnn, images(64, 1, 8, 8), (64,), 10),
    "mlp": (mlp, images(128, 784), (128,), 10),
    "lenet": (lenet, images(128, 1, 28, 28), (128,), 10),
    "resnet18": (
        lambda: ResNet([2, 2, 2, 2], False, 200), images(16, 3, 64, 64), (16,), 200,
    ),
    "mobilenet_v2": (lambda: MobileNetV2(1000), images(16, 3, 96, 96), (16,), 1000),
    "gpt": (
        lambda: Gpt(4, 4, 256, GPT_VOCABULARY, TOKENS), tokens(8, GPT_VOCABULARY),
        (8, TOKENS), GPT_VOCABULARY,
    ),
    "bert_tiny": (MaskedOnly, bert_inputs, (8, TOKENS), BERT_VOCABULARY),
}


def step_of(network, foreach):
    """A function that takes one training step with Adam."""
    build, batch, shape, classes = NETWORKS[network]
    torch.manual_seed(0)
    x = batch()
    labels = torch.randint(0, classes, shape)
    one_hot = network == "digits_cnn"
    target = nn.functional.one_hot(labels, classes).float() if one_hot else labels.flatten()
    criterion = nn.MSELoss() if one_hot else nn.CrossEntropyLoss()
    model = build().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, foreach=foreach)

    def step():
        optimizer.zero_grad(set_to_none=True)
        criterion(model(x).flatten(0, -2), target).backward()
        optimizer.step()

    return step
