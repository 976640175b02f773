"""A conversation with an agent in the terminal."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from agents import services
from agents.agent import Agent
from agents.errors import AnswerFailed
from agents.generating import RESTART, AnswerStream, resume, stream
from agents.registry import get_agent
from agents.results import Answer
from agents.services import Decision
from threads.models import Message, Thread, ToolCall, User
from threads.schemas import NewMessage


class Command(BaseCommand):
    """Streams text, tool calls and their progress; asks for approvals. An empty line or Ctrl-D ends it."""

    help = "Talk with an agent here. With --user the conversation is a thread of that person, to be seen in their browser as well."

    def add_arguments(self, parser: CommandParser) -> None:
        """Who answers, and for whom."""
        parser.add_argument("agent")
        parser.add_argument("--user", help="the person's user name; without it nothing is saved")
        parser.add_argument("--message", action="append", help="say this instead of asking; may be repeated")

    def handle(self, *args: Any, **options: Any) -> None:
        """One turn after another."""
        agent = get_agent(options["agent"])
        user = self._user(options["user"])
        thread = Thread.start(user, default_agent=agent.name) if user else None
        if thread:
            self.stdout.write(f"Thread {thread.pk}")
        earlier: list[NewMessage] = []
        for text in options["message"] or self._lines():
            if thread:
                self._saved_turn(stream(agent, text, thread=thread, user=user), thread, user, agent)
            elif answer := self._turn(stream(agent, text, messages=earlier)):
                earlier += [NewMessage.of(text), *_as_messages(answer.messages)]

    def _user(self, name: str | None) -> User | None:
        if not name:
            return None
        try:
            return User.objects.get(username=name)
        except User.DoesNotExist as error:
            raise CommandError(f"There is nobody named {name}.") from error

    def _lines(self) -> Any:
        try:
            while text := input("\n> ").strip():
                yield text
        except EOFError:
            return

    def _saved_turn(self, parts: AnswerStream | None, thread: Thread, user: User | None, agent: Agent) -> None:
        """A turn, and what comes after each decision of the person at the terminal."""
        while parts:
            answer = self._turn(parts)
            waiting = [call for call in answer.steps[-1].tool_calls if call.is_undecided] if answer and answer.steps else []
            if not waiting or user is None:
                return
            services.decide(user, thread, [self._decision(call) for call in waiting])
            parts = resume(thread, agent)

    def _decision(self, call: ToolCall) -> Decision:
        answer = input(f"  {call.tool} {call.arguments}: approve? [y/N] ")
        return Decision(call.pk, answer.strip().lower() in ("y", "yes"), call.arguments_hash)

    def _turn(self, parts: AnswerStream) -> Answer | None:
        for part in parts:
            self._show(part)
        self.stdout.write("")
        try:
            return parts.wait()
        except AnswerFailed as failed:
            self.stderr.write(f"Failed: {failed}")
            return None

    def _show(self, part: dict[str, Any]) -> None:
        match part:
            case {"type": "text-delta", "delta": text}:
                self.stdout.write(text, ending="")
                self.stdout.flush()
            case {"type": "tool-input-available", "toolName": tool, "input": arguments}:
                self.stdout.write(f"\n  → {tool} {arguments}")
            case {"type": "data-progress", "data": {"text": text}}:
                self.stdout.write(f"    … {text}")
            case {"type": "tool-output-available", "output": output}:
                self.stdout.write(f"  ← {str(output)[:200]}")
            case {"type": "tool-output-error", "errorText": text}:
                self.stdout.write(f"  ← failed: {text}")
            case _ if part is RESTART:
                self.stdout.write("\n  (the connection broke; once more from the start)")


def _as_messages(rows: Any) -> list[NewMessage]:
    """What was said in words; tool calls of an unsaved turn are not told again."""
    return [NewMessage.of({"role": "assistant", "content": row.text}) for row in rows if _is_said(row)]


def _is_said(row: Message) -> bool:
    return row.role == Message.Role.ASSISTANT and bool(row.text.strip())
