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


def network():
    """With weights that the law draws, the same wherever it is made."""
    block = keras.Sequential(
        [keras.layers.Dense(WIDTH, activation="tanh"), tk.layers.Dropout(SITES["block.drop"], name="drop")],
        name="block",
    )
    drop = tk.layers.Dropout(SITES["drop2"], name="drop2")
    model = keras.Sequential(
        [keras.Input((8,)), block, keras.layers.Dense(WIDTH), drop, keras.layers.Dense(1)]
    )
    model.set_weights(
        [normal(w.shape, seed=1, site=f"weight{i}") * 0.3 for i, w in enumerate(model.get_weights())]
    )
    return tk.bind(model, 2**63 + 11)


def train(model, steps):
    """After each step, in Keras' own loop: the loss that Keras reports, and that of an evaluation, in float64."""
    model.compile(optimizer=keras.optimizers.SGD(0.05), loss="mse")
    x, y = normal((ROWS, 8), seed=2), normal((ROWS, 1), seed=3)
    reported, evaluated = [], []
    for _ in range(steps):
        reported += model.fit(x, y, batch_size=ROWS, shuffle=False, verbose=0).history["loss"]
        # Not by keras.ops.mean, which computes in float32 on PyTorch and JAX, whatever it is given.
        guess = np.array([[float(value)] for value in keras.ops.stop_gradient(model(x))[:, 0]])
        evaluated.append(float(np.mean((guess - y) ** 2)))
    return {"reported": reported, "evaluated": evaluated}


def masks(model):
    """Whether each site's mask at the next steps is the law's, from what the layers make of ones."""
    found = {}
    probes = {"block.drop": model.layers[0].layers[1], "drop2": model.layers[2]}
    for name, layer in probes.items():
        step = model._thinned_address.step
        with model._thinned.call(training=True):
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
    model = network() if before is None else keras.saving.load_model(folder / f"{before}.keras")
    found["from"] = model._thinned_address.step
    found["continued"] = train(model, STEPS // 3)
    model.save(folder / f"{backend}.keras")
    found["masks"] |= {f"continued {name}": same for name, same in masks(model).items()}
    (folder / f"{backend}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
