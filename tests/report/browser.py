"""Pages in headless Chromium. `python -m tests.report.browser` makes the picture in the docs."""

import dataclasses
import json
import math
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.report.sample import report
from tmgg.report.model import Curve, Report, ReportRun
from tmgg.report.page import render_page

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "report.png"
LIMIT_S = 120
_MAKERS = re.compile(
    r"^(https?://([\w.-]+\.)?(google|gvt1|googleapis)\.com/|chrome:|chrome-extension:)"
)


def program() -> str | None:
    """Chromium, by any of its names."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


def browse(page: Path, *options: str) -> str:
    """What Chromium prints when it opens the page with these options."""
    executable = program()
    assert executable is not None
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [
                executable,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--disable-background-networking",
                "--disable-component-update",
                f"--user-data-dir={profile}",
                *options,
                page.as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=True,
        )
    return done.stdout


def open_page(page: Path, log: Path) -> tuple[str, set[str]]:
    """The page as its script left it, and the addresses that were asked for; `log` is written."""
    dom = browse(page, "--dump-dom", f"--log-net-log={log}", "--virtual-time-budget=3000")
    events = json.loads(log.read_text())["events"]
    asked = {event["params"]["url"] for event in events if "url" in event.get("params", {})}
    # Chromium itself asks its maker's servers now and then, whatever page is open.
    return dom, {url for url in asked if not _MAKERS.search(url)}


def likely() -> Report:
    """A sweep as it might have gone, for the eye."""
    plain = report(24)
    return dataclasses.replace(
        plain, runs=[_likely(number, run) for number, run in enumerate(plain.runs)]
    )


def _likely(number: int, run: ReportRun) -> ReportRun:
    noise = math.sin(12.9898 * number) * 0.03
    is_slow, is_wide = run.overrides["lr"] == "0.001", run.overrides["width"] == "256"
    floor = 0.15 + 0.12 * is_slow - 0.04 * is_wide + noise
    pace = 0.06 if is_slow else 0.2
    points = [(float(k), floor + 0.8 * math.exp(-pace * k)) for k in range(60)]
    metrics = {"val_loss": floor, "accuracy": 1 - floor / 2} if run.metrics else {}
    return dataclasses.replace(run, metrics=metrics, curves=[Curve("val_loss", points)])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(render_page(likely()))
        PICTURE.parent.mkdir(exist_ok=True)
        browse(page, "--window-size=1000,1400", f"--screenshot={PICTURE}")


if __name__ == "__main__":
    main()
