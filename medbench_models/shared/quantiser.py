"""Vector quantisation with a codebook learnt by moving averages, without matrices of codes x positions."""

from __future__ import annotations

import torch
from torch import distributed, nn
from torch.nn import functional

from medbench_models.shared.nearest import nearest_codes


class EmaQuantiser(nn.Module):
    """MONAI's ``EMAQuantizer`` with the same parameters, buffers and results, without its one-hot matrices.

    Args:
        codes: size of the codebook.
        dim: channels of the latent.
        commitment: weight of the commitment loss.
        decay: of the moving averages of counts and sums.
        epsilon: of the Laplace smoothing of counts.
    """

    embedding: nn.Embedding
    ema_cluster_size: torch.Tensor
    ema_w: torch.Tensor

    def __init__(self, codes: int, dim: int, *, commitment: float, decay: float, epsilon: float) -> None:
        super().__init__()
        self.num_embeddings = codes
        self.dim = dim
        self.commitment = commitment
        self.decay = decay
        self.epsilon = epsilon
        self.bypass = False
        self.search = nearest_codes
        self.embedding = nn.Embedding(codes, dim)
        self.embedding.weight.requires_grad = False
        self.register_buffer("ema_cluster_size", torch.zeros(codes))
        self.register_buffer("ema_w", self.embedding.weight.detach().clone())

    def forward(self, latent: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Quantise a latent; in training mode, update the codebook too.

        With ``bypass`` set the latent passes unchanged and the codebook rests.

        Args:
            latent: (n, dim, x, y, z).

        Returns:
            The straight-through quantised latent in float32, the commitment loss, and the indices (n, x, y, z).
        """
        with torch.autocast(latent.device.type, enabled=False):  # bfloat16 distances would choose wrong codes
            latent = latent.float()
            shape = (latent.shape[0], *latent.shape[2:])
            if self.bypass:
                return latent, latent.new_zeros(()), latent.new_zeros(shape, dtype=torch.int64)
            rows = latent.movedim(1, -1).reshape(-1, self.dim)
            indices = self.search(rows, self.embedding.weight)
            quantised = self.embed(indices.view(shape))
            if self.training:
                self._update(rows, indices)
            loss = self.commitment * functional.mse_loss(quantised, latent)
            return latent + (quantised - latent).detach(), loss, indices.view(shape)

    def embed(self, indices: torch.Tensor) -> torch.Tensor:
        """Return the codes of indices (n, x, y, z) as a latent (n, dim, x, y, z)."""
        return self.embedding(indices).movedim(-1, 1).contiguous()

    @torch.no_grad()
    def start_from(self, rows: torch.Tensor, chance: torch.Generator, *, rounds: int = 10) -> None:
        """Make the codebook the k-means centres of encoder outputs ``rows`` (n, dim), the same on all processes."""
        chosen = torch.randperm(len(rows), generator=chance)[: self.num_embeddings].to(rows.device)
        centres = rows[chosen].clone()
        for _ in range(rounds):
            counts, sums = self._count(rows, nearest_codes(rows, centres))
            centres = torch.where(counts[:, None] > 0, sums / counts[:, None].clamp(min=1), centres)
        self._set_codes(torch.ones_like(counts, dtype=torch.bool), centres)

    @torch.no_grad()
    def restart_dead(self, rows: torch.Tensor, chance: torch.Generator, *, below: float) -> int:
        """Replace codes whose averaged count is below ``below`` by random encoder outputs; return how many.

        Args:
            rows: (n, dim), the same on all processes.
            chance: likewise.
            below: a code's count.
        """
        dead = self.ema_cluster_size < below
        chosen = torch.randint(len(rows), (self.num_embeddings,), generator=chance).to(rows.device)
        self._set_codes(dead, rows[chosen])
        return int(dead.sum())

    def _set_codes(self, where: torch.Tensor, codes: torch.Tensor) -> None:
        if distributed.is_available() and distributed.is_initialized():
            distributed.broadcast(codes, src=0)  # alike but for rounding: a GPU sums in any order
        self.embedding.weight.data[where] = codes[where]
        self.ema_w[where] = codes[where]
        self.ema_cluster_size[where] = 1.0

    def _count(self, rows: torch.Tensor, indices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        counts = torch.bincount(indices, minlength=self.num_embeddings).to(rows.dtype)
        sums = rows.new_zeros(self.num_embeddings, self.dim).index_add_(0, indices, rows)
        return counts, sums

    @torch.no_grad()
    def _update(self, rows: torch.Tensor, indices: torch.Tensor) -> None:
        counts, sums = self._count(rows, indices)
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(counts)
            distributed.all_reduce(sums)
        self.ema_cluster_size.mul_(self.decay).add_(counts, alpha=1.0 - self.decay)
        self.ema_w.mul_(self.decay).add_(sums, alpha=1.0 - self.decay)
        total = self.ema_cluster_size.sum()
        smoothed = (self.ema_cluster_size + self.epsilon) / (total + self.num_embeddings * self.epsilon) * total
        self.embedding.weight.data.copy_(self.ema_w / smoothed[:, None])
