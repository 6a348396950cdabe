"""Many runs inside one allocation, several on each node at once, each in a process of its own.

    driver            one per allocation: who runs where, what is left, when the time is over
      node agent      one per node, a Ray actor: Ray reaches it and tells when its node is lost
        warm parent   one per node: has the slow imports behind it, forks
          keeper      one per run: claims it, waits, leaves its exit record
            the run   `execute_task`, as everywhere else

A run that raises, exits, is killed or leaks ends with its own process. A warm parent never starts
CUDA and holds no state of a run, so a forked run begins as a fresh one does, only sooner.
"""
