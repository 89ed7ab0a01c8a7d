"""The training step of `murmur bench train` in JAX: the same Llama, the same AdamW, float32.

murmur runs it: murmur bench train --jax PYTHON, where PYTHON has jax (pip install jax==0.10.2). The model comes as one JSON
argument; for each number of steps on standard input it answers with the tokens/s of that many steps, after one uncounted.
"""

import json
import sys
import time

import jax
import jax.numpy as jnp

c = json.loads(sys.argv[1])
V, D, L, H, K, E, F, S, B = (c[k] for k in ("vocab", "dim", "layers", "heads", "kv_heads", "head_dim", "ffn", "seq_len", "batch"))
EPS, B1, B2, DECAY, RATE = 1e-8, 0.9, 0.95, 0.1, 1e-4


def init(key):
    shapes = {"embed": (V, D), "norm": (D,)}
    if not c["tied"]:
        shapes["head"] = (V, D)
    for i in range(L):
        shapes |= {f"{i}.q": (H * E, D), f"{i}.k": (K * E, D), f"{i}.v": (K * E, D), f"{i}.o": (D, H * E), f"{i}.gate": (F, D),
                   f"{i}.up": (F, D), f"{i}.down": (D, F), f"{i}.n1": (D,), f"{i}.n2": (D,)}
    keys = jax.random.split(key, len(shapes))
    return {n: 0.02 * jax.random.normal(k, s) if len(s) > 1 else jnp.ones(s) for k, (n, s) in zip(keys, shapes.items())}


def rms(x, w):
    return x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + c["norm_eps"]) * w


def rotate(x, cos, sin):
    lo, hi = jnp.split(x, 2, -1)
    return jnp.concatenate([lo * cos - hi * sin, hi * cos + lo * sin], -1)


def loss(p, tokens):
    angle = jnp.arange(S)[:, None] * c["rope_theta"] ** (-jnp.arange(0, E, 2) / E)
    cos, sin = jnp.cos(angle)[:, None], jnp.sin(angle)[:, None]
    mask = jnp.tril(jnp.ones((S, S), bool))
    x = p["embed"][tokens[:, :-1]]
    for i in range(L):
        h = rms(x, p[f"{i}.n1"])
        q = rotate((h @ p[f"{i}.q"].T).reshape(B, S, H, E), cos, sin)
        k = rotate((h @ p[f"{i}.k"].T).reshape(B, S, K, E), cos, sin)
        v = (h @ p[f"{i}.v"].T).reshape(B, S, K, E)
        k, v = (jnp.repeat(a, H // K, 2) for a in (k, v))
        a = jnp.where(mask, jnp.einsum("bshe,bthe->bhst", q, k) / E ** 0.5, -jnp.inf)
        a = jnp.einsum("bhst,bthe->bshe", jax.nn.softmax(a), v).reshape(B, S, H * E)
        x = x + a @ p[f"{i}.o"].T
        h = rms(x, p[f"{i}.n2"])
        x = x + (jax.nn.silu(h @ p[f"{i}.gate"].T) * (h @ p[f"{i}.up"].T)) @ p[f"{i}.down"].T
    logits = rms(x, p["norm"]) @ p.get("head", p["embed"]).T
    chosen = jnp.take_along_axis(logits, tokens[:, 1:, None], -1)[..., 0]
    return jnp.mean(jax.nn.logsumexp(logits, -1) - chosen)


def step(p, m, v, t, tokens):
    l, g = jax.value_and_grad(loss)(p, tokens)
    m = jax.tree.map(lambda m, g: B1 * m + (1 - B1) * g, m, g)
    v = jax.tree.map(lambda v, g: B2 * v + (1 - B2) * g * g, v, g)
    a, b = 1 - B1 ** t, 1 - B2 ** t
    p = jax.tree.map(lambda p, m, v: p * (1 - RATE * DECAY) - RATE * (m / a) / (jnp.sqrt(v / b) + EPS), p, m, v)
    return p, m, v, l


def main():
    run = jax.jit(step, donate_argnums=(0, 1, 2))
    p = init(jax.random.key(0))
    m, v = jax.tree.map(jnp.zeros_like, p), jax.tree.map(jnp.zeros_like, p)
    batches = jax.random.randint(jax.random.key(1), (16, B, S + 1), 0, min(V, 256))
    t = 0
    for line in sys.stdin:
        n = int(line)
        for i in range(n + 1):
            if i == 1:
                began = time.perf_counter()
            t += 1
            p, m, v, l = run(p, m, v, float(t), batches[t % 16])
            l.block_until_ready()  # as murmur reads each step's loss
        print(n * B * S / (time.perf_counter() - began), flush=True)


main()
