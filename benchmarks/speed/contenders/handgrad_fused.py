"""handgrad's fused step, `Sgd`: the gradient goes into the parameters and is never stored."""

import numpy as np

from benchmarks.speed.contenders.interface import Data


class Contender:
    """The step of `TwoLayerNet.train` and `handgrad train`."""

    tasks = ("step",)

    def __init__(self, data: Data) -> None:
        from handgrad.data.minibatches import Minibatch
        from handgrad.fused.sgd import Sgd

        case = data.case
        self._sgd = Sgd(data.params, case.batch_size, reg=case.reg)
        self._minibatch = Minibatch(data.X, data.y, case.batch_size, data.X.dtype)
        self._learning_rate = case.learning_rate

    def steps(self, batches: np.ndarray) -> None:
        for batch in batches:
            self._minibatch.gather(batch)
            self._sgd.step(self._minibatch.X, self._minibatch.y, self._learning_rate)

    def params(self) -> dict[str, np.ndarray]:
        return self._sgd.params
