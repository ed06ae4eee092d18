"""First correct version."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def _rois(boxes):
    if isinstance(boxes, Tensor):
        return boxes
    parts = [torch.cat((b.new_full((len(b), 1), i), b), 1) for i, b in enumerate(boxes)]
    return torch.cat(parts)


def roi_align(
    input: Tensor,
    boxes: Tensor | Sequence[Tensor],
    output_size: int | tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    ph, pw = (output_size, output_size) if isinstance(output_size, int) else output_size
    rois = _rois(boxes).float()
    H, W = input.shape[-2:]
    out = []
    for r in rois:
        i = int(r[0])
        x1, y1, x2, y2 = (r[1:] * spatial_scale - (0.5 if aligned else 0.0)).unbind()
        w, h = x2 - x1, y2 - y1
        if not aligned:
            w, h = w.clamp(min=1), h.clamp(min=1)
        gh = sampling_ratio if sampling_ratio > 0 else max(int(torch.ceil(h / ph)), 0)
        gw = sampling_ratio if sampling_ratio > 0 else max(int(torch.ceil(w / pw)), 0)

        def axis(start, length, n, g, size):
            k = torch.arange(n * g, device=input.device)
            c = (
                start
                + (k // max(g, 1)) * (length / n)
                + (k % max(g, 1) + 0.5) * (length / n / max(g, 1))
            )
            m = torch.zeros(n * g, size, device=input.device)
            ok = (c >= -1) & (c <= size)
            c = c.clamp(0, size - 1)
            lo = c.floor().long().clamp(max=size - 1)
            hi = (lo + 1).clamp(max=size - 1)
            f = c - lo
            m.scatter_add_(1, lo[:, None], (1 - f)[:, None])
            m.scatter_add_(1, hi[:, None], f[:, None])
            m = m * ok[:, None]
            return m.view(n, g, size).sum(1)

        wy, wx = axis(y1, h, ph, gh, H), axis(x1, w, pw, gw, W)
        out.append(torch.einsum("yh,chw,xw->cyx", wy, input[i].float(), wx) / max(gh * gw, 1))
    if not out:
        return input.new_zeros(0, input.shape[1], ph, pw)
    return torch.stack(out).to(input.dtype)


def roi_pool(
    input: Tensor,
    boxes: Tensor | Sequence[Tensor],
    output_size: int | tuple[int, int],
    spatial_scale: float = 1.0,
) -> Tensor:
    ph, pw = (output_size, output_size) if isinstance(output_size, int) else output_size
    rois = _rois(boxes).float()
    H, W = input.shape[-2:]
    out = []
    for r in rois:
        i = int(r[0])
        x1, y1, x2, y2 = (int(v) for v in torch.floor(r[1:] * spatial_scale + 0.5))
        h, w = max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1)
        bins = []
        for p in range(ph):
            for q in range(pw):
                a, b = (
                    min(max(int(v), 0), H) for v in (p * h // ph + y1, -(-(p + 1) * h // ph) + y1)
                )
                c, d = (
                    min(max(int(v), 0), W) for v in (q * w // pw + x1, -(-(q + 1) * w // pw) + x1)
                )
                if b <= a or d <= c:
                    bins.append(input.new_zeros(input.shape[1]))
                else:
                    bins.append(input[i, :, a:b, c:d].amax((1, 2)))
        out.append(torch.stack(bins, 1).view(-1, ph, pw))
    if not out:
        return input.new_zeros(0, input.shape[1], ph, pw)
    return torch.stack(out)
