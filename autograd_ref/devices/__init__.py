"""The check on other devices: a batch in shards, in several processes, on a GPU.

    handgrad check --shards 8                  # the batch on eight devices, simulated on the CPU
    handgrad check --shards 4 --processes 2    # in several processes, by jax.distributed on loopback
    handgrad check --device gpu                # JAX on the GPU

With shards, the gradient is computed three times: whole, by hand from the gradients of the shards
(`handgrad/shards.py` has the derivation), and by JAX on a mesh of the devices, where the hidden units are in
shards too. Each is compared with the whole in float64. Shards may be uneven or empty. If a process dies, the
check ends within 5 seconds, with exit code 2 and a line that names it. A process that stops answering after
it joined is noticed after 10 seconds.

On GPUs, JAX may round the factors of float32 products to TensorFloat-32, about three digits. The reference
uses the highest precision unless JAX is configured otherwise. With ``--device``, JAX's own float32 results on
the device are judged as well, with the configured precision. On an H100 (JAX 0.11.2) everything agreed; with
``JAX_DEFAULT_MATMUL_PRECISION=tensorfloat32`` the largest error of dW1 on the digits was 1.5e-3, 272 times
its bound, and the exit code was 1.
"""
