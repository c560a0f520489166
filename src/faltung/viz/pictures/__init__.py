"""Pictures drawn from scenes, and the files they become."""
