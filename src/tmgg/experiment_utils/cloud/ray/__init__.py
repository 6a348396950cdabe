"""Runs as jobs of a Ray cluster, through the Jobs API that every Ray dashboard serves.

    config.py     what a run may ask for
    client.py     the one place that speaks HTTP to a cluster
    states.py     what a job's status means
    request.py    a submission as Ray is asked for it; pure
    entry.py      what Ray starts on a node
    own_ray.py    a Ray on this machine for those who have no cluster; host.py keeps it

The side that submits needs no Ray: it speaks HTTP with Python's own library.
"""
