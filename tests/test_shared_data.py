"""The images that the workers of a sweep share."""

from dataclasses import replace

import numpy as np
import pytest

from handgrad.sweep.shared_data import load_shared, share_data


def test_workers_of_another_machine_load_the_same_images_or_refuse(digits, tmp_path):
    shared = share_data(digits, "digits", None, tmp_path / "data")
    near, far = load_shared(shared), load_shared(replace(shared, directory=tmp_path / "not there"))
    for data in (near, far):
        assert len(data.X_test) == 0
        for name in ("X_train", "y_train", "X_val", "y_val", "mean"):
            np.testing.assert_array_equal(getattr(data, name), getattr(digits, name))
    with pytest.raises(ValueError, match="not the ones that the sweep was started with"):
        load_shared(replace(shared, digest=""))
