/** When the next message may be sent, and how much money is left: told by the feed to every tab, and by a refusal to the one that tried. */
import { setText } from "#element";
import { money } from "#money";
import { timeLeft } from "#times";
import { fill, gettext, locale } from "#words";

export class Allowance {
  /** `node` shows the countdown, `money` how far a budget is used up; `onFree()` is called when the countdown is over. */
  constructor({ node, money, onFree }) {
    Object.assign(this, { node, money, onFree });
    this.told = new Map(); // limit: when it lets through again, on this page's own clock, which only knows how long it has been
    this.refused = new Map(); // the same for what was tried, which may need more than one message does
  }

  /** Takes one frame of the feed. */
  apply(frame) {
    if (frame.type !== "limits") return;
    this.told = new Map(frame.limits.filter((limit) => limit.retry_at !== null).map((limit) => [limit.name, free(limit, frame.server_time)]));
    this.draw();
    this.drawMoney(frame.budgets);
  }

  /** Takes the error of a message that was not let through. */
  refuse(error) {
    this.refused.set(error.name, free(error, error.server_time));
    this.draw();
  }

  /** A message was let through. */
  passed() {
    this.refused.clear();
    this.draw();
  }

  drawMoney(budgets) {
    const tight = budgets.find(({ spent, amount }) => Number(spent) >= SHOWN_FROM * Number(amount));
    this.money.hidden = !tight;
    if (!tight) return;
    const firstDay = new Date(`${tight.resets_at.slice(0, 10)}T00:00`); // of the payer's month, which may begin in another zone
    const day = firstDay.toLocaleDateString(locale, { month: "long", day: "numeric" });
    const [spent, amount] = [tight.spent, tight.amount].map((each) => money(Number(each), tight.currency));
    setText(this.money, fill(gettext("%(spent)s of this month’s %(amount)s are used. The next month begins on %(day)s."), { spent, amount, day }));
  }

  draw() {
    clearTimeout(this.timer);
    const left = (Math.max(0, ...this.told.values(), ...this.refused.values()) - performance.now()) / 1000;
    const over = left <= 0;
    if (over && !this.node.hidden) this.onFree();
    this.node.hidden = over;
    if (over) return;
    setText(this.node, fill(gettext("You can send the next message in %(time)s."), { time: timeLeft(left) }));
    this.timer = setTimeout(() => this.draw(), left * 1000 - (Math.ceil(left) - 1) * 1000);
  }
}

const SHOWN_FROM = 0.5; // long before anybody is cut off

/** Both moments are the server's, so a wrong clock here does no harm. */
const free = ({ retry_at: retryAt }, serverTime) => performance.now() + (retryAt - serverTime) * 1000;
