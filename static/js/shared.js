/** The page behind a link: what agents said as Markdown, files, and times as the reader has them. */
import { embedded } from "#element";
import { FileList } from "#files";
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

for (const [id, parts] of Object.entries(embedded("files-data"))) {
  const list = new FileList();
  list.show(parts);
  document.getElementById(`message-${id}`).append(list.node);
}
