// Review: decide and sign through the API; what the dialog shows is what is signed.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const place = document.getElementById("review");
  const dialog = document.getElementById("sign");
  const form = dialog.querySelector("form");
  const { gtin, lot, etag } = place.dataset;
  const base = "/api/v1/reviews/" + encodeURIComponent(gtin) + "/" + encodeURIComponent(lot);
  const rows = [...document.querySelectorAll("tr[data-subject]")];
  let asked = null;

  // The API speaks English; where the page does not, its server says what that means.
  async function explained(texts) {
    if (document.documentElement.lang === "en" || !texts.length) return texts;
    const response = await fetch("/explained?" + new URLSearchParams(texts.map((text) => ["text", text])));
    return response.ok ? response.json() : texts;
  }

  async function complain(where, answer) {
    const [detail, hint] = await explained([answer.detail || "", answer.hint || ""]);
    where.textContent = "✕ " + detail + (hint ? " (" + hint + ")" : "");
    where.hidden = false;
  }

  function show(name, text) {
    dialog.querySelector('[data-shown="' + name + '"]').textContent = text;
  }

  // Read what would be signed. A deviation's number is part of it, so it is read again with that.
  async function read(meaning, subjects, deviation) {
    const query = new URLSearchParams({ meaning, deviation });
    subjects.forEach((subject) => query.append("subject", subject));
    const response = await fetch(base + "/statement?" + query);
    const body = await response.json();
    return { ok: response.ok, body, etag: response.headers.get("ETag") };
  }

  async function open(meaning, subjects, label) {
    document.getElementById("problem").hidden = true;
    const deviating = meaning === "deviation_raised";
    const shown = await read(meaning, subjects, deviating ? "–" : "");
    if (!shown.ok) {
      complain(document.getElementById("problem"), shown.body);
      return;
    }
    const said = shown.body.statement;
    asked = { meaning, subjects, shown };
    show("version", said.record.version);
    show("hash", said.record.hash);
    show("meaning", label);
    show("printed_name", said.printed_name + " (" + said.signer + ")");
    show("checks", said.checks_passed);
    dialog.querySelector('[data-shown="subjects"]').replaceChildren(
      ...said.subjects.map((item) => {
        const line = document.createElement("li");
        line.textContent = [item.kind, item.subject || item.source, item.start, item.verdict]
          .filter(Boolean).join(" · ");
        return line;
      }),
    );
    form.reset();
    form.querySelector("[data-problem]").hidden = true;
    document.getElementById("deviation-field").hidden = !deviating;
    form.elements.deviation.required = deviating;
    const coded = shown.body.components.includes("code");
    document.getElementById("code-field").hidden = !coded;
    form.elements.code.required = coded;
    dialog.showModal();
    form.elements.reason.focus();
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(form));
    let { shown } = asked;
    if (fields.deviation) shown = await read(asked.meaning, asked.subjects, fields.deviation);
    const response = await fetch(base + "/signatures", {
      method: "POST",
      headers: { "Content-Type": "application/json", "If-Match": shown.etag },
      body: JSON.stringify({
        ...fields, meaning: asked.meaning, subjects: asked.subjects, shown: shown.body.shown,
      }),
    });
    if (response.ok) {
      location.reload();
      return;
    }
    form.elements.password.value = "";
    form.elements.code.value = "";
    complain(form.querySelector("[data-problem]"), await response.json());
  });

  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());

  document.querySelectorAll("button[data-sign]").forEach((button) => {
    const subjects = button.dataset.subject ? [button.dataset.subject] : [];
    button.addEventListener("click", () => open(button.dataset.sign, subjects, button.dataset.said));
  });

  document.getElementById("open")?.addEventListener("click", async (event) => {
    const response = await fetch(base, {
      method: "POST",
      headers: { "Content-Type": "application/json", "If-Match": '"' + etag + '"' },
      body: JSON.stringify({ reason: event.target.textContent }),
    });
    if (response.ok) location.reload();
    else complain(document.getElementById("problem"), await response.json());
  });

  document.getElementById("dry").addEventListener("click", async () => {
    const list = document.getElementById("missing");
    const response = await fetch(base + "/if-released");
    const body = await response.json();
    const said = await explained(response.ok ? body.missing.map((each) => each.text) : [body.detail]);
    const texts = said.map((text) => (response.ok ? "▲ " : "✕ ") + text);
    list.replaceChildren(
      ...(texts.length ? texts : ["● " + list.dataset.nothing]).map((text) => {
        const line = document.createElement("li");
        line.textContent = text;
        return line;
      }),
    );
  });

  document.addEventListener("keydown", (event) => {
    if (dialog.open || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = rows.indexOf(document.activeElement.closest("tr[data-subject]"));
    if (event.key === "j") rows[Math.min(at + 1, rows.length - 1)]?.focus();
    else if (event.key === "k") rows[Math.max(at - 1, 0)]?.focus();
    else if (at >= 0 && (event.key === "a" || event.key === "r")) {
      const meaning = event.key === "a" ? "exception_accepted" : "exception_rejected";
      rows[at].querySelector('button[data-sign="' + meaning + '"]')?.click();
    } else return;
    event.preventDefault();
  });
});
