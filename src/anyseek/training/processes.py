"""Several processes as one batch: each knows the others' vectors, and gradients find their way back."""

from typing import Any

import torch
from torch import Tensor, distributed
from torch.autograd.function import Function

__all__ = ["gather", "gather_counts", "join", "meet", "most", "place"]


def join() -> None:
    """Meet the other processes that torchrun has started, each on a device of its own; nothing without it."""
    if not distributed.is_torchelastic_launched() or distributed.is_initialized():
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(distributed.get_node_local_rank())
    # numbers of rows go over the CPU, tensors over their own device
    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")


def place() -> tuple[int, int]:
    """Number of this process, and how many there are."""
    return (distributed.get_rank(), distributed.get_world_size()) if distributed.is_initialized() else (0, 1)


def gather(tensor: Tensor) -> Tensor:
    """`(rows, ...)` of this process to the rows of all processes, the first one's first.

    Rows may differ in number. Every process is to compute the same loss of all rows. Its gradient comes back times the
    number of processes, as `MasterAdamW` takes the mean over processes where the sum is wanted.
    """
    if not _several():
        return tensor
    gathered: Tensor = _Gathered.apply(tensor)  # type: ignore[no-untyped-call]
    return gathered


def gather_counts(count: int) -> list[int]:
    """The numbers of all processes."""
    if not _several():
        return [count]
    counts = [torch.zeros(1, dtype=torch.int64) for _ in range(distributed.get_world_size())]
    distributed.all_gather(counts, torch.tensor([count], dtype=torch.int64))
    return [int(one) for one in counts]


def most(count: int) -> int:
    """The largest number of all processes."""
    return max(gather_counts(count))


def meet() -> None:
    """Wait until every process is here."""
    if _several():
        distributed.barrier()


def _several() -> bool:
    """Whether there are other processes."""
    return place()[1] > 1


class _Gathered(Function):
    """All processes' rows; each gets its own gradients back."""

    @staticmethod
    def forward(context: Any, tensor: Tensor) -> Tensor:
        """Rows are sent at the largest number of any process, and cut again."""
        counts = gather_counts(len(tensor))
        context.counts = counts
        padded = tensor.new_zeros((max(counts), *tensor.shape[1:]))
        padded[: len(tensor)] = tensor
        pieces = [torch.empty_like(padded) for _ in counts]
        distributed.all_gather(pieces, padded)
        return torch.cat([piece[:count] for piece, count in zip(pieces, counts, strict=True)])

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        """Of this process's rows."""
        own: Tensor = gradients[0].split(context.counts)[distributed.get_rank()] * len(context.counts)
        return own
