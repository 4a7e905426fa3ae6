"""What is many, cut into pieces: the same call here, in processes of this machine, or on a Ray cluster."""

from dataclasses import dataclass

from core.cluster.local import LocalPool
from core.cluster.on_ray import RayPool
from core.cluster.pieces import Outcome, Piece, Pool, carry_out, is_worker
from core.errors import ConfigError
from core.storage.portable import cores

__all__ = ["HERE", "Outcome", "Piece", "Pool", "Where", "carry_out", "is_worker", "room"]

MOST_WORKERS = 256


@dataclass(frozen=True)
class Where:
    """Where pieces are carried out.

    Attributes:
        workers: processes of this machine; 0 is this process itself.
        ray: the address of a Ray cluster, or "local"; "" is none.
        cpus: cores of a piece.
        gpus: GPUs of a piece, on Ray.
        memory: GB of a piece, on Ray; 0 is not said.
    """

    workers: int = 0
    ray: str = ""
    cpus: int = 1
    gpus: float = 0
    memory: float = 0

    def __post_init__(self) -> None:
        if not 0 <= self.workers <= MOST_WORKERS:
            raise ConfigError(f"--workers must be 1 to {MOST_WORKERS}, got {self.workers}.")
        if self.workers and self.ray:
            raise ConfigError("--workers are processes of this machine and --ray is a cluster; give one of them.")
        if self.cpus < 1 or self.gpus < 0 or self.memory < 0:
            raise ConfigError("--cpus must be at least 1, --gpus and --memory at least 0.")

    @property
    def is_here(self) -> bool:
        """Whether everything is done in this process."""
        return not self.workers and not self.ray

    def pool(self) -> Pool:
        """Return the pool, a context manager that ends what it has started. Raises :class:`ConfigError`."""
        if self.ray:
            needs = {"num_cpus": self.cpus, "num_gpus": self.gpus, "memory": int(self.memory * 1e9)}
            return RayPool(self.ray, {name: need for name, need in needs.items() if need})
        return LocalPool(self.workers, self.cpus) if self.workers else Pool()


HERE = Where()
"""This process."""


def room(device: str) -> int:
    """Return how many processes of this machine can have a core, or a GPU, of their own on a device of that name."""
    from core.device import gpu_count  # with PyTorch, for which workers must not wait

    gpus = gpu_count() if device in ("auto", "cuda") else 0
    return gpus or (cores() if device in ("auto", "cpu") else 1)
