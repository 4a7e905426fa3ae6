"""What is many, cut into pieces: the same call here, in processes of this machine, or on a Ray cluster."""

from dataclasses import dataclass

from core.cluster.local import LocalPool, room
from core.cluster.on_ray import RayPool
from core.cluster.pieces import Outcome, Piece, Pool, carry_out, is_worker

__all__ = ["HERE", "Outcome", "Piece", "Pool", "Where", "carry_out", "is_worker", "room"]


@dataclass(frozen=True)
class Where:
    """Where pieces are carried out.

    Attributes:
        workers: processes of this machine; 0 is none.
        ray: the address of a Ray cluster, or "local"; "" is none. Without either, it is this process.
        cpus: cores of a piece.
        gpus: GPUs of a piece, on Ray.
        memory: GB of a piece, on Ray; 0 is not said.
    """

    workers: int = 0
    ray: str = ""
    cpus: int = 1
    gpus: float = 0
    memory: float = 0

    @property
    def is_here(self) -> bool:
        """Whether everything is done in this process."""
        return not self.workers and not self.ray

    def pool(self, device: str) -> Pool:
        """Return the pool for pieces on a device of that name, a context manager that ends what it has started.

        Raises:
            ConfigError: Ray is asked for and not installed.
        """
        if self.ray:
            needs = {"num_cpus": self.cpus, "num_gpus": self.gpus, "memory": int(self.memory * 1e9)}
            return RayPool(self.ray, {name: need for name, need in needs.items() if need})
        return LocalPool(self.workers, self.cpus, device) if self.workers else Pool()


HERE = Where()
"""This process."""
