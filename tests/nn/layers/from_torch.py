"""Parameters of PyTorch's attention in the form of ours."""

import jax.numpy as jnp


def array(parameter):
    return jnp.asarray(parameter.detach().numpy())


def attention_from_torch(network, heads):
    """The parameters of `MultiHeadAttention` from a torch.nn.MultiheadAttention."""
    out = array(network.out_proj.weight).T
    size = len(out) // heads
    kernels, biases = (
        jnp.split(array(part), 3) for part in (network.in_proj_weight, network.in_proj_bias)
    )
    params = {
        name: {"kernel": k.T.reshape(-1, heads, size), "bias": b.reshape(heads, size)}
        for name, k, b in zip(("query", "key", "value"), kernels, biases, strict=True)
    }
    last = {"kernel": out.reshape(heads, size, -1), "bias": array(network.out_proj.bias)}
    return params | {"out": last}
