"""`devices.child` with a fault: a penalty for each shard where reg is PLANTED, or the death of process 1."""

import os
import signal
import sys
from dataclasses import replace

from autograd_ref.devices import child as sharded_child

PLANTED = 0.7

combine_shards, value_and_grad = sharded_child.combine_shards, sharded_child.value_and_grad
device_mesh = sharded_child.device_mesh


def combine_with_penalties(shards, params, reg):
    return combine_shards(shards, params, reg * len(shards) if reg == PLANTED else reg)


def value_and_grad_with_penalties(mesh, params, X, y, objective):
    if objective.reg == PLANTED:
        objective = replace(objective, reg=PLANTED * mesh.size)
    return value_and_grad(mesh, params, X, y, objective)


def device_mesh_or_death(*shape):
    """Kill process 1 with SIGKILL, while process 0 waits for its part."""
    if sys.argv[2] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    return device_mesh(*shape)


def main(fault):
    if fault == "penalties":
        sharded_child.combine_shards = combine_with_penalties
        sharded_child.value_and_grad = value_and_grad_with_penalties
    else:
        sharded_child.device_mesh = device_mesh_or_death
    sharded_child.main()


if __name__ == "__main__":
    main(sys.argv.pop(1))
