'use strict';
const form = document.getElementById('new'), table = document.getElementById('rows');

async function load() {
  const found = await ask('GET', '/api/v1/tokens');
  fill(table, ['number', 'name', 'role', 'state', 'expires', 'used', 'created_by', ''].map((name) => name && say(name)), found.map((token) => [
    String(token.id), token.name, say(`role_${token.role}`), make('span', `badge ${token.state}`, say(`token_${token.state}`)),
    when(token.expires), when(token.used), token.created_by,
    token.state === 'live' || token.state === 'used' ? button(say('revoke'), act(async () => { await ask('DELETE', `/api/v1/tokens/${token.id}`); await load(); })) : null,
  ]));
}

form.addEventListener('submit', act(async () => {
  const given = Object.fromEntries(new FormData(form));
  const made = await ask('POST', '/api/v1/tokens', { ...given, days: Number(given.days) });
  document.getElementById('secret').textContent = made.token;
  document.getElementById('address').textContent = made.address;
  document.getElementById('qr').src = `data:image/svg+xml,${encodeURIComponent(made.qr_svg)}`;
  document.getElementById('made').hidden = false;
  await load();
}));
load().catch((error) => problem(error.message));
