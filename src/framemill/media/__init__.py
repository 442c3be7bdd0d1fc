"""What is done to pictures and sound. Only `process.py` and `forkserver.py` start processes; PyAV runs only in a child (`isolate.py`)."""
