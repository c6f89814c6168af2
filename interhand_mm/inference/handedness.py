"""Which hands are there: calibrated probabilities and what is decided from them."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from ..structures.results import Presence

# Of calibrated probabilities: surely there from the first, surely not below the second.
PRESENT, ABSENT = 0.7, 0.3
_EPSILON = 1e-7


def at_temperature(hand_prob: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities with their logits divided by `temperature`; any shape."""
    return np.asarray(expit(logit(np.clip(np.asarray(hand_prob, np.float64), _EPSILON, 1 - _EPSILON)) / temperature))


def calibrate(hand_prob: np.ndarray, hand_type: np.ndarray) -> float:
    """Temperature scaling (Guo et al., ICML 2017): the temperature with the lowest cross entropy.

    `tools/eval_preds.py --calibrate` writes it into a checkpoint's meta as "handedness_temperature"; inference uses it.

    Args:
        hand_prob: (N, 2) probabilities of right and left, of samples the network was not trained on.
        hand_type: (N, 2) 0 or 1.

    Returns:
        The temperature; above 1 where the network is too sure of itself. Between 0.05 and 20.
    """

    def loss(log_temperature: float) -> float:
        return cross_entropy(hand_prob, hand_type, float(np.exp(log_temperature)))

    return float(np.exp(minimize_scalar(loss, bounds=np.log((0.05, 20.0)), method="bounded").x))


def cross_entropy(hand_prob: np.ndarray, hand_type: np.ndarray, temperature: float) -> float:
    """Mean cross entropy a hand, nats, of probabilities brought to a temperature; shapes as in `calibrate`."""
    prob = np.clip(at_temperature(hand_prob, temperature), _EPSILON, 1 - _EPSILON)
    return float(-np.where(hand_type > 0, np.log(prob), np.log(1 - prob)).mean())


def decide_presence(hand_prob: np.ndarray, num_hands: int | None) -> tuple[Presence, Presence]:
    """Decide which hands are shown.

    Args:
        hand_prob: (2,) calibrated, right and left.
        num_hands: How many the detector saw. Where it is one, the less probable hand is shown only where the
            network is sure of both.

    Returns:
        For the right and the left hand.
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
