// The upload tab: a file becomes a job, its progress comes as server-sent events, its result as a download.

const FORMATS = ["csv", "parquet", "sdf", "ndjson"];
const TERMINAL = ["done", "failed", "cancelled"];
const UNDO_SECONDS = 8;
let ready = false;

export async function open(panel, page) {
  if (ready) return;
  ready = true;
  const form = panel.querySelector("#upload");
  const drop = form.querySelector(".drop");
  for (const name of ["dragover", "dragleave", "drop"])
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
      if (name === "drop" && event.dataTransfer.files.length) {
        form.querySelector("#file").files = event.dataTransfer.files;
        look(form, page);
      }
    });
  form.addEventListener("change", (event) => look(form, page, { column: ["column", "sheet"], sheet: ["sheet"] }[event.target.name]));
  form.addEventListener("click", (event) => {
    const button = event.target.closest(".save-yaml");
    if (button) save(button.dataset.name, button.parentElement.querySelector(".yaml").textContent, page);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(form, panel.querySelector("#jobs"), page);
  });
  look(form, page); // a file may have been chosen before this script came
  for (const id of page.jobs()) {
    const answer = await fetch(`/v1/jobs/${id}`);
    if (answer.ok) follow(await answer.json(), panel.querySelector("#jobs"), page);
    else if ([404, 410].includes(answer.status)) page.forgetJob(id);
  }
}

const PART = 8 << 20; // as much of a file as is looked at before it is uploaded
let looking = 0;

// Shows the first rows; `chosen` names what was chosen before and stays so.
async function look(form, { make, explained }, chosen = []) {
  const [file] = form.querySelector("#file").files;
  const holder = form.querySelector("#first-rows");
  const said = new FormData(form);
  const number = ++looking;
  if (!file) return holder.replaceChildren();
  const body = new FormData();
  body.append("file", file.slice(0, PART), file.name);
  for (const name of chosen) if (said.get(name)) body.append(name, said.get(name));
  try {
    const answer = await fetch("/page/file", { method: "POST", body });
    if (!answer.ok) throw await explained(answer);
    const html = await answer.text();
    if (number === looking) holder.innerHTML = html;
  } catch (error) {
    if (number === looking) holder.replaceChildren(make("p", { class: "hint", role: "alert" }, `${file.name}: ${error.message}`));
  }
}

function save(name, text, { make }) {
  const address = URL.createObjectURL(new Blob([text], { type: "application/yaml" }));
  make("a", { href: address, download: name }).click();
  URL.revokeObjectURL(address);
}

async function submit(form, list, page) {
  const [file] = form.querySelector("#file").files;
  if (!file || form.getAttribute("aria-busy") === "true") return;
  form.setAttribute("aria-busy", true);
  const body = new FormData();
  body.append("file", file);
  const chosen = new FormData(form);
  for (const name of ["column", "sheet"]) if (chosen.get(name)) body.append(name, chosen.get(name));
  try {
    const answer = await fetch("/v1/jobs", { method: "POST", body });
    if (!answer.ok) throw await page.explained(answer);
    const job = await answer.json();
    page.rememberJob(job.id);
    follow(job, list, page, true);
    form.reset();
    form.querySelector("#first-rows").replaceChildren();
  } catch (error) {
    list.prepend(page.make("p", { class: "notice", role: "alert" }, `${file.name}: ${error.message}`));
  } finally {
    form.setAttribute("aria-busy", false);
  }
}

// Shows a job, and follows it to its end; one that was just sent is then opened as the table.
function follow(job, list, page, isNew = false) {
  const { make, results } = page;
  const bar = make("progress", { max: Math.max(1, job.total), value: job.done, "aria-label": `Progress of ${job.name}` });
  const text = make("span", { class: "hint", role: "status" });
  const links = make("span", { class: "links" });
  const stop = make("button", { type: "button", class: "quiet" }, job.status === "done" ? "Remove" : "Cancel");
  const item = make("div", { class: "job" }, make("strong", {}, job.name || `${job.total.toLocaleString()} molecules of ${new Date(job.created).toLocaleDateString()}`), bar, text, links, stop);
  list.prepend(item);
  document.getElementById("jobs-title").hidden = false;
  const events = new EventSource(job.links.events);

  const show = (state) => {
    bar.max = Math.max(1, state.total);
    bar.value = state.done;
    const failed = state.failed ? `, ${state.failed.toLocaleString()} not predicted` : "";
    text.textContent = `${state.done.toLocaleString()} of ${state.total.toLocaleString()} rows${failed}`;
  };
  const openTable = async () => {
    await page.openJob(job.id);
    page.keep();
    if (results.contains(document.activeElement)) return; // the reader was quicker, and is at work there
    results.scrollIntoView({ block: "start" });
    results.focus({ preventScroll: true });
  };
  const end = async (state) => {
    events.close();
    show(state);
    if (state.status === "done") {
      bar.value = bar.max;
      const open = make("button", { type: "button", class: "tool" }, "Open as a table");
      open.addEventListener("click", () => openTable().catch((error) => text.append(` ${error.message}`)));
      stop.textContent = "Remove";
      links.replaceChildren(
        open,
        ...FORMATS.map((format) => make("a", { href: `${job.links.result}?format=${format}&bom=true`, download: "" }, format.toUpperCase())),
      );
      if (isNew) await openTable();
    } else {
      stop.textContent = "Remove";
      item.classList.add("stopped");
      const detail = state.error?.detail ? `: ${state.error.detail}` : "";
      text.textContent = `${state.status}${detail}`;
    }
  };

  events.addEventListener("progress", (event) => show(JSON.parse(event.data)));
  events.addEventListener("done", async () => end(await (await fetch(job.links.self)).json()));
  events.addEventListener("error", () => {
    if (!TERMINAL.includes(job.status)) text.textContent = "The service does not answer at the moment; the job continues when it is back.";
  });
  // What is removed is deleted when the time for a second thought is over, or the page is left.
  stop.addEventListener("click", () => {
    const remove = () => {
      clearTimeout(waiting);
      window.removeEventListener("pagehide", remove);
      events.close();
      page.forgetJob(job.id);
      withdraw();
      fetch(job.links.self, { method: "DELETE", keepalive: true });
    };
    const waiting = setTimeout(remove, 1000 * UNDO_SECONDS);
    window.addEventListener("pagehide", remove);
    const after = item.nextSibling;
    item.remove();
    const withdraw = page.offerUndo(`${job.name || "The job"} will be removed with its result.`, () => {
      clearTimeout(waiting);
      window.removeEventListener("pagehide", remove);
      list.insertBefore(item, after?.isConnected ? after : null);
      item.querySelector("button").focus();
    });
  });
  show(job);
}
