import { byId } from "./dom.js";
import { t } from "./words.js";

/** Asks the service, again once somebody has signed in; an answer that is no 200 becomes an error that says why. */
export async function ask(path, { method = "GET", body } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const send = () => fetch(path, { method, headers, body: body && JSON.stringify(body) });
  let answer = await send();
  if (answer.status === 401) {
    await signedIn();
    answer = await send();
  }
  const document = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(document.error || `HTTP ${answer.status}`);
  return document;
}

function signedIn() {
  const dialog = byId("signin-dialog");
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve, reject) => {
    const over = new AbortController();
    const { signal } = over;
    document.addEventListener("signed-in", (event) => {
      // what was asked for goes on here; a reload would forget it
      event.preventDefault();
      over.abort();
      dialog.close();
      resolve();
    }, { signal });
    dialog.addEventListener("close", () => {
      over.abort();
      reject(new Error(t("sign in first")));
    }, { signal });
  });
}
