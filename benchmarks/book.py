"""Ten-epoch script in PyTorch as a book writes it, a whole process: train, evaluate, print.

`python -m benchmarks.book '{"network": "mnist_mlp", "config": {...}}'`; mnist.py runs it.
"""

import json
import sys

import torch
from torch.utils.data import DataLoader

from benchmarks.pytorch import BATCH, LEARNING_RATE, SCALE, Digits, network, train_from_loader
from dlfun import data


def main() -> None:
    """Train by the settings and print the test accuracy of the last epoch as the last line."""
    settings = json.loads(sys.argv[1])
    name, config = settings["network"], settings["config"]
    scale = SCALE.get(name, (0, 1))
    splits = data.load("mnist").splits
    train, test = (Digits(splits[split], scale) for split in ("train", "test"))
    loader = DataLoader(train, batch_size=BATCH, shuffle=True)
    held_out = DataLoader(test, batch_size=BATCH)
    model = network(name, config)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    accuracy = 0.0
    for epoch in range(config["epochs"]):
        loss = train_from_loader(model, optimizer, loader)
        correct = 0
        with torch.no_grad():
            for images, labels in held_out:
                correct += (model(images).argmax(dim=1) == labels).sum().item()
        accuracy = correct / len(test)
        print(f"epoch {epoch + 1}: loss {loss:.4f}, test accuracy {accuracy:.4f}")
    print(accuracy)


if __name__ == "__main__":
    main()
