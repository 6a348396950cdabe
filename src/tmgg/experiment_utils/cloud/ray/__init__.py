"""Runs as jobs of a Ray cluster, through the Jobs API that every Ray dashboard serves.

    config.py     what a run may ask for
    client.py     the only module that sends HTTP requests to a cluster
    states.py     what a job's status means
    request.py    makes the request for a submission; pure
    entry.py      what Ray starts on a node
    own_ray.py    a Ray on this machine for users without a cluster; host.py keeps it

The submitting side does not need Ray installed: it uses Python's own HTTP library.
"""
