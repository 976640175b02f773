/** Tokens and money as people read them. */
import { fill, gettext, locale } from "#words";

const SMALL = 0.1; // below a tenth of a dollar, in cents

/** "1,204 tokens · 0.4 ct" of a usage with `total`, and `charge` and `currency` where they are known; "" of nothing. */
export function usageInWords({ total = 0, charge = null, currency = "USD" } = {}) {
  if (!total) return "";
  const tokens = fill(gettext("%(total)s tokens"), { total });
  return charge === null ? tokens : `${tokens} · ${money(Number(charge), currency)}`;
}

/** What that cost, or its tokens where no price is known. */
export const costInWords = ({ total = 0, charge = null, currency } = {}) => (charge === null ? usageInWords({ total }) : money(Number(charge), currency));

/** The sum of several usages; money only if all of them know it. */
export function addUsages(usages) {
  const known = usages.filter((usage) => usage?.total);
  const total = known.reduce((sum, usage) => sum + usage.total, 0);
  const charge = known.every((usage) => usage.charge !== undefined) ? known.reduce((sum, usage) => sum + Number(usage.charge), 0) : null;
  return { total, charge, currency: known[0]?.currency };
}

/** "$12.34", or "0.4 ct". */
export function money(amount, currency) {
  const { maximumFractionDigits } = new Intl.NumberFormat(locale, { style: "currency", currency }).resolvedOptions();
  if (amount > 0 && amount < SMALL && maximumFractionDigits === 2) {
    const cents = amount * 100;
    return cents < 0.01 ? `< ${(0.01).toLocaleString(locale)} ct` : `${cents.toLocaleString(locale, { maximumFractionDigits: 2 })} ct`;
  }
  return amount.toLocaleString(locale, { style: "currency", currency });
}
