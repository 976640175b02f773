/** The JSON API. Every failure is an ApiError, also a lost connection (kind "network"). */
import { fill, gettext } from "#words";

export class ApiError extends Error {
  /** Everything the server said of it is there under its own name: `kind`, `field`, `retry_after`, … */
  constructor({ message, ...said }) {
    super(message);
    Object.assign(this, said);
  }
}

/** Sends one request; gives the parsed answer, or null when there is none. Throws ApiError. */
export const request = (method, path, body) => requestWith(method, path, body && JSON.stringify(body));

/** The same with JSON that is text already, or a file of another type. */
export async function requestWith(method, path, body, type = "application/json") {
  const response = await reach(path, {
    method,
    headers: { Accept: "application/json", ...(body && { "Content-Type": type }), "X-CSRFToken": csrfToken() },
    body,
  });
  const answer = response.status === 204 ? null : await response.json().catch(() => null);
  if (response.ok) return answer;
  if (response.status === 401) signIn();
  throw new ApiError(answer?.error ?? { kind: "internal", message: fill(gettext("The server answered %(status)s. Try again in a moment."), response) });
}

/** Runs `act`. `complain(text)` is told what went wrong, and "" when it begins. */
export async function attempt(complain, act) {
  complain("");
  try {
    await act();
  } catch (error) {
    complain(error.message);
  }
}

/** To the sign-in page, and back here afterwards. */
export function signIn() {
  location.assign(`${document.body.dataset.signIn}?next=${encodeURIComponent(location.pathname)}`);
}

async function reach(path, options) {
  try {
    return await fetch(path, { credentials: "same-origin", ...options });
  } catch {
    throw new ApiError({ kind: "network", message: gettext("No connection to the server.") });
  }
}

// The sign-out form carries the token on every page; the cookie may be hidden from scripts.
export const csrfToken = () => document.querySelector("[name=csrfmiddlewaretoken]").value;
