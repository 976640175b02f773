/** The page behind a link: what agents said as Markdown, and times as the reader has them. */
import { MarkdownStream } from "#markdown_stream";
import { clockTime, fullTime } from "#times";

for (const message of document.querySelectorAll(".message")) {
  const time = message.querySelector("time");
  time.textContent = clockTime(time.dateTime);
  time.title = fullTime(time.dateTime);
  if (message.classList.contains("own")) continue;
  const said = message.querySelector(".said");
  const prose = new MarkdownStream();
  prose.update([said.textContent], false);
  said.replaceWith(prose.node);
}
