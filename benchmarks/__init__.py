"""Side-by-side timings against PyTorch, runnable by anyone: `python -m benchmarks.mnist`."""
