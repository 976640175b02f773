"""Sample agents that show one thing each; they are offered in `agentsite/agents.py`."""
