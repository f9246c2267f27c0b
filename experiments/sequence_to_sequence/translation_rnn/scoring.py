"""Translations of a split, and their score."""

from collections.abc import Sequence

from dlfun.data.dataset import Split
from dlfun.data.parallel_text import words
from dlfun.experiment import Trained
from dlfun.train.prediction import predict_columns


def translated(trained: Trained, split: Split) -> list[list[str]]:
    """The words of the translation of each sentence of a split."""
    numbers = predict_columns(trained.learner, trained.state, split)
    return [words(row.tolist(), trained.dataset.classes) for row in numbers]


def bleu(
    translations: Sequence[Sequence[str]], references: Sequence[Sequence[str]]
) -> tuple[float, str]:
    """BLEU of tokens as they are, 0 to 100 (Papineni et al., 2002), by sacreBLEU (Post, 2018).

    Beside it stands sacreBLEU's signature, which says how it is computed.
    """
    from sacrebleu.metrics import BLEU

    scorer = BLEU(tokenize="none", force=True)
    hypothesis_lines, reference_lines = (
        [" ".join(s) for s in part] for part in (translations, references)
    )
    score = scorer.corpus_score(hypothesis_lines, [reference_lines]).score
    return float(score), str(scorer.get_signature())
