"""Vision features once: what the tower gave for a picture, page or video, kept under a byte budget.

The tower sees no text, so that its features serve every prompt, call and model with the same tower. Policy: the least
recently used go first, from the device to the host, from the host away. Equal towers are told by their weights
(`tower_identity`), never assumed.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anyseek.errors import ConfigError

__all__ = ["CacheOptions", "FeatureCache", "tower_identity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheOptions:
    """What the engine keeps from batch to batch and call to call.

    Attributes:
        prefix_bytes: keys and values of template heads and instructions.
        feature_bytes: vision features on the model's device.
        host_feature_bytes: vision features in host memory, for those that the device has no room for.
        graphs: CUDA graphs of small batches of text.
        shared: a cache that several models use instead of one of their own; features go from one to the other only
            when the weights of their towers are equal.
    """

    prefix_bytes: int = 64 << 20
    feature_bytes: int = 512 << 20
    host_feature_bytes: int = 0
    graphs: int = 64
    shared: "FeatureCache | None" = None

    @classmethod
    def none(cls) -> "CacheOptions":
        """Nothing is kept, as while weights change."""
        return cls(prefix_bytes=0, feature_bytes=0, graphs=0)

    def __post_init__(self) -> None:
        """Raise ConfigError for a negative number."""
        for name in ("prefix_bytes", "feature_bytes", "host_feature_bytes", "graphs"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative (got {getattr(self, name)})")


@dataclass(slots=True)
class _Shelf:
    """One kind of memory and what lies in it, the least recently used first."""

    max_bytes: int
    num_bytes: int
    kept: OrderedDict[bytes, Tensor]

    def put(self, key: bytes, features: Tensor) -> list[tuple[bytes, Tensor]]:
        """Keep features; what no longer fits comes back, the new ones among it when they are too large."""
        self.kept[key] = features
        self.num_bytes += features.nbytes
        gone = []
        while self.num_bytes > self.max_bytes:
            old, dropped = self.kept.popitem(last=False)
            self.num_bytes -= dropped.nbytes
            gone.append((old, dropped))
        return gone

    def take(self, key: bytes) -> Tensor | None:
        """Features, removed; None when they are not here."""
        features = self.kept.pop(key, None)
        if features is not None:
            self.num_bytes -= features.nbytes
        return features


class FeatureCache:
    """Features by identity of what was seen and of the tower that saw it.

    Attributes:
        hits: how often features were found.
        misses: how often not.
    """

    def __init__(self, device_bytes: int, host_bytes: int = 0) -> None:
        """Keep at most so many bytes; on a CPU the two budgets are one memory each and simply add up."""
        self._device = _Shelf(device_bytes, 0, OrderedDict())
        self._host = _Shelf(host_bytes, 0, OrderedDict())
        self.hits = self.misses = 0

    @property
    def num_bytes(self) -> int:
        """Memory in use."""
        return self._device.num_bytes + self._host.num_bytes

    def __contains__(self, key: bytes) -> bool:
        """Whether features are kept, which `get` may then still find gone."""
        return key in self._device.kept or key in self._host.kept

    def get(self, key: bytes, device: torch.device) -> Tensor | None:
        """Features on `device`, which are then the most recently used."""
        features = self._device.take(key)
        if features is None:
            features = self._host.take(key)
        if features is None:
            self.misses += 1
            return None
        self.hits += 1
        features = features.to(device)
        self._keep(key, features)
        return features

    def put(self, key: bytes, features: Tensor) -> None:
        """Keep features."""
        if self._device.take(key) is None:
            self._host.take(key)
        self._keep(key, features)

    def clear(self) -> None:
        """Forget everything."""
        for shelf in (self._device, self._host):
            shelf.kept.clear()
            shelf.num_bytes = 0

    def _keep(self, key: bytes, features: Tensor) -> None:
        """On the device, and what that pushes out on the host."""
        for old, dropped in self._device.put(key, features):
            self._host.put(old, dropped.cpu())


def tower_identity(tower: nn.Module) -> bytes:
    """16 bytes of all weights of a tower, and of their types: equal ones give equal features."""
    digest = hashlib.blake2b(digest_size=16)
    for name, weight in tower.state_dict().items():
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().contiguous().view(torch.uint8).cpu().numpy().tobytes())
    return digest.digest()
