"""The page of sites, from their files in slurm_cluster/sites.

`python -m tests.docs.site_page` writes it.
"""

from pathlib import Path

from slurm_cluster.site import Site, find_site, site_names

PAGE = Path(__file__).parents[2] / "docs" / "sites.md"
_HEADER = """# Sites

Each site has its own rules for jobs. This page has launcher files that meet the published rules of some
sites, and lists these rules. If your site is not here, take the file of a site with similar rules, or read
[Resources in your site's forms](slurm.md#resources-in-your-sites-forms).

Save a file as `my_configs/hydra/launcher/my_site.yaml`, write your account into it, and run

<!-- not run: tests/slurm/test_sites.py runs it with each of the files below -->
```bash
tmgg-experiment --config-dir my_configs +stage=stage1_poc hydra/launcher=my_site
```

You can set any other launcher key, in the file or on the command line (`hydra.launcher.slurm_nodes=3`). Names
of accounts and projects are invented.

The rules are in our own words, from the pages at the links, and may have changed since. If a page only
recommends or shows a form, the test cluster requires it. Each file is tested on a real Slurm with these rules
(`tests/slurm/test_sites.py`): Slurm refuses TMGG's defaults and every job that breaks a rule, and a run with the
unchanged file returns its metrics. The files were not run at the sites themselves. The
[test cluster](test-cluster.md#a-sites-rules) can have the same rules: `slurm_cluster up --site NAME`.
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
