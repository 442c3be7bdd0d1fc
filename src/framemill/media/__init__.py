"""What is done to pictures and sound. Only `ffmpeg.py` starts processes; PyAV runs only in a child (`isolate.py`)."""
