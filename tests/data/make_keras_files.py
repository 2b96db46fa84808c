"""Make the files of keras.zip, with the Keras at hand: `python make_keras_files.py keras.zip`.

keras.zip was made with TensorFlow 2.15.1 (Keras 2.15, "keras2") and with Keras 3.15.1 on JAX ("keras3"), each
in an environment of its own; neither is a dependency of the project. Beside the saved models it has what
Keras itself makes of "slices" with them.
"""

import io
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras

layers = keras.layers
MAJOR = int(keras.__version__.partition(".")[0])
SIZE = (16, 22)


def convolutions() -> Any:
    """Convolutions of all kinds, each brought back to the input's size by its transpose."""
    inputs = keras.Input((*SIZE, 1))
    branches = []
    for kernel, stride, padding in (
        (3, 2, "same"),
        (5, 2, "same"),
        (2, 2, "same"),
        (1, 2, "same"),
        (3, 1, "valid"),
        (4, 3, "valid"),
        ((3, 2), (2, 1), "same"),
    ):
        settings = {"kernel_size": kernel, "strides": stride, "padding": padding}
        inner = layers.Conv2D(2, **settings)(inputs)
        branches.append(layers.Conv2DTranspose(1, **settings)(inner))
    inner = layers.Conv2D(2, 3, dilation_rate=2, padding="same", use_bias=False)(inputs)
    branches.append(layers.Conv2D(1, 4, padding="same", activation="tanh")(inner))
    inner = layers.Conv2D(1, 3, strides=2, padding="same")(inputs)
    branches.append(
        layers.Conv2DTranspose(1, 3, strides=2, padding="same", output_padding=1, use_bias=False)(inner)
    )
    return keras.Model(inputs, layers.Conv2D(1, 1, activation="sigmoid")(layers.Concatenate()(branches)))


def functional() -> Any:
    """Every other layer."""
    inputs = keras.Input((None, None, 1))
    x = layers.Conv2D(2, 3, padding="same", activation="relu", name="first")(inputs)
    skip = x
    x = layers.BatchNormalization(epsilon=0.01)(x)
    x = layers.LeakyReLU()(x)
    x = layers.Dropout(0.2)(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.MaxPooling2D(3, strides=1, padding="same")(x)
    x = layers.BatchNormalization(scale=False)(x)
    x = layers.ReLU(max_value=1.5, negative_slope=0.1, threshold=0.05)(x)
    x = layers.UpSampling2D(2)(x)
    x = layers.Add()([x, skip])
    x = layers.SpatialDropout2D(0.1)(x)
    x = layers.BatchNormalization(center=False)(x)
    x = layers.UpSampling2D((2, 3), interpolation="bilinear")(x)
    x = layers.Concatenate(axis=1)([x, x])
    x = layers.MaxPooling2D((4, 3))(x)
    branches = [
        layers.Activation(name)(x)
        for name in ("tanh", "elu", "selu", "gelu", "swish", "softplus", "softsign", "softmax", "linear")
    ]
    x = layers.Concatenate()([*branches, layers.Activation("exponential")(branches[0]), x, skip])
    return keras.Model(inputs, layers.Conv2D(1, 3, padding="same", activation=layers.LeakyReLU(0.15))(x))


def nested() -> Any:
    """Models within a model, and layers that are called twice."""
    small = keras.Input((None, None, 1))
    encoder = keras.Model(
        small,
        layers.BatchNormalization()(layers.Conv2D(2, 3, strides=2, padding="same")(small)),
        name="encoder",
    )
    twice = layers.Conv2D(2, 3, padding="same", activation="relu", name="twice")
    decoder = keras.Sequential(
        [layers.Conv2DTranspose(2, 3, strides=2, padding="same"), layers.BatchNormalization(), layers.ReLU()],
        name="decoder",
    )
    inputs = keras.Input((*SIZE, 1))
    x = decoder(twice(twice(encoder(inputs))))
    x = decoder(encoder(layers.Conv2D(1, 1, name="between")(x)))
    return keras.Model(inputs, layers.Conv2D(1, 1, name="last")(x))


def sequential() -> Any:
    """One layer after another; the first says what comes in."""
    first = {"input_shape": (*SIZE, 1)} if MAJOR == 2 else {}
    start = [] if MAJOR == 2 else [keras.Input((*SIZE, 1))]
    return keras.Sequential(
        [
            *start,
            layers.Conv2D(2, 3, padding="same", activation="relu", **first),
            layers.MaxPooling2D(),
            layers.Conv2D(3, 3, padding="same"),
            layers.BatchNormalization(),
            layers.UpSampling2D(),
            layers.Conv2D(1, 3, padding="same"),
        ]
    )


def refused() -> Any:
    """Code in a file: a Lambda layer."""
    inputs = keras.Input((None, None, 1))
    x = layers.Conv2D(1, 1)(inputs)
    return keras.Model(inputs, layers.Lambda(lambda tensor: tensor * 2, name="code")(x))


MODELS: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "convolutions": (convolutions, ("h5", "keras")),
    "functional": (functional, ("h5", "keras")),
    "nested": (nested, ("h5", "keras")),
    "sequential": (sequential, ("h5", "keras")),
    "refused": (refused, ("h5", "keras")),
}


def main(target: Path) -> None:
    """Put this Keras's files into the archive, in place of those that it has."""
    rng = np.random.default_rng(0)
    slices = rng.random((2, *SIZE, 1), np.float32)
    made: dict[str, bytes] = {}
    outputs: dict[str, np.ndarray] = {"slices": slices}
    for name, (make, suffixes) in MODELS.items():
        keras.backend.clear_session()
        model = make()
        model.set_weights(
            [(rng.normal(0, 0.4, w.shape) if w.ndim > 1 else rng.uniform(0.2, 1, w.shape)).astype("f4")
             for w in model.get_weights()]
        )  # fmt: skip
        outputs[name] = np.asarray(model(slices, training=False))
        with tempfile.TemporaryDirectory() as folder:
            for suffix in suffixes:
                path = Path(folder) / f"{name}.keras{MAJOR}.{suffix}"
                model.save(path)
                made[path.name] = path.read_bytes()
    buffer = io.BytesIO()
    np.savez(buffer, **outputs)
    made[f"outputs.keras{MAJOR}.npz"] = buffer.getvalue()
    kept = {}
    if target.exists():
        with zipfile.ZipFile(target) as archive:
            kept = {name: archive.read(name) for name in archive.namelist() if name not in made}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in sorted((kept | made).items()):
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED, 9)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
