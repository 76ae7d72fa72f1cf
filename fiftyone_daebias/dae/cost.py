"""What an architecture costs: parameters, operations and memory, counted without computing anything."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from .config import ModelConfig, TrainConfig
from .model import DiffusionAutoencoder, count_parameters

#: bytes a parameter takes in training: weights, gradients, two moments of Adam and the average, float32
BYTES_A_PARAMETER = 20


@dataclass(frozen=True)
class Cost:
    """What a preset costs.

    Attributes:
        parameters: trainable values
        encoder_parameters: those of the semantic encoder
        encoder_gflop: operations to encode an image, 10⁹ (a multiplication and an addition are two)
        unet_gflop: operations of one pass of the U-Net, 10⁹; decoding takes one a step
        training_gflop: operations to train on an image, 10⁹: three forward passes' worth
        training_gb: memory a training takes in float32, 10⁹ bytes, with the recipe's batch and accumulation
        training_gb_bf16: the same with activations in bfloat16
    """

    parameters: int
    encoder_parameters: int
    encoder_gflop: float
    unet_gflop: float
    training_gflop: float
    training_gb: float
    training_gb_bf16: float

    def to_dict(self) -> dict:
        return dict(self.__dict__)


def cost_of(config: ModelConfig, train: TrainConfig) -> Cost:
    """Counts on the meta device, which has shapes and no values; memory is an estimate without the allocator's waste.

    Args:
        config: the architecture
        train: the recipe, for the images in one forward pass
    """
    with torch.device("meta"):
        model = DiffusionAutoencoder(config)
        x = torch.empty(1, config.in_channels, config.image_size, config.image_size)
        t = torch.zeros(1, dtype=torch.long)
        with torch.no_grad(), FlopCounterMode(display=False) as encoding:
            z = model.encoder(x)
        with torch.no_grad(), FlopCounterMode(display=False) as predicting:
            model.predict(x, t, z)
        kept: dict[int, int] = {}
        parameters = {id(p) for p in model.parameters()}

        def keep(tensor):
            if id(tensor) not in parameters and tensor.ndim > 1:
                kept[id(tensor)] = tensor.numel() * tensor.element_size()
                alive.append(tensor)  # so that no other tensor gets its id
            return tensor

        alive: list[torch.Tensor] = []
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            z = model.train().encoder(x)
            loss = model.predict(x, t, z).sum()
        del loss
    encoder, unet = encoding.get_total_flops() / 1e9, predicting.get_total_flops() / 1e9
    activations = sum(kept.values()) * -(-train.batch_size // train.accumulate)
    state = BYTES_A_PARAMETER * count_parameters(model)
    full, half = (round((state + part) / 1e9, 2) for part in (activations, activations / 2))
    return Cost(
        count_parameters(model),
        count_parameters(model.encoder),
        round(encoder, 3),
        round(unet, 3),
        round(3 * (encoder + unet), 2),
        full,
        half,
    )
