"""What is done to pictures and sound. Two modules start processes; PyAV reads foreign files only in a child."""
