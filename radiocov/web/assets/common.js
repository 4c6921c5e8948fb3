'use strict';
const words = JSON.parse(document.getElementById('words').textContent);
const csrf = document.querySelector('meta[name=csrf]').content;

function say(key, values = {}) {
  return (words[key] || key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** An element with a class, and texts or elements inside: whatever a text holds, it stays text. */
function make(tag, className, ...inside) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...inside.filter((part) => part !== null && part !== undefined));
  return element;
}

function button(text, act) {
  const element = make('button', '', text);
  element.type = 'button';
  element.addEventListener('click', act);
  return element;
}

function problem(text) {
  const band = document.getElementById('problem');
  band.textContent = text;
  band.hidden = !text;
  if (text) band.scrollIntoView({ block: 'nearest' });
}

/** Asks the service; throws an Error with `status` and the answer's `body` where it says no. */
async function ask(method, path, body, headers = {}) {
  const options = { method, headers: { ...headers }, cache: 'no-store' };
  if (method !== 'GET') options.headers['X-CSRF-Token'] = csrf;
  if (body !== undefined) {
    const isRaw = body instanceof Blob || typeof body === 'string';
    options.body = isRaw ? body : JSON.stringify(body);
    if (!isRaw) options.headers['Content-Type'] = 'application/json';
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (cause) {
    throw Object.assign(new Error(say('no_answer')), { status: 0, body: {} });
  }
  const isJson = (answer.headers.get('content-type') || '').startsWith('application/json');
  const content = answer.status === 204 ? null : isJson ? await answer.json() : await answer.text();
  if (!answer.ok) {
    if (answer.status === 401 && location.pathname !== '/login') location.href = '/login';
    const error = new Error((isJson && content.message) || say('no_answer'));
    throw Object.assign(error, {
      status: answer.status, body: isJson ? content : {}, wait: Number(answer.headers.get('retry-after')) || 0,
    });
  }
  return isJson || answer.status === 204 ? content : { text: content, etag: answer.headers.get('etag') };
}

/** Runs what a person asked for; what goes wrong is shown. */
function act(doing) {
  return async (event) => {
    if (event && event.preventDefault) event.preventDefault();
    problem('');
    try {
      await doing(event);
    } catch (error) {
      problem(error.message);
    }
  };
}

/** A table: headings and rows of texts or elements. */
function fill(table, headings, rows) {
  table.replaceChildren(
    make('thead', '', make('tr', '', ...headings.map((text) => make('th', '', text)))),
    make('tbody', '', ...rows.map((cells) => make('tr', '', ...cells.map((cell) => make('td', '', cell ?? ''))))),
  );
}

function when(text) {
  return text ? new Date(text).toLocaleString(document.documentElement.lang) : '';
}

const signOut = document.getElementById('sign-out');
if (signOut) {
  signOut.addEventListener('click', act(async () => {
    await ask('DELETE', '/api/v1/session');
    location.href = '/login';
  }));
}
