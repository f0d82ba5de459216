"""One process of a data-parallel job; `test_distributed.py` starts several and compares what they write."""

import copy
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.nn.parallel import DistributedDataParallel

import thinned.torch as tt
from thinned.errors import BindError

ROWS, WIDTH, STEPS = 8, 16, 3
KINDS = ("fully_shard", "FullyShardedDataParallel")


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


def refused(model, start, rows):
    """What a rank says of a call with so many rows, or nothing."""
    try:
        model(torch.ones(ROWS, WIDTH)[start : start + rows])
    except BindError as error:
        return str(error)
    return ""


def unequal(rank, world):
    """One rank holds a row more than the others: called in training, in evaluation, placed, and compiled."""
    rows, total = 1 + (rank == 0), world + 1
    start = rank and rank + 1
    model = tt.bind(torch.nn.Sequential(tt.Dropout(0.5)), 7)
    said = [refused(model, start, rows), refused(model.eval(), start, rows)]
    placed = tt.bind(torch.nn.Sequential(tt.Dropout(0.5)), 7, batch=(0, total, start))
    said.append(refused(placed, start, rows))
    if world == 2:  # importing the compiler takes seconds a process
        compiled = torch.compile(tt.bind(torch.nn.Sequential(tt.Dropout(0.5)), 7), backend="aot_eager")
        said.append(refused(compiled, start, rows))
    return said


def sweep(rank, world):
    """What ranks say in runs of several batch sizes, with a copy on rank 0 alone, and two row counts a call."""
    said = []
    for rows in (4, 4, 6):
        model = tt.bind(torch.nn.Sequential(tt.Dropout(0.5), torch.nn.Flatten(0), tt.Dropout(0.5)), 11)
        if rank == 0:
            copy.deepcopy(model)
        for _ in range(20):
            try:
                model(torch.ones(rows, WIDTH))
            except BindError as error:
                said.append(str(error))
        dist.barrier()
    return said


def sharded(kind, rank, world):
    """The masks of a model whose weights are sharded, and the keys of its state; bound before or after."""
    model = torch.nn.Sequential(torch.nn.Linear(16, 16), tt.Dropout(0.5))
    if kind == "fully_shard":
        model = tt.bind(torch.nn.Sequential(model), 7)
        mesh = init_device_mesh("cpu", (world,))
        fully_shard(model[0], mesh=mesh)
        fully_shard(model, mesh=mesh)
    else:
        parts = torch.nn.Sequential(FullyShardedDataParallel(model, device_id=torch.device("cpu")))
        model = tt.bind(FullyShardedDataParallel(parts, device_id=torch.device("cpu")), 7)
    outputs = []
    for _ in range(STEPS):
        y = model(torch.randn(ROWS // world, 16))
        y.sum().backward()
        outputs.append(y.detach() != 0)
    return torch.stack(outputs), list(model.state_dict())


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
    before = dist.distributed_c10d._get_default_store().num_keys()
    swept = sweep(rank, world)
    keys = dist.distributed_c10d._get_default_store().num_keys() - before
    said = unequal(rank, world)
    shards = [sharded(kind, rank, world) for kind in KINDS] if world == 2 else []
    dist.barrier()
    torch.save(
        {
            "sweep": swept,
            "keys": keys,
            "shards": shards,
            "said": said,
            "outputs": outputs,
            "parameters": parameters,
            "address": state["module.thinned.address"],
        },
        Path(folder) / f"{world}-{rank}.pt",
    )
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
