"""PyTorch with its loss, forward and backward, compiled."""

from benchmarks.speed.contenders.interface import Data
from benchmarks.speed.contenders.pytorch import Contender as PyTorch


class Contender(PyTorch):
    """`torch.compile` with its defaults."""

    def __init__(self, data: Data) -> None:
        super().__init__(data)
        self._loss, self._penalized = map(self._torch.compile, (self._data_loss, self._whole_loss))
