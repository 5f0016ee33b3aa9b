import { byId } from "./dom.js";

/** Asks the service; an answer that is no 200 becomes an error that says why. */
export async function ask(path, { method = "GET", body } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  if (answer.status === 401) {
    const dialog = byId("signin-dialog");
    if (!dialog.open) dialog.showModal();
    throw new Error("sign in first");
  }
  const document = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(document.error || `HTTP ${answer.status}`);
  return document;
}
