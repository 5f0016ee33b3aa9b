// The token arrives in the fragment, which no server and no log ever sees.
(async () => {
  const { speaker } = await import("/-/words.js");
  const { t, translate } = speaker({
    "Sign in": "Entrar",
    "Paste the token, which stands in the file of": "Cole o token, que está no arquivo de",
    ", or open the link that": ", ou abra o link que",
    "prints.": "mostra.",
    "That token is not right.": "Esse token não está certo.",
  });
  if (document.body.dataset.page === "signin") translate();
  const signIn = (token) =>
    fetch("/-/session", { method: "POST", headers: { Authorization: `Bearer ${token}` } });
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    history.replaceState(null, "", location.pathname + location.search);
    const answer = await signIn(given);
    if (answer.ok && document.getElementById("signin")) location.reload();
    document.dispatchEvent(new CustomEvent("signed-in", { detail: answer.ok }));
  }
  document.getElementById("signin")?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const token = document.getElementById("token");
    const answer = await signIn(token.value);
    document.getElementById("answer").textContent = answer.ok ? "" : t("That token is not right.");
    if (!answer.ok) return;
    token.value = "";
    // where nobody waits for it, the page was refused and is asked for anew
    const told = new CustomEvent("signed-in", { detail: true, cancelable: true });
    if (document.dispatchEvent(told)) location.reload();
  });
})();
