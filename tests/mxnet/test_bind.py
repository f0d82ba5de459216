"""Bound networks: seeds, sites, steps, uses, batches, files; imperative and hybridised."""

import copy

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon
from mxnet.gluon import nn

from tests.mxnet.nets import MODES, Caller, Loop, Peeker, Twice, in_mode, mlp, sequence
from tests.mxnet.truth import dropped, same
from thinned.errors import AddressError, BindError
from thinned.mxnet import Dropout, bind, unbind

ONES = np.ones((3, 40), np.float32)
every_mode = pytest.mark.parametrize("mode", MODES)


def train(net, *inputs):
    """One training call."""
    with autograd.record():
        return net(*inputs)


def address_of(net, folder):
    """Seed and step, as a file of parameters has them."""
    net.save_parameters(str(folder / "address"))
    return mx.nd.load(str(folder / "address"))["thinned.address"].asnumpy().tolist()


@every_mode
class TestSites:
    """The names of layers, in every mode."""

    def test_qualified_names_and_uses(self, xp, mode):
        """Attributes and positions, with dots; the k-th use is `name#k`."""
        net = in_mode(bind(Twice(), 9), mode)
        for step in range(3):
            outputs = train(net, xp.array(ONES))
            for (site, rate), y in zip([("a", 0.5), ("inner.0.0", 0.3), ("a#1", 0.5)], outputs, strict=True):
                assert same(dropped(ONES, rate, seed=9, site=site, step=step), y)

    def test_a_part_used_often(self, xp, mode):
        """Uses count on from call to call of a hybrid part, whose graph stays one."""
        net = bind(Caller(in_mode(Twice(), mode)), 9)
        for step, count in enumerate([2, 3, 1]):
            outputs = train(net, xp.array(ONES), count)
            for k in range(count):
                first, _, second = outputs[k]
                for use, y in ((2 * k, first), (2 * k + 1, second)):
                    site = f"part.a#{use}" if use else "part.a"
                    assert same(dropped(ONES, 0.5, seed=9, site=site, step=step), y)

    def test_predictions_inside_a_call(self, xp, mode):
        """They count for no use."""
        net = bind(Peeker(in_mode(sequence(Dropout(0.5)), mode)), 9)
        for step in range(2):
            assert same(dropped(ONES, 0.5, seed=9, site="part.0", step=step), train(net, xp.array(ONES)))

    def test_named_by_hand(self, xp, mode):
        """`site=` wins."""
        net = in_mode(bind(Twice(site="mine"), 9), mode)

        assert same(dropped(ONES, 0.5, seed=9, site="mine", step=0), train(net, xp.array(ONES))[0])

    def test_gradients(self, xp, mode):
        """Of two calls before one backward pass, each at its own address."""
        net = in_mode(bind(sequence(Dropout(0.5)), -3), mode)
        inputs = [xp.array(ONES), xp.array(ONES)]
        for x in inputs:
            x.attach_grad()
        with autograd.record():
            total = sum(net(x).sum() for x in inputs)
        total.backward()

        for step, x in enumerate(inputs):
            assert same(dropped(ONES, 0.5, seed=-3, site="0", step=step), x.grad)

    def test_batch(self, xp, mode):
        """Local rows have the masks that they have in the global batch."""
        net = in_mode(bind(sequence(Dropout(0.5)), 1, batch=(0, 10, 4)), mode)
        window = (10, 40), (4, 0)

        assert same(dropped(ONES, 0.5, window=window, seed=1, site="0"), train(net, xp.array(ONES)))

    def test_step(self, xp, mode, tmp_path):
        """It counts training calls of the root; evaluation leaves it, and a training part does too."""
        net, x = in_mode(bind(mlp(), -5), mode), xp.ones((2, 4))
        for _ in range(3):
            train(net, x)
            net(x)
            with autograd.record(train_mode=False):
                net(x)

        assert [-5, 3] == address_of(net, tmp_path)

    def test_resumed(self, xp, mode, tmp_path):
        """Weights, seed and step come back from a file, and the run goes on bit for bit."""
        x, path = xp.ones((2, 4)), str(tmp_path / "net")
        whole = in_mode(bind(mlp(), 2**64 - 7), mode)
        for _ in range(2):
            train(whole, x)
        whole.save_parameters(path)
        resumed = in_mode(bind(mlp(), 0), mode)
        resumed.load_parameters(path)

        for _ in range(2):
            assert same(train(whole, x).asnumpy(), train(resumed, x))

    def test_trains(self, xp, mode):
        """With `gluon.Trainer`, whose parameters the address is none of."""
        net, x = in_mode(bind(mlp(), 0), mode), xp.ones((2, 4))
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
        train(net, x)
        before = net[0].weight.data().asnumpy()
        with autograd.record():
            loss = net(x).sum()
        loss.backward()
        trainer.step(2)

        assert not np.array_equal(before, net[0].weight.data().asnumpy())
        assert not [name for name in net.collect_params() if "address" in name]

    def test_bound_again_and_unbound(self, xp, mode):
        """A graph that was made before does not outlive its binding."""
        net, x = in_mode(sequence(Dropout(0.5)), mode), xp.array(ONES)
        train(net, x)
        for seed in (1, 2):
            assert same(dropped(ONES, 0.5, seed=seed, site="0"), train(bind(net, seed), x))
        unbind(net)
        unbind(net)
        mx.random.seed(3)
        first = train(net, x).asnumpy()
        mx.random.seed(3)
        assert same(first, train(net, x))

    def test_added_later(self, xp, mode):
        """A layer, and a block that has made its graph, are bound by the next call, which is the next step."""
        net, x = in_mode(bind(sequence(Dropout(0.5)), 1), mode), xp.array(ONES)
        train(net, x)
        part = in_mode(sequence(Dropout(0.2)), mode)
        train(part, x)
        net.add(part, Dropout(0.1))
        for step in (1, 2):
            expected = ONES
            for site, rate in (("0", 0.5), ("1.0", 0.2), ("2", 0.1)):
                expected = dropped(expected, rate, seed=1, site=site, step=step)
            assert same(expected, train(net, x))

    def test_replaced_later(self, xp, mode):
        """What stands at a site draws there; what stood there is free again."""
        net, x = in_mode(bind(Twice(), 1), mode), xp.array(ONES)
        former = net.a
        train(net, x)
        net.a = Dropout(0.2)

        assert same(dropped(ONES, 0.2, seed=1, site="a", step=1), train(net, x)[0])
        assert former._binding is None

    def test_shared_by_two_networks(self, xp, mode):
        """The binding that came last draws; when it goes, the one before does again, in its own parts too."""
        part, x = sequence(Dropout(0.5)), xp.array(ONES)
        first = in_mode(bind(sequence(part), 1), mode)
        train(first, x)
        second = in_mode(bind(sequence(sequence(part)), 2), mode)
        assert same(dropped(ONES, 0.5, seed=2, site="0.0.0"), train(second, x))
        with pytest.raises(BindError, match=r"'0\.0\.0' is bound"):
            train(first, x)
        unbind(second)
        for step in (2, 3):
            assert same(dropped(ONES, 0.5, seed=1, site="0.0", step=step), train(first, x))

    def test_inner_binding_is_replaced(self, xp, mode):
        """One root counts."""
        inner = bind(sequence(Dropout(0.5)), 1)
        net = in_mode(bind(sequence(inner), 2), mode)

        assert same(dropped(ONES, 0.5, seed=2, site="0.0"), train(net, xp.array(ONES)))

    def test_a_call_that_fails_is_over(self, xp, mode):
        """It took a step; the next call counts its uses from the start."""
        net = in_mode(bind(Caller(sequence(Dropout(0.5))), 4), mode)
        with pytest.raises(TypeError):
            train(net, xp.array(ONES), None)

        assert same(dropped(ONES, 0.5, seed=4, site="part.0", step=1), train(net, xp.array(ONES), 1)[0])


class TestCopies:
    """`copy.deepcopy`, and several contexts."""

    def test_a_copy_counts_on_by_itself(self, xp):
        """From the step of the original, which it does not move."""
        net = bind(Twice(), 2)
        train(net, xp.array(ONES))
        twin = copy.deepcopy(net)
        for each in (twin, net):
            assert same(dropped(ONES, 0.5, seed=2, site="a#1", step=1), train(each, xp.array(ONES))[2])

    @every_mode
    def test_several_contexts(self, mode):
        """One call for each, and so one step."""
        places = [mx.cpu(0), mx.cpu(1)]
        net = bind(sequence(Dropout(0.5)), 2)
        if MODES[mode] is not None:
            net.hybridize(**MODES[mode])
        with autograd.record():
            outputs = [net(mx.nd.array(ONES, ctx=place)) for place in places]

        for step, y in enumerate(outputs):
            assert places[step] == y.context
            assert same(dropped(ONES, 0.5, seed=2, site="0", step=step), y)


class TestFiles:
    """`save_parameters` and its kin."""

    def test_of_an_unbound_network(self, xp, tmp_path):
        """A file from before binding loads, and leaves seed and step."""
        path, x = str(tmp_path / "net"), xp.ones((2, 4))
        in_mode(mlp(), "imperative")(x)
        plain = in_mode(mlp(nn.Dropout), "imperative")
        plain(x)
        plain.save_parameters(path)
        net = bind(mlp(), 7)
        net.load_parameters(path)
        train(net, x)

        assert [7, 1] == address_of(net, tmp_path)

    def test_what_is_missing_is_still_said(self, tmp_path):
        """Only the address may be missing."""
        path = str(tmp_path / "net")
        small = in_mode(sequence(nn.Dense(2, in_units=2)), "imperative")
        small.save_parameters(path)
        with pytest.raises(AssertionError, match="missing"):
            bind(in_mode(mlp(), "imperative"), 0).load_parameters(path)

    def test_inside_a_larger_network(self, tmp_path):
        """The root's address is saved under its name."""
        net = sequence(bind(sequence(Dropout(0.5)), 6))
        net.save_parameters(str(tmp_path / "net"))

        assert ["0.thinned.address"] == list(mx.nd.load(str(tmp_path / "net")))

    def test_from_before_inside_a_larger_network(self, tmp_path):
        """A file of a larger network in which nothing was bound loads too; what else is missing is said."""
        path, inner = (
            str(tmp_path / "net"),
            in_mode(sequence(nn.Dense(2, in_units=2), Dropout(0.5)), "imperative"),
        )
        net = sequence(inner)
        net.save_parameters(path)
        bind(inner, 6)
        inner[0].weight.set_data(mx.nd.zeros((2, 2)))
        net.load_parameters(path)
        assert (inner[0].weight.data().asnumpy() == 1).all()

        net.add(in_mode(nn.Dense(2, in_units=2), "imperative"))
        with pytest.raises(AssertionError, match=r"1\.weight' is missing"):
            net.load_parameters(path)

    def test_an_address_that_was_cast(self, tmp_path):
        """It is refused, not rounded."""
        path = str(tmp_path / "net")
        mx.nd.save(path, {"thinned.address": mx.nd.ones(2)})
        with pytest.raises(BindError, match="cast"):
            bind(sequence(Dropout(0.5)), 6).load_parameters(path)

    @pytest.mark.filterwarnings("ignore:Cannot decide type")  # MXNet says so of every network that it reads
    def test_exported(self, xp, tmp_path):
        """A graph that was exported predicts."""
        net, x = in_mode(bind(mlp(), 0), "graph"), xp.ones((2, 4))
        train(net, x)
        net.export(str(tmp_path / "net"))
        loaded = gluon.SymbolBlock.imports(
            str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params")
        )

        assert same(net(x).asnumpy(), loaded(x))


class TestErrors:
    """What cannot be known is not guessed."""

    def test_outside_a_call(self):
        """A bound layer alone has no address."""
        net = bind(mlp(), 0)
        with pytest.raises(BindError, match="'1' is bound"), autograd.train_mode():
            net[1](mx.nd.ones(3))

    def test_inside_a_larger_graph(self):
        """Whose call the root does not see."""
        net = in_mode(sequence(bind(sequence(Dropout(0.5)), 0)), "graph")
        with pytest.raises(BindError, match="larger hybridised block"):
            train(net, mx.nd.ones(3))

    def test_inside_a_larger_graph_that_was_made_before(self):
        """Binding an inner part reaches the graph around it."""
        inner = sequence(Dropout(0.5))
        net = in_mode(sequence(inner), "graph")
        train(net, mx.nd.ones(3))
        bind(inner, 0)
        with pytest.raises(BindError, match="larger hybridised block"):
            train(net, mx.nd.ones(3))

    def test_in_a_loop(self):
        """In Python each round is a use; a graph would repeat one mask, and is refused; free, each round draws."""
        net, x = in_mode(Loop(), "graph"), mx.nd.ones((2, 3, 40))
        free = train(net, x).asnumpy()
        assert not np.array_equal(free[0], free[1])
        bind(net, 5)
        with pytest.raises(BindError, match="foreach"):
            train(net, x)
        net.hybridize(False)
        y = train(net, x)

        assert same(dropped(ONES, 0.5, seed=5, site="drop", step=1), y[0])
        assert same(dropped(ONES, 0.5, seed=5, site="drop#1", step=1), y[1])

    def test_a_name_that_moved(self):
        """A layer added under the site of another, which draws by it elsewhere."""
        net = bind(Twice(), 0)
        net.b, net.a = net.a, Dropout(0.2)
        with pytest.raises(BindError, match="where they were; 'a'"):
            train(net, mx.nd.ones(3))

    def test_two_layers_with_one_site(self):
        """They would draw alike."""
        with pytest.raises(BindError, match="'a' twice"):
            bind(sequence(Dropout(0.5, site="a"), Dropout(0.5, site="a")), 0)

    def test_arguments(self):
        """A seed too wide; a batch that is none, or lies on no axis."""
        with pytest.raises(AddressError):
            bind(mlp(), 2**64)
        with pytest.raises(BindError, match="three integers"):
            bind(mlp(), 0, batch=(0, 1))
        with pytest.raises(BindError, match="batch axis 2"):
            train(bind(sequence(Dropout(0.5)), 0, batch=(2, 8, 0)), mx.nd.ones((3, 4)))

    def test_several_workers(self, monkeypatch):
        """Where the local rows lie must be said."""
        monkeypatch.setenv("DMLC_NUM_WORKER", "2")
        with pytest.raises(BindError, match=r"kv\.rank"):
            bind(mlp(), 0)
        bind(mlp(), 0, batch=(0, 8, 4))

    def test_gluons_own_are_named(self):
        """With what to do about them."""
        with pytest.warns(UserWarning, match=r"'0': Gluon's own .*convert"):
            bind(sequence(nn.Dropout(0.5)), 0)
