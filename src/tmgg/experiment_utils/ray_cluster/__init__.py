"""Ray on the nodes of one job, started and ended by TMGG's own supervisor.

One `srun` runs `python -m tmgg.experiment_utils.ray_cluster` on every node. On each node:

    guardian                 outlives everything below it, then kills what is left and removes the
      |                      node's scratch folder; this is the only teardown there is
    supervisor               an event loop; no Ray, no torch in it
      |-- ray start          one process that imports Ray ahead of time and waits for its arguments
      |-- gcs_server, raylet, agents, workers     (orphans of `ray start`, adopted)
      `-- entrypoint         the experiment, on the head only; imports ahead of time, too

The node of rank 0 is the head. Its supervisor listens on a port of its own and writes the address
into the submission's folder; the others connect, prove with the job's token who they are, and are
told when the head's Ray is up and when to end. The connection also tells each side, at once, that
the other is gone.
"""
