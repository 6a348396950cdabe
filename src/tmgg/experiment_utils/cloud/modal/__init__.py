"""The Modal backend. `calls.py` asks Modal's servers; a container runs `container.py`."""
