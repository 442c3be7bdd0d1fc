"""What each video encoder may be told: its keys, the values they take, and how those are written. Data and rules."""
