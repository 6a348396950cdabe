"""Many runs inside one allocation, several on each node at once, each in a separate process.

    driver            one per allocation: decides which run starts where, and watches the time
      node agent      one per node, a Ray actor: gets calls, and Ray reports if its node is lost
        warm parent   one per node: has done the slow imports, and forks
          keeper      one per run: claims it, waits for its end, writes its exit record
            the run   `execute_task`, as everywhere else

If a run raises, exits, is killed or leaks memory, only its own process is affected. A warm parent
never starts CUDA and has no state of a run, so a forked run begins in the same state as a new
process does, only sooner.
"""
