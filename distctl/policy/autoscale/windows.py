"""What is remembered of the last minute or so: means of samples, and the largest need.

A window is a few buckets, whatever its length, as in Knative (pkg/autoscaler/aggregation/bucketing.go). One
thing differs: a second that was not looked at is left out of the mean instead of counting as idle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from distctl.cluster.snapshot import Instant

BUCKETS = 60  # of a window; each at least a second long


@dataclass(frozen=True, slots=True)
class Window:
    """Samples of the last `length` seconds: (number, sum, samples) for each bucket, the oldest first."""

    length: float
    buckets: tuple[tuple[int, float, int], ...] = ()

    @property
    def width(self) -> float:
        """Seconds of a bucket."""
        return max(1.0, self.length / BUCKETS)

    def record(self, now: Instant, value: float) -> Window:
        """With one sample more. What lies in the future, since a clock was set back, is dropped."""
        number, width = int(now // self.width), self.width
        kept = self.buckets
        while kept and kept[-1][0] > number:
            kept = kept[:-1]
        if kept and kept[-1][0] == number:
            _, total, samples = kept[-1]
            return replace(self, buckets=(*kept[:-1], (number, total + value, samples + 1)))
        oldest = number - round(self.length / width)
        begin = next((i for i, bucket in enumerate(kept) if bucket[0] > oldest), len(kept))
        return replace(self, buckets=(*kept[begin:], (number, value, 1)))

    def mean(self, now: Instant, seconds: float) -> float | None:
        """The mean over the last seconds, of the buckets that have a sample; None when none has."""
        number = int(now // self.width)
        oldest = number - max(1, round(seconds / self.width))
        means = [total / samples for at, total, samples in self.buckets if oldest < at <= number]
        return sum(means) / len(means) if means else None


@dataclass(frozen=True, slots=True)
class Needs:
    """The counts that were needed lately, each with when it was last so: the largest first."""

    items: tuple[tuple[Instant, int], ...] = ()

    def record(self, now: Instant, count: int, keep: float) -> Needs:
        """With the count that is needed now; what was needed longer than `keep` seconds ago is forgotten."""
        larger = tuple(item for item in self.items if item[1] > count and now - keep <= item[0] <= now)
        return Needs((*larger, (now, count)))

    @property
    def most(self) -> int:
        """The largest count that was needed."""
        return self.items[0][1] if self.items else 0
