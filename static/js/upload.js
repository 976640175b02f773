/** Bringing one file along. Not by `fetch`: that does not tell how far it is. */
import { ApiError, csrfToken, signIn } from "#api";
import { fill, gettext } from "#words";

/** Begins at once; `progress(fraction)` is told how far it is. Returns `{done, cancel}`: a promise of the file's row, and how to end it. */
export function upload(file, progress) {
  const request = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    request.upload.addEventListener("progress", ({ loaded, total }) => progress(total ? loaded / total : 0));
    request.addEventListener("load", () => answered(request, resolve, reject));
    request.addEventListener("error", () => reject(new ApiError({ kind: "network", message: gettext("No connection to the server.") })));
    request.addEventListener("abort", () => reject(new ApiError({ kind: "cancelled", message: gettext("Cancelled.") })));
    request.open("POST", `/api/files?${new URLSearchParams({ name: file.name || "pasted" })}`);
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Content-Type", typeOf(file));
    request.setRequestHeader("X-CSRFToken", csrfToken());
    request.send(file);
  });
  return { done, cancel: () => request.abort() };
}

function answered(request, resolve, reject) {
  let answer = null;
  try {
    answer = JSON.parse(request.responseText);
  } catch {
    // Not from the site itself: a proxy's page.
  }
  if (request.status === 201 && answer) return resolve(answer);
  if (request.status === 401) signIn();
  reject(new ApiError(answer?.error ?? { kind: "internal", message: fill(gettext("The server answered %(status)s. Try again in a moment."), request) }));
}

// The types of forms are read as forms.
const typeOf = ({ type }) => (/^[\w.+-]+\/[\w.+-]+$/.test(type) && !/form-data|urlencoded/.test(type) ? type : "application/octet-stream");
