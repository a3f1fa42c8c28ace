"""Find recording objects that are left after a run."""

import gc
import sys
import types

import numpy as np

from autograd_ref.recording.stand_ins import objects
from autograd_ref.recording.stand_ins.generators import GENERATORS


def everything_plain():
    """Assert that no recording object is left, and no module has a stand-in."""
    gc.collect()
    alive = [each for each in gc.get_objects() if type(each) in objects.RECORDED or type(each) in GENERATORS]
    assert not alive
    for module in list(sys.modules.values()):
        if isinstance(module, types.ModuleType) and not module.__name__.startswith("autograd_ref"):
            found = [name for name, each in list(vars(module).items()) if id(each) in objects.ORIGINALS]
            assert not found, (module, found)
    assert "float" not in globals()
    assert type(vars(np.dtype)["type"]) is types.MemberDescriptorType
    return True
