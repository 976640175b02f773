/** How an answer is to be made: an agent, and what is wanted otherwise than it is. */
import { same } from "#differences";
import { element } from "#element";
import { gettext } from "#words";

const NUMBERS = ["recent_messages", "max_tokens"];
const SWITCHES = ["exclude_tool_messages", "search_other_threads", "title_and_summary", "memories", "summarise"];

export class Options {
  /** `form` has a field of each name; `agents` are rows of the playground's API. */
  constructor(form, agents, { changed }) {
    Object.assign(this, { form, agents, changed });
    const listed = agents.map((agent) => element("option", { value: agent.name }, agent.title));
    form.elements.agent.replaceChildren(...listed);
    form.elements.agent.addEventListener("change", () => this.choose(form.elements.agent.value));
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", () => changed());
    form.querySelector("[data-reset]").addEventListener("click", () => {
      this.choose(this.agent.name);
      changed();
    });
  }

  /** An agent as it is, with these stored options on top; `missing` is its name if it is not on offer, and another is shown. */
  choose(name, options = {}) {
    this.agent = this.agents.find((agent) => agent.name === name) ?? this.agents[0];
    this.missing = name && this.agent.name !== name ? name : null;
    const { agent, form } = this;
    const fields = form.elements;
    fields.agent.value = agent.name;
    fields.model.value = options.model ?? "";
    fields.model.placeholder = agent.model;
    fields.instructions.value = options.instructions ?? agent.instructions;
    fields.steps.value = options.steps ?? agent.steps;
    fields.settings.value = JSON.stringify({ ...agent.settings, ...options.settings }, null, 2);
    this.fillContext({ ...agent.context_options, ...options.context_options });
    this.fillTools(options.tools ?? agent.tools.map((tool) => tool.name));
  }

  fillContext(context) {
    const fields = this.form.elements;
    for (const name of NUMBERS) fields[name].value = context[name] ?? "";
    for (const name of SWITCHES) fields[name].checked = context[name];
    const { limit, text_search: text, vector_search: vector, vector_score_threshold: least, message_range: [before, after] } = context.search_options;
    Object.assign(fields.text_search, { checked: text });
    Object.assign(fields.vector_search, { checked: vector });
    for (const [name, value] of Object.entries({ limit, least, before, after })) fields[name].value = value;
  }

  fillTools(chosen) {
    const boxes = this.agent.tools.map((tool) => element("label", {},
      element("input", { type: "checkbox", name: "tool", value: tool.name, checked: chosen.includes(tool.name) }), tool.name,
      tool.needs_approval ? element("span", { class: "muted" }, ` ${gettext("asks first")}`) : null));
    const field = this.form.querySelector("[data-tools]");
    field.replaceChildren(...(boxes.length ? boxes : [element("p", { class: "muted" }, gettext("This agent has none."))]));
  }

  /** What differs from the agent, as stored options. Throws an Error that names a field that is wrong. */
  get value() {
    const { agent } = this;
    const fields = this.form.elements;
    const tools = [...this.form.querySelectorAll("[name=tool]:checked")].map((box) => box.value);
    const wanted = {
      model: fields.model.value.trim() || agent.model,
      instructions: fields.instructions.value,
      steps: Number(fields.steps.value) || agent.steps,
      settings: settingsIn(fields.settings.value),
      tools,
      context_options: this.context,
    };
    const own = { ...agent, tools: agent.tools.map((tool) => tool.name) };
    return Object.fromEntries(Object.entries(wanted).filter(([name, value]) => !same(value, own[name])));
  }

  get context() {
    const fields = this.form.elements;
    const numbers = NUMBERS.map((name) => [name, fields[name].value === "" ? this.agent.context_options[name] : Number(fields[name].value)]);
    const switches = SWITCHES.map((name) => [name, fields[name].checked]);
    const search = {
      limit: Number(fields.limit.value), text_search: fields.text_search.checked, vector_search: fields.vector_search.checked,
      vector_score_threshold: Number(fields.least.value), message_range: [Number(fields.before.value), Number(fields.after.value)],
    };
    return { ...Object.fromEntries([...numbers, ...switches]), search_options: search };
  }
}

function settingsIn(text) {
  try {
    const value = JSON.parse(text || "{}");
    if (value && typeof value === "object" && !Array.isArray(value)) return value;
  } catch {
    // told below
  }
  throw new Error(gettext("The settings are not a JSON object."));
}
