"""The commands of `tmgg-jobs`, one file each.

They import what they need when they are called: the program starts in a tenth of a second, whatever
the number of commands.
"""
