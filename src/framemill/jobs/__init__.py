"""What a job is and how it moves. Everything here is pure."""
