"""The page of sites, from their files in slurm_cluster/sites.

`python -m tests.docs.site_page` writes it.
"""

from pathlib import Path

from slurm_cluster.site import Site, find_site, site_names

PAGE = Path(__file__).parents[2] / "docs" / "sites.md"
_HEADER = """# Sites

Each site has its own rules for jobs. Here are launcher files that meet the published rules of
some, with what each site refuses otherwise. Yours may be among them; if not, take the file of a
site with like rules, or read [Resources in your site's forms](slurm.md#resources-in-your-sites-forms).

Save a file as `my_configs/hydra/launcher/my_site.yaml`, put in your account, and start with

<!-- not run: tests/slurm/test_sites.py runs it with each of the files below -->
```bash
tmgg-experiment --config-dir my_configs +stage=stage1_poc hydra/launcher=my_site
```

Any other launcher key works as always, in the file or on the command line
(`hydra.launcher.slurm_nodes=3`). Names of accounts and projects are made up.

The rules are written in our own words after what is published at the links, and may have changed
since. Where a page only recommends a form, or shows one, the test cluster insists on it. Each file is tested on a real Slurm that has these rules (`tests/slurm/test_sites.py`):
TMGG's defaults are refused there, so is what breaks a rule, and the file as it stands brings the
metrics. Nobody has run them at the sites themselves. The
[test cluster](test-cluster.md#a-sites-rules) takes the same rules: `slurm_cluster up --site NAME`.
"""  # noqa: E501


def render_page() -> str:
    """The page in Markdown."""
    sites = [find_site(name) for name in site_names()]
    table = ["", "| site | name for `--site` |", "|---|---|"]
    table += [f"| [{site.title}](#{_anchor(site.title)}) | `{site.name}` |" for site in sites]
    return _HEADER + "\n".join([*table, *(_section(site) for site in sites)])


def _section(site: Site) -> str:
    rules = "\n".join(f"- {rule}" for rule in site.rules)
    sources = ", ".join(f"[{number}]({url})" for number, url in enumerate(site.sources, start=1))
    return f"""
## {site.title}

{rules}

Published at: {sources}

```yaml
{site.launcher_yaml.strip()}
```
"""


def _anchor(heading: str) -> str:
    kept = (character for character in heading.lower() if character.isalnum() or character in " -_")
    return "".join(kept).strip().replace(" ", "-")


if __name__ == "__main__":
    PAGE.write_text(render_page())
