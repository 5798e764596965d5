// What the page does beyond a plain form: results without a reload, examples, and the wait for a first model.
"use strict";

const form = document.getElementById("ask");
const results = document.getElementById("results");
const status = document.getElementById("status");
const box = document.getElementById("smiles");

function notice(text) {
  const div = document.createElement("div");
  const strong = document.createElement("strong");
  div.className = "notice";
  div.setAttribute("role", "alert");
  strong.textContent = "No prediction.";
  div.append(strong, " ", text);
  results.replaceChildren(div);
}

function busy(yes) {
  form.setAttribute("aria-busy", yes);
  results.setAttribute("aria-busy", yes);
  form.querySelector(".go").setAttribute("aria-disabled", yes);
}

async function predict() {
  if (form.getAttribute("aria-busy") === "true") return;
  busy(true);
  status.textContent = "Predicting …";
  try {
    const answer = await fetch("/", {
      method: "POST",
      headers: { "X-Fragment": "results" },
      body: new URLSearchParams(new FormData(form)),
    });
    if (!(answer.headers.get("Content-Type") || "").startsWith("text/html")) {
      const problem = await answer.json();
      throw new Error(problem.detail || problem.title);
    }
    results.innerHTML = await answer.text();
    const cards = results.querySelectorAll(".card").length;
    const bad = results.querySelectorAll(".card.bad").length;
    status.textContent = cards ? `${cards - bad} predicted` + (bad ? `, ${bad} not` : "") : "No prediction.";
    if (cards) results.focus({ preventScroll: true });
    results.scrollIntoView({ block: "nearest", behavior: "smooth" });
  } catch (error) {
    status.textContent = "";
    notice(
      error instanceof TypeError
        ? "The service does not answer. It may be restarting: your molecules are still in the box, try again in a moment."
        : `The service could not answer: ${error.message}`,
    );
  } finally {
    busy(false);
  }
}

function example(event) {
  const line = event.currentTarget.dataset.smiles;
  const lines = box.value.split("\n").filter((text) => text.trim());
  if (!lines.includes(line)) lines.push(line);
  box.value = lines.join("\n");
  box.focus();
}

if (form) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    predict();
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  for (const button of form.querySelectorAll("[data-smiles]")) button.addEventListener("click", example);
  document.getElementById("clear").addEventListener("click", () => {
    box.value = "";
    results.replaceChildren();
    status.textContent = "Cleared";
    box.focus();
  });
}

if (document.getElementById("waiting")) {
  const since = Date.now();
  const look = async () => {
    let text = `Last looked at ${new Date().toLocaleTimeString()}.`;
    try {
      const answer = await fetch("/v1/endpoints");
      if (answer.ok && (await answer.json()).length) {
        location.reload();
        return;
      }
    } catch {
      text = "The service does not answer just now; still looking.";
    }
    document.getElementById("waited").textContent = text;
    setTimeout(look, Date.now() - since < 60000 ? 2000 : 5000);
  };
  setTimeout(look, 2000);
}
