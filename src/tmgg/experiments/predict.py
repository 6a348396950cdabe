"""Denoises one graph with a trained model, and shows the result as numbers and as a picture.

    python -m tmgg.experiments.predict outputs/.../best.ckpt --graph 3 --picture graph.png

The graph is one of the test set of the model's training, or a matrix of your own
(`--noisy mine.npy`). The picture shows, from left to right, the noisy graph, the denoised one,
and the true one if it is known. Nodes are sorted by their true blocks, if these are known.
"""

import argparse
import struct
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tmgg.denoising.noise_range import FlipRangeNoise
from tmgg.errors import ConfigError, TmggError
from tmgg.training.data import GraphSource
from tmgg.training.loading import TrainedDenoiser, load

_CELL_PIXELS, _GAP_PIXELS = 8, 16


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns 2 for a value that is not valid."""
    asked = _parser().parse_args(arguments)
    try:
        denoise = load(asked.checkpoint)
        noisy_NN, true_NN, eps = _graph(denoise, asked)
        found_NN = denoise(noisy_NN, eps=eps)
        if asked.out:
            np.save(asked.out, found_NN.numpy())
        if asked.picture:
            panels = [noisy_NN, found_NN, *([] if true_NN is None else [true_NN])]
            Path(asked.picture).write_bytes(render_png(panels))
    except (TmggError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(_render_summary(noisy_NN, found_NN, true_NN) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tmgg.experiments.predict")
    parser.add_argument("checkpoint", help="best.ckpt or last.ckpt of a built-in experiment")
    parser.add_argument("--graph", type=int, default=0, help="number of a graph of the test set")
    parser.add_argument("--noisy", help="a .npy file with a symmetric matrix, instead")
    parser.add_argument("--eps", type=float, help="flip rate of --noisy, for noise=flip_range")
    parser.add_argument("--picture", help="PNG file to write")
    parser.add_argument("--out", help=".npy file for P(edge) of each pair")
    return parser


def _graph(
    denoise: TrainedDenoiser, asked: argparse.Namespace
) -> tuple[Tensor, Tensor | None, float | None]:
    """The noisy graph, the true one if it is known, and the flip rate if the model needs it."""
    if asked.noisy:
        needs_rate = isinstance(denoise.settings.noise, FlipRangeNoise)
        if needs_rate and asked.eps is None:
            raise ConfigError(
                "this model needs the flip rate of each graph (noise=flip_range); give that of "
                f"{asked.noisy}, such as --eps 0.1"
            )
        try:
            noisy_NN = torch.from_numpy(np.load(asked.noisy, allow_pickle=False)).float()
            if noisy_NN.ndim != 2:
                raise ConfigError(
                    f"--noisy {asked.noisy} has shape {tuple(noisy_NN.shape)}; "
                    "give one square matrix"
                )
            return noisy_NN, None, asked.eps if needs_rate else None
        except ConfigError:
            raise
        except (OSError, TypeError, ValueError) as error:
            raise ConfigError(
                f"--noisy {asked.noisy} cannot be read: {error}; write it with numpy.save"
            ) from error
    if asked.graph < 0:
        raise ConfigError(f"--graph is {asked.graph}; give 0 or more")
    source = GraphSource(denoise.settings)
    graph = source.test_graph(asked.graph)
    rate = None if graph.rate_B is None else float(graph.rate_B[0])
    order_N = by_block(graph.edge_probability_BNN[0])
    noisy_NN, true_NN = graph.noisy_BNN[0], graph.adj_BNN[0]
    return noisy_NN[order_N][:, order_N], true_NN[order_N][:, order_N], rate


def by_block(probability_NN: Tensor) -> Tensor:
    """An order of nodes by block. P(edge) equals that of the diagonal within a block only."""
    same_NN = probability_NN == probability_NN.diagonal()  # true within a block
    first_N = same_NN.int().argmax(dim=0)  # the first node of each one's block
    return first_N.argsort(stable=True)


def _render_summary(noisy_NN: Tensor, found_NN: Tensor, true_NN: Tensor | None) -> str:
    edges = int((found_NN > 0.5).sum()) // 2
    summary = f"{len(noisy_NN)} nodes, {edges} edges with P > 1/2"
    if true_NN is None:
        return summary
    row, column = torch.triu_indices(len(noisy_NN), len(noisy_NN), offset=1)
    wrong = int(((found_NN > 0.5) != (true_NN > 0.5))[row, column].sum())
    before = int(((noisy_NN > 0.5) != (true_NN > 0.5))[row, column].sum())
    return f"{summary}; wrong pairs: {before} in the noisy graph, {wrong} in the denoised one"


def render_png(panels: Sequence[Tensor]) -> bytes:
    """Matrices side by side in grey: 0 is white, 1 is black; values outside are clipped."""
    shown = [
        np.kron(255 - 255 * panel.clamp(0, 1).numpy(), np.ones((_CELL_PIXELS, _CELL_PIXELS)))
        for panel in panels
    ]
    gap = np.full((len(shown[0]), _GAP_PIXELS), 200.0)
    parts = [part for panel in shown for part in (panel, gap)][:-1]
    grey = np.concatenate(parts, axis=1).round().astype(np.uint8)
    height, width = grey.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), grey], axis=1).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


if __name__ == "__main__":
    raise SystemExit(main())
