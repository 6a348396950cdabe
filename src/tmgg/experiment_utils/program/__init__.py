"""The user's program in a job: `__main__`, `sys.argv` and `sys.path` as in the submitting process.

script.py      what loading a script defines, from its source
captured.py    the program of this process, as it is sent to a job
entering.py    makes a job's process like the submitting one
main_module.py a job's `__main__`, loaded from the script
pickling.py    pickles that name what the script defines instead of copying it
dumping.py     the script's globals, pickled for a job
opening.py     opens them in the job, and changes objects in place
in_place.py    an object that gets the content of another
places.py      where the job finds such an object
attributes_set.py, changed_attributes.py: attributes of functions and classes that were set
search_path.py the order in which modules are looked for
again.py       a process that runs a job's command line again
"""
