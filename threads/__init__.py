"""What was said: people, threads, messages, runs, deltas and tool calls; writing them and keeping every browser in step."""
