"""The Keras side of reconstruction.py: model.predict with the same weights, slices and cores.

Run by an interpreter that has keras and tensorflow-cpu; it is told on standard input when to compute.
"""

import functools
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


def residual_block(channels):
    """Return two convolutions whose result is added to the input."""
    first = layers.Conv2D(channels, 3, padding="same", activation="relu")
    second = layers.Conv2D(channels, 3, padding="same")
    return lambda x: layers.Add()([x, second(first(x))])


def residual_blocks(channels, count):
    """Return so many of them, one after the other."""
    blocks = [residual_block(channels) for _ in range(count)]
    return lambda x: functools.reduce(lambda y, block: block(y), blocks, x)


def residual_unet_of_blocks(
    size, channels=(32, 64, 128, 256), blocks=(2, 2, 2, 1), up_blocks=(2, 2, 2), neighbours=0
):
    """Return the U-Net of the shipped denoisers, its layers made in the order of PyTorch's."""
    first = layers.Conv2D(channels[0], 3, padding="same")
    encoders = list(map(residual_blocks, channels[:-1], blocks))
    downs = [layers.Conv2D(width, 2, 2) for width in channels[1:]]
    bottom = residual_blocks(channels[-1], blocks[-1])
    ups = [layers.Conv2DTranspose(width, 2, 2) for width in channels[:-1]]
    decoders = list(map(residual_blocks, channels[:-1], up_blocks))
    last = layers.Conv2D(1, 3, padding="same")

    inputs = keras.Input((size, size, 1 + 2 * neighbours))
    own = inputs[..., neighbours : neighbours + 1]
    y, skips = first(inputs), []
    for encoder, down in zip(encoders, downs, strict=True):
        skips.append(encoder(y))
        y = down(skips[-1])
    y = bottom(y)
    for up, decoder in zip(reversed(ups), reversed(decoders), strict=True):
        y = decoder(layers.Add()([up(y), skips.pop()]))
    return keras.Model(inputs, layers.Add()([own, last(y)]))


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
        "denoiser-any": residual_unet_of_blocks,
        "denoiser-any-2.5d": functools.partial(residual_unet_of_blocks, neighbours=2),
    }
    if case not in networks:
        raise SystemExit(f"{case} is not written in Keras")
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    model = with_weights(networks[case](size), np.load(folder / "weights.npz"))
    slices = np.load(folder / "slices.npy")

    def predict():
        return model.predict(slices, batch_size=32, verbose=0)[..., 0]

    print(json.dumps(difference(predict(), np.load(folder / "reference.npy"))), flush=True)
    serve(lambda: len(predict()))


if __name__ == "__main__":
    main()
