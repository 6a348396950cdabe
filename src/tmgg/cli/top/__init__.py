"""`tmgg-jobs top`: sweeps and runs on a screen of their own (Textual).

`snapshot` looks and `actions` acts, both without Textual. The screens draw what they return.
"""
