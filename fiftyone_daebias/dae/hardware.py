"""What a device can do, and what its failures mean."""

from __future__ import annotations

import shutil
from contextlib import nullcontext

import torch

from ..errors import TrainingError

#: images from which compiling pays on a GPU; it takes a minute or two
COMPILE_FROM = 200_000


def fast_dtype(device: torch.device) -> torch.dtype | None:
    """bfloat16 where the device has it in hardware, else ``None``: on CPUs it is 20 to 30 times slower than float32."""
    return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False) else None


def autocast(device: torch.device):
    """Mixed precision where it is fast, else nothing."""
    dtype = fast_dtype(device)
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)


def memory_format(device: torch.device) -> torch.memory_format:
    """Channels last where convolutions want it: on GPUs, and on CPUs with AVX-512, whose library else reorders them.

    Measured on one core of a Xeon: the lite encoder is 1.3 times as fast, the rest 1.00 to 1.08 times. On CPUs with
    AVX2 it is neutral or slower.
    """
    wanted = device.type == "cuda" or device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX512"
    return torch.channels_last if wanted else torch.contiguous_format


def encode_chunk(device: torch.device, image_size: int) -> int:
    """Images a forward pass of an encoder should take on a device.

    On a CPU few at a time, so that activations stay in its cache and in memory that is there already: 16 of 64 x 64
    pixels, four of larger ones. On a GPU as many as are given.
    """
    return max(4, 2**16 // image_size**2) if device.type == "cpu" else 1 << 30


def compiling_pays(device: torch.device, images: int) -> bool:
    """Whether ``torch.compile`` will have paid for itself after so many images, and can work here."""
    if device.type != "cuda" or images < COMPILE_FROM or not (shutil.which("cc") or shutil.which("gcc")):
        return False
    try:
        import triton  # noqa: F401
    except ImportError:
        return False
    return torch.cuda.get_device_capability(device) >= (7, 0)


def explained(
    error: RuntimeError, device: torch.device, *, batch_size: int, accumulate: int | None = None, kept: str = ""
) -> TrainingError | None:
    """A device's failure in words, or ``None`` for an error that is not the device's.

    Args:
        error: what torch raised
        device: where
        batch_size: images at once
        accumulate: parts in which they are computed; ``None`` where that cannot be chosen
        kept: what is kept, and where
    """
    text = str(error)
    short = isinstance(error, torch.OutOfMemoryError) or "not enough memory" in text or "can't allocate memory" in text
    if short:
        used, way = f"batch_size={batch_size}", f"pass a smaller batch_size (for example {max(1, batch_size // 2)})"
        if accumulate:
            used += f", accumulate={accumulate}"
            way = f"pass a larger accumulate (for example {accumulate * 2}) or a smaller batch_size"
        return TrainingError(f"out of memory on {device} with {used}; {way}")
    lost = isinstance(error, torch.AcceleratorError) or any(
        sign in text for sign in ("CUDA error", "device-side", "NCCL", "MPS backend", "HIP error")
    )
    if lost:
        return TrainingError(
            f"the device {device} failed ({text.splitlines()[0]}); {kept}: run the same command again to go on, on "
            "another device with --device"
        )
    return None
