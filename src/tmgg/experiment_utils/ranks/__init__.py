"""Ranks: the experiment runs in every task of the allocation (`slurm_tasks_per_node`).

    srun, once, for all tasks
      |
      +-- task 0: supervisor -- the experiment's process, rank 0
      |      hub: waits for all ranks, gets a report of each end, decides the run's result
      +-- task 1: supervisor -- the experiment's process, rank 1
      |      line: its connection to the hub
      ...

Each supervisor starts one process, reports to the hub how it ended, and ends it if the hub orders
this: when a rank has failed, the others wait for it in a collective operation, without end. The hub
writes the run's result from the results that the ranks wrote into their own folders (`rank_paths`).
If the connection of a supervisor to the hub breaks, the supervisor ends its rank, and the hub takes
the rank for dead.

`options` and `environment` define what a rank gets, `decision` which rank's end is the run's; these
are pure. Addresses, ports, proofs and the event loop are those of `ray_cluster`.
"""
