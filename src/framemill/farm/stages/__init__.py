"""What a coordinator does for a job, stage by stage. Each can be cut off at any line and run again."""
