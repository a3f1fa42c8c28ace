"""Whether anything that records is left."""

import gc
import sys
import types

from autograd_ref.recording.stand_ins.generators import GENERATORS
from autograd_ref.recording.stand_ins.modules import originals
from autograd_ref.recording.stand_ins.objects import RECORDED


def everything_plain():
    """No recording object lives, and no module sees a stand-in."""
    gc.collect()
    alive = [each for each in gc.get_objects() if type(each) in RECORDED or type(each) in GENERATORS]
    assert not alive
    stand_ins = originals()
    for module in list(sys.modules.values()):
        if isinstance(module, types.ModuleType) and not module.__name__.startswith("autograd_ref"):
            found = [name for name, each in list(vars(module).items()) if id(each) in stand_ins]
            assert not found, (module, found)
    assert "float" not in globals()
    return True
