'use strict';
const rows = [];

async function more() {
  const last = rows.at(-1);
  rows.push(...await ask('GET', `/api/v1/audit?limit=200${last ? `&before=${last.id}` : ''}`));
  fill(document.getElementById('rows'), ['at', 'who', 'role', 'action', 'detail'].map((name) => say(name)),
    rows.map((entry) => [when(entry.at), entry.who, entry.role, entry.action, entry.detail]));
}

document.getElementById('more').addEventListener('click', act(more));
more().catch((error) => problem(error.message));
