"""Sweeps: training a grid of networks with workers, and recording the results.

A sweep's directory has

- ``sweep.json``: the grid.
- ``results.jsonl``: a line for each point (`handgrad/sweep/record.py` describes its fields).
- pictures of the accuracy and the gap along each axis, of each pair of axes, and of the time.
- ``best``: the run of the best combination, trained alone, with ``test.json``; no other network is tested.

Points that draw the same minibatches are trained side by side, with one matrix product for all their first
layers (`handgrad/fused/stacked_sgd.py`), in ``--jobs`` processes of one thread each; with
``--scheduler tcp://HOST:PORT`` on other machines, or with ``--local-cluster N`` on a Dask cluster here
(``pip install -e '.[cluster]'``). Workers on other machines need handgrad and the data set. The grid alone
decides which points are trained together, so killed workers and killed sweeps do not change the results.
"""
