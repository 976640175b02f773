"""Handoffs: an agent passes the conversation to another one, which goes on with the same answer and gets the prompts after it.

    Agent("booking", tools=[book], handoffs=["confirmation"])    # from → to, declared; nothing else can be reached

The model sees one tool, `hand_over(to, reason)`. Its call is a row like any other: who passed to whom, and why, is seen in the thread.
"""

from typing import TYPE_CHECKING

from agents.tools import Tool

if TYPE_CHECKING:
    from agents.agent import Agent

HAND_OVER = "hand_over"
TOLD = "Pass the conversation to another agent, which then goes on. Say why in a few words."


def handoff_tool(agent: "Agent") -> Tool:
    """The tool by which this agent passes the conversation on."""
    targets = [target if isinstance(target, str) else target.name for target in agent.handoffs]

    def hand_over(to: str, reason: str) -> dict[str, str]:
        return {"from": agent.name, "to": to, "reason": reason}

    parameters = {
        "type": "object",
        "properties": {"to": {"type": "string", "enum": targets}, "reason": {"type": "string", "maxLength": 500}},
        "required": ["to", "reason"],
        "additionalProperties": False,
    }
    return Tool(hand_over, name=HAND_OVER, description=TOLD, parameters=parameters, effects="none")
