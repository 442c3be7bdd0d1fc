"""What clients of Jellyfin ask of a server of optimized versions."""
