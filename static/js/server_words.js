/** What rows have in English, whoever reads them: who said something, how runs stand, and what went wrong. */
import { fill, gettext, language, locale } from "#words";

const NUMBERS = new Set(["amount", "bytes", "count", "seconds", "spent"]);
const monthDay = new Intl.DateTimeFormat(locale, { day: "numeric", month: "long" });

const ROLES = { user: gettext("user"), assistant: gettext("assistant"), system: gettext("system"), tool: gettext("tool") };
const STATES = {
  queued: gettext("queued"), running: gettext("running"), waiting: gettext("waiting"), succeeded: gettext("succeeded"), failed: gettext("failed"), stopped: gettext("stopped"),
};

/** Only marks a text for the catalog. */
const gettext_noop = (text) => text;

// The errors of answers and tool calls. What a tool or a model's server says of itself stays in their own words.
const ERRORS = [
  gettext_noop("Something went wrong on our side."),
  gettext_noop("The worker died three times at this step."),
  gettext_noop("Ended before it was run."),
  gettext_noop("Restarting"),
  gettext_noop("What was to be written failed."),
  gettext_noop("The prompt message failed."),
  gettext_noop("There is no agent named %(name)s. There are: %(names)s."),
  gettext_noop("%(agent)s has no tool %(name)s. It has: %(names)s."),
  gettext_noop("The embedding model's server answered with other vectors than it was asked for."),
  gettext_noop("The embedding model's server could not be reached."),
  gettext_noop("The embedding model's server refused the API key."),
  gettext_noop("The embedding model's server refused a text."),
  gettext_noop("The embedding model's server failed (%(status)s)."),
  gettext_noop("The model's server could not be reached."),
  gettext_noop("The model's server is busy."),
  gettext_noop("The model's server fell silent."),
  gettext_noop("The model's server failed (%(status)s)."),
  gettext_noop("The model's server failed in the middle of the answer: %(words)s"),
  gettext_noop("The model's server ended the answer in the middle."),
  gettext_noop("The model's server sent something that is no answer."),
  gettext_noop("The model's server refused the API key."),
  gettext_noop("The model's server refused the request (%(status)s): %(words)s"),
  gettext_noop("The account at the model's server has no quota left."),
  gettext_noop("The connection to the model's server broke."),
  gettext_noop("The model sent text that cannot be stored."),
  gettext_noop("The model asked for more than %(count)s tool calls at once."),
  gettext_noop("The conversation is longer than the model can read."),
  gettext_noop("The answer did not fit, twice: %(problem)s"),
  gettext_noop("That is more than is allowed at present (%(name)s)."),
  gettext_noop("Your budget for this month is used up (%(spent)s of %(amount)s %(currency)s). The next one begins on %(day)s."),
  gettext_noop("This agent's budget for this month is used up. The next one begins on %(day)s."),
  gettext_noop("The site's budget for this month is used up. The next one begins on %(day)s."),
  gettext_noop("Your credit is used up. Answers go on when there is new credit."),
  gettext_noop("No price is known for %(model)s, so its budget cannot be kept. Ask whoever runs this site."),
  gettext_noop("The tool failed."),
  gettext_noop("The tool took longer than %(seconds)s seconds. Whether it had an effect is not known."),
  gettext_noop("There is no tool named %(name)s any more."),
  gettext_noop("There is no tool named %(name)s. There are: %(names)s."),
  gettext_noop("The arguments of %(name)s do not fit: %(problems)s"),
  gettext_noop("The result is larger than %(bytes)s bytes."),
  gettext_noop("The conversation can be passed to one agent only."),
  gettext_noop("The run was ended."),
  gettext_noop("A person has seen that it had no effect."),
];

const known = language === "en" ? [] : ERRORS.map((sentence) => ({ sentence, pattern: patternOf(sentence) }));

export const roleOf = (message) => ROLES[message.role] ?? message.role;
export const runState = (run) => STATES[run.status] ?? run.status;

/** An error's message in the reader's language, if it is one of the site's own. */
export function said(message) {
  for (const { sentence, pattern } of known) {
    const found = pattern.exec(message);
    if (found) return fill(gettext(sentence), Object.fromEntries(Object.entries(found.groups ?? {}).map(([name, value]) => [name, localized(name, value)])));
  }
  return message;
}

/** Days and numbers stand in the sentences as one writes them in English. */
function localized(name, value) {
  if (name === "day") return monthDay.format(new Date(`${value}, 2000`));
  if (!NUMBERS.has(name)) return value;
  const minimumFractionDigits = value.split(".")[1]?.length ?? 0;
  return Number(value.replaceAll(",", "")).toLocaleString(locale, { minimumFractionDigits });
}

function patternOf(sentence) {
  const parts = sentence.split(/%\((\w+)\)s/).map((part, n) => (n % 2 ? `(?<${part}>.*)` : part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")));
  return new RegExp(`^${parts.join("")}$`, "s");
}
