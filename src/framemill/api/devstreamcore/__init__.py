"""DevStreamCore's video API."""
