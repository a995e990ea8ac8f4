"""AdamW on fp32 master weights, so that a model can run in bf16 and still learn from small steps."""

from collections.abc import Iterable

import torch
from torch import Tensor, distributed, nn

from anyseek.errors import TrainingError
from anyseek.training.sharding import in_shards, part_of

__all__ = ["MasterAdamW"]


class MasterAdamW:
    """AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) with state and weights in fp32, whatever the model has.

    Of a weight in shards only this process's part has a master and moments.
    """

    def __init__(
        self, model: nn.Module, *, learning_rate: float, weight_decay: float, clip: float, spike: float | None = None
    ) -> None:
        """Copy the trainable weights; only matrices decay.

        A gradient of `spike` times the usual norm is left out: clipped it would still turn every weight's step.
        """
        self.spike = spike
        self.usual = torch.zeros(())
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.masters = [part_of(p).detach().float().clone() for p in self.parameters]
        self.learning_rate, self.clip = learning_rate, clip
        groups = [
            {"params": [m for m in self.masters if (m.ndim > 1) == decays], "weight_decay": weight_decay * decays}
            for decays in (True, False)
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.98), eps=1e-8)

    def state(self) -> dict[str, Tensor]:
        """Everything that a later step depends on, by name."""
        found = {"usual": self.usual} | {f"weight.{number}": master for number, master in enumerate(self.masters)}
        for number, master in enumerate(self.masters):
            found |= {f"{name}.{number}": tensor for name, tensor in self.optimiser.state[master].items()}
        return found

    def load_state(self, tensors: dict[str, Tensor], source: str) -> None:
        """Go on from what `state` gave.

        Raises:
            TrainingError: it is of other weights; the message names `source`.
        """
        for number, master in enumerate(self.masters):
            own = {name.split(".")[0]: one for name, one in tensors.items() if name.endswith(f".{number}")}
            weight = own.pop("weight", None)
            if weight is None or weight.shape != master.shape:
                raise TrainingError(f"{source} is the state of another model; start the run in a new folder")
            with torch.no_grad():
                master.copy_(weight)
            self.optimiser.state[master].update({name: one.to(master.device) for name, one in own.items()})
        if f"weight.{len(self.masters)}" in tensors:
            raise TrainingError(f"{source} is the state of a model with more weights; start the run in a new folder")
        self.usual = tensors.get("usual", self.usual)
        self._give()

    def step(self, scale: float) -> float:
        """Apply the gradients that lie on the model, averaged over processes, then clear them.

        Args:
            scale: of the learning rate, from the schedule.

        Returns:
            Norm of the gradient before clipping.

        Raises:
            TrainingError: the norm is not finite.
        """
        for master, parameter in zip(self.masters, self.parameters, strict=True):
            gradient = torch.zeros_like(master) if parameter.grad is None else part_of(parameter.grad).float()
            master.grad, parameter.grad = gradient, None
        average_gradients(self._masters(sharded=False))
        norm = self._clip()
        if not norm < float("inf"):
            raise TrainingError("the gradient is not finite; lower the learning rate")
        if self._is_spike(norm):
            return norm
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate * scale
        self.optimiser.step()
        self._give()
        return norm

    def _masters(self, *, sharded: bool) -> list[Tensor]:
        """Of the weights in shards, or of those that every process has; the gradient of a shard is a mean already."""
        pairs = zip(self.masters, self.parameters, strict=True)
        return [master for master, parameter in pairs if in_shards(parameter) == sharded]

    def _clip(self) -> float:
        """Norm of the whole gradient before it is clipped; that of shards is known to all processes together."""
        shards = self._masters(sharded=True)
        if not shards:
            return float(nn.utils.clip_grad_norm_(self.masters, self.clip))
        squares = _squares(shards)
        distributed.all_reduce(squares)
        norm = float((squares + _squares(self._masters(sharded=False))).sqrt())
        factor = min(1.0, self.clip / (norm + 1e-6))
        for master in self.masters:
            assert master.grad is not None
            master.grad *= factor
        return norm

    def _give(self) -> None:
        """Copy the masters into the weights."""
        copy_all(self.masters, [part_of(parameter) for parameter in self.parameters])
        for parameter in self.parameters:
            if in_shards(parameter):  # what is kept for the old weights is known by their version
                torch.autograd.graph.increment_version(parameter)

    def _is_spike(self, norm: float) -> bool:
        """Whether a norm is far above the running mean of the others, which it then does not enter."""
        usual = float(self.usual)
        if self.spike is not None and usual and norm > self.spike * usual:
            return True
        self.usual = torch.tensor(0.95 * usual + 0.05 * norm if usual else norm)
        return False


def _squares(masters: Iterable[Tensor]) -> Tensor:
    """Sum of the squares of all gradients, in fp64; zero without any."""
    gradients = [master.grad for master in masters if master.grad is not None]
    if not gradients:
        return torch.zeros((), dtype=torch.float64)
    return torch.stack([torch.linalg.vector_norm(gradient).double().square() for gradient in gradients]).sum()


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Make every process's gradients the mean of all processes'; nothing without `torch.distributed`."""
    if not distributed.is_initialized():
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return
    together = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(together)
    together /= distributed.get_world_size()
    for gradient, mean in zip(gradients, together.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


@torch.no_grad()
def copy_all(sources: Iterable[Tensor], targets: Iterable[Tensor]) -> None:
    """Copy tensors pair by pair, each into the dtype and device of its target."""
    for source, target in zip(sources, targets, strict=True):
        target.copy_(source)
