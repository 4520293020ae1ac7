// Search, copy buttons and the language of examples. Everything else works without scripts.
"use strict";

const MOST_RESULTS = 12;
const SNIPPET_CHARACTERS = 150;

// Search: the index is fetched from this service when the field gets the focus for the first time.
const box = document.querySelector(".search");
const field = box.querySelector("input");
const list = box.querySelector("ul");
let index = null;

function fold(text) {
  return text.toLowerCase().normalize("NFD").replace(/\p{M}/gu, "");
}

async function load() {
  if (index !== null) return;
  index = [];
  try {
    const answer = await fetch(box.dataset.index, { credentials: "omit" });
    if (!answer.ok) throw new Error(String(answer.status));
    index = (await answer.json()).map(([[title, page], url, text]) => ({
      title, page, url, text, low: fold(text), head: fold(title), whole: fold(`${title} ${page} ${url} ${text}`),
    }));
    if (field.value) show();
  } catch {
    index = null;
    field.placeholder = "Search is not available";
  }
}

function rank(entry, words) {
  let points = 0;
  for (const word of words) {
    if (!entry.whole.includes(word)) return 0;
    if (entry.head === word) points += 60;
    if (entry.head.startsWith(word)) points += 20;
    if (entry.head.includes(word)) points += 20;
    if (fold(entry.page).includes(word)) points += 8;
    points += Math.min(entry.low.split(word).length - 1, 5);
  }
  if (entry.head.includes(words.join(" "))) points += 30;
  if (entry.url.includes("/adr/")) points *= 0.4; // readers look for what there is before why it is so
  return points;
}

function marked(text, words) {
  const parts = document.createDocumentFragment();
  const pattern = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
  text.split(new RegExp(`(${pattern})`, "i")).forEach((part, place) => {
    const node = place % 2 ? document.createElement("mark") : document.createTextNode(part);
    if (place % 2) node.textContent = part;
    parts.append(node);
  });
  return parts;
}

function snippet(entry, words) {
  const at = Math.max(0, Math.min(...words.map((word) => entry.low.indexOf(word)).filter((place) => place >= 0)) - 40);
  const from = Number.isFinite(at) ? at : 0;
  const cut = entry.text.slice(from, from + SNIPPET_CHARACTERS);
  return (from ? "…" : "") + cut + (entry.text.length > from + SNIPPET_CHARACTERS ? "…" : "");
}

function row(entry, words, number) {
  const item = document.createElement("li");
  item.setAttribute("role", "option");
  item.id = `found-${number}`;
  item.dataset.url = entry.url;
  const title = document.createElement("strong");
  title.append(marked(entry.title, words));
  if (entry.page !== entry.title) {
    const page = document.createElement("span");
    page.textContent = ` · ${entry.page}`;
    title.append(page);
  }
  const text = document.createElement("p");
  text.append(marked(snippet(entry, words), words));
  item.append(title, text);
  item.addEventListener("mousedown", (event) => { event.preventDefault(); open(item); });
  return item;
}

function show() {
  const words = fold(field.value.slice(0, 200)).split(/\s+/).filter(Boolean).slice(0, 8);
  if (!words.length || !index) return close();
  const found = index.map((entry) => [rank(entry, words), entry]).filter(([points]) => points > 0)
    .sort(([one], [other]) => other - one).slice(0, MOST_RESULTS);
  list.replaceChildren(...found.map(([, entry], number) => row(entry, words, number)));
  if (!found.length) {
    const none = document.createElement("li");
    none.className = "none";
    none.setAttribute("role", "option");
    none.setAttribute("aria-disabled", "true");
    none.textContent = "Nothing found. Try fewer or other words.";
    list.append(none);
  }
  list.hidden = false;
  field.setAttribute("aria-expanded", "true");
  choose(found.length ? 0 : -1);
}

function choose(number) {
  const items = [...list.querySelectorAll("[data-url]")];
  items.forEach((item, place) => item.setAttribute("aria-selected", String(place === number)));
  if (items[number]) {
    field.setAttribute("aria-activedescendant", items[number].id);
    items[number].scrollIntoView({ block: "nearest" });
  } else {
    field.removeAttribute("aria-activedescendant");
  }
}

function close() {
  list.hidden = true;
  field.setAttribute("aria-expanded", "false");
  field.removeAttribute("aria-activedescendant");
}

function open(item) {
  close();
  field.blur();
  location.assign(item.dataset.url);
}

box.hidden = false;
field.addEventListener("focus", () => { load(); if (field.value) show(); });
field.addEventListener("input", show);
field.addEventListener("blur", close);
field.addEventListener("keydown", (event) => {
  const items = [...list.querySelectorAll("[data-url]")];
  const at = items.findIndex((item) => item.getAttribute("aria-selected") === "true");
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    if (items.length) choose((at + (event.key === "ArrowDown" ? 1 : items.length - 1)) % items.length);
  } else if (event.key === "Enter" && items[at]) {
    event.preventDefault();
    open(items[at]);
  } else if (event.key === "Escape") {
    field.value = "";
    close();
  }
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") {
    event.preventDefault();
    field.focus();
  }
});

// Copy buttons.
function addCopy(block) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(block.querySelector("pre").textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  block.append(button);
}
if (navigator.clipboard) document.querySelectorAll(".code").forEach(addCopy);

// One choice of a language is a choice for the whole page.
document.addEventListener("change", (event) => {
  if (!event.target.matches(".tabs > input")) return;
  document.querySelectorAll(`.tabs > input[value="${event.target.value}"]`).forEach((input) => { input.checked = true; });
});
