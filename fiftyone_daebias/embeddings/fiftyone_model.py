"""An encoder as a FiftyOne model, for ``dataset.compute_embeddings``, ``fob.compute_similarity`` and the model zoo.

It lives in the library because data loaders pickle it. One image gives one
vector; volumes of many slices are embedded by ``compute_dae_embeddings``.
"""

from __future__ import annotations

from pathlib import Path

import fiftyone.core.models as fom
import numpy as np
import torch
from fiftyone.utils.torch import GetItem
from PIL import Image
from torch import Tensor

from ..cohort.load import MAX_SIDE, shrink
from ..cohort.raster import read_raster
from ..cohort.slices import to_unit
from ..dae.batches import fixed_crop
from ..dae.checkpoint import read_facts
from ..dae.samples import pick_device
from ..errors import InputError
from .encoders import load_encoder


class PrepareImage:
    """From an image to the encoder's input, as the embedding of a cohort does it: fixed crop, [-1, 1].

    Args:
        image_size: side of the input, pixels
        in_channels: 1 reads grey values (of 8 or 16 bit; colour becomes luma), 3 reads colour
        crop: side of the centre crop as a share of the shorter side
    """

    def __init__(self, image_size: int, in_channels: int, crop: float):
        self.image_size, self.in_channels, self.crop = image_size, in_channels, crop

    def __call__(self, image) -> Tensor:
        """The input, float32 (C, H, W), of a path, a PIL image, or an array (H, W) or (H, W, C)."""
        if isinstance(image, Tensor):
            image = image.permute(1, 2, 0).numpy()
        if self.in_channels == 1:
            planes = self._grey(image)
        else:
            planes = self._colour(image)
        planes = shrink(planes, MAX_SIDE)
        scaled = to_unit(planes, float(planes.min()), float(planes.max()))
        return fixed_crop(scaled, self.image_size, self.crop)[:, 0]

    def _grey(self, image) -> np.ndarray:
        if isinstance(image, (str, Path)):
            return read_raster(image, to_grey=True)
        if isinstance(image, Image.Image):
            image = np.asarray(image if image.mode.startswith(("L", "I", "F")) else image.convert("RGB"))
        if image.ndim == 3 and image.shape[2] >= 3:
            if (image[..., :1] == image[..., :3]).all():
                return image[None, ..., 0]
            luma = image[..., :3].astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
            return luma.round().astype(image.dtype)[None]
        return image.reshape(1, *image.shape[:2])

    def _colour(self, image) -> np.ndarray:
        if isinstance(image, (str, Path)):
            with Image.open(image) as opened:
                image = opened.convert("RGB")
        if isinstance(image, Image.Image):
            image = np.asarray(image.convert("RGB"))
        if image.ndim == 2:
            image = np.repeat(image[..., None], 3, axis=2)
        return np.moveaxis(image[..., :3], 2, 0)


class ReadImage(GetItem):
    """Reads and prepares a sample's image in a data loader's worker."""

    def __init__(self, prepare: PrepareImage, field_mapping: dict | None = None):
        self.prepare = prepare
        super().__init__(field_mapping=field_mapping)

    @property
    def required_keys(self) -> list[str]:
        return ["filepath"]

    def __call__(self, values: dict) -> Tensor:
        return self.prepare(values["filepath"])


class EncoderModel(fom.SupportsGetItem, fom.EmbeddingsMixin, fom.TorchModelMixin, fom.Model):
    """A checkpoint of this package as a FiftyOne model.

    Args:
        checkpoint: folder of the checkpoint, of whichever model
        device: where to compute; default: the best there is

    Raises:
        CheckpointError: the checkpoint is missing, damaged or of an unknown format
        InputError: the device is not here, or the model takes neither 1 nor 3 channels
    """

    def __init__(self, checkpoint: Path | str, device: str | None = None):
        facts = read_facts(checkpoint)
        self.checkpoint, self.checkpoint_hash = str(checkpoint), facts["sha256"]
        self.encoder = load_encoder(checkpoint, pick_device(device))
        if self.encoder.in_channels not in (1, 3):
            raise InputError(f"checkpoint {checkpoint} takes {self.encoder.in_channels} channels; images have 1 or 3")
        self.prepare = PrepareImage(self.encoder.image_size, self.encoder.in_channels, float(facts.get("crop", 1.0)))
        self._last: np.ndarray | None = None
        self._preprocess = True

    @property
    def media_type(self) -> str:
        return "image"

    @property
    def has_embeddings(self) -> bool:
        return True

    @property
    def ragged_batches(self) -> bool:
        return False

    @property
    def transforms(self) -> PrepareImage:
        return self.prepare

    @property
    def preprocess(self) -> bool:
        return self._preprocess

    @preprocess.setter
    def preprocess(self, value: bool) -> None:
        self._preprocess = value

    @property
    def has_collate_fn(self) -> bool:
        return False

    @property
    def using_gpu(self) -> bool:
        return self.encoder.device.type in ("cuda", "mps")

    @property
    def _using_gpu(self) -> bool:  # the name by which FiftyOne 1.22 asks when it pins memory
        return self.using_gpu

    @property
    def device(self) -> torch.device:
        return self.encoder.device

    def build_get_item(self, field_mapping: dict | None = None) -> ReadImage:
        return ReadImage(self.prepare, field_mapping)

    def predict(self, arg):
        """Raises: this model gives embeddings and predicts no labels."""
        raise InputError("this model gives embeddings and predicts no labels; use compute_embeddings with it")

    def embed(self, arg) -> np.ndarray:
        """The vector, float32 (z,), of one image."""
        return self.embed_all([arg])[0]

    def embed_all(self, args) -> np.ndarray:
        """Vectors, float32 (n, z), of images, or of a batch (n, C, H, W) that :attr:`transforms` has prepared."""
        if isinstance(args, Tensor) and args.is_floating_point():
            batch = args
        else:
            batch = torch.stack([self.prepare(a) for a in args])
        self._last = self.encoder.encode(batch.to(self.device)).float().cpu().numpy()
        return self._last

    def get_embeddings(self) -> np.ndarray:
        """The vectors of the last images, (n, z)."""
        if self._last is None:
            raise InputError("nothing was embedded yet")
        return self._last
