// "Try it": sends an operation's request to this service. The token stays in the memory of the page.
"use strict";

const MOST_CHARACTERS = 100_000;
const TIMEOUT_MS = 30_000;

const tokenForm = document.querySelector(".token");
const tokenField = tokenForm.querySelector("input");
tokenForm.hidden = false;
tokenForm.addEventListener("submit", (event) => event.preventDefault());

// Path parameters keep their slashes encoded, so that a value never becomes another path.
function requestOf(form) {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  const headers = {};
  for (const input of form.querySelectorAll("[data-place]")) {
    if (input.dataset.place === "path") {
      path = path.replace(`{${input.name}}`, encodeURIComponent(input.value));
    } else if (input.value && input.dataset.place === "query") {
      query.append(input.name, input.value);
    } else if (input.value) {
      headers[input.name] = input.value;
    }
  }
  const body = form.elements.body?.value;
  if (form.dataset.type && body) headers["Content-Type"] = form.dataset.type;
  return { method: form.dataset.method, url: path + (query.size ? `?${query}` : ""), headers, body: body || undefined };
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

// The command names the variable instead of the token, so that it can be shown and shared.
function curlOf(request, variable) {
  const lines = [`curl -X ${request.method} ${quoted(location.origin + request.url)}`];
  if (variable) lines.push(`-H "Authorization: Bearer $${variable}"`);
  for (const [name, value] of Object.entries(request.headers)) lines.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (request.body) lines.push(`--data-binary ${quoted(request.body)}`);
  return lines.join(" \\\n  ");
}

function block(text) {
  const pre = document.createElement("pre");
  pre.tabIndex = 0;
  pre.textContent = text;
  const code = document.createElement("div");
  code.className = "code";
  code.append(pre);
  return code;
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function cut(text) {
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}\n… (${text.length} characters)` : text;
}

function showAnswer(output, title, kind, text) {
  const head = document.createElement("p");
  head.className = kind;
  const strong = document.createElement("strong");
  strong.textContent = title;
  head.append(strong);
  output.replaceChildren(head, ...(text ? [block(cut(pretty(text)))] : []));
  output.hidden = false;
}

async function send(form) {
  const output = form.querySelector("output");
  const button = form.querySelector("button");
  const { url, headers, ...request } = requestOf(form);
  if (form.dataset.variable && tokenField.value) headers.Authorization = `Bearer ${tokenField.value.trim()}`;
  button.disabled = true;
  const started = performance.now();
  try {
    const answer = await fetch(url, { ...request, headers, credentials: "omit", redirect: "manual", signal: AbortSignal.timeout(TIMEOUT_MS) });
    const text = await answer.text();
    const took = Math.round(performance.now() - started);
    showAnswer(output, `${answer.status} ${answer.statusText} · ${took} ms`, `status-${String(answer.status)[0]}`, text);
  } catch (error) {
    showAnswer(output, error.name === "TimeoutError" ? "No answer within 30 seconds" : "The request could not be sent", "status-5", "");
  } finally {
    button.disabled = false;
  }
}

for (const form of document.querySelectorAll(".try form")) {
  const curl = form.querySelector("[data-curl]");
  const pre = document.createElement("pre");
  pre.tabIndex = 0;
  curl.prepend(pre);
  const refresh = () => {
    pre.textContent = curlOf(requestOf(form), form.dataset.variable);
    form.querySelector("[data-note]").textContent = form.dataset.variable && !tokenField.value ? "Enter a token at the top of the page first." : "";
  };
  form.addEventListener("input", refresh);
  tokenField.addEventListener("input", refresh);
  form.addEventListener("submit", (event) => { event.preventDefault(); send(form); });
  form.closest("details").hidden = false;
  refresh();
}
