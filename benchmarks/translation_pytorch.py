"""The networks of the translation experiments in PyTorch: their training, and their translations.

Batches are those of dlfun, cut to their longest sentences, and the encoder reads packed sequences.
Logits are computed of words alone, not of what fills up short sentences. Adam is fused, and the
loss is read once an epoch. Translations are written word by word: keys and values of the words so
far are kept, and the beams of a sentence read its encoder's output as queries side by side.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, scaled_dot_product_attention
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from benchmarks.pytorch import Update, descent, on_fastest_threads
from benchmarks.turns import Program
from dlfun.data.dataset import Dataset
from dlfun.nn.layers.transformer import sinusoids
from dlfun.train.batches import EVALUATION_BATCH

TRIAL, TRIAL_SENTENCES = 5, 64
"""Batches that are trained, and sentences that are translated, in each trial of threads."""


class RecurrentTranslator(nn.Module):
    """The GRU that reads both ways and the one that writes, with and without attention."""

    def __init__(self, config: Any, source: int, target: int) -> None:
        super().__init__()
        features, hidden = config.embedding, config.hidden
        attends = config.attention != "none"
        self.dropout = config.dropout
        self.source_embedding = nn.Embedding(source, features)
        self.target_embedding = nn.Embedding(target, features)
        self.reader = nn.GRU(features, hidden, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(2 * hidden, hidden)
        self.writer = nn.GRU(features, hidden, batch_first=True)
        self.query = nn.Linear(hidden, 2 * hidden, bias=False) if attends else None
        self.combine = nn.Linear((3 if attends else 1) * hidden, features)
        self.logits = nn.Linear(features, target)

    def forward(self, x: Tensor, length: Tensor, before: Tensor) -> Tensor:
        """The features from which `logits` computes the logits, [batch, time, features]."""
        memory = self.encode(x, length)
        h, _ = self.writer(self._dropped(self.target_embedding(before)), memory[1])
        return self._dropped(self._write(h, memory))

    def encode(self, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The encoder's outputs, the decoder's first state [1, batch, hidden], and a mask."""
        embedded = self._dropped(self.source_embedding(x))
        packed = pack_padded_sequence(embedded, length, batch_first=True, enforce_sorted=False)
        outputs, last = self.reader(packed)
        state = torch.tanh(self.bridge(torch.cat([*last], -1)))
        return pad_packed_sequence(outputs, batch_first=True)[0], state[None], _mask(x, length)

    def begin(self, memory: Any, beams: int, longest: int) -> Tensor:
        """The state of all beams before the first word."""
        return memory[1].repeat_interleave(beams, 1)

    def step(self, memory: Any, state: Tensor, word: Tensor, at: int) -> tuple[Tensor, Tensor]:
        """Logits of the next words, and the new state."""
        h, state = self.writer(self.target_embedding(word)[:, None], state)
        h = h.view(len(memory[0]), -1, h.shape[-1])
        return self.logits(self._write(h, memory)).flatten(0, 1), state

    def reordered(self, state: Tensor, parents: Tensor, count: int) -> Tensor:
        """The state in which each beam goes on from its parent."""
        return state[:, parents]

    def _write(self, h: Tensor, memory: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        if self.query is not None:
            outputs, _, mask = memory
            context = scaled_dot_product_attention(
                self.query(h), outputs, outputs, mask[:, None], scale=1.0
            )
            h = torch.cat([context, h], -1)
        return torch.tanh(self.combine(h))

    def _dropped(self, x: Tensor) -> Tensor:
        return _dropout(x, self.dropout, self.training)


class Attention(nn.Module):
    """Attention in several heads."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.query, self.key, self.value, self.out = (
            nn.Linear(config.features, config.features) for _ in range(4)
        )

    def keys_and_values(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of a memory, each [batch, heads, time, size]."""
        return self._by_head(self.key(memory)), self._by_head(self.value(memory))

    def forward(
        self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """The output for each position of x."""
        q = self._by_head(self.query(x))
        if self.training and self.dropout:  # As PyTorch does, but for how bits are drawn.
            score = q @ keys.transpose(2, 3) * q.shape[-1] ** -0.5
            score = score if mask is None else score.masked_fill(~mask, -math.inf)
            read = _dropout(score.softmax(-1), self.dropout, True) @ values
        else:
            read = scaled_dot_product_attention(q, keys, values, mask)
        return self.out(read.transpose(1, 2).flatten(2))

    def _by_head(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Block(nn.Module):
    """A pre-norm block of the Transformer, of a decoder where it `reads`."""

    def __init__(self, config: Any, reads: bool) -> None:
        super().__init__()
        features, self.dropout = config.features, config.dropout
        self.attention, self.attention_norm = Attention(config), nn.LayerNorm(features)
        if reads:
            self.reading, self.reading_norm = Attention(config), nn.LayerNorm(features)
        self.first = nn.Linear(features, config.hidden)
        self.second = nn.Linear(config.hidden, features)
        self.dense_norm = nn.LayerNorm(features)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        memory: tuple[Tensor, Tensor, Tensor] | None = None,
    ) -> Tensor:
        """The outputs; `mask` is that of self-attention."""
        h = self.attention_norm(x)
        h = self.attention(h, *self.attention.keys_and_values(h), mask)
        return self._rest(x + self._dropped(h), memory)

    def step(self, x: Tensor, cache: Tensor, at: int, memory: tuple[Tensor, ...]) -> Tensor:
        """The outputs [batch, beams, features] at one position; the cache gets what is new."""
        rows = self.attention_norm(x).view(-1, 1, x.shape[-1])
        cache[0, at], cache[1, at] = (
            self.attention.key(rows)[:, 0],
            self.attention.value(rows)[:, 0],
        )
        kept = cache[:, : at + 1].unflatten(-1, (self.attention.heads, -1))
        keys, values = kept.permute(0, 2, 3, 1, 4)
        return self._rest(x + self.attention(rows, keys, values).view(x.shape), memory)

    def _rest(self, x: Tensor, memory: tuple[Tensor, ...] | None) -> Tensor:
        if memory is not None:
            x = x + self._dropped(self.reading(self.reading_norm(x), *memory))
        h = self._dropped(self.first(self.dense_norm(x)).relu_())
        return x + self._dropped(self.second(h))

    def _dropped(self, x: Tensor) -> Tensor:
        return _dropout(x, self.dropout, self.training)


class Transformer(nn.Module):
    """The Transformer; logits come from the embeddings of the target language."""

    encoding: Tensor
    encoder: Any
    decoder: Any

    def __init__(self, config: Any, source: int, target: int, longest: int = 100) -> None:
        super().__init__()
        features, self.dropout = config.features, config.dropout
        self.source_embedding = nn.Embedding(source, features)
        self.target_embedding = nn.Embedding(target, features)
        for embedding in (self.source_embedding, self.target_embedding):
            nn.init.normal_(embedding.weight, std=features**-0.5)
        self.encoder, self.decoder = (
            nn.ModuleList([Block(config, reads) for _ in range(config.layers)])
            for reads in (False, True)
        )
        self.encoder_norm, self.decoder_norm = (nn.LayerNorm(features, 1e-6) for _ in range(2))
        self.register_buffer("encoding", torch.from_numpy(sinusoids(longest, features)))

    def forward(self, x: Tensor, length: Tensor, before: Tensor) -> Tensor:
        """The features from which `logits` computes the logits, [batch, time, features]."""
        time = before.shape[1]
        y = self._embedded(self.target_embedding, before, self.encoding[:time])
        causal = torch.ones(time, time, dtype=torch.bool).tril()
        for block, memory in zip(self.decoder, self.encode(x, length), strict=True):
            y = block(y, causal, memory)
        return self.decoder_norm(y)

    def encode(self, x: Tensor, length: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Keys, values and mask for each block of the decoder."""
        h = self._embedded(self.source_embedding, x, self.encoding[: x.shape[1]])
        mask = _mask(x, length)[:, None, None]
        for block in self.encoder:
            h = block(h, mask)
        h = self.encoder_norm(h)
        return [(*block.reading.keys_and_values(h), mask) for block in self.decoder]

    def logits(self, y: Tensor) -> Tensor:
        """The logits of words."""
        return linear(y, self.target_embedding.weight)

    def begin(self, memory: Any, beams: int, longest: int) -> tuple[Tensor, Tensor]:
        """Keys and values of the words so far, by block and position, and room to reorder them."""
        rows, features = len(memory[0][0]) * beams, self.target_embedding.embedding_dim
        shape = len(self.decoder), 2, longest, rows, features
        return torch.empty(shape), torch.empty(shape)

    def step(self, memory: Any, caches: Any, word: Tensor, at: int) -> tuple[Tensor, Any]:
        """Logits of the next words, and the caches."""
        word = word.view(len(memory[0][0]), -1)
        y = self._embedded(self.target_embedding, word, self.encoding[at])
        for block, cache, part in zip(self.decoder, caches[0], memory, strict=True):
            y = block.step(y, cache, at, part)
        return self.logits(self.decoder_norm(y)).flatten(0, 1), caches

    def reordered(
        self, caches: tuple[Tensor, Tensor], parents: Tensor, count: int
    ) -> tuple[Tensor, Tensor]:
        """The caches in which each beam goes on from its parent, of the first `count` words."""
        for old, new in zip(*(part.flatten(0, 1) for part in caches), strict=True):
            torch.index_select(old[:count], 1, parents, out=new[:count])
        return caches[::-1]

    def _embedded(self, embedding: nn.Embedding, words: Tensor, encoding: Tensor) -> Tensor:
        x = torch.add(encoding, embedding(words), alpha=embedding.embedding_dim**0.5)
        return _dropout(x, self.dropout, self.training)


def network(config: Any, source: int, target: int) -> nn.Module:
    """The network of an experiment's Config, given the numbers of words of both languages."""
    kind = RecurrentTranslator if hasattr(config, "attention") else Transformer
    return kind(config, source, target)


def copy(params: Mapping[str, Any], model: Any) -> None:
    """Give a network the parameters of dlfun's network: modules have the same names."""
    for name, part in params.items():
        if name in ("source_embedding", "target_embedding"):
            _set(getattr(model, name).weight, part["embedding"])
        elif name == "reader":
            _copy_gru(part["forward_0"], model.reader, "_l0")
            _copy_gru(part["backward_0"], model.reader, "_l0_reverse")
        elif name == "writer":
            _copy_gru(part, model.writer, "_l0")
        elif "kernel" in part or "scale" in part:
            layer = getattr(model, name)
            for key, value in part.items():
                _set(layer.bias if key == "bias" else layer.weight, value, key == "kernel")
        elif name == "attend":
            copy(part, model)
        else:  # A block of the Transformer, such as encoder_0, or a part of one.
            stack, _, number = name.rpartition("_")
            copy(part, getattr(model, stack)[int(number)] if stack else getattr(model, name))


def loss(
    model: Any,
    x: Int[Tensor, "batch source"],
    length: Int[Tensor, " batch"],
    y: Int[Tensor, "batch time"],
    y_length: Int[Tensor, " batch"],
    end: int,
    smoothing: float,
) -> Float[Tensor, ""]:
    """The mean of the smoothed cross entropy over the words of sentences cut to the longest."""
    x, y = x[:, : int(length.max())], y[:, : int(y_length.max())]
    before = torch.cat([torch.full_like(y[:, :1], end), y[:, :-1]], 1)
    live = _mask(y, y_length)
    logits = model.logits(model(x, length, before)[live])
    return cross_entropy(logits, y[live], label_smoothing=smoothing)


def training(config: Any, dataset: Dataset, end: int, model: nn.Module, updates: int) -> Update:
    """An update of a training of `updates` updates, on the examples of some indices."""
    train = dataset.splits["train"]
    names = ("x", "length", "y", "y_length")
    columns = [torch.from_numpy(train[name].astype(np.int64)) for name in names]
    o = config.optimizer
    betas = o.beta1, o.beta2
    optimizer = torch.optim.Adam(model.parameters(), o.learning_rate, betas, fused=True)
    warm_up = (o.schedule.warm_up or 0) * updates / config.epochs

    def rate(step: int) -> float:
        cosine = (1 + math.cos(math.pi * min(step / updates, 1))) / 2
        return cosine * (min((step + 1) / warm_up, 1) if warm_up else 1)

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)

    def of_rows(rows: Tensor) -> Tensor:
        x, length, y, y_length = (column[rows] for column in columns)
        return loss(model, x, length, y, y_length, end, config.smoothing)

    def clip(*_: Any) -> None:
        nn.utils.clip_grad_norm_(model.parameters(), o.clip_norm, foreach=True)

    optimizer.register_step_pre_hook(clip)
    descend = descent(of_rows, optimizer)

    def update(rows: Tensor) -> Tensor:
        value = descend(rows)
        schedule.step()
        return value

    return update


def program(config: Any, dataset: Dataset, end: int, source: int, updates: int) -> Program:
    """Epochs over the dataset, on one thread or one a core, whichever is faster in trials."""
    torch.set_flush_denormal(True)  # As XLA does; before the first thread starts.

    def epochs(threads: int) -> Callable[[int | None], float]:
        made = network(config, source, len(dataset.classes))
        update = training(config, dataset, end, made, updates)
        numbers, size = itertools.count(), dataset.size("train")

        def train(steps: int | None) -> float:
            torch.set_num_threads(threads)
            epoch = next(numbers) if steps is None else 0  # All trials read the same batches.
            order = dataset.order(0, epoch, size, config.batch_size)[:steps]
            total = torch.zeros(())
            for rows in order:
                total += update(torch.from_numpy(rows[rows >= 0]))
            return total.item() / len(order)

        return train

    return on_fastest_threads(epochs, TRIAL)


@torch.inference_mode()
def beam_search(
    model: Any, x: Tensor, length: Tensor, beams: int, longest: int, end: int
) -> Int[Tensor, "batch longest"]:
    """The best translations, as `dlfun.nn.decoding.beam_search` finds them."""
    rows, memory = len(x), model.encode(x, length)
    carry = model.begin(memory, beams, longest)
    tokens = torch.full((rows, beams, longest), end)  # All filled up: the next is `end`.
    scores = torch.full((rows, beams), -math.inf)
    ended, ended_tokens = scores.clone(), tokens.clone()
    scores[:, 0] = 0
    word = torch.full((rows * beams,), end)
    first = torch.arange(0, rows * beams, beams)[:, None]
    for at in range(longest):
        live = (scores.amax(1) / max(at, 1) > ended.amin(1))[:, None]
        if not live.any():
            return ended_tokens[:, 0]
        logits, carry = model.step(memory, carry, word, at)
        # Of few words alone: log softmax over all would cost another pass.
        base = scores - logits.logsumexp(-1).view(rows, beams)
        ends = (logits[:, end].view(rows, beams) + base) / (at + 1)
        logits[:, end] = -math.inf
        best = _best(torch.cat([ended, ends], 1), torch.cat([ended_tokens, tokens], 1), beams)
        ended = torch.where(live, best[0], ended)
        ended_tokens = torch.where(live[..., None], best[1], ended_tokens)
        likeliest, words = logits.topk(beams)
        joined = (likeliest.view(rows, beams, beams) + base[..., None]).flatten(1)
        scores, chosen = joined.topk(beams)
        scores = scores.masked_fill_(~live, -math.inf)
        parents = chosen // beams
        word = words.view(rows, -1).gather(1, chosen)
        tokens = _take(tokens, parents)
        tokens[:, :, at] = word
        word = word.flatten()
        if beams > 1:
            carry = model.reordered(carry, (first + parents).flatten(), at + 1)
    ended, scores = torch.cat([ended, scores / longest], 1), torch.cat([ended_tokens, tokens], 1)
    return _best(ended, scores, 1)[1][:, 0]


def decoder(
    model: nn.Module, split: Mapping[str, np.ndarray], beams: int, longest: int, end: int
) -> Program:
    """Translations of all sentences, in batches of as many as dlfun's."""
    model = model.eval()
    x, length = (torch.from_numpy(split[name].astype(np.int64)) for name in ("x", "length"))

    def translate(threads: int, count: int | None) -> Tensor:
        torch.set_num_threads(threads)
        parts = (part[:count].split(EVALUATION_BATCH) for part in (x, length))
        return torch.cat(
            [
                beam_search(model, words[:, : int(n.max())], n, beams, longest, end)
                for words, n in zip(*parts, strict=True)
            ]
        )

    return on_fastest_threads(lambda threads: partial(translate, threads), TRIAL_SENTENCES)


def _best(scores: Tensor, tokens: Tensor, count: int) -> tuple[Tensor, Tensor]:
    scores, index = scores.topk(count)
    return scores, _take(tokens, index)


def _take(tokens: Tensor, index: Tensor) -> Tensor:
    return tokens.gather(1, index[..., None].expand(-1, -1, tokens.shape[-1]))


def _mask(x: Tensor, length: Tensor) -> Bool[Tensor, "batch time"]:
    """True at words, False at what fills up a sentence."""
    return torch.arange(x.shape[1]) < length[:, None]


def _dropout(x: Tensor, rate: float, training: bool) -> Tensor:
    """Dropout; PyTorch's own draws random bits several times slower on a CPU."""
    return x * torch.rand_like(x).ge_(rate).mul_(1 / (1 - rate)) if training and rate else x


def _set(parameter: nn.Parameter, value: Any, transposed: bool = False) -> None:
    """Give a parameter a value, or the transpose of one with the axes of heads side by side."""
    value = torch.from_numpy(np.array(value))
    shape = parameter.shape[::-1] if transposed else parameter.shape
    value = value.reshape(shape)
    with torch.no_grad():
        parameter.copy_(value.T if transposed else value)


def _copy_gru(part: Mapping[str, Any], layer: nn.GRU, suffix: str) -> None:
    _set(getattr(layer, f"weight_ih{suffix}"), part["input_kernel"], transposed=True)
    _set(getattr(layer, f"weight_hh{suffix}"), part["recurrent_kernel"], transposed=True)
    _set(getattr(layer, f"bias_ih{suffix}"), part["bias"])
    last = np.array(part["recurrent_bias"])
    _set(getattr(layer, f"bias_hh{suffix}"), np.concatenate([0 * last, 0 * last, last]))
