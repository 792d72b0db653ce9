"""From cases to a checkpoint: the stages of MAISI, resumable at every point."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from lightning_fabric import Fabric

from medbench.datasets.base import Case
from medbench.training.attention import best_backend
from medbench.training.averaging import seeded
from medbench.training.chance import Samples
from medbench.training.loop import Trained
from medbench_models.maisi import windows
from medbench_models.maisi.checkpoint import Description
from medbench_models.maisi.config import AutoencoderConfig, MaisiConfig
from medbench_models.maisi.labels import BODY, bits_of, maisi_numbers, with_body
from medbench_models.maisi.networks import Autoencoder, Steered, build_trained, parts_of
from medbench_models.maisi.processes import build_schedule
from medbench_models.maisi.published import FROZEN, FROZEN_SAW
from medbench_models.maisi.sampling import regions_of
from medbench_models.maisi.upstream import read_autoencoder
from medbench_models.shared.arrays import cached, of_cases, require_divisible, sha256_of_state, spacings_beside
from medbench_models.shared.attention import use_attention
from medbench_models.shared.config import DiffusionConfig
from medbench_models.shared.diffusion import DiffusionTask
from medbench_models.shared.fitting import Fitting, Weights
from medbench_models.shared.klgan import KlganTask
from medbench_models.shared.latents import Latents, encode_moments, scale_factor
from medbench_models.shared.losses import PerceptualLoss
from medbench_models.shared.precision import sampling_dtype

State = Mapping[str, torch.Tensor]
_FIRST_LOG_VARIANCE = -6.0


@dataclass(frozen=True, eq=False)
class Examples:
    """What a denoiser is trained on: latents with what the networks are told of them.

    Args:
        latents: of the volumes.
        spacings: (n, 3) mm along x, y, z.
        regions: (1, 2) the same for all, see ``sampling.regions_of``.
        numbers: (n, x, y, z) uint8 label maps in MAISI's numbers; None where these do not steer.
    """

    latents: Latents
    spacings: np.ndarray
    regions: torch.Tensor
    numbers: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.latents)

    def clean(self, rows: torch.Tensor, chance: Samples) -> torch.Tensor:
        """Return some scaled latents, drawn anew."""
        return self.latents.clean(rows, chance)

    def conditions(self, rows: torch.Tensor, chance: Samples) -> tuple[torch.Tensor, ...]:
        """Return spacings (n, 3), regions (n, 2) and, where they steer, label maps (n, x, y, z) uint8."""
        del chance
        told = torch.from_numpy(self.spacings[rows.numpy()]).float(), self.regions.expand(len(rows), -1)
        return told if self.numbers is None else (*told, torch.from_numpy(self.numbers[rows.numpy()]))

    def told(self, *conditions: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return spacings, regions and the bits (n, 8, x, y, z) of label maps."""
        spacings, regions, *numbers = conditions
        return spacings, regions, *map(bits_of, numbers)


class MaisiFitting(Fitting[MaisiConfig]):
    """What both models train: the U-Net on the volumes' latents, and the ControlNet where there are label maps."""

    frozen: bool

    @abstractmethod
    def autoencoder(self, volumes: Mapping[str, np.ndarray]) -> tuple[State, str | None]:
        """Return the autoencoder's weights, and the SHA-256 of their file where they were not trained."""

    def train(self, fabric: Fabric) -> tuple[Weights, Description]:
        """Train all stages; see ``Fitting``."""
        volumes = self.volumes(fabric, smallest=(1, 1, 1) if self.frozen else self.config.stage1.crop)
        stage3 = self._planned(volumes["train"].shape[1:])
        self._trained: dict[str, Trained] = {}
        state, origin = self.autoencoder(volumes)
        examples, factor = self._examples(fabric, state, volumes)
        weights = {"autoencoder": state, "unet": self._denoiser(fabric, "stage2", self.config.stage2, examples)}
        if stage3 is not None:
            examples = self._labelled(fabric, examples)
            weights["controlnet"] = self._denoiser(fabric, "stage3", stage3, examples, unet=weights["unet"])
        return weights, self._describe(factor, origin)

    def _planned(self, shape: Sequence[int]) -> DiffusionConfig | None:
        """Check that the training can be; return stage 3 where the preset has it and the cases have label maps."""
        require_divisible(shape, self.config.network.multiple)
        if all(case.read_label_map is not None for cases in self.cases.values() for case in cases):
            return self.config.stage3
        self.request.progress.note("no ControlNet is trained: not every case has a label map")
        return None

    def _examples(
        self, fabric: Fabric, state: State, volumes: Mapping[str, np.ndarray]
    ) -> tuple[dict[str, Examples], float]:
        autoencoder = Autoencoder(self.config.network.autoencoder).eval()
        autoencoder.load_state_dict(state)
        autoencoder.to(fabric.device, sampling_dtype(fabric.device))
        workspace, window = self.request.workspace, self.config.network.window
        with fabric.rank_zero_first():
            moments = {
                name: encode_moments(
                    partial(windows.encode, autoencoder), part, workspace / f"moments-{name}.npy", window=window,
                    progress=self.request.progress, weights=sha256_of_state(state),
                )
                for name, part in volumes.items()
            }  # fmt: skip
        factor, regions = scale_factor(moments["train"]), regions_of(self.config.regions)
        found = {
            name: Examples(Latents(part, factor), spacings_beside(workspace / f"volumes-{name}.npy"), regions)
            for name, part in moments.items()
        }
        return found, factor

    def _labelled(self, fabric: Fabric, examples: Mapping[str, Examples]) -> dict[str, Examples]:
        with fabric.rank_zero_first():
            return {name: replace(one, numbers=self._numbers(name)) for name, one in examples.items()}

    def _numbers(self, name: str) -> np.ndarray:
        cases = self.cases[name]
        tracked = self.request.progress.track(cases, task="read label maps", total=len(cases))
        return cached(
            self.request.workspace / f"labels-{name}.npy",
            map(_numbers_of, tracked),
            count=len(cases),
            of=of_cases(cases, self.request.identity),
            progress=self.request.progress,
        )

    def _denoiser(
        self,
        fabric: Fabric,
        name: str,
        config: DiffusionConfig,
        examples: Mapping[str, Examples],
        *,
        unet: State | None = None,
    ) -> State:
        """Train the U-Net, or the ControlNet that steers the one whose weights are given; return the state."""
        network = self.config.network
        with seeded(self.request.seed):
            trained = build_trained(network, config, unet)
        if isinstance(trained, Steered):
            fabric.to_device(trained.denoiser)
        for part in parts_of(trained):
            use_attention(part, best_backend(self.device))
        positions = examples["train"].latents.moments.shape[3:]
        schedule = build_schedule(network, positions)
        task = DiffusionTask(trained, config, **examples, schedule=schedule, seed=self.request.seed)
        self._trained[name] = self.stage(task, name, config, {"network": network})
        within = "unet." if unet is None else "controlnet."
        return {key.removeprefix(within): value for key, value in self._trained[name].weights.items()}

    def _describe(self, factor: float, origin: str | None) -> Description:
        network, scores = self.config.network, {}
        for name, trained in self._trained.items():
            if name == "stage1":
                scores["select_psnr_db"] = trained.scores["psnr"]
            else:
                scores[f"select_{name}_{getattr(self.config, name).loss}"] = trained.scores["score"]
        facts = self.facts(self._trained)
        return Description(
            **facts | {"saw": (*facts["saw"], *(FROZEN_SAW[self.preset] if self.frozen else ()))},
            network=network if "stage3" in self._trained else network.model_copy(update={"controlnet": None}),
            scale_factor=factor,
            regions=self.config.regions,
            scores=scores,
            autoencoder=origin,
        )


class MaisiStFitting(MaisiFitting):
    """MAISI-ST: the autoencoder is trained first, as a GAN."""

    model = "maisi-st"
    stages = ("stage1", "stage2", "stage3")
    frozen = False

    def autoencoder(self, volumes: Mapping[str, np.ndarray]) -> tuple[State, str | None]:
        """Train the autoencoder."""
        network, config = self.config.network, self.config.stage1
        task = autoencoder_task(self.config, volumes, self.request.seed)
        described = {"autoencoder": network.autoencoder, "window": network.window}
        self._trained["stage1"] = self.stage(task, "stage1", config, described)
        return self._trained["stage1"].weights, None


class MaisiPtFitting(MaisiFitting):
    """MAISI-PT: the autoencoder is a public one."""

    model = "maisi-pt"
    stages = ("stage2", "stage3")
    frozen = True

    def autoencoder(self, volumes: Mapping[str, np.ndarray]) -> tuple[State, str | None]:
        """Read the autoencoder."""
        del volumes
        file = FROZEN[self.preset]
        return read_autoencoder(file.locate(), self.config.network.autoencoder), file.sha256()


def autoencoder_task(config: MaisiConfig, volumes: Mapping[str, np.ndarray], seed: int) -> KlganTask:
    """Return the training of a preset's autoencoder.

    Args:
        config: the preset.
        volumes: ``train`` and ``select``, each (n, x, y, z) HU.
        seed: of the initial weights.
    """
    perceptual = PerceptualLoss() if config.stage1.perceptual_weight > 0.0 else None
    build = partial(_begun, config.network.autoencoder)
    return KlganTask(
        build, config.stage1, through=windows.through, window=config.network.window, **volumes, seed=seed,
        perceptual=perceptual,
    )  # fmt: skip


def _begun(config: AutoencoderConfig) -> Autoencoder:
    """Return an autoencoder that begins with little noise in its latents: at MONAI's deviation of 1 it learns late."""
    autoencoder = Autoencoder(config)
    torch.nn.init.constant_(autoencoder.quant_conv_log_sigma.conv.bias, _FIRST_LOG_VARIANCE)
    return autoencoder


def _numbers_of(case: Case) -> np.ndarray:
    assert case.read_label_map is not None  # it was planned so
    label_map = case.read_label_map()
    known = BODY in label_map.names.values()
    return maisi_numbers(label_map if known else with_body(label_map, case.read_volume()))
