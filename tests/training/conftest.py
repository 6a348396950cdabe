from pathlib import Path

import pytest


@pytest.fixture
def small(tmp_path: Path) -> dict[str, object]:
    """A training of under a second that still improves on the edge-only posterior."""
    return {
        "data": {"n": 12, "blocks": [2], "validation_graphs": 20},
        "model": {"name": "filter_bank", "k": 4},
        "trainer": {"steps": 24, "batch_size": 8, "validate_every": 12, "checkpoint_every": 12},
        "output_dir": str(tmp_path / "run"),
    }
