'use strict';
const table = document.getElementById('rows'), output = document.getElementById('output');
let open = null;

async function load() {
  const { runs } = await ask('GET', '/api/v1/runs');
  fill(table, ['number', 'kind', 'state', 'who', 'started', 'progress', ''].map((name) => name && say(name)), runs.map((run) => [
    String(run.id), say(`run_${run.kind}`), make('span', `badge ${run.state}`, say(`job_${run.state}`)), run.who, when(run.started),
    run.state === 'running' && run.total ? `${run.step} ${run.done}/${run.total}` : run.step,
    make('span', 'buttons', button(say('output'), act(() => { open = run.id; return showOutput(); })),
      ['queued', 'running'].includes(run.state) ? button(say('cancel'), act(async () => { await ask('POST', `/api/v1/runs/${run.id}/cancel`); await load(); })) : null),
  ]));
  if (open !== null) await showOutput();
}

async function showOutput() {
  const run = await ask('GET', `/api/v1/runs/${open}`);
  output.textContent = run.output || '–';
  output.hidden = false;
}

for (const start of document.querySelectorAll('[data-kind]')) {
  start.addEventListener('click', act(async () => {
    open = (await ask('POST', '/api/v1/runs', { kind: start.dataset.kind })).id;
    await load();
  }));
}
(async function again() {
  await load().catch((error) => problem(error.message));
  setTimeout(again, 1500);
})();
