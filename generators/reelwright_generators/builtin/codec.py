"""A video autoencoder set in closed form: principal components of patches, in a standard class.

`AutoencoderKLWan` without any resampling level is, but for its normalisation and its activation,
a linear map per patch. One hidden channel is held at a large constant, so that the RMS norm
divides by (nearly) the same number whatever the picture; every feature is carried as +x and -x,
because silu(x) - silu(-x) = x. So encoder = principal components, decoder = ridge regression of
a patch on its 3x3 neighbours: no training step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
from numpy.typing import NDArray

Floats = NDArray[np.float32]

HELD = 128.0  # what the constant channel holds; the norm's error falls with its square


@dataclass(frozen=True, kw_only=True, slots=True)
class Codec:
    """The linear maps: what the autoencoder computes, without its detours."""

    patch: int
    mean: Floats
    """[patch values]"""
    basis: Floats
    """[patch values, channels]: the principal components."""
    spread: Floats
    """[channels]: the standard deviation of each."""
    ridge: Floats
    """[3 x 3 x channels + 1, patch values]: from whitened neighbours to the pixels."""
    latents_std: Floats
    """[channels]: what the pipeline divides by; it whitens only in part."""

    def encode(self, frames: NDArray[np.uint8]) -> Floats:
        """[..., height, width, 3] to the latents the transformer sees, [..., rows, columns, z]."""
        centred = patches(frames, self.patch) - self.mean
        return np.matmul(centred, self.basis / self.latents_std, dtype=np.float32)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents as the transformer makes them, [pictures, z, rows, columns], as pictures.

        Float RGB in about -1..1, [pictures, 3, height, width]: what `autoencoder` decodes, at a
        fraction of its cost.
        """
        whole = torch.from_numpy(self.latents_std / self.spread).to(latents)
        taps = torch.from_numpy(self.ridge[:-1]).to(latents)
        taps = taps.reshape(3, 3, len(self.spread), -1).permute(3, 2, 0, 1)
        patches_ = torch.nn.functional.conv2d(
            latents * whole[:, None, None], taps, torch.from_numpy(self.ridge[-1]).to(latents),
            padding=1,
        )  # fmt: skip
        count, _, rows, columns = patches_.shape
        cut = patches_.reshape(count, 3, self.patch, self.patch, rows, columns)
        # diffusers packs a patch as colour, column, row.
        return cut.permute(0, 1, 4, 3, 5, 2).reshape(
            count, 3, rows * self.patch, columns * self.patch
        )

    def autoencoder(self) -> AutoencoderKLWan:
        """The same maps as a standard class."""
        return _autoencoder(self)


def read(vae: AutoencoderKLWan) -> Codec:
    """The codec that `Codec.autoencoder` made `vae` of."""
    net: Any = vae
    config: Any = vae.config
    channels = config.z_dim
    plus = slice(1, channels + 1)
    with torch.no_grad():
        centre: torch.Tensor = net.encoder.conv_out.weight[:channels, plus, 2, 1, 1]
        spread = centre.diagonal().float()
        basis = net.encoder.conv_in.weight[plus, :, 2, 1, 1].float().T * spread
        taps = net.decoder.conv_out.weight[:, plus, 2].float().permute(2, 3, 1, 0)
        ridge = torch.cat([taps.flatten(0, 2), net.decoder.conv_out.bias.float()[None]])
        # Of the mean only what lies in the basis is known, and no more is ever used.
        mean: torch.Tensor = basis @ (-net.encoder.conv_in.bias[plus].float() * spread)
    return Codec(
        patch=config.patch_size,
        mean=mean.detach().numpy(),
        basis=basis.detach().numpy(),
        spread=spread.detach().contiguous().numpy(),
        ridge=ridge.detach().numpy(),
        latents_std=np.asarray(config.latents_std, np.float32),
    )


def patches(frames: NDArray[np.uint8], patch: int) -> Floats:
    """[..., rows, columns, values] in -1..1, in the order of diffusers' `patchify`."""
    *lead, height, width, _ = frames.shape
    cut = frames.reshape(-1, height // patch, patch, width // patch, patch, 3)
    cut = cut.transpose(0, 1, 3, 5, 4, 2)
    return cut.reshape(*lead, height // patch, width // patch, -1).astype(np.float32) / 127.5 - 1


def fit(
    clips: Sequence[NDArray[np.uint8]], *, patch: int, channels: int, whitening: float
) -> Codec:
    """The codec of `clips`.

    `whitening` 1 makes all channels equally loud to the transformer, 0 leaves them as they are.
    """
    seen = np.stack([patches(clip, patch) for clip in clips])
    flat = seen.reshape(-1, seen.shape[-1])
    mean = flat.mean(0)
    centred = (flat - mean).astype(np.float64)
    variance, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    basis = vectors[:, ::-1][:, :channels]
    spread = np.sqrt(np.maximum(variance[::-1][:channels], 1e-9))
    white = ((seen - mean) @ basis / spread).astype(np.float32)
    features = _neighbours(white)
    square = features.T @ features
    square += np.eye(len(square)) * 1e-3 * np.trace(square) / len(square)
    ridge = np.linalg.solve(square, features.T @ flat)
    loudness = spread ** (1 - whitening)
    loudness /= np.sqrt(np.mean(loudness**2))
    return Codec(
        patch=patch,
        mean=mean.astype(np.float32),
        basis=basis.astype(np.float32),
        spread=spread.astype(np.float32),
        ridge=ridge.astype(np.float32),
        latents_std=(spread / loudness).astype(np.float32),
    )


def _neighbours(white: Floats) -> NDArray[np.float64]:
    """Each patch's 3x3 surroundings (zeros outside the picture) and a one, a row each."""
    *_, rows, columns, channels = white.shape
    padded = np.pad(white.reshape(-1, rows, columns, channels), ((0, 0), (1, 1), (1, 1), (0, 0)))
    around = [padded[:, y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
    joined = np.concatenate(
        [*around, np.ones_like(white.reshape(-1, rows, columns, channels)[..., :1])], -1
    )
    return joined.reshape(-1, joined.shape[-1]).astype(np.float64)


def _autoencoder(codec: Codec) -> AutoencoderKLWan:
    channels, values = len(codec.spread), codec.patch**2 * 3
    width = 2 * channels + 2
    vae = AutoencoderKLWan(
        base_dim=width,
        z_dim=channels,
        dim_mult=[1],
        num_res_blocks=0,
        temperal_downsample=[],
        patch_size=codec.patch,
        in_channels=values,
        out_channels=values,
        scale_factor_spatial=codec.patch,
        scale_factor_temporal=1,
        latents_mean=[0.0] * channels,
        latents_std=[float(part) for part in codec.latents_std],
    )
    basis, mean = torch.from_numpy(codec.basis), torch.from_numpy(codec.mean)
    spread, ridge = torch.from_numpy(codec.spread), torch.from_numpy(codec.ridge)
    taps = ridge[:-1].reshape(3, 3, channels, values).permute(3, 2, 0, 1)
    plus, minus = slice(1, channels + 1), slice(channels + 1, 2 * channels + 1)
    net: Any = vae
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if "gamma" not in name:
                parameter.zero_()
        for norm in (net.encoder.norm_out, net.decoder.norm_out):
            norm.gamma.fill_(HELD / width**0.5)
            norm.gamma[0] = width**-0.5
        # The last tap in time of a causal kernel is the frame itself.
        net.encoder.conv_in.weight[plus, :, 2, 1, 1] = (basis / spread).T
        net.encoder.conv_in.bias[plus] = -(mean @ basis) / spread
        net.encoder.conv_out.weight[:channels, plus, 2, 1, 1] = torch.diag(spread)
        net.encoder.conv_out.bias[channels:] = -6.0  # a posterior as good as certain
        net.decoder.conv_in.weight[plus, :, 2, 1, 1] = torch.diag(1 / spread)
        net.decoder.conv_out.weight[:, plus, 2] = taps
        net.decoder.conv_out.bias.copy_(ridge[-1])
        for half in (net.encoder, net.decoder):
            half.conv_in.weight[minus] = -half.conv_in.weight[plus]
            half.conv_in.bias[minus] = -half.conv_in.bias[plus]
            half.conv_in.bias[0] = HELD
            half.conv_out.weight[:, minus] = -half.conv_out.weight[:, plus]
        for conv in (net.quant_conv, net.post_quant_conv):
            conv.weight[:, :, 0, 0, 0] = torch.eye(conv.weight.shape[0])
    return vae.eval()
