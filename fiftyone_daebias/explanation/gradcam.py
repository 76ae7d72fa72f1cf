"""Class activation maps of a follow-up classifier, raw: comparable between samples, so that they may be averaged."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from ..errors import InputError
from .classifier import Recipe, make_network, to_inputs

METHODS = ("gradcam", "gradcam++", "layercam", "hirescam")


def layers_of(network: torch.nn.Module, architecture: str) -> dict[str, torch.nn.Module]:
    """Layers that maps can be drawn from, the deepest last."""
    if architecture == "densenet121":
        features = network.features
        return {
            "features.transition1.conv": features.transition1.conv,
            "features.transition2.conv": features.transition2.conv,
            "features.transition3.conv": features.transition3.conv,
            "features.norm5": features.norm5,
        }
    return {f"layer{k}[-1]": getattr(network, f"layer{k}")[-1] for k in (2, 3, 4)}


def raw_maps(
    network: torch.nn.Module,
    layer: torch.nn.Module,
    stack: np.ndarray,
    rows: np.ndarray,
    inputs: str,
    method: str = "gradcam",
    sign: np.ndarray | int = 1,
    batch: int = 32,
) -> np.ndarray:
    """Maps of what speaks for a group, not rescaled.

    ``pytorch-grad-cam`` scales every map to [0, 1], so that a map of nothing looks as bright as a map of something;
    here its weights and sums are used and its scaling is not.

    Args:
        network: two outputs, the second for the first group
        layer: one of its layers
        stack: float16 (n, slices, h, w)
        rows: samples
        inputs: "slices" (one map a slice) or "channels" (one map a sample)
        method: one of :data:`METHODS`
        sign: 1 for what speaks for the first group, −1 for the second; one for all or one a sample
        batch: pictures at a time

    Returns:
        float32 (len(rows), maps, h, w), at least 0, of the input's size

    Raises:
        InputError: no such method
    """
    import pytorch_grad_cam as cams

    classes = {
        "gradcam": cams.GradCAM,
        "gradcam++": cams.GradCAMPlusPlus,
        "layercam": cams.LayerCAM,
        "hirescam": cams.HiResCAM,
    }
    if method not in classes:
        raise InputError(f"cam must be one of {', '.join(METHODS)}; got {method!r}")
    signs = np.broadcast_to(np.asarray(sign), len(rows))
    slices = 1 if inputs == "channels" else stack.shape[1]
    height, width = stack.shape[-2:]
    device = next(network.parameters()).device
    out = np.empty((len(rows), slices, height, width), np.float32)
    at_once = max(1, batch // slices)
    network.eval()
    with classes[method](model=network, target_layers=[layer]) as cam:
        for first in range(0, len(rows), at_once):
            part = rows[first : first + at_once]
            pictures = to_inputs(stack, part, inputs).to(device)
            way = torch.tensor(np.repeat(signs[first : first + at_once], slices).astype(np.float32), device=device)
            logits = cam.activations_and_grads(pictures)
            network.zero_grad()
            (way * (logits[:, 1] - logits[:, 0])).sum().backward()
            activations = cam.activations_and_grads.activations[0].numpy()
            gradients = cam.activations_and_grads.gradients[0].numpy()
            maps = np.maximum(cam.get_cam_image(pictures, layer, None, activations, gradients, False), 0)
            for k, one in enumerate(maps.reshape(-1, *maps.shape[-2:])):
                big = cv2.resize(one.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
                out[first + k // slices, k % slices] = big
    network.zero_grad()
    return np.maximum(out, 0)


def randomised(network: torch.nn.Module, recipe: Recipe, stack: np.ndarray, rows: np.ndarray, seed: int):
    """The same architecture with random weights, its normalisation fitted to these pictures, on the same device."""
    channels = stack.shape[1] if recipe.inputs == "channels" else 1
    fresh = make_network(recipe, channels, seed).to(next(network.parameters()).device)
    fresh.train()
    pictures = to_inputs(stack, rows, recipe.inputs)[:64].to(next(network.parameters()).device)
    with torch.no_grad():
        for _ in range(10):
            fresh(pictures)
    return fresh.eval()
