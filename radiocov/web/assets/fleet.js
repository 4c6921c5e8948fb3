'use strict';
const form = document.getElementById('new'), table = document.getElementById('rows'), file = document.getElementById('register');
const STATES = ['in service', 'lent', 'in repair', 'lost', 'retired'];

async function load() {
  const found = await ask('GET', '/api/v1/fleet');
  fill(table, ['handset', 'maker', 'model', 'unit', 'state', 'last_seen'].map((name) => say(name)), found.map((handset) => [
    handset.device_id, handset.maker, handset.model, handset.unit, stateOf(handset), when(handset.last_seen)]));
}

function stateOf(handset) {
  const choice = make('select', '', ...STATES.map((state) => make('option', '', state)));
  choice.value = handset.state;
  choice.addEventListener('change', act(async () => {
    try {
      await ask('PATCH', `/api/v1/fleet/${encodeURIComponent(handset.device_id)}`, { state: choice.value });
    } finally {
      await load();
    }
  }));
  return handset.registered ? choice : say('not_registered');
}

form.addEventListener('submit', act(async () => {
  await ask('POST', '/api/v1/fleet', Object.fromEntries(new FormData(form)));
  form.reset();
  await load();
}));
file.addEventListener('change', act(async () => {
  const duplicates = document.getElementById('duplicates').value;
  try {
    await ask('POST', `/api/v1/fleet/register?duplicates=${duplicates}`, file.files[0], { 'Content-Type': 'text/csv' });
  } finally {
    file.value = '';
    await load();
  }
}));
load().catch((error) => problem(error.message));
