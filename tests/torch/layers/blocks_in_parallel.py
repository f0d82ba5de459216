"""One process of a data-parallel job; `test_blocks_in_parallel.py` starts two and compares what they write."""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import thinned.torch as tt

ROWS, TOKENS, WIDTH, STEPS, SEED = 8, 9, 8, 8, 7


def branch(*_):
    """A branch that draws."""
    return nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh(), tt.Dropout(0.25))


class Net(nn.Module):
    """Every way of dropping rows, tokens and blocks."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.words = tt.EmbeddingDropout(20, WIDTH, p=0.3)
        self.locked = tt.LockedDropout(0.2, batch_first=True)
        self.patches = tt.PatchDropout(0.5)
        self.blocks = nn.Sequential(*(tt.StochasticDepth(branch(), 0.5) for _ in range(4)))
        self.stack = tt.LayerDrop(map(branch, range(4)), 0.5)
        self.path, self.last = tt.DropPath(0.3), nn.Linear(WIDTH, WIDTH)

    def forward(self, ids):
        """(batch, token) to (batch, token, feature), with fewer tokens."""
        x = self.stack(self.blocks(self.patches(self.locked(self.words(ids)))))
        return x + self.path(self.last(x))


def train(model, start, rows):
    """The local rows of each step's output, and the parameters in the end."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.01)
    outputs = []
    for step in range(STEPS):
        ids = torch.randint(20, (ROWS, TOKENS), generator=torch.Generator().manual_seed(step))
        y = model(ids[start : start + rows])
        optimiser.zero_grad()
        (y.square().sum() / rows).backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        optimiser.step()
        outputs.append(y.detach())
    return torch.stack(outputs), [parameter.detach() for parameter in model.parameters()]


def main(folder, rank, world):
    """Join, train, write. DDP looks for no unused parameters."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=world)
    rows = ROWS // world
    model = DistributedDataParallel(tt.bind(Net(), SEED))
    torch.save(train(model, rank * rows, rows), Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
