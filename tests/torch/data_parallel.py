"""One process of a data-parallel job; `test_distributed.py` starts several and compares what they write."""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import thinned.torch as tt

ROWS, WIDTH, STEPS = 8, 16, 3


class Net(nn.Module):
    """Dropout and a buffer, which DDP broadcasts before each step."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear, self.drop = nn.Linear(WIDTH, WIDTH), nn.Dropout(0.5)
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x):
        """What is dropped shows as zeros."""
        self.count += 1
        return self.drop(torch.cosh(self.linear(x)))


def train(model, start, rows):
    """The local rows of each step's output, and the parameters in the end."""
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
    outputs = []
    for step in range(STEPS):
        x = torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(step))
        y = model(x[start : start + rows])
        optimiser.zero_grad()
        (y.square().sum() / rows).backward()
        optimiser.step()
        outputs.append(y.detach())
    return torch.stack(outputs), [p.detach() for p in model.parameters()]


def main(folder, rank, world):
    """Join, train, write."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meet-{world}", rank=rank, world_size=world)
    rows = ROWS // world
    model = Net()
    tt.convert(model, seed=7)
    parallel = DistributedDataParallel(model)
    outputs, parameters = train(parallel, rank * rows, rows)
    state = parallel.state_dict()
    dist.barrier()
    torch.save(
        {"outputs": outputs, "parameters": parameters, "address": state["module.thinned.address"]},
        Path(folder) / f"{world}-{rank}.pt",
    )
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
