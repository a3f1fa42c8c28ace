"""Eager PyTorch."""

from typing import Any

import numpy as np

from benchmarks.speed.contenders.interface import PARAMETERS, Data


class Contender:
    """Autograd; in the step the penalty is the fused SGD's weight decay, which is the cheapest way."""

    tasks = ("gradient", "step")

    def __init__(self, data: Data) -> None:
        import torch

        case = data.case
        torch.set_num_threads(case.threads)
        self._torch, self._case = torch, case
        self._X, self._y = torch.from_numpy(data.X), torch.from_numpy(data.y)
        # Like torch.nn.Linear, with the weights of each output in a row.
        self._params: dict[str, Any] = {
            name: torch.tensor(np.ascontiguousarray(data.params[name].T)).requires_grad_()
            for name in PARAMETERS
        }
        weights, biases = ([self._params[kind + layer] for layer in "12"] for kind in "Wb")
        groups = [
            {"params": weights, "weight_decay": 4 * case.reg},
            {"params": biases, "weight_decay": 0.0},
        ]
        self._optimizer = torch.optim.SGD(groups, lr=case.learning_rate, fused=True)
        self._loss, self._penalized = self._data_loss, self._whole_loss

    def gradient(self, times: int) -> tuple[float, dict[str, np.ndarray]]:
        X, y = self._X[: self._case.batch_size], self._y[: self._case.batch_size]
        for _ in range(times):
            self._optimizer.zero_grad(set_to_none=True)
            loss = self._penalized(X, y)
            loss.backward()
        return loss.item(), {name: q.grad.numpy().T for name, q in self._params.items()}

    def steps(self, batches: np.ndarray) -> None:
        for batch in self._torch.from_numpy(batches):
            self._optimizer.zero_grad(set_to_none=True)
            self._loss(self._X[batch], self._y[batch]).backward()
            self._optimizer.step()

    def params(self) -> dict[str, np.ndarray]:
        return {name: q.detach().numpy().T.copy() for name, q in self._params.items()}

    def _data_loss(self, X: Any, y: Any) -> Any:
        functions = self._torch.nn.functional
        h1 = functions.linear(X, self._params["W1"], self._params["b1"]).relu()
        scores = functions.linear(h1, self._params["W2"], self._params["b2"])
        return functions.cross_entropy(scores, y)

    def _whole_loss(self, X: Any, y: Any) -> Any:
        squares = self._params["W1"].square().sum() + self._params["W2"].square().sum()
        return self._data_loss(X, y) + 2 * self._case.reg * squares
