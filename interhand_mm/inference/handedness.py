"""Handedness: calibrated probabilities of the two hands, and the decision which of them are present."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from ..structures.results import ABSENT, PRESENT, Presence

_EPSILON = 1e-7


def at_temperature(hand_prob: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities of any shape with their logits divided by `temperature`.

    Example:
        >>> at_temperature(np.array([0.5, 0.9]), 2.0).round(2).tolist()
        [0.5, 0.75]
    """
    return np.asarray(expit(logit(np.clip(np.asarray(hand_prob, np.float64), _EPSILON, 1 - _EPSILON)) / temperature))


def calibrate(hand_prob: np.ndarray, hand_type: np.ndarray) -> float:
    """Return the temperature with the lowest cross entropy (temperature scaling, Guo et al., ICML 2017).

    `tools/eval_preds.py --calibrate` writes it into the metadata of a checkpoint as "handedness_temperature", and
    inference uses it.

    Args:
        hand_prob: (N, 2) probabilities of the right and the left hand, on samples that were not used for training.
        hand_type: (N, 2) 1 where the hand is present, else 0.

    Returns:
        The temperature, between 0.05 and 20; above 1 if the network is overconfident.
    """

    def loss(log_temperature: float) -> float:
        return cross_entropy(hand_prob, hand_type, float(np.exp(log_temperature)))

    return float(np.exp(minimize_scalar(loss, bounds=np.log((0.05, 20.0)), method="bounded").x))


def cross_entropy(hand_prob: np.ndarray, hand_type: np.ndarray, temperature: float) -> float:
    """Return the mean cross entropy per hand in nats, at a temperature; other arguments as in `calibrate`."""
    prob = np.clip(at_temperature(hand_prob, temperature), _EPSILON, 1 - _EPSILON)
    return float(-np.where(hand_type > 0, np.log(prob), np.log(1 - prob)).mean())


def decide_presence(hand_prob: np.ndarray, num_hands: int | None) -> tuple[Presence, Presence]:
    """Decide which hands are shown.

    Args:
        hand_prob: (2,) calibrated probabilities of the right and the left hand.
        num_hands: Number of hands that the detector found, if known. If it found one, the less probable hand is shown
            only if both probabilities are high.

    Returns:
        The decisions for the right and the left hand.

    Example:
        >>> decide_presence(np.array([0.9, 0.6]), num_hands=2)
        ('yes', 'unsure')
        >>> decide_presence(np.array([0.9, 0.6]), num_hands=1)
        ('yes', 'no')
    """
    right, left = (_decide(float(prob)) for prob in hand_prob)
    if num_hands == 1 and not right == left == "yes":
        if hand_prob[0] >= hand_prob[1]:
            left = "no"
        else:
            right = "no"
    return right, left


def _decide(prob: float) -> Presence:
    if prob >= PRESENT:
        return "yes"
    return "unsure" if prob > ABSENT else "no"
