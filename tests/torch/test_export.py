"""`torch.export`."""

import torch
from torch import nn

import thinned.torch as tt
from tests.torch.models import all_equal, mlp, outputs
from tests.torch.truth import dropped, same

SEED = 7


class TestExport:
    """`torch.export`."""

    def test_functions(self):
        """The step stays an input."""

        class Net(nn.Module):
            def forward(self, x, step):
                return tt.dropout(x, 0.5, seed=3, site="a", step=step)

        x = torch.randn(9, 5)
        program = torch.export.export(Net(), (x, torch.tensor(5))).module()

        for step in range(3):
            assert same(dropped(x, 0.5, seed=3, site="a", step=step), program(x, torch.tensor(step)))

    def test_free_layers(self):
        """Draws stay draws."""
        program = torch.export.export(nn.Sequential(tt.Dropout(0.5)), (torch.ones(64),)).module()

        assert not torch.equal(program(torch.ones(64)), program(torch.ones(64)))

    def test_bound_models(self):
        """In the process that holds the model, the program goes on with its steps."""
        model, x = mlp(), torch.randn(3, 8)
        expected = outputs(model, model, x, SEED)
        program = torch.export.export(tt.bind(model, SEED), (x,)).module()

        assert all_equal(expected, [program(x) for _ in range(4)])

    def test_evaluation(self):
        """No trace of dropout is left."""
        model = tt.bind(mlp(), SEED).eval()
        program = torch.export.export(model, (torch.ones(3, 8),))

        assert "thinned" not in str(program.graph)
