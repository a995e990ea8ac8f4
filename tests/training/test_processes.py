"""Two processes, uneven halves: the loss and the gradients of one process with the whole batch."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, multiprocessing, nn
from torch.nn.functional import normalize

from anyseek.training import Relevance, contrastive
from anyseek.training.optimiser import average_gradients
from anyseek.training.processes import gather


def model() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(6, 8).double()


def inputs() -> tuple[Tensor, Tensor]:
    drawn = torch.Generator().manual_seed(1)
    return tuple(torch.randn(7, 6, dtype=torch.float64, generator=drawn) for _ in range(2))  # type: ignore[return-value]


def loss(queries: Tensor, documents: Tensor) -> Tensor:
    own = torch.eye(len(queries), dtype=torch.bool)
    judged = Relevance(positive=torch.arange(len(queries)), own=own, answers=own)
    return contrastive(normalize(queries, dim=-1), normalize(documents, dim=-1), judged, temperature=0.1)


def work(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    mine, own = slice(0, 5) if rank == 0 else slice(5, 7), model()
    queries, documents = (own(each[mine]) for each in inputs())
    whole = loss(gather(queries), gather(documents))
    whole.backward()
    average_gradients(own.parameters())
    torch.save((whole.detach(), own.weight.grad), Path(folder) / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_two_processes_are_one(tmp_path: Path) -> None:
    multiprocessing.spawn(work, (str(tmp_path),), nprocs=2)  # type: ignore[no-untyped-call]
    alone = model()
    whole = loss(*(alone(each) for each in inputs()))
    whole.backward()
    assert alone.weight.grad is not None and alone.weight.grad.abs().max() > 1e-3
    for rank in (0, 1):
        value, gradient = torch.load(tmp_path / f"{rank}.pt")
        assert value.item() == pytest.approx(whole.item(), abs=1e-12)
        torch.testing.assert_close(gradient, alone.weight.grad, atol=1e-12, rtol=0)


def test_one_process_gathers_itself() -> None:
    given = torch.randn(3, 2)
    assert gather(given) is given
