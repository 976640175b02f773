"""Who answers: agents and their tools, the model providers, and the loop that turns a prompt into an answer."""
