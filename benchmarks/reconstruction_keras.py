"""The Keras side of reconstruction.py: model.predict with the same weights, slices and cores.

Run by an interpreter that has keras and tensorflow-cpu; it is told on standard input when to compute.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from reconstruction import difference, serve
from training_throughput_keras import datacamp, residual_unet


def skip_unet(size, channels=32, levels=2):
    """Return the U-Net of the shipped denoiser."""

    def convs(x, filters):
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        return x

    inputs = y = keras.Input((size, size, 1))
    skips = []
    for level in range(levels):
        y = convs(y, channels * 2**level)
        skips.append(y)
        y = layers.MaxPooling2D()(y)
    y = convs(y, channels * 2**levels)
    for level in reversed(range(levels)):
        filters = channels * 2**level
        up = layers.Conv2DTranspose(filters, 2, 2)(y)
        y = convs(layers.Concatenate()([up, skips.pop()]), filters)
    return keras.Model(inputs, layers.Add()([inputs, layers.Conv2D(1, 3, padding="same")(y)]))


def with_weights(model, weights):
    """Give a model's layers, in the order in which they were made, the weights of their kind and number."""
    kinds = {}
    for layer in model.layers:
        if layer.weights:
            stem, _, number = layer.name.rpartition("_")
            first = not number.isdigit()
            kinds.setdefault(layer.name if first else stem, []).append((-1 if first else int(number), layer))
    for kind, numbered in kinds.items():
        for number, (_, layer) in enumerate(sorted(numbered, key=lambda pair: pair[0])):
            given = [weights[f"{kind}/{number}/{place}"] for place in range(len(layer.weights))]
            layer.set_weights(given)
    return model


def main() -> None:
    """Be a contestant."""
    case, size, threads, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    networks = {
        "datacamp2018": datacamp,
        "uoc2021-residual-unet": residual_unet,
        "denoiser-any": skip_unet,
    }
    if case not in networks:
        raise SystemExit(f"{case} is not written in Keras")
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    model = with_weights(networks[case](size), np.load(folder / "weights.npz"))
    slices = np.load(folder / "slices.npy")[..., None]

    def predict():
        return model.predict(slices, batch_size=32, verbose=0)[..., 0]

    print(json.dumps(difference(predict(), np.load(folder / "reference.npy"))), flush=True)
    serve(lambda: len(predict()))


if __name__ == "__main__":
    main()
