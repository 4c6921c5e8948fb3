'use strict';
const text = document.getElementById('text'), said = document.getElementById('said');
let tag = '';

(async () => {
  const found = await ask('GET', '/api/v1/sites');
  text.value = found.text;
  tag = found.etag;
})().catch((error) => problem(error.message));

document.getElementById('save').addEventListener('click', act(async () => {
  said.textContent = '';
  const found = await ask('PUT', '/api/v1/sites', text.value, { 'Content-Type': 'text/csv', 'If-Match': tag });
  tag = found.etag;
  said.textContent = say('saved', found);
  if (found.warnings.length) problem(found.warnings.join('\n'));
}));
