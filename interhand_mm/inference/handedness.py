"""Handedness: calibrated probabilities of the two hands, and the decision which of them are present."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from ..structures.results import ABSENT, PRESENT, Presence

_EPSILON = 1e-7
# Evidence for a side: the most that a frame or a detection can add, the limit of the sum, what remains of it after a
# frame, and the contradiction at which the side changes.
MAX_EVIDENCE, _CAP, _KEEP, _TURN = 2.0, 8.0, 0.97, 2.0
# Share of the newest frame in the average of a hand's presence, and how far below the limit for "yes" it may fall.
_NEW_SHARE, _MARGIN = 0.2, 0.5


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


class SideBelief:
    """Which hand a tracked hand is: evidence of all its frames, as log odds.

    Every frame adds its evidence, limited to `MAX_EVIDENCE`, and what was added before is forgotten slowly. The side
    changes only when the sum contradicts it by more than `_TURN`. The sum never exceeds `_CAP`, so about five frames of
    clear evidence change a side that was certain, and fewer never do.

    Attributes:
        log_odds: Above 0 for a right hand.
        side: 0 right, 1 left; None before the first evidence.

    Example:
        >>> belief = SideBelief()
        >>> for evidence in (2.0, 1.0, -1.0, -1.5, 2.0):
        ...     belief.add(evidence)
        >>> belief.decide()
        0
    """

    def __init__(self) -> None:
        self.log_odds = 0.0
        self.side: int | None = None

    def add(self, evidence: float) -> None:
        """Add the evidence of a frame: log odds, above 0 for a right hand."""
        evidence = float(np.clip(evidence, -MAX_EVIDENCE, MAX_EVIDENCE))
        self.log_odds = float(np.clip(_KEEP * self.log_odds + evidence, -_CAP, _CAP))

    def decide(self) -> int:
        """Return the side of a hand that has no partner."""
        self.side = _side(self.side, self.log_odds)
        return self.side

    def decide_with(self, partner: SideBelief) -> tuple[int, int]:
        """Return the sides of this hand and of its partner: one is right, the other left."""
        lead = (self.log_odds - partner.log_odds) / 2
        before = None if self.side == partner.side else self.side
        if before is None and self.side is None and partner.side is not None:
            before = 1 - partner.side
        self.side = _side(before, lead)
        partner.side = 1 - self.side
        return self.side, partner.side


def _side(before: int | None, log_odds: float) -> int:
    if before is not None and (log_odds if before == 0 else -log_odds) >= -_TURN:
        return before
    return 0 if log_odds >= 0 else 1


class PresenceBelief:
    """Whether a tracked hand is present: the average of its log odds over recent frames.

    A frame in which the network rules the hand out counts at once, because its joints would be wrong. Between "yes" and
    "unsure" the average decides, with two limits, so that the decision does not alternate.

    Example:
        >>> belief = PresenceBelief()
        >>> [belief.decide(probability) for probability in (0.9, 0.66, 0.9, 0.2, 0.9)]
        ['yes', 'yes', 'yes', 'no', 'yes']
    """

    def __init__(self) -> None:
        self._log_odds: float | None = None
        self._presence: Presence = "no"

    def decide(self, probability: float) -> Presence:
        """Return the decision of a frame from the calibrated probability of the hand."""
        if probability <= ABSENT:
            self._log_odds, self._presence = None, "no"
            return "no"
        new = float(logit(min(probability, 1 - _EPSILON)))
        self._log_odds = new if self._log_odds is None else self._log_odds + _NEW_SHARE * (new - self._log_odds)
        limit = logit(PRESENT) - (_MARGIN if self._presence == "yes" else 0.0)
        self._presence = "yes" if self._log_odds >= limit - _EPSILON else "unsure"
        return self._presence
