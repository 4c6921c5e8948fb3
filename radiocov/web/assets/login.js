'use strict';
// the secret stands behind #, which no browser sends to a server; it is taken out of the address at once
const given = new URLSearchParams(location.hash.slice(1));
const field = document.getElementById('token');

async function signIn() {
  await ask('POST', '/api/v1/session', { token: field.value });
  location.href = '/';
}

document.getElementById('login').addEventListener('submit', act(signIn));
if (location.hash) history.replaceState(null, '', location.pathname);
if (given.get('once')) {
  field.value = given.get('once');
  document.getElementById('token-label').hidden = true;
  document.getElementById('token-hint').hidden = true;
  document.getElementById('once').hidden = false;
} else if (given.get('token')) {
  field.value = given.get('token');
  act(signIn)();
}
