"""One backend's part in `test_backends.py`: train, and go on from what another backend saved.

    KERAS_BACKEND=jax python tests/keras/journey.py FOLDER [NAME OF THE BACKEND BEFORE]
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np

import thinned.keras as tk
from thinned.mask import keep, normal

STEPS, ROWS, WIDTH = 12, 16, 24
SITES = {"block.drop": 0.25, "drop2": 0.5}


class Watch(keras.callbacks.Callback):
    """The loss of each step."""

    def __init__(self):
        super().__init__()
        self.losses = []

    def on_train_batch_end(self, batch, logs=None):
        """Keras' running mean over the epoch's batches, of which there is one here."""
        self.losses.append(float(logs["loss"]))


def network():
    """With weights that the law draws, the same wherever it is made."""
    block = keras.Sequential(
        [keras.layers.Dense(WIDTH, activation="tanh"), tk.layers.Dropout(SITES["block.drop"], name="drop")],
        name="block",
    )
    drop = tk.layers.Dropout(SITES["drop2"], name="drop2")
    model = keras.Sequential([keras.Input((8,)), block, keras.layers.Dense(WIDTH), drop, keras.layers.Dense(1)])
    model.set_weights(
        [normal(w.shape, seed=1, site=f"weight{i}") * 0.3 for i, w in enumerate(model.get_weights())]
    )
    return tk.bind(model, 2**63 + 11)


def train(model, steps):
    """The losses of so many steps, an epoch each, all on one batch."""
    model.compile(optimizer=keras.optimizers.SGD(0.05), loss="mse")
    watch = Watch()
    x, y = normal((ROWS, 8), seed=2), normal((ROWS, 1), seed=3)
    model.fit(x, y, batch_size=ROWS, epochs=steps, shuffle=False, verbose=0, callbacks=[watch])
    return watch.losses


def masks(model):
    """Whether each site's mask at the model's step is the law's, from what the layers make of ones."""
    step, found = model._thinned_address.step, {}
    probes = {"block.drop": model.layers[0].layers[1], "drop2": model.layers[2]}
    for name, layer in probes.items():
        with model._thinned.call(False):
            y = layer(keras.ops.ones((ROWS, WIDTH)), training=True)
        expected = keep((ROWS, WIDTH), SITES[name], seed=2**63 + 11, site=name, step=step)
        found[name] = np.array_equal(expected, np.array([[float(v) != 0 for v in row] for row in y]))
    return found


def main(folder, before=None):
    """Leave the losses in a file, and a model for the next backend."""
    keras.config.set_floatx("float64")
    backend = keras.backend.backend()
    model = network()
    found = {"whole": train(model, STEPS), "masks": masks(model)}
    if before is None:
        model = network()
        train(model, STEPS // 3)
    else:
        model = keras.saving.load_model(folder / f"{before}.keras")
        found["from"] = model._thinned_address.step
        found["continued"] = train(model, STEPS // 3)
        found["masks"] |= {f"loaded {name}": same for name, same in masks(model).items()}
    model.save(folder / f"{backend}.keras")
    found["imported"] = sorted({"torch", "jax", "tensorflow"} & set(sys.modules))
    (folder / f"{backend}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
