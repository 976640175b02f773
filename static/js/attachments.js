/** The files that go with the next message: picked, dropped or pasted, and on their way as soon as they are here. */
import { request } from "#api";
import { element, icon, setText } from "#element";
import { isPicture, sizeInWords } from "#files";
import { upload } from "#upload";
import { fill, gettext } from "#words";

export class Attachments {
  /** `node` lists them; `input` picks some; on `zone` some can be dropped; `changed()` is called after each change, `complain(text)` if one cannot be taken. */
  constructor({ node, input, zone, limits, changed, complain }) {
    Object.assign(this, { node, zone, limits, changed, complain });
    this.entries = [];
    input.addEventListener("change", () => {
      this.add([...input.files]);
      input.value = "";
    });
    this.watchDrops();
  }

  /** Those that are here. */
  get rows() {
    return this.entries.flatMap((entry) => entry.row ?? []);
  }

  get isBusy() {
    return this.entries.some((entry) => entry.transfer);
  }

  get hasFailed() {
    return this.entries.some((entry) => !entry.transfer && !entry.row);
  }

  add(files) {
    const problems = [];
    for (const file of files) {
      if (this.entries.length >= this.limits.files) problems.push(fill(gettext("Only %(files)s files fit into a message."), this.limits));
      else if (file.size > this.limits.file_bytes) problems.push(fill(gettext("%(name)s is larger than %(size)s."), { name: file.name, size: sizeInWords(this.limits.file_bytes) }));
      else if (file.size === 0) problems.push(fill(gettext("%(name)s is empty."), file));
      else this.begin(new Entry(this, file));
    }
    this.changed();
    if (problems.length) this.complain([...new Set(problems)].join(" "));
  }

  begin(entry) {
    this.entries.push(entry);
    this.node.append(entry.node);
    entry.send();
  }

  /** Puts rows in again that could not be sent, or were left in a draft. */
  put(rows) {
    for (const row of rows) {
      if (this.entries.some((entry) => entry.row?.id === row.id)) continue;
      const entry = new Entry(this, { name: row.name, size: row.size, type: row.media_type }, row);
      this.entries.push(entry);
      this.node.append(entry.node);
    }
    this.changed();
  }

  /** Takes out those that are here. */
  take() {
    const { rows } = this;
    for (const entry of [...this.entries]) if (entry.row) this.drop(entry);
    return rows;
  }

  /** Leaves one out that the reader does not want to send. */
  remove(entry) {
    const next = entry.node.nextElementSibling ?? entry.node.previousElementSibling;
    entry.transfer?.cancel();
    this.drop(entry);
    // Whether that arrives or not: in a day it is gone by itself.
    if (entry.row) request("DELETE", `/api/files/${entry.row.id}`).catch((error) => console.info(error.message));
    (next?.querySelector(".icon-button") ?? document.getElementById("attach")).focus();
    this.changed();
  }

  drop(entry) {
    entry.node.remove();
    if (entry.preview) URL.revokeObjectURL(entry.preview);
    this.entries = this.entries.filter((other) => other !== entry);
  }

  watchDrops() {
    const { zone } = this;
    const carriesFiles = (event) => event.dataTransfer?.types.includes("Files") && !document.getElementById("composer").hidden;
    let depth = 0; // entering a child is told before leaving its parent
    const show = (change) => {
      depth = Math.max(0, depth + change);
      zone.classList.toggle("takes-files", depth > 0);
    };
    zone.addEventListener("dragenter", (event) => carriesFiles(event) && (event.preventDefault(), show(1)));
    zone.addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
    zone.addEventListener("dragleave", (event) => carriesFiles(event) && show(-1));
    zone.addEventListener("drop", (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      show(-depth);
      this.add([...event.dataTransfer.files]);
    });
  }
}

class Entry {
  constructor(list, file, row = null) {
    Object.assign(this, { list, file, row, transfer: null });
    this.preview = !row && isPicture(file.type) ? URL.createObjectURL(file) : null;
    const shown = this.preview ?? (row && isPicture(row.media_type) ? row.url : null);
    this.about = element("span", { class: "file-about" }, sizeInWords(file.size));
    this.bar = element("progress", { max: "1", value: "0", "aria-label": fill(gettext("Uploading %(name)s"), file), hidden: true });
    this.again = element("button", { type: "button", class: "quiet", hidden: true, onclick: () => this.send() }, gettext("Try again"));
    this.node = element("li", { class: "attachment" },
      shown ? element("img", { src: shown, alt: "" }) : icon("file"),
      element("span", { class: "file-name" }, file.name), this.about, this.again,
      element("button", { type: "button", class: "icon-button", "aria-label": fill(gettext("Remove %(name)s"), file), onclick: () => list.remove(this) }, icon("close")), this.bar);
  }

  async send() {
    this.tell(sizeInWords(this.file.size));
    this.transfer = upload(this.file, (fraction) => (this.bar.value = fraction));
    this.draw();
    try {
      this.row = await this.transfer.done;
    } catch (error) {
      if (error.kind !== "cancelled") this.tell(error.message, true);
    }
    this.transfer = null;
    this.draw();
  }

  tell(text, isBad = false) {
    setText(this.about, text);
    this.about.classList.toggle("bad", isBad);
  }

  draw() {
    this.bar.hidden = !this.transfer;
    this.again.hidden = Boolean(this.transfer || this.row);
    this.list.changed();
  }
}
