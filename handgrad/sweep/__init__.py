"""Many runs: the grid, who trains, what is recorded.

A sweep's directory has

- ``sweep.json``: the grid.
- ``results.jsonl``: a line for each point (`handgrad/sweep/record.py` describes its fields).
- pictures of the accuracy and the gap along each axis and of each pair of axes, and of the time.
- ``best``: the run of the best combination, trained alone, with ``test.json``: it alone is tested, once.

Points that draw the same minibatches are trained side by side, their first layers as one matrix product
(`handgrad/fused/stacked_sgd.py`), in ``--jobs`` processes of one thread each; on other machines with
``--scheduler tcp://HOST:PORT``, or with ``--local-cluster N`` here (``pip install -e '.[cluster]'``).
Workers elsewhere need handgrad and the data set. Which points are trained together follows from the grid
alone, so killed workers and killed sweeps change no result.
"""
