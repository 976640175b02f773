/** A piece of JSON in an answer, such as an object that grows while it is written. */
import { element } from "#element";
import { jsonView } from "#json_view";

export class DataView {
  constructor() {
    this.node = element("div", { class: "data" });
  }

  update({ data }) {
    if (data === this.data) return;
    this.data = data;
    this.node.replaceChildren(jsonView(data));
  }
}
