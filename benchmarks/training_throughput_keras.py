"""The Keras side of training_throughput.py: keras.fit on the same network, batch and cores.

Run by an interpreter that has keras and tensorflow-cpu. Prints one JSON line: slices a second, and CPU
seconds for a thousand slices, of each epoch after the first.
"""

import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf
from keras import layers


def _pre_activation(x, filters, stride):
    y = layers.Conv2D(filters, 3, stride, "same")(layers.ReLU()(layers.BatchNormalization()(x)))
    y = layers.Conv2D(filters, 3, 1, "same")(layers.ReLU()(layers.BatchNormalization()(y)))
    return layers.Add()([y, x if stride == 1 else layers.Conv2D(filters, 1, stride, "same")(x)])


def _up(x, filters):
    return layers.ReLU()(layers.BatchNormalization()(layers.Conv2DTranspose(filters, 3, 2, "same")(x)))


def residual_unet(size):
    """Return the residual U-Net of UOC 2021."""
    inputs = keras.Input((size, size, 1))
    half = layers.Conv2D(32, 3, 2, "same")(inputs)
    quarter = _pre_activation(_pre_activation(half, 64, 2), 64, 1)
    y = _up(_pre_activation(quarter, 128, 2), 64)
    y = _up(layers.Concatenate()([y, quarter]), 32)
    y = _up(layers.Concatenate()([y, half]), 16)
    return keras.Model(inputs, layers.Conv2D(1, 3, padding="same", activation="sigmoid")(y))


def datacamp(size):
    """Return the autoencoder of DataCamp 2018."""
    inputs = y = keras.Input((size, size, 1))
    steps = ((32, "down"), (64, "down"), (128, ""), (64, "up"), (32, "up"))
    for filters, then in steps:
        for _ in range(2):
            y = layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same", activation="relu")(y))
        if then:
            y = layers.MaxPooling2D()(y) if then == "down" else layers.UpSampling2D()(y)
    return keras.Model(inputs, layers.Conv2D(1, 3, padding="same", activation="sigmoid")(y))


class Clock(keras.callbacks.Callback):
    """Notes wall and CPU time at each end of an epoch."""

    def on_train_begin(self, logs=None):  # noqa: D102
        self.times = []

    def on_epoch_end(self, epoch, logs=None):  # noqa: D102
        self.times.append((time.perf_counter(), time.process_time()))


def main() -> None:
    """Measure."""
    network, size, batch, steps, epochs, threads = sys.argv[1], *map(int, sys.argv[2:])
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    model = {"uoc2021-residual-unet": residual_unet, "datacamp2018": datacamp}[network](size)
    model.compile(keras.optimizers.RMSprop(1e-3), "mse")
    slices = np.random.default_rng(0).random((batch * steps, size, size, 1), np.float32)
    clock = Clock()
    model.fit(slices, slices, batch_size=batch, epochs=epochs, verbose=0, callbacks=[clock])
    wall, cpu = np.diff(np.array(clock.times), axis=0).T
    count = batch * steps
    report = {
        "slices_per_second": (count / wall).tolist(),
        "cpu_seconds_per_1000": (1000 * cpu / count).tolist(),
        "parameters": model.count_params(),
        "versions": {"keras": keras.__version__, "tensorflow": tf.__version__},
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
