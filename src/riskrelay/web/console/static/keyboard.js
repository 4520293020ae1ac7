// The keyboard: the search over everything, the help, going to a section, rows of lists.
"use strict";

const GO_SECONDS = 1.5;
let goUntil = 0;

function isTyping(target) {
  return target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);
}

function openPalette() {
  const dialog = document.getElementById("palette");
  if (dialog === null || dialog.open) return;
  dialog.showModal();
  const input = dialog.querySelector("input");
  input.select();
  htmx.trigger(input, "opened");
}

function openHelp() {
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", "help-title");
  dialog.append(document.getElementById("help").content.cloneNode(true));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-opens]");
  if (button !== null) ({ palette: openPalette, help: openHelp })[button.dataset.opens]();
  if (event.target.tagName === "DIALOG") event.target.close(); // a click beside its content
});

// The palette: arrows choose, Enter opens.
function choose(step) {
  const found = [...document.querySelectorAll("#palette-results .found")];
  if (found.length === 0) return;
  const before = found.findIndex((one) => one.getAttribute("aria-selected") === "true");
  const next = (before + step + found.length) % found.length;
  found.forEach((one, place) => one.setAttribute("aria-selected", place === next));
  found[next].scrollIntoView({ block: "nearest" });
  document.getElementById("palette-query").setAttribute("aria-activedescendant", found[next].id);
}

document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target.id === "palette-results") choose(1);
});

function onPaletteKey(event) {
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    choose(event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "Enter") {
    event.preventDefault();
    document.querySelector('#palette-results [aria-selected="true"]')?.click();
  }
}

// Rows: the first link of a row opens it.
function moveRow(step) {
  const rows = [...document.querySelectorAll("main tbody tr:has(a)")].filter((row) => row.offsetParent !== null);
  if (rows.length === 0) return;
  const before = rows.indexOf(document.activeElement.closest?.("tr"));
  const next = before < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(before + step, 0), rows.length - 1);
  rows[next].querySelector("a").focus();
}

function goTo(key) {
  const link = [...document.querySelectorAll(".side nav a[data-key]")].find((one) => one.dataset.key === key);
  if (link !== undefined) location.assign(link.href);
}

const COMMANDS = {
  "/": () => {
    const search = document.querySelector("[data-search]");
    if (search === null) openPalette(); else search.select();
  },
  "?": openHelp,
  j: () => moveRow(1),
  k: () => moveRow(-1),
};

document.addEventListener("keydown", (event) => {
  if (event.target.id === "palette-query") return onPaletteKey(event);
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    return openPalette();
  }
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (document.querySelector("dialog[open]") !== null || document.getElementById("help") === null) return;
  if (Date.now() < goUntil) {
    goUntil = 0;
    return goTo(event.key);
  }
  if (event.key === "g") {
    goUntil = Date.now() + GO_SECONDS * 1000;
  } else if (event.key in COMMANDS) {
    event.preventDefault();
    COMMANDS[event.key]();
  }
});
