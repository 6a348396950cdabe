"""Ranks: the experiment in every task of the allocation (`slurm_tasks_per_node`).

    srun, once, for all tasks
      |
      +-- task 0: supervisor -- the experiment's process, rank 0
      |      hub: brings all together, hears of each end, says which of them is the run's
      +-- task 1: supervisor -- the experiment's process, rank 1
      |      line to the hub
      ...

Each supervisor starts one process, tells the hub how it ended, and ends it when the hub says so:
once a rank has failed, the others wait for it in a collective operation and would do so for ever.
The hub writes the run's result from what the ranks left among their own files (`rank_paths`).
A supervisor whose line to the hub breaks ends its rank; a hub whose line to a supervisor breaks
takes the rank for dead.

`options` and `environment` say what a rank is given, `decision` whose end is the run's; these
are pure. Addresses, ports, proofs and the event loop are those of `ray_cluster`.
"""
