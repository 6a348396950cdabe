"""Ray on the nodes of one job, started and ended by TMGG's own supervisor.

One `srun` runs `python -m tmgg.experiment_utils.ray_cluster` on every node. On each node:

    guardian                 waits for the supervisor's end, then kills all remaining processes and
      |                      removes the node's scratch folder; no other code clears up
    supervisor               an event loop; it imports neither Ray nor torch
      |-- ray start          a process that imports Ray ahead of time and waits for its arguments
      |-- gcs_server, raylet, agents, workers     (orphans of `ray start`, adopted)
      `-- entrypoint         the experiment, on the head only; imports ahead of time, too

The node of rank 0 is the head. Its supervisor listens on a port and writes the address into the
submission's folder. The other supervisors connect and prove with the job's token that they belong
to the job. The head tells them when its Ray is up and when to end. If one side ends, the connection
breaks, so the other side notices at once.
"""
