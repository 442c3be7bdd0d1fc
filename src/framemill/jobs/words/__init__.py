"""ffmpeg's own words: output options as one types them for ffmpeg, read into changes to the output settings."""
