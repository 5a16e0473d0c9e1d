"use strict";
const by = id => document.getElementById(id);
const form = by("form"), model = by("model"), inputs = by("inputs"), failed = by("error"), result = by("result");
const RECORDS = "Records: a JSON object a line";

// A text to annotate, the texts of a pair, or objects as the task's JSON Lines have them.
function fields() {
  const { takes, fields } = model.selectedOptions[0].dataset;
  if (takes.split(" ").includes("texts")) return ["Text"];
  return fields ? fields.split(" ") : [RECORDS];
}

function showInputs() {
  const kept = Object.fromEntries([...inputs.querySelectorAll("textarea")].map(one => [one.name, one.value]));
  inputs.replaceChildren(...fields().map(name => {
    const label = document.createElement("label"), text = document.createElement("textarea");
    text.name = name;
    text.dir = "auto";
    text.required = true;
    text.value = kept[name] || "";
    label.append(name, text);
    return label;
  }));
}

function asked() {
  const values = Object.fromEntries([...inputs.querySelectorAll("textarea")].map(one => [one.name, one.value]));
  const request = { model: model.value };
  const language = by("language").value.trim();
  if (language) request.language = language;
  if ("Text" in values) request.texts = [values.Text];
  else if (RECORDS in values) request.records = values[RECORDS].split("\n").filter(line => line.trim()).map(line => JSON.parse(line));
  else request.records = [values];
  return request;
}

let waiting;  // for the answer to what was asked last

async function annotate() {
  waiting?.abort();
  const mine = waiting = new AbortController();
  failed.hidden = true;
  by("status").textContent = "Working …";
  form.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch("view", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(asked()), signal: mine.signal
    });
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.errors.map(one => one.what + (one.where ? " (" + one.where + ")" : "") + (one.fix ? "\n" + one.fix : "")).join("\n"));
    const { views, ...rest } = said;
    // Escaped by the server; and the page's policy lets no other script run.
    by("views").innerHTML = views.join("<hr>");
    by("json").textContent = JSON.stringify(rest, null, 2);
    by("copied").textContent = "";
    by("status").textContent = "Done.";
    result.hidden = false;
    by("result-title").focus();
  } catch (error) {
    if (mine !== waiting) return;
    by("status").textContent = "";
    result.hidden = true;
    failed.textContent = error.message;
    failed.hidden = false;
  } finally {
    if (mine === waiting) form.removeAttribute("aria-busy");
  }
}

async function copy() {
  const range = document.createRange();
  range.selectNodeContents(by("json"));
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  try {
    await navigator.clipboard.writeText(by("json").textContent);
    by("copied").textContent = "Copied.";
  } catch {
    by("copied").textContent = "It is selected: copy it with Ctrl+C.";
  }
}

model.addEventListener("change", showInputs);
form.addEventListener("submit", event => { event.preventDefault(); annotate(); });
form.addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); form.requestSubmit(); }
});
by("copy").addEventListener("click", copy);
showInputs();
