/** Files in what was said: pictures of one size, that open large, and cards of everything else. */
import { element, icon } from "#element";
import { openPicture } from "#lightbox";
import { fill, gettext, locale } from "#words";

const PICTURES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"]);
const OURS = /^(\/api\/files\/|\/shared\/|data:)/;
const SHOWN = /^(\/api\/files\/|\/shared\/|data:image\/(png|jpeg|gif|webp|avif)[;,])/;

const tenths = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

export const isPicture = (type) => PICTURES.has(type);

/** "1.2 MB" */
export function sizeInWords(bytes) {
  if (bytes < 1000) return fill(gettext("%(count)s bytes"), { count: bytes });
  const [unit, size] = bytes < 999_500 ? ["kB", bytes / 1000] : ["MB", bytes / 1_000_000];
  return `${size < 9.95 ? tenths.format(size) : Math.round(size)} ${unit}`;
}

/** A part as the API has it for an uploaded file. */
export const partOf = (row) => ({ type: "file", mediaType: row.media_type, url: row.url, filename: row.name, file: row.id, size: row.size });

export const isFilePart = (value) => value?.type === "file" && typeof value.mediaType === "string" && typeof value.url === "string";

/** The file parts in some JSON, wherever they are. */
export function filesIn(value) {
  if (isFilePart(value)) return [value];
  return value && typeof value === "object" ? Object.values(value).flatMap(filesIn) : [];
}

/** The same JSON with the names of files in place of their bytes. */
export function withoutBytes(value) {
  if (isFilePart(value)) return value.filename || value.mediaType;
  if (Array.isArray(value)) return value.map(withoutBytes);
  if (!value || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withoutBytes(each)]));
}

/** Some files, side by side. */
export class FileList {
  constructor() {
    this.node = element("div", { class: "files" });
  }

  /** Takes a block of an answer: one file. */
  update({ part }) {
    this.show([part]);
  }

  show(parts) {
    const key = parts.map((part) => part.url).join();
    this.node.hidden = parts.length === 0;
    if (key === this.key) return;
    this.key = key;
    this.node.replaceChildren(...parts.map(fileView));
  }
}

function fileView(part) {
  return isPicture(part.mediaType) && SHOWN.test(part.url) ? picture(part) : card(part);
}

function picture(part) {
  const name = part.filename || gettext("Picture");
  const image = element("img", { src: part.url, alt: name, loading: "lazy", decoding: "async" });
  const button = element("button", { type: "button", class: "picture", "aria-label": fill(gettext("Show %(name)s"), { name }), onclick: () => openPicture(button) }, image);
  Object.assign(button.dataset, { url: part.url, name });
  image.addEventListener("error", () => button.replaceWith(card(part, gettext("not there any more"))));
  return button;
}

/** What is elsewhere is opened there, and only if somebody wants to. */
function card(part, note = null) {
  const ours = OURS.test(part.url);
  const remote = /^https?:/.test(part.url) && URL.canParse(part.url);
  const about = note ?? (remote ? new URL(part.url).host : part.size ? sizeInWords(part.size) : part.mediaType);
  const link = note || !(ours || remote) ? {} : ours ? { href: part.url, download: part.filename || gettext("file") } : { href: part.url, target: "_blank", rel: "noopener noreferrer" };
  return element("a", { class: "file-card", ...link }, icon("file"), element("span", { class: "file-name" }, part.filename || part.mediaType), element("span", { class: "file-about" }, about));
}
