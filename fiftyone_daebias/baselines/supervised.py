"""Supervised networks: MONAI's ResNet-10, ResNet-34 and DenseNet-121 with one head a field."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import InputError
from .encoder import Encoder

NETWORKS = ("resnet10", "resnet34", "densenet121")


@dataclass(frozen=True)
class SupervisedConfig:
    """A network and the questions it answers.

    Attributes:
        network: "resnet10", "resnet34" or "densenet121"
        image_size: side of the square input, pixels
        in_channels: image channels
        questions: one dict a field, see :func:`fiftyone_daebias.baselines.targets.Question.to_dict`
        answers: hash of the training subjects' answers, so that other answers make another run
    """

    network: str = "resnet10"
    image_size: int = 64
    in_channels: int = 1
    questions: tuple[dict, ...] = ()
    answers: str = ""

    def to_dict(self) -> dict:
        return {**asdict(self), "questions": [dict(q) for q in self.questions]}


class SupervisedNetwork(Encoder):
    """A network with one linear head a field; what goes into the heads is the embedding.

    Args:
        config: the architecture

    Raises:
        InputError: an unknown network
    """

    def __init__(self, config: SupervisedConfig):
        super().__init__(config)
        self.trunk, width = _trunk(config)
        self.heads = nn.ModuleList([nn.Linear(width, max(1, len(q["classes"]))) for q in config.questions])

    def code(self, x: Tensor) -> Tensor:
        return self.trunk(x)

    def answers(self, x: Tensor) -> list[Tensor]:
        """One tensor a field: logits (B, classes), or standardised values (B, 1)."""
        h = self.trunk(x)
        return [head(h) for head in self.heads]

    @torch.no_grad()
    def predict(self, x: Tensor) -> list[Tensor]:
        """One tensor a field: probabilities (B, classes), or values in the field's units (B, 1)."""
        out = []
        for question, answer in zip(self.config.questions, self.answers(x), strict=True):
            if question["classes"]:
                out.append(answer.float().softmax(dim=1))
            else:
                out.append(answer.float() * question["spread"] + question["centre"])
        return out


def _trunk(config: SupervisedConfig) -> tuple[nn.Module, int]:
    from monai.networks.nets import DenseNet121, resnet10, resnet34

    if config.network in ("resnet10", "resnet34"):
        make = resnet10 if config.network == "resnet10" else resnet34
        # MONAI's default first stride of 1 costs four times as much
        trunk = make(
            spatial_dims=2, n_input_channels=config.in_channels, conv1_t_stride=2, feed_forward=False, pretrained=False
        )
        return trunk, 512
    if config.network == "densenet121":
        trunk = DenseNet121(spatial_dims=2, in_channels=config.in_channels, out_channels=1)
        trunk.class_layers.out = nn.Identity()
        return trunk, 1024
    raise InputError(f"network must be one of {', '.join(NETWORKS)}; got {config.network!r}")


def supervised_loss(answers: list[Tensor], truth: Tensor, weights: Tensor) -> tuple[Tensor, list[float]]:
    """Cross-entropy and absolute error, weighted so that every class, or tenth of the value range, counts the same.

    Args:
        answers: one tensor a field, as :meth:`SupervisedNetwork.answers` gives them
        truth: class indices or standardised values (B, fields); NaN where a field has no value
        weights: weight of each image in each field (B, fields)

    Returns:
        sum over fields of the weighted mean loss of the images that have a value, and each field's
    """
    total, parts = truth.new_zeros(()), []
    for k, answer in enumerate(answers):
        known = ~torch.isnan(truth[:, k])
        if not known.any():
            parts.append(float("nan"))
            continue
        given, weight = truth[known, k], weights[known, k]
        if answer.shape[1] > 1:
            losses = F.cross_entropy(answer[known], given.long(), reduction="none")
        else:
            losses = (answer[known, 0] - given).abs()
        loss = (losses * weight).sum() / weight.sum().clamp_min(1e-12)
        total = total + loss
        parts.append(float(loss.detach()))
    return total, parts
