// What the pages do beyond plain forms: results without a reload, preview, tabs, questions about a molecule, the table.
// The editor and the upload are scripts of their own, loaded when their tab is opened.
"use strict";

const $ = (id) => document.getElementById(id);
const root = document.documentElement;
const form = $("ask");
const results = $("results");
const status_ = $("status");
const box = $("smiles");
const LONGEST_WAIT_SECONDS = 30;
const TRIES = 4;

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Asking the service ---------------------------------------------------------------------------------------------------

class Problem extends Error {
  constructor(message, retrySeconds) {
    super(message);
    this.retrySeconds = retrySeconds;
  }
}

async function explained(answer) {
  if (answer.status === 401 || answer.redirected) return new Problem("A key is needed: reload the page to enter one.", 0);
  let detail = `status ${answer.status}`;
  if ((answer.headers.get("Content-Type") || "").includes("json")) {
    const problem = await answer.json();
    detail = problem.detail || problem.title || detail;
  }
  const wait = Number(answer.headers.get("Retry-After")) || 0;
  return new Problem(detail[0].toUpperCase() + detail.slice(1), [429, 503].includes(answer.status) ? wait : 0);
}

// Posts a form and gives the HTML that comes back. Structures travel in the body, never in an address.
async function ask(address, fields, fragment, signal) {
  const body = new URLSearchParams(fields);
  let answer;
  try {
    answer = await fetch(address, { method: "POST", headers: { "X-Fragment": fragment }, body, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The service does not answer. It may be restarting: your molecules are still in the box.", -1);
  }
  if (!answer.ok) throw await explained(answer);
  return answer.text();
}

// Asks for JSON, as the interface for programs gives it.
async function json(address, options) {
  const answer = await fetch(address, options);
  if (!answer.ok) throw await explained(answer);
  return answer.status === 204 ? null : answer.json();
}

// What this browser keeps between visits: choices, views, numbers of jobs; never a structure.
function recall(name) {
  try {
    return JSON.parse(localStorage.getItem(name));
  } catch {
    return null;
  }
}

function remember(name, value) {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // storage may be forbidden; what was chosen lasts as long as the page
  }
}

const JOBS = "jobs"; // jobs of this browser, so that they are found again tomorrow
const jobs = () => recall(JOBS) ?? [];
const rememberJob = (id) => remember(JOBS, [...jobs().filter((each) => each !== id), id].slice(-50));
const forgetJob = (id) => remember(JOBS, jobs().filter((each) => each !== id));

const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

// Predicting -----------------------------------------------------------------------------------------------------------

function busy(yes) {
  form.setAttribute("aria-busy", yes);
  results.setAttribute("aria-busy", yes);
  form.querySelector(".go").setAttribute("aria-disabled", yes);
}

function skeletons(count) {
  results.replaceChildren(
    ...Array.from({ length: Math.min(count, 3) }, () => {
      const bar = () => make("span", { class: "bone" });
      return make("div", { class: "card skeleton", "aria-hidden": "true" }, bar(), make("div", {}, bar(), bar(), bar(), bar()));
    }),
  );
}

function notice(text, again) {
  const div = make("div", { class: "notice", role: "alert" }, make("strong", {}, "No prediction."), " ", text, " ");
  if (again) {
    const button = make("button", { type: "button", class: "tool" }, "Try again");
    button.addEventListener("click", predict);
    div.append(button);
  }
  if (/upload them as a file/.test(text)) {
    const button = make("button", { type: "button", class: "tool" }, "Predict them as a file");
    button.addEventListener("click", predictAsFile);
    div.append(" ", button);
  }
  results.replaceChildren(div);
}

async function patiently(fields) {
  for (let tried = 1; ; tried++) {
    try {
      return await ask("/", fields, "results");
    } catch (error) {
      const wait = Math.min(LONGEST_WAIT_SECONDS, error.retrySeconds || 0);
      if (wait <= 0 || tried === TRIES) throw error;
      status_.textContent = `The service is busy; trying again in ${wait} s.`;
      tell(`The service is busy; trying again in ${wait} s (${tried} of ${TRIES - 1}).`);
      await pause(wait);
    }
  }
}

// Results outlive a reload and Back: this tab keeps them, on this computer, until it is closed or cleared.
const KEPT = "results";
let kept = ""; // as they came: the table takes rows out of the page

function keep() {
  if (form.getAttribute("aria-busy") === "true") return;
  const job = results.querySelector(".overview")?.dataset.job; // its rows are kept by the service
  const state = { text: box.value, html: job ? "" : kept, job, said: status_.textContent };
  for (const each of [state, { ...state, html: "" }])
    try {
      sessionStorage.setItem(KEPT, JSON.stringify(each));
      return;
    } catch {
      // too large, or storage is forbidden: the text alone is kept, or nothing
    }
}

function restore() {
  let state;
  try {
    state = JSON.parse(sessionStorage.getItem(KEPT));
  } catch {
    return;
  }
  if (!(state?.text || state?.job) || results.childElementCount || box.defaultValue) return; // what the service has just sent is newer
  box.value = state.text;
  if (state.job) openJob(state.job).catch(() => {}); // removed meanwhile, or the key is gone
  else if (state.html) {
    kept = state.html;
    results.innerHTML = kept;
    enliven(results);
    openTable(results);
    status_.textContent = state.said;
  } else if (state.said) tell("The results were too large to be kept.", true);
}

// Shows the stored result of a job as the table.
async function openJob(id) {
  const answer = await fetch(`/page/jobs/${id}`);
  if (!answer.ok) throw await explained(answer);
  kept = "";
  results.innerHTML = await answer.text();
  await openTable(results);
}

// Predicts what is in the box as a file: more than fits into one answer.
async function predictAsFile() {
  const body = new FormData();
  body.append("file", new Blob([box.value], { type: "text/plain" }), "pasted.txt");
  results.replaceChildren(make("p", { class: "notice", role: "status" }, "Predicting …"));
  try {
    let state = await json("/v1/jobs", { method: "POST", body });
    rememberJob(state.id);
    while (!["done", "failed", "cancelled"].includes(state.status)) {
      await pause(0.4);
      state = await json(state.links.self);
      results.firstElementChild.textContent = `${state.done.toLocaleString()} of ${state.total.toLocaleString()} predicted …`;
    }
    if (state.status !== "done") throw new Problem(state.error?.detail ?? state.status, 0);
    await openJob(state.id);
    status_.textContent = `${state.done - state.failed} predicted` + (state.failed ? `, ${state.failed} not` : "");
    keep();
  } catch (error) {
    notice(error.message, false);
  }
}

async function predict() {
  if (form.getAttribute("aria-busy") === "true") return;
  const lines = box.value.split("\n").filter((text) => text.trim());
  busy(true);
  status_.textContent = "Predicting …";
  $("comparison").replaceChildren();
  skeletons(lines.length);
  try {
    kept = await patiently({ smiles: box.value });
    results.innerHTML = kept;
    tell("");
    enliven(results);
    const rows = results.querySelectorAll("#grid tbody tr").length;
    const cards = rows || results.querySelectorAll(".card").length;
    const bad = results.querySelectorAll(rows ? ".not-predicted" : ".card.bad").length;
    status_.textContent = `${cards - bad} predicted` + (bad ? `, ${bad} not` : "");
    news = "";
    keep();
    await openTable(results);
    if (results.contains(document.activeElement)) return; // the reader was quicker, and is at work there
    results.focus({ preventScroll: true });
    results.scrollIntoView({ block: "nearest", behavior: "smooth" });
  } catch (error) {
    status_.textContent = "";
    tell("");
    notice(error.message, true);
  } finally {
    busy(false);
  }
}

// One molecule: why, alerts -----------------------------------------------------------------------------------------------

async function fill(holder, address, fields) {
  holder.replaceChildren(make("span", { class: "bone" }));
  try {
    holder.innerHTML = await ask(address, fields, "part");
  } catch (error) {
    holder.replaceChildren(make("p", { class: "hint", role: "alert" }, error.message));
  }
}

async function askWhy(button) {
  const row = button.closest("tr");
  const open = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", !open);
  if (open) {
    row.nextElementSibling.remove();
    return;
  }
  const cell = make("td", { colspan: "4", "aria-live": "polite" });
  row.after(make("tr", { class: "why" }, cell));
  const fields = { smiles: button.closest(".card").dataset.smiles, endpoint: button.dataset.endpoint };
  await fill(cell, "/page/why", fields);
}

async function askAlerts(button) {
  await fill(button.parentElement, "/page/alerts", { smiles: button.closest(".card").dataset.smiles });
}

async function askWhatIf(button) {
  try {
    const module = await import(button.dataset.script);
    await module.open(button, { make, ask });
  } catch (error) {
    tell(`The structure cannot be changed here: ${error.message}`);
  }
}

async function report(form) {
  const button = form.querySelector("button");
  button.disabled = true;
  await fill(form.nextElementSibling, "/page/measured", new FormData(form));
  button.disabled = false;
  if (form.nextElementSibling.querySelector(".stored")) form.reset();
}

function showAlert(chip) {
  const figure = chip.closest(".card").querySelector(".structure");
  figure.plain ??= figure.innerHTML;
  const on = chip.getAttribute("aria-pressed") !== "true";
  for (const other of chip.parentElement.querySelectorAll(".alert-chip")) other.setAttribute("aria-pressed", on && other === chip);
  figure.innerHTML = on ? chip.nextElementSibling.innerHTML : figure.plain;
}

// The table ----------------------------------------------------------------------------------------------------------------

// Sorting, filtering, choosing columns: a script of its own, loaded with the first table.
async function openTable(part) {
  const panel = part.querySelector(".overview[data-script]");
  if (!panel) return;
  try {
    panel.script = import(panel.dataset.script);
    const module = await panel.script;
    await module.open(panel, { make, ask, json, explained, enliven, recall, remember, rememberJob, offerUndo });
    for (const tool of panel.querySelectorAll("details[data-script]")) // what was opened before this script ran, or has something kept
      if (tool.open || (tool.dataset.kept && recall(tool.dataset.kept))) await openTool(tool);
  } catch (error) {
    tell(`The table cannot be sorted or filtered: ${error.message}`);
    console.error(error);
  }
}

// Tools beside the results: a script each, loaded when its panel is opened for the first time, or has something kept.
async function openTool(panel) {
  if (panel.dataset.ready) return;
  panel.dataset.ready = "yes";
  try {
    const overview = panel.closest(".overview");
    const [module] = await Promise.all([import(panel.dataset.script), overview?.script]); // a reader may be quicker than the table
    await module.open(panel, { make, ask, explained, table: overview?.table, cards: results });
  } catch (error) {
    delete panel.dataset.ready;
    panel.append(make("p", { class: "notice", role: "alert" }, `This could not be loaded: ${error.message}`));
  }
}

document.addEventListener("toggle", (event) => event.target.matches("details[data-script]") && event.target.open && openTool(event.target), true);

async function compare(event) {
  if (event.submitter?.id !== "compare") return; // the file is downloaded as a plain form
  event.preventDefault();
  const holder = $("comparison");
  await fill(holder, "/page/compare", new FormData(event.target));
  enliven(holder);
  holder.focus({ preventScroll: true });
  holder.scrollIntoView({ block: "start", behavior: "smooth" });
}

async function openCard(link, event) {
  const row = link.closest("tr");
  const position = Number(row.dataset.position);
  if ($(`card-${position}`)) return;
  event.preventDefault();
  $("open-hint")?.remove();
  const holder = make("div", { class: "opened" });
  const after = [...$("cards").querySelectorAll(".card")].find((card) => Number(card.id.slice(5)) > position);
  $("cards").insertBefore(holder, after?.closest(".opened") ?? after ?? null);
  holder.scrollIntoView({ block: "nearest" });
  holder.replaceChildren(make("span", { class: "bone" }));
  try {
    holder.innerHTML = await ask("/", { smiles: row.dataset.smiles, name: row.dataset.name, pick: position - 1 }, "card");
    enliven(holder);
    $(`card-${position}`)?.scrollIntoView({ block: "start", behavior: "smooth" });
  } catch (error) {
    holder.replaceChildren(make("div", { class: "notice", role: "alert" }, error.message));
  }
}

// One molecule on one page; what else is on the screen stays there.
function printOne(card) {
  for (const part of [root, card]) part.classList.add("printed");
  window.addEventListener("afterprint", () => [root, card].forEach((part) => part.classList.remove("printed")), { once: true });
  window.print();
}

// Shows what needs a script, in mark-up that has just arrived.
function enliven(part) {
  for (const element of part.querySelectorAll(".ask-why, .ask-alerts, .ask-what-if, .close, .print-one")) element.hidden = false;
  if (!part.matches(".overview")) return;
  for (const element of part.querySelectorAll(".filter, .check, .pick-first")) element.hidden = false;
  for (const button of part.querySelectorAll("th[data-sort] button")) button.disabled = false;
}

document.addEventListener("click", (event) => {
  const on = (selector) => event.target.closest(selector);
  let found;
  if ((found = on(".ask-why"))) askWhy(found);
  else if ((found = on(".ask-alerts"))) askAlerts(found);
  else if ((found = on(".ask-what-if"))) askWhatIf(found);
  else if ((found = on(".alert-chip"))) showAlert(found);
  else if ((found = on("#grid th[scope=row] a"))) openCard(found, event);
  else if (on(".close")) $("comparison").replaceChildren();
  else if ((found = on(".print-one"))) printOne(found.closest(".card"));
});
// In a card with many endpoints: shows those whose name holds what is typed.
document.addEventListener("input", (event) => {
  if (!event.target.matches(".find-property input")) return;
  const words = event.target.value.trim().toLowerCase();
  for (const part of event.target.closest(".body").querySelectorAll("details.category")) {
    const rows = [...part.querySelectorAll("tbody tr:not(.why)")];
    for (const row of rows) row.hidden = !row.querySelector("th").textContent.toLowerCase().includes(words);
    part.hidden = rows.every((row) => row.hidden);
    if (words) part.open = !part.hidden;
  }
});
document.addEventListener("submit", (event) => {
  if (event.target.id === "picking") compare(event);
  if (event.target.id === "training-search") {
    event.preventDefault();
    fill($("hits"), "/page/training", new FormData(event.target));
  }
  if (event.target.matches(".measure")) {
    event.preventDefault();
    report(event.target);
  }
});
for (const part of [results, $("comparison")]) if (part) enliven(part);
if (results) openTable(results);

// The box and its preview ---------------------------------------------------------------------------------------------------

let drawing;
let drawn = "";

// The line that the cursor is in, from 1.
const cursorLine = () => box.value.slice(0, box.selectionStart).split("\n").length;

function lineAtCursor() {
  const start = box.value.lastIndexOf("\n", box.selectionStart - 1) + 1;
  const end = box.value.indexOf("\n", start);
  return box.value.slice(start, end < 0 ? undefined : end).trim() || box.value.trim().split("\n").pop();
}

function preview() {
  const at = cursorLine();
  const asked = `${at} ${box.value}`;
  if (asked === drawn) return;
  drawn = asked;
  drawing?.abort();
  drawing = new AbortController();
  const { signal } = drawing;
  setTimeout(async () => {
    if (signal.aborted) return;
    try {
      const html = await ask("/page/preview", { smiles: box.value, at }, "part", signal);
      const open = $("understood").querySelector("details")?.open;
      $("preview").innerHTML = html;
      $("understood").replaceChildren(...$("preview").querySelectorAll(".understood"));
      if (open) $("understood").querySelector("details")?.setAttribute("open", "");
    } catch {
      // a preview that does not come is no news: predicting will say what is wrong
    }
  }, 180);
}

function addLine(line) {
  const lines = box.value.split("\n").filter((text) => text.trim());
  if (!lines.includes(line)) lines.push(line);
  box.value = lines.join("\n");
  box.setSelectionRange(box.value.length, box.value.length);
  preview();
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
  for (const name of ["input", "click", "keyup"]) box.addEventListener(name, preview);
  for (const button of form.querySelectorAll(".chip[data-smiles]"))
    button.addEventListener("click", () => {
      addLine(button.dataset.smiles);
      box.focus();
    });
  $("clear").addEventListener("click", () => {
    const before = { text: box.value, kept, said: status_.textContent, parts: [results, $("comparison")].map((part) => [part, [...part.childNodes]]) };
    box.value = "";
    for (const [part] of before.parts) part.replaceChildren();
    kept = "";
    status_.textContent = "Cleared";
    keep();
    box.focus();
    preview();
    if (!before.text && !before.kept && !before.parts[0][1].length) return;
    offerUndo("Cleared.", () => {
      box.value = before.text;
      for (const [part, nodes] of before.parts) part.replaceChildren(...nodes);
      kept = before.kept;
      status_.textContent = before.said;
      keep();
      box.focus();
      preview();
    });
  });
  $("preview").hidden = false;
  window.addEventListener("pagehide", keep);
  restore();
  if (box.value.trim()) preview();
}

// Tabs ------------------------------------------------------------------------------------------------------------------------

const tabs = [...document.querySelectorAll("[role=tab]")];

async function openTab(tab) {
  for (const other of tabs) {
    other.setAttribute("aria-selected", other === tab);
    other.tabIndex = other === tab ? 0 : -1;
    $(other.getAttribute("aria-controls")).hidden = other !== tab;
  }
  const panel = $(tab.getAttribute("aria-controls"));
  if (!panel.dataset.script) return;
  try {
    const module = await import(panel.dataset.script);
    await module.open(panel, { openJob, keep, results, json, jobs, rememberJob, forgetJob, offerUndo, ask, addLine, lineAtCursor, make, explained, paste: () => openTab(tabs[0]) });
  } catch (error) {
    panel.prepend(make("p", { class: "notice", role: "alert" }, `This could not be loaded: ${error.message}`));
  }
}

if (tabs.length) {
  tabs[0].parentElement.hidden = false;
  for (const tab of tabs) tab.addEventListener("click", () => openTab(tab));
  tabs[0].parentElement.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
    next.focus();
    openTab(next);
  });
}

// Theme -----------------------------------------------------------------------------------------------------------------------

const themes = ["auto", "light", "dark"];
const theme = $("theme");
if (theme) {
  const show = () => (theme.querySelector("span").textContent = root.dataset.theme || "auto");
  theme.hidden = false;
  show();
  theme.addEventListener("click", () => {
    const next = themes[(themes.indexOf(root.dataset.theme || "auto") + 1) % themes.length];
    if (next === "auto") delete root.dataset.theme;
    else root.dataset.theme = next;
    try {
      if (next === "auto") localStorage.removeItem("theme");
      else localStorage.setItem("theme", next);
    } catch {
      // storage may be forbidden; the choice lasts as long as the page
    }
    show();
  });
}

// The service while the page is open --------------------------------------------------------------------------------------------

const making = $("making");
let news = "";
let away = false;

function tell(text, again) {
  const news = $("news");
  news.hidden = !text;
  news.replaceChildren(text);
  if (!again) return;
  const button = make("button", { type: "button", class: "tool" }, "Predict again");
  button.addEventListener("click", predict);
  news.append(" ", button);
}

// Says what was done, with the way back.
function offerUndo(text, undo) {
  tell(text);
  const button = make("button", { type: "button", class: "tool" }, "Undo");
  button.addEventListener("click", () => {
    tell("");
    undo();
  });
  $("news").append(" ", button);
  return () => button.isConnected && tell("");
}

// What serves now and did not when the values that are shown were predicted, by their properties' titles.
function newsOf(serving) {
  const shown = $("cards") && JSON.parse($("cards").dataset.serving);
  if (!shown) return "";
  const said = [];
  for (const [name, now] of Object.entries(serving)) {
    const [title, version, model, provisional] = shown[name] ?? [];
    if (!title) said.push(`${name} can be predicted now.`);
    else if (version === now.version) continue;
    else if (!provisional) said.push(`${title}: a newer model serves now.`);
    else if (model !== now.model) said.push(`${title}: a better model serves now.`);
    else if (!now.provisional) said.push(`${title}: its model proved the best of all and is no longer provisional.`);
  }
  return said.length > 3 ? `${said.length} properties have newer models now.` : said.join(" ");
}

async function look() {
  if (document.hidden || form.getAttribute("aria-busy") === "true") return;
  try {
    const state = await (await fetch("/health/ready")).json();
    if (away) tell("");
    away = false;
    const count = Object.keys(state.endpoints).length;
    if (count) $("count-served").textContent = `${count} ${count === 1 ? "property" : "properties"}`;
    const text = newsOf(state.endpoints);
    if (text !== news) {
      news = text;
      tell(text, text);
    }
    if (state.making || making.childElementCount) await followRun();
  } catch {
    away = true;
    tell("The service does not answer at the moment. It may be restarting; your results stay here.");
  }
}

// Renews the banner about a run part by part, so that a screen reader announces only what changed.
async function followRun() {
  const answer = await fetch("/page/making");
  if (!answer.ok || answer.redirected) return;
  const fresh = make("div", {});
  fresh.innerHTML = await answer.text();
  const [old, now] = [making, fresh].map((holder) => [...holder.querySelectorAll("[data-part]")]);
  if (!now.length && old.length) making.firstElementChild.replaceChildren("The run is over.");
  else if (old.length !== now.length) making.replaceChildren(...fresh.children);
  else old.forEach((part, at) => part.innerHTML === now[at].innerHTML || (part.innerHTML = now[at].innerHTML));
}

if (form) {
  setInterval(look, 10_000);
  window.addEventListener("focus", look);
}

const state = $("state");
if (state) {
  setInterval(async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch("/operations", { headers: { "X-Fragment": "state" } });
      if (answer.ok) state.innerHTML = await answer.text();
      await followRun();
      tell("");
    } catch {
      tell("The service does not answer just now; what you see may be out of date.");
    }
  }, 10_000);
}

if ($("waiting")) {
  const since = Date.now();
  const wait = async () => {
    let text = `Last looked at ${new Date().toLocaleTimeString()}.`;
    try {
      if ((await fetch("/health/ready")).ok) {
        location.assign("/");
        return;
      }
      await followRun();
    } catch {
      text = "The service does not answer just now; still looking.";
    }
    $("waited").textContent = text;
    setTimeout(wait, Date.now() - since < 60_000 ? 2000 : 5000);
  };
  setTimeout(wait, 2000);
}
