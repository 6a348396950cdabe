"""`tmgg-jobs top`: sweeps and runs on a screen of their own (Textual).

`snapshot` and `actions` look and act, and know no Textual; the screens draw what they get.
"""
