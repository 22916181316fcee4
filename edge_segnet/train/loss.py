"""What training minimises: weighted cross-entropy, and a surrogate of the intersection over union itself."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

LOVASZ_STRIDE = 3
"""The Lovász term looks at every third pixel in both directions: sorting is its whole cost."""


def segmentation_loss(logits: Tensor, labels: Tensor, weights: Tensor, lovasz: float) -> Tensor:
    """Cross-entropy with class weights plus ``lovasz`` times the Lovász-softmax loss.

    Args:
        logits: float [N,C,H,W].
        labels: int64 [N,H,W]; id C is void and ignored.
        weights: float [C].
    """
    void = logits.shape[1]
    loss = F.cross_entropy(logits, labels, weights, ignore_index=void)
    if lovasz > 0.0:
        step = LOVASZ_STRIDE
        loss = loss + lovasz * lovasz_softmax(logits[:, :, ::step, ::step], labels[:, ::step, ::step])
    return loss


def lovasz_softmax(logits: Tensor, labels: Tensor) -> Tensor:
    """Lovász-softmax over the classes present in the batch (Berman et al. 2018, arXiv 1705.08790, eq. 8 and 9).

    The Jaccard loss of a class, as a set function of the wrong pixels, is extended to real errors: errors sorted
    downwards are weighted by the growth of the loss as each joins the set.
    """
    classes = logits.shape[1]
    probabilities = logits.softmax(1).permute(0, 2, 3, 1).reshape(-1, classes)
    flat = labels.reshape(-1)
    known = flat < classes
    probabilities, flat = probabilities[known], flat[known]
    losses = []
    for index in torch.unique(flat).tolist():
        truth = (flat == index).float()
        errors, order = torch.sort((truth - probabilities[:, index]).abs(), descending=True)
        losses.append(torch.dot(errors, _growth(truth[order])))
    return torch.stack(losses).mean() if losses else logits.sum() * 0.0


def _growth(truth: Tensor) -> Tensor:
    """Increase of the Jaccard loss with each further pixel, [P]; ``truth`` is 1.0 where the class really is."""
    total = truth.sum()
    intersection = total - truth.cumsum(0)
    union = total + (1.0 - truth).cumsum(0)
    jaccard = 1.0 - intersection / union
    return torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]])
