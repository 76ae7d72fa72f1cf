"""StyleGAN2 in training, and after it its inversion by e4e."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..dae.config import RunConfig
from ..dae.distributed import process_group
from ..dae.encoder import seeded
from ..dae.learner import LearnsByStepsOnly, load_optimizer, optimizer_state, step_generator, step_random, with_prefix
from ..dae.ssim import mse, ssim
from .augment import adapted, augment
from .averages import average, averaged_copy
from .e4e import StyleGan
from .gan_losses import (
    delta_loss,
    discriminator_loss,
    feature_distance,
    generator_loss,
    gradient_penalty,
    path_lengths,
    path_penalty,
)
from .stylegan2 import StyleGanConfig, mixed_styles


@dataclass(frozen=True)
class GanTrain(RunConfig):
    """The recipe of StyleGAN2 and e4e.

    Attributes:
        lr: Adam's learning rate of generator and discriminator
        encoder_lr: Adam's learning rate of the encoder
        ema: decay of the averaged weights
    """

    lr: float = 2e-3
    encoder_lr: float = 1e-3
    ema: float = 0.999


#: names of the optimisers and of the networks that each trains
_OPTIMIZERS = {
    "generator": ("mapping", "generator"),
    "discriminator": ("discriminator",),
    "encoder": ("encoder",),
    "latent": ("latent_discriminator",),
}


class StyleGanLearner(LearnsByStepsOnly):
    """First the GAN, then, with the GAN frozen, the encoder. A :class:`~fiftyone_daebias.dae.learner.Learner`.

    Adam's second-moment decays follow the lazy regularisation (Karras et al. 2020, appendix B).

    Args:
        config: the architecture and the objectives
        train: the recipe
        seed: seed of weights, codes, noise and augmentation
        device: where to compute
    """

    format = "daebias-stylegan2"
    criterion = "reconstruction_mse"

    def __init__(self, config: StyleGanConfig, train: GanTrain, *, seed: int = 51, device: str | torch.device = "cpu"):
        self.config, self.train, self.seed, self.device = config, train, seed, torch.device(device)
        self.model = seeded(lambda: StyleGan(config), seed).to(self.device)
        self.averaged = averaged_copy(self.model)
        self.optimizers = {
            "generator": self._adam("generator", train.lr, config.path_every if config.path > 0 else 0),
            "discriminator": self._adam("discriminator", train.lr, config.r1_every if config.r1 > 0 else 0),
            "encoder": torch.optim.Adam(self.model.encoder.parameters(), lr=train.encoder_lr),
            "latent": torch.optim.Adam(self.model.latent_discriminator.parameters(), lr=2e-4, betas=(0.0, 0.99)),
        }
        total = -(-train.images // train.batch_size)
        #: steps that train the GAN; the rest trains the encoder
        self.gan_steps = max(1, min(total - 1, round(total * config.gan_share))) if total > 1 else total
        self.encoder_steps = max(1, total - self.gan_steps)
        self.seen_penalties = {"gradient_penalty": 0.0, "path_penalty": 0.0}
        self.group = process_group()

    def _adam(self, name: str, lr: float, every: int) -> torch.optim.Adam:
        ratio = every / (every + 1) if every else 1.0
        parameters = [p for part in _OPTIMIZERS[name] for p in getattr(self.model, part).parameters()]
        return torch.optim.Adam(parameters, lr=lr * ratio, betas=(0.0, 0.99**ratio))

    def step(self, batch: Tensor, step: int) -> dict[str, float | Tensor]:
        x = batch.to(self.device, non_blocking=True)
        rng = step_generator(self.seed * 31 + self.group.rank, step)
        self.model.train()
        with step_random(self.seed + self.group.rank, step, self.device):
            if step < self.gan_steps:
                found = self._gan_step(x, step, rng)
                average(self.averaged, self.model, self.train.ema, step)
            else:
                if step == self.gan_steps:
                    self._freeze_gan()
                found = self._encoder_step(x, step - self.gan_steps, rng)
                average(self.averaged, self.model, self.train.ema, step - self.gan_steps)
        return {
            **dict.fromkeys(("discriminator_loss", "reconstruction", "perceptual", "deltas"), 0.0),
            **found,
            "augmentation": float(self.model.ada_p),
            **self.seen_penalties,
        }

    # --- the GAN --------------------------------------------------------------------------------------

    def _styles(self, n: int, rng: torch.Generator) -> Tensor:
        """Styles of the prior, some mixed of two; the running mean of w is kept."""
        config = self.config
        z, other = torch.randn(2, n, config.z_dim, generator=rng).to(self.device)
        cut = torch.randint(1, config.n_styles, (n,), generator=rng)
        cut = torch.where(torch.rand(n, generator=rng) < config.mixing, cut, torch.full((n,), config.n_styles))
        styles = mixed_styles(self.model.mapping, z, other, cut.to(self.device), config.n_styles)
        mean = self.model.mapping.mean
        mean.lerp_(styles[:, 0].detach().mean(dim=0), 0.005 if mean.any() else 1.0)
        return styles

    def _gan_step(self, x: Tensor, step: int, rng: torch.Generator) -> dict[str, float | Tensor]:
        model, config, n = self.model, self.config, len(x)
        p = float(model.ada_p)
        _trainable(model, "discriminator")
        with torch.no_grad():
            fake = model.generator(self._styles(n, rng), rng)
        real_logits = model.discriminator(augment(x, p, rng))
        d_loss = discriminator_loss(real_logits, model.discriminator(augment(fake, p, rng)))
        self._update("discriminator", d_loss)
        if config.ada_target > 0:
            model.ada_p.fill_(adapted(p, real_logits, config.ada_target, config.ada_images))
        if config.r1 > 0 and step % config.r1_every == 0:
            real = augment(x, p, rng).detach().requires_grad_()
            penalty = gradient_penalty(model.discriminator(real), real)
            self._update("discriminator", config.r1 * config.r1_every * penalty)
            self.seen_penalties["gradient_penalty"] = float(penalty.detach())
        _trainable(model, "mapping", "generator")
        g_loss = generator_loss(model.discriminator(augment(model.generator(self._styles(n, rng), rng), p, rng)))
        self._update("generator", g_loss)
        if config.path > 0 and step % config.path_every == 0:
            styles = self._styles(max(1, n // 2), rng)
            images = model.generator(styles, rng)
            noise = torch.randn(images.shape, generator=rng).to(self.device)
            penalty, mean = path_penalty(path_lengths(images, styles, noise), model.path_mean)
            self._update("generator", config.path * config.path_every * penalty)
            model.path_mean.copy_(mean)
            self.seen_penalties["path_penalty"] = float(penalty.detach())
        return {"loss": g_loss.detach(), "discriminator_loss": d_loss.detach()}

    # --- its inversion --------------------------------------------------------------------------------

    def _freeze_gan(self) -> None:
        """From here on the averaged GAN is the GAN, and inversions start from its mean style."""
        for name in ("mapping", "generator"):
            getattr(self.model, name).load_state_dict(getattr(self.averaged, name).state_dict())
        self.model.encoder.start.copy_(self.model.mapping.mean)

    def unlocked(self, step: int) -> int:
        """Offsets that are free at a step of the encoder's training: one more at a time, evenly."""
        stages = self.config.n_styles - 1
        over = max(1, round(self.encoder_steps * self.config.stagewise))
        return min(stages, stages * step // over)

    def _encoder_step(self, x: Tensor, step: int, rng: torch.Generator) -> dict[str, float | Tensor]:
        model, config = self.model, self.config
        _trainable(model, "encoder")
        styles = model.encoder(x, self.unlocked(step))
        again = model.generator(styles)
        pixels = (again - x).square().mean()
        with torch.no_grad():
            wanted = model.discriminator.features(x)
        perceptual = feature_distance(model.discriminator.features(again), wanted)
        deltas = delta_loss(styles)
        adversarial = generator_loss(model.latent_discriminator(styles.flatten(0, 1)))
        loss = pixels + config.perceptual * perceptual + config.delta * deltas + config.latent * adversarial
        self._update("encoder", loss)
        d_loss = pixels.new_zeros(())
        if config.latent > 0:
            _trainable(model, "latent_discriminator")
            with torch.no_grad():
                real = model.mapping(torch.randn(len(x), config.z_dim, generator=rng).to(self.device))
            real.requires_grad_(config.r1 > 0 and step % config.r1_every == 0)
            logits = model.latent_discriminator(real)
            d_loss = discriminator_loss(logits, model.latent_discriminator(styles.detach().flatten(0, 1)))
            if real.requires_grad:
                d_loss = d_loss + 10 * config.r1_every * gradient_penalty(logits, real)
            self._update("latent", d_loss)
        return {
            "loss": loss.detach(),
            "discriminator_loss": d_loss.detach(),
            "reconstruction": pixels.detach(),
            "perceptual": perceptual.detach(),
            "deltas": deltas.detach(),
        }

    def _update(self, name: str, loss: Tensor) -> None:
        optimizer = self.optimizers[name]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for part in _OPTIMIZERS[name]:
            self.group.average_gradients(getattr(self.model, part).parameters())
        optimizer.step()

    # --- state ----------------------------------------------------------------------------------------

    def state(self) -> dict[str, Tensor]:
        flat = {f"weights.{k}": v for k, v in self.model.state_dict().items()}
        flat |= {f"ema.{k}": v for k, v in self.averaged.state_dict().items()}
        for name, optimizer in self.optimizers.items():
            flat |= optimizer_state(optimizer, f"{name}.")
        return flat

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        self.model.load_state_dict(with_prefix(tensors, "weights."))
        self.averaged.load_state_dict(with_prefix(tensors, "ema."))
        for name, optimizer in self.optimizers.items():
            load_optimizer(optimizer, tensors, f"{name}.")

    def ema(self) -> dict[str, Tensor]:
        return self.averaged.state_dict()

    def _inverts(self) -> bool:
        """Whether the encoder has been trained at all."""
        return bool(self.optimizers["encoder"].state)

    @torch.no_grad()
    def evaluate(self, images: Tensor) -> dict[str, float]:
        """How well held-out images are inverted; before that is learnt, how real they look to the discriminator."""
        if not self._inverts():
            logits = torch.cat([self.model.discriminator(p.to(self.device)).cpu() for p in images.split(64)])
            return {"validation_loss": discriminator_loss(logits, logits.new_full((1,), -1e4)).item()}
        again = torch.cat([self.reconstruct(part).cpu() for part in images.split(64)])
        return {
            "validation_loss": mse(images, again).mean().item(),
            "reconstruction_mse": mse(images, again).mean().item(),
            "reconstruction_ssim": ssim(images, again).mean().item(),
        }

    @torch.no_grad()
    def reconstruct(self, images: Tensor) -> Tensor:
        """Inverted images; before the inversion is learnt, images of the prior."""
        if not self._inverts():
            return self.averaged.generate(len(images), self.seed)
        return self.averaged.generator(self.averaged.encoder(images.to(self.device))).clamp(-1, 1)


def _trainable(model: nn.Module, *names: str) -> None:
    """Only these parts get gradients."""
    for name, part in model.named_children():
        part.requires_grad_(name in names)
