"""Images decoded from moved embeddings, and what of an image the decoder gives back at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...dae.batches import fixed_crop
from ...embeddings.encode import centre_indices
from ...errors import InputError
from ..embedded import Embedded

#: a stochastic code is Gaussian noise of SD 1 by construction; outside this range the model did not invert the image
CODE_SD = (0.7, 1.4)
OWN, SHARED = "own", "shared"
#: denoising steps where none are asked for: the authors' 20; from a shared code more than a few add nothing
STEPS = {OWN: 20, SHARED: 5}


@dataclass(frozen=True)
class Decoder:
    """How images are decoded.

    Attributes:
        model: a ``DiffusionAutoencoder``
        n_slices: slices a sample
        crop: side of the fixed crop as a share of the shorter side
        pool: "concat" or "mean", as the vectors were made
        code: "own" (each image's own stochastic code x_T is kept) or "shared" (one seeded code for all)
        steps: denoising steps
        invert_steps: steps of the inversion
        batch_size: images a forward pass
        seed: seed of the shared code
    """

    model: object
    n_slices: int
    crop: float
    pool: str
    code: str
    steps: int
    invert_steps: int = 100
    batch_size: int = 64
    seed: int = 51

    @property
    def z_dim(self) -> int:
        return self.model.config.z_dim

    def images(self, source, i: int) -> Tensor:
        """The slices of sample ``i`` as they were embedded, (S, 1, H, W) in [-1, 1]."""
        which = centre_indices(source.n_slices(i), self.n_slices)
        return fixed_crop(source.read(i, which), self.model.config.image_size, self.crop)

    def codes(self, images: Tensor, z: Tensor) -> Tensor:
        """Stochastic codes of images: their own, or the shared one."""
        if self.code == OWN:
            return self.model.invert(images, z, self.invert_steps)
        generator = torch.Generator().manual_seed(self.seed)
        one = torch.randn(1, *images.shape[1:], generator=generator)
        return one.to(images.device).expand(len(images), -1, -1, -1)

    def vectors(self, images: Tensor) -> np.ndarray:
        """Embeddings of slices (n·S, 1, H, W), float32 (n, d), as :func:`encode_volumes` makes them."""
        parts = [self.model.encode(b) for b in images.split(self.batch_size)]
        z = torch.cat(parts).cpu().numpy().reshape(-1, self.n_slices, self.z_dim)
        return z.mean(axis=1) if self.pool == "mean" else z.reshape(len(z), -1)

    def split(self, step: np.ndarray) -> np.ndarray:
        """A step of the whole vector as one step a slice, (S, z_dim)."""
        if self.pool == "mean":
            return np.repeat(step[None], self.n_slices, axis=0)
        return step.reshape(self.n_slices, self.z_dim)

    def move(self, images: Tensor, step: np.ndarray, amounts: Sequence[float]) -> tuple[Tensor, np.ndarray]:
        """A sample's slices decoded after moving their z_sem, keeping the code.

        Args:
            images: (S, 1, H, W)
            step: (d,), raw units of the sample's vector
            amounts: multiples of ``step``

        Returns:
            decoded slices (len(amounts), S, H, W) in [-1, 1], and the embeddings of the decoded slices (amounts, d)
        """
        images = images.to(self.model.device)
        z = self.model.encode(images)
        code = self.codes(images, z)
        by_slice = torch.from_numpy(self.split(step)).to(z)
        moved = torch.cat([z + float(a) * by_slice for a in amounts])
        codes = code.repeat(len(amounts), 1, 1, 1)
        out = torch.cat(
            [
                self.model.decode(a, b, self.steps)
                for a, b in zip(moved.split(self.batch_size), codes.split(self.batch_size), strict=True)
            ]
        )
        vectors = self.vectors(out)
        return out[:, 0].cpu().reshape(len(amounts), len(images), *out.shape[2:]), vectors


@dataclass(frozen=True)
class Quality:
    """What the decoder gives back of unmoved images.

    Attributes:
        code: which code is used, "own" or "shared"
        code_sd: SD of the images' own codes; 1 when the model can invert them
        error: root mean square error of the decoded images, % of the grey range
        error_own: the same with each image's own code
        error_shared: the same with the shared code
        error_mean: the same of always showing the mean image
        explained: share of the images' variance about the mean image that is given back, at most 1
        n: images tried
    """

    code: str
    code_sd: float
    error: float
    error_own: float
    error_shared: float
    error_mean: float
    explained: float
    n: int

    def __str__(self) -> str:
        why = (
            ""
            if self.code == OWN
            else (
                f"; the images' own codes have SD {self.code_sd:.1f} where noise has 1, so this checkpoint cannot "
                f"invert them (error {self.error_own:.1f} %) and one code was shared"
            )
        )
        return (
            f"decoded images are off by {self.error:.1f} % of the grey range (always showing the mean image: "
            f"{self.error_mean:.1f} %), so {self.share}{why}"
        )

    @property
    def share(self) -> str:
        """What comes back, in words."""
        if self.explained <= 0:
            return "no more comes back than the mean image would show: train longer before trusting these pictures"
        return f"{self.explained:.0%} of their variance comes back"


def pick_code(
    model, base: Embedded, rows: Sequence[int], *, code: str, steps: int | None, mean_image: np.ndarray, seed: int
) -> tuple[Decoder, Quality]:
    """Decides whether an image's own stochastic code can be kept, by trying.

    Args:
        model: a ``DiffusionAutoencoder``
        base: the embedding with its slices
        rows: samples to try, a handful that the model was not trained on
        code: "own", "shared", or "auto": the own one if the model inverts the images to noise
        steps: denoising steps; ``None`` for the default of the code
        mean_image: (S, H, W), what to compare with
        seed: seed of the shared code

    Raises:
        InputError: ``code`` is none of these
    """
    if code not in ("auto", OWN, SHARED):
        raise InputError(f"code must be 'auto', 'own' or 'shared'; got {code!r}")
    geometry = base.n_slices, base.crop, base.pool
    decoders = {c: Decoder(model, *geometry, c, steps or STEPS[c], seed=seed) for c in (OWN, SHARED)}
    errors, codes, of_mean = {OWN: [], SHARED: []}, [], []
    images = [decoders[OWN].images(base.source, i) for i in rows]
    means = torch.from_numpy(mean_image).repeat(len(images), 1, 1)
    for part, mean in zip(torch.cat(images).split(64), means.split(64), strict=True):
        x = part.to(model.device)
        z = model.encode(x)
        of_mean.append((part[:, 0] - mean).square().mean(dim=(1, 2)))
        for c, decoder in decoders.items():
            own = decoder.codes(x, z)
            if c == OWN:
                codes.append(own.std(dim=(1, 2, 3)).cpu())
            errors[c].append((model.decode(z, own, decoder.steps) - x).square().mean(dim=(1, 2, 3)).cpu())
    codes, from_mean = torch.cat(codes), torch.cat(of_mean)
    errors = {c: torch.cat(e) for c, e in errors.items()}
    sd = float(codes.mean())
    chosen = code
    if code == "auto":
        chosen = OWN if CODE_SD[0] <= sd <= CODE_SD[1] else SHARED
    percent = {c: 50 * float(e.mean().sqrt()) for c, e in errors.items()}  # the range is 2 wide
    explained = 1 - float(errors[chosen].mean()) / max(float(from_mean.mean()), 1e-12)
    quality = Quality(
        chosen,
        sd,
        percent[chosen],
        percent[OWN],
        percent[SHARED],
        50 * float(from_mean.mean().sqrt()),
        explained,
        len(codes),
    )
    return decoders[chosen], quality
