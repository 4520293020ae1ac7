// The console's behavior: times that stay relative, pieces that refresh themselves, copying. No framework, no state.
"use strict";

const SLOWEST_POLL_SECONDS = 60;

// Times: the server says "3 min ago"; here it goes on being true.
function inWords(seconds) {
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${Math.floor(seconds)} s`;
}

function refreshTimes() {
  for (const element of document.querySelectorAll("time[data-relative]")) {
    const passed = (Date.now() - Date.parse(element.dateTime)) / 1000;
    const text = Math.abs(passed) < 5 ? "just now" : passed > 0 ? `${inWords(passed)} ago` : `in ${inWords(-passed)}`;
    if (element.textContent !== text) element.textContent = text;
  }
}

// Polling: each [data-poll] element asks for itself again; slower and slower while nothing answers, and not at all while
// nobody looks. What was open or focused stays so, and what was typed is not replaced.
const waits = new WeakMap();

function schedule(element, seconds) {
  clearTimeout(waits.get(element));
  waits.set(element, setTimeout(() => poll(element, seconds), seconds * 1000));
}

function poll(element, seconds) {
  if (!element.isConnected) return;
  if (document.hidden || isBusy(element)) return schedule(element, seconds);
  element.dataset.waiting = seconds;
  htmx.trigger(element, "poll");
}

function isEdited(field) {
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  if (field.tagName !== "SELECT") return field.value !== field.defaultValue;
  const options = [...field.options];
  return field.selectedIndex !== Math.max(options.findIndex((option) => option.defaultSelected), 0);
}

function isBusy(element) {
  if ([...element.querySelectorAll("input, textarea, select")].some(isEdited)) return true;
  const active = document.activeElement;
  const selected = document.getSelection();
  const isTyping = element.contains(active) && ["INPUT", "TEXTAREA", "SELECT"].includes(active.tagName);
  return isTyping || (!selected.isCollapsed && element.contains(selected.anchorNode));
}

function startPolling(root) {
  const found = [...root.querySelectorAll("[data-poll]")];
  if (root.matches?.("[data-poll]")) found.push(root);
  for (const element of found) schedule(element, Number(element.dataset.poll));
}

function say(text) {
  const notice = document.getElementById("offline");
  notice.hidden = text === "";
  notice.textContent = text;
}

function isPoll(event) {
  return event.detail.requestConfig?.triggeringEvent?.type === "poll";
}

function pollFailed(event) {
  if (!isPoll(event)) return say("Loading failed. Try again, or reload the page.");
  const element = event.detail.elt;
  const seconds = Math.min(2 * Number(element.dataset.waiting ?? element.dataset.poll), SLOWEST_POLL_SECONDS);
  say(`The service does not answer; trying again in ${seconds} s. This page is out of date.`);
  schedule(element, seconds);
}

document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.triggeringEvent?.type === "poll") event.detail.headers["X-Console-Poll"] = "1";
  if (!event.detail.elt.matches(".filters")) return;
  // A filter that is not set is not in the URL.
  for (const [name, value] of [...event.detail.formData]) if (value === "") event.detail.formData.delete(name);
});
for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) document.addEventListener(name, pollFailed);
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) say("");
});
const FOCUSABLE = "a[href], button, summary";
// What an element says and where it leads: its successor in the next version of a piece has the same.
const nameOf = (element) => [element.tagName, element.textContent.trim(), element.href ?? element.form?.action].join(" ");
let opened = [];
let focused = null;
document.addEventListener("htmx:beforeSwap", (event) => {
  const element = event.detail.target;
  if (isPoll(event) && isBusy(element)) {  // since the request was sent
    event.detail.shouldSwap = false;
    return schedule(element, Number(element.dataset.poll));
  }
  opened = [...document.querySelectorAll("details[open][id]")].map((details) => details.id);
  const active = document.activeElement;
  focused = event.detail.target.contains(active) && active.matches(FOCUSABLE) ? nameOf(active) : null;
});
document.addEventListener("htmx:afterSwap", (event) => {
  const found = document.getElementById(event.detail.target.id)?.querySelectorAll(FOCUSABLE) ?? [];
  [...found].find((element) => nameOf(element) === focused)?.focus({ preventScroll: true });
});
document.addEventListener("htmx:afterSettle", (event) => {
  for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
  const piece = document.getElementById(event.detail.target.id) ?? event.detail.elt;
  startPolling(piece);
  labelCells(piece);
  drawCharts(piece);
  refreshTimes();
});

// A table's cells know their column's title, which a card on a narrow screen shows beside the value.
function labelCells(root) {
  for (const table of root.querySelectorAll(".cards table")) {
    const titles = [...table.querySelectorAll("thead th")].map((cell) => cell.textContent.trim());
    for (const row of table.tBodies[0].rows) {
      [...row.cells].forEach((cell, place) => {
        if (place > 0 && titles[place]) cell.dataset.label = titles[place];
      });
    }
  }
}

// Copying.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (button === null) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  const label = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = label; }, 1500);
});

// A select or a checkbox with data-submits sends its form when it changes.
document.addEventListener("change", (event) => {
  if (event.target.closest("[data-submits]")) event.target.form.requestSubmit();
});

// Questions: a form with data-confirm is sent after the dialog's second button only.
document.addEventListener("submit", (event) => {
  const form = event.target;
  const question = form.dataset.confirm;
  if (question === undefined || form.dataset.confirmed === "yes") return;
  event.preventDefault();
  const dialog = document.getElementById("confirm");
  const button = event.submitter ?? form.querySelector("button");
  dialog.querySelector("h2").textContent = `${button.textContent.trim()}?`;
  dialog.querySelector("p").textContent = question;
  dialog.querySelector('button[value="yes"]').textContent = button.textContent.trim();
  dialog.returnValue = "no";
  dialog.onclose = () => {
    if (dialog.returnValue !== "yes") return button.focus();
    form.dataset.confirmed = "yes";
    form.requestSubmit(button);
  };
  dialog.showModal();
}, true);

// What was done: stays until it is read, and is gone after a reload.
const TOAST_SECONDS = 12;
function showToasts() {
  for (const toast of document.querySelectorAll("[data-toast]")) {
    const hide = () => { if (toast.matches(":hover, :focus-within")) setTimeout(hide, 2000); else toast.remove(); };
    setTimeout(hide, TOAST_SECONDS * 1000);
  }
  const here = new URL(location);
  if (!here.searchParams.has("done")) return;
  here.searchParams.delete("done");
  history.replaceState(history.state, "", here);
}
document.addEventListener("click", (event) => event.target.closest("[data-dismiss]")?.closest("[data-toast]")?.remove());

// The color theme is a cookie, so that the server sends the next page in it at once.
const YEAR_SECONDS = 31536000;
document.addEventListener("click", (event) => {
  const chosen = event.target.closest("[data-theme-choice]");
  if (chosen === null) return;
  const theme = chosen.dataset.themeChoice;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `riskrelay-theme=${theme}; Path=/console; SameSite=Strict; Max-Age=${theme ? YEAR_SECONDS : 0}${secure}`;
  if (theme) document.documentElement.dataset.theme = theme; else delete document.documentElement.dataset.theme;
  for (const one of document.querySelectorAll("[data-theme-choice]")) one.setAttribute("aria-pressed", one === chosen);
  drawCharts(document);
});

// The menu of a narrow screen.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-menu]");
  if (button === null) return;
  const isOpen = document.getElementById("side").toggleAttribute("data-open");
  button.setAttribute("aria-expanded", isOpen);
});

startPolling(document);
labelCells(document);
drawCharts(document);
refreshTimes();
showToasts();
setInterval(refreshTimes, 10000);
