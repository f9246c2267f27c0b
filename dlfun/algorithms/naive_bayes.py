"""Multinomial naive Bayes on the words of sentences."""

import numpy as np
from jaxtyping import Int


def fold_accuracies(
    x: Int[np.ndarray, "n time"], label: Int[np.ndarray, " n"], fold: Int[np.ndarray, " n"]
) -> list[float]:
    """Accuracy on each fold of naive Bayes that was fitted to the others.

    With n(c) the sentences of class c and n(w, c) those of them that hold the word w, the class of
    a sentence with the words W, each counted once (Wang, Manning 2012), is

        argmax_c  log n(c) + Σ_{w in W} log (n(w, c) + 1) / Σ_v (n(v, c) + 1)

    over all known words v; padding and unknown words, numbers 0 and 1, are left out.
    """
    vocabulary, classes = int(x.max()) + 1, int(label.max()) + 1
    pairs = np.unique(np.arange(len(x))[:, None] * vocabulary + x)
    sentence, word = pairs // vocabulary, pairs % vocabulary
    sentence, word = sentence[word > 1], word[word > 1]
    accuracies = []
    for number in range(int(fold.max()) + 1):
        seen = fold[sentence] != number
        kinds = label[sentence[seen]].astype(np.int64) * vocabulary + word[seen]
        counts = np.bincount(kinds, minlength=classes * vocabulary).reshape(classes, -1)[:, 2:] + 1
        log_share = np.log(counts / counts.sum(1, keepdims=True))
        scores = np.tile(np.log(np.bincount(label[fold != number], minlength=classes)), (len(x), 1))
        for c in range(classes):
            scores[:, c] += np.bincount(sentence, log_share[c, word - 2], minlength=len(x))
        test = fold == number
        accuracies.append(float((scores.argmax(1) == label)[test].mean()))
    return accuracies
