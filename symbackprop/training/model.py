"""Model: data, outputs and a loss, with numbers for the parameters; fit, predict, save, load.

Kernels are built on first use and kept: one for predictions, one for the loss, one for gradients,
and one training step for each rule of an optimizer.  Rates, momenta and other hypers are
arguments of these kernels, so that a new value never compiles anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from symbackprop import codegen
from symbackprop.derivation import Derivation
from symbackprop.diagnosis import Diagnosis, diagnose
from symbackprop.errors import ProgramError, TrainingError
from symbackprop.training import files, fitting
from symbackprop.training.core import core
from symbackprop.training.dataset import dataset, predicting
from symbackprop.training.draws import drawn
from symbackprop.training.finder import Rates, find_rate
from symbackprop.training.initialisation import initial_values
from symbackprop.training.kernels import Kernels
from symbackprop.training.loop import History
from symbackprop.training.network import Network, network, read_by
from symbackprop.training.optimizers import SGD, Optimizer
from symbackprop.training.parameters import Hypers, Parameters, States
from symbackprop.training.settings import known_dtype, known_seed
from symbackprop.training.summary import Text, summary
from symbackprop.training.transferring import transfer

__all__ = ["Model"]

Array = NDArray[Any]


class Model:
    """A network with numbers: what is minimised, over which data, and what it predicts.

    inputs, targets, output: a tensor, its name in the loss, or a list; the latter two may be None.
    loss: a rank-0 tensor, or an expression of such.  dtype: "float32" or "float64".
    seed: of the initial parameters.  The batch is the symbolic size on the first axis of targets
    and inputs; data without it are given once.  constraints: of `sb.constraints`; they hold after
    every step.

    Raises ProgramError where these do not belong together, DeclarationError for what is no tensor.

    >>> import numpy as np, symbackprop as sb
    >>> x, y = sb.data("x", sb.size("N"), 1), sb.data("y", sb.size("N"), 1)
    >>> line = sb.layers.dense(x, 1)
    >>> model = Model(inputs=x, targets=y, output=line, loss=sb.losses.squared_error(line, y))
    >>> X = np.linspace(-1, 1, 20)[:, np.newaxis]
    >>> history = model.fit(X, 3*X + 1, epochs=100, optimizer=sb.optimizers.SGD(0.3))
    >>> model.predict([[2.0]]).round(2)
    array([[7.]], dtype=float32)
    """

    def __init__(self, inputs: Any, targets: Any = None, output: Any = None, loss: Any = None,
                 dtype: str = "float32", seed: int = 0, constraints: Any = ()) -> None:
        if loss is None:
            raise ProgramError("Model: a loss is missing; write Model(…, loss=L)")
        described = network(inputs, targets, output, loss, constraints)
        self._core = core(Kernels(described, known_dtype(dtype)))
        self.initialise(seed)

    @property
    def dtype(self) -> str:
        """float32 or float64."""
        return self._core.dtype

    @property
    def _network(self) -> Network:
        return self._core.network

    # -- the numbers

    @property
    def parameters(self) -> Parameters:
        """name -> array in order of declaration; writable in place, assignment copies."""
        return self._core.parameters

    @property
    def states(self) -> States:
        """name -> array of what steps carry on, e.g. running means; writable like parameters."""
        return self._core.states

    @property
    def hypers(self) -> Hypers:
        """name -> float; a new value takes effect at once and never recompiles."""
        return self._core.hypers

    @property
    def history(self) -> History:
        """What the newest fit returned, or had until it was ended by an error or Ctrl-C."""
        return dict(self._core.history)

    def initialise(self, seed: int = 0) -> None:
        """New random weights (Glorot, He or LeCun, as the program says), biases 0, scales 1."""
        values = initial_values(self._network, np.random.default_rng(known_seed(seed)))
        for tensor, array in values.items():
            self.parameters[self._network.names[tensor]] = array
        self.states.begin()

    def transfer(self, other: Any, names: Any = None) -> tuple[str, ...]:
        """Copy parameters and states of another model or dictionary of arrays; the names copied.

        names: a name or a list of them, or a dictionary own name -> the other's; None: every name
        that both have.  Raises InputError for a name that one of them lacks, and for a shape or
        number that does not fit; then nothing has changed.

        >>> import symbackprop as sb
        >>> x, y = sb.data("x", sb.size("N"), 4), sb.data("y", sb.size("N"), 2)
        >>> h = sb.layers.dense(x, 3, "tanh")
        >>> first, second = (sb.losses.squared_error(sb.layers.dense(h, 2), y) for _ in range(2))
        >>> trained, fresh = Model(x, y, loss=first), Model(x, y, loss=second)
        >>> fresh.transfer(trained, ["W1", "b1"])
        ('W1', 'b1')
        """
        return transfer(self._core, other, names)

    # -- training

    def fit(self, X: Any, Y: Any = None, epochs: int = 10, batch_size: int | str | None = "auto",
            optimizer: Optimizer = SGD(0.01), validation_data: Any = None, callbacks: Any = (),
            metrics: Any = (), seed: int | None = 0, threads: int | None = None,
            verbose: bool = False, shuffle: bool = True, frozen: Any = (), rates: Any = None,
            augment: Any = None) -> History:
        """Go on from the present parameters for some epochs; the history, one entry an epoch.

        X, Y: an array, or a list (or dict by name) where there are several; Y may be labels for a
        one-hot target, a vector for a target of width 1, None where there is no target.
        batch_size: rows per step, None for all, "auto" for 32 or what the optimizer needs; the last
        step of an epoch may have fewer.  frozen: names of parameters that stay as they are.
        rates: name -> a factor of the optimizer's rate.
        validation_data: (X, Y).  metrics: names of `metrics.METRICS` or functions of (targets,
        predictions), or {output: metrics}; taken over all rows after each epoch.  seed: of the
        shuffling, and of the noise, whose numbers depend on neither batches nor threads.  Epochs
        are counted from 0 in each fit: a second fit with the same seed has the same order and
        noise again, so give each one a seed of its own, or None for another one every time.
        threads: at most so many, None for all cores that pay; the numbers do not depend on it.
        augment: a function of (X, Y, rng) that returns other X and Y of as many rows; it is called
        for each batch with copies of its rows, and a generator that begins with the seed.

        The loss in the history is the mean over the epoch's steps, weighed by rows and with
        penalties, at the parameters that each step found and with the noise that it drew; all
        else (validation, metrics, predict) is taken at inference.  Optimizer state starts anew.

        Raises InputError for data and TrainingError for settings that do not fit, before anything
        has changed; TrainingError when the loss or a parameter becomes NaN or infinite, naming the
        first definition that did; the parameters are then what they were before; and TrainingError
        where another thread is training this model.  After Ctrl-C, and where a metric, a callback
        or augment raises, nothing is lost: parameters and states are those of the last finished
        steps, and `history` has the epochs that were measured.
        """
        return fitting.fit(self._core, X, Y, epochs=epochs, batch_size=batch_size,
                           optimizer=optimizer, validation_data=validation_data,
                           callbacks=callbacks, metrics=metrics, seed=seed, threads=threads,
                           verbose=verbose, shuffle=shuffle, augment=augment,
                           frozen=frozen, rates=rates)

    def find_rate(self, X: Any, Y: Any = None, optimizer: Optimizer = SGD(0.01),
                  batch_size: int | str | None = "auto", lowest: float = 1e-6,
                  highest: float = 10.0, steps: int = 200, seed: int | None = 0) -> Rates:
        """The loss after one step with each of growing rates, and the rate where it falls fastest.

        optimizer: its rate is what is looked for; the rest as in fit, whose kernel runs here.  It
        ends early where the loss explodes.  The parameters stay as they are.
        Raises InputError and TrainingError as fit does.

        >>> import numpy as np, symbackprop as sb
        >>> x, y = sb.data("x", sb.size("N"), 1), sb.data("y", sb.size("N"), 1)
        >>> line = sb.layers.dense(x, 1)
        >>> model = Model(inputs=x, targets=y, output=line, loss=sb.losses.squared_error(line, y))
        >>> X = np.linspace(-1, 1, 20)[:, np.newaxis]
        >>> 0.01 < model.find_rate(X, 3*X + 1, batch_size=None).suggestion < 1
        True
        """
        return find_rate(self._core, X, Y, optimizer=optimizer, batch_size=batch_size,
                         lowest=lowest, highest=highest, steps=steps, seed=seed)

    # -- what the network says

    def predict(self, X: Any) -> Any:
        """The output for these inputs: an array in the model's dtype; a list for several outputs.

        X as in fit, any number of rows; inputs that no output reads, such as weights of samples,
        may be left out.  Raises InputError for data that does not fit.
        """
        if not self._network.outputs:
            raise TrainingError("this model has no output; write Model(…, output=p)")
        found = self._core.run("predict", predicting(self._network, X, self.dtype))
        return found if len(found) > 1 else found[0]

    def loss(self, X: Any, Y: Any = None) -> float:
        """The loss on these data at inference, penalties included."""
        return float(self._core.run("loss", dataset(self._network, X, Y, self.dtype).arrays)[0])

    def gradients(self, X: Any, Y: Any = None) -> dict[str, Array]:
        """name -> ∂loss/∂parameter on these data, shaped like the parameter, of `loss`."""
        found = self._core.run("gradients", dataset(self._network, X, Y, self.dtype).arrays)
        network, shapes = self._network, self._core.arrays()
        zeros = {network.names[t]: np.zeros_like(shapes[t]) for t in network.trained}
        return zeros | {network.names[t]: slope for t, slope in
                        zip(network.reached, found, strict=True)}

    def noise(self, rows: Any, seed: int | None = 0, step: int = 0, steps: int = 1
              ) -> dict[str, Array]:
        """name -> what fit draws for each noise in the step after so many, of `steps` an epoch.

        rows: the numbers of the samples in the data of fit, or how many from the first on; the
        samples of an epoch draw the same in whichever step of it they stand.
        """
        return drawn(self._core, rows, seed, step, steps)

    def derivation(self) -> Derivation:
        """The derivative of the loss by every parameter, as formulas: print it."""
        return self._core.kernels.derivation

    def summary(self) -> Text:
        """A table of layers: shape, parameters, and how many numbers these are."""
        return summary(self._network)

    def diagnose(self, X: Any = None, Y: Any = None) -> Diagnosis:
        """Shapes, what the formulas prove and, at some rows X, Y, how gradients flow: print it."""
        found = None if X is None else dataset(self._network, X, Y, self.dtype).arrays
        every = {**(found or {}), **self._core.arrays(), **self.hypers.numbers()}
        loss = self._network.measured
        read = read_by(self._network.inference, (loss,))
        return diagnose(loss, None if found is None else {t: every[t] for t in read})

    @property
    def kernels(self) -> dict[str, codegen.Executable | codegen.TrainingKernel]:
        """The kernels built so far by name: predict, loss, gradients, fit; with source and path."""
        return self._core.kernels.built

    @property
    def source(self) -> str:
        """The generated source of all kernels built so far, loss and gradients at the least."""
        self._core.kernels.function("gradients")
        return "\n\n".join(kernel.source for kernel in self.kernels.values())

    # -- files

    def save(self, path: str | PathLike[str]) -> None:
        """Write program and numbers to one safetensors file.

        Raises ProgramError for a program with a function that the file grammar lacks.
        """
        files.save(path, self._network, self.dtype, self._core.copy(), self.hypers)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Model:
        """The model of a saved file: same definitions, same numbers; no text is evaluated.

        Raises InputError for a file that is no saved model, or is damaged.
        """
        saved = files.load(path)
        kernels = Kernels(saved.network, known_dtype(saved.dtype))
        return cls._made(kernels, saved.arrays, saved.hypers)

    @classmethod
    def _made(cls, kernels: Kernels, arrays: Mapping[str, Array],
              hypers: Mapping[str, float | None]) -> Model:
        made = cls.__new__(cls)
        made._core = core(kernels)
        for group in (made.parameters, made.states):
            group.update({name: array for name, array in arrays.items() if name in group})
        made.hypers.update({name: value for name, value in hypers.items() if value is not None})
        return made

    def __deepcopy__(self, memo: object) -> Model:
        """A model of the same network and kernels, with numbers of its own."""
        made = type(self).__new__(type(self))
        made._core = self._core.twin()
        return made

    def __reduce__(self) -> NoReturn:
        raise TrainingError("a model is not pickled (that runs code); write "
                            "model.save(path), or copy.deepcopy(model) for a second one")

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}{list(map(int, t.axes))}" for t, name in
                           ((t, self._network.names[t]) for t in self._network.parameters))
        return f"<Model {self.dtype}: {inside}>"
