// Ties the choices on the page to the map and the panels.

function radios(box, name, options, chosen, onChange) {
  document.getElementById(box).replaceChildren(...options.map(([value, words, disabled]) => {
    const input = el('input', { type: 'radio', name, value, id: `${name}-${value}` });
    input.checked = value === chosen;
    input.disabled = Boolean(disabled);
    input.addEventListener('change', () => onChange(value));
    return el('label', { for: `${name}-${value}` }, [input, el('span', {}, words)]);
  }));
}

function renderControls() {
  const focused = document.activeElement && document.activeElement.id;
  const byService = choice.layer !== 'level' && choice.layer !== 'server';
  radios('states', 'state', DATA.states.map((s) => [s.id, said(s.label)]), choice.state, chooseState);
  radios('layers', 'layer', LAYERS.map((id) => [id, t('layer_' + id)]), choice.layer, chooseLayer);
  const select = document.getElementById('service');
  select.replaceChildren(...DATA.services.map((s) => el('option', { value: s.id }, said(s.label))));
  select.value = choice.service;
  select.disabled = !byService;
  const planes = stateOf(choice.state).planes.services[choice.service];
  radios('directions', 'direction', ['talk_out', 'talk_in', 'both'].map((id) => [id, t(id), !byService || !(TILED || (planes && planes.probability[id]))]), choice.direction, chooseDirection);
  document.getElementById('service-box').classList.toggle('off', !byService);
  document.getElementById('direction-box').classList.toggle('off', !byService);
  document.getElementById('overlays').replaceChildren(...OVERLAYS.map((id) => {
    const input = el('input', { type: 'checkbox', id: 'overlay-' + id });
    input.checked = choice.overlays[id];
    input.addEventListener('change', () => chooseOverlay(id, input.checked));
    const signs = overlaySigns(id).map(([sign, words]) => el('span', { class: 'pair' }, [sign, words]));
    return el('div', {}, [
      el('label', { class: 'check' }, [input, el('span', {}, t('overlay_' + id))]),
      signs.length ? el('div', { class: 'signs' }, signs) : null,
    ]);
  }));
  for (const button of document.querySelectorAll('[data-lang]')) button.setAttribute('aria-pressed', String(button.dataset.lang === choice.lang));
  showOpacity();
  if (focused && document.getElementById(focused)) document.getElementById(focused).focus({ preventScroll: true });
}

function showOpacity() {
  document.getElementById('opacity').value = Math.round(choice.opacity * 100);
  document.getElementById('opacity-value').textContent = Math.round(choice.opacity * 100) + ' %';
}

function renderWords() {
  renderHead();
  renderControls();
  renderCards();
  renderTable();
  renderGaps();
  renderLegend();
  renderFoot();
}

async function chooseState(id) {
  choice.state = id;
  renderControls();
  renderLegend();
  renderTable();
  renderGaps();
  await Promise.all([refreshLayer(), refreshTraces(), showReadout()]);
}

async function chooseLayer(id) {
  choice.layer = id;
  renderControls();
  renderLegend();
  await refreshLayer();
}

async function chooseService(id) {
  choice.service = id;
  choice.direction = serviceOf(id).direction;
  renderControls();
  renderLegend();
  await refreshLayer();
}

async function chooseDirection(id) {
  choice.direction = id;
  renderLegend();
  await refreshLayer();
}

async function chooseOverlay(id, on) {
  choice.overlays[id] = on;
  const other = { measured: 'residual', residual: 'measured' }[id];
  if (on && other) { choice.overlays[other] = false; renderControls(); } // one place, one colour
  await (id === 'relief' ? refreshPictures() : id === 'cells' ? refreshCells() : refreshTraces());
}

// A target class brings its own service with it: its card, its rows and its coverage are then the same thing.
async function chooseClass(id) {
  choice.filter = id;
  renderCards();
  renderTable();
  renderGaps();
  const service = DATA.classService[id];
  if (service && service !== choice.service) await chooseService(service);
}

async function choosePlace(key) {
  const focused = document.activeElement && document.activeElement.closest('tbody');
  renderTableChoice(key);
  if (focused && window.matchMedia('(max-width: 900px)').matches) document.querySelector('.stage').scrollIntoView({ behavior: 'smooth' });
  await showPlace(key);
  renderGaps();
}

function renderTableChoice(key) {
  for (const body of document.querySelectorAll('#table tbody')) body.classList.toggle('chosen', body.dataset.key === (key || 'all'));
}

async function chooseGap(gap) {
  if (!choice.overlays.gaps) { choice.overlays.gaps = true; renderControls(); await refreshTraces(); }
  if (window.matchMedia('(max-width: 900px)').matches) document.querySelector('.stage').scrollIntoView({ behavior: 'smooth' });
  const [x0, y0, x1, y1] = gap.box;
  const most = Math.max(x1 - x0, y1 - y0, 2500);
  await zoomTo(boxAround((x0 + x1) / 2, (y0 + y1) / 2, most * 1.6));
}

async function chooseLanguage(lang) {
  choice.lang = lang;
  renderWords();
  hideHover();
  await refreshLabels();
  await showReadout();
}

async function start() {
  const asked = readHash();
  renderWords();
  for (const button of document.querySelectorAll('[data-lang]')) button.addEventListener('click', () => chooseLanguage(button.dataset.lang));
  document.getElementById('service').addEventListener('change', (event) => chooseService(event.target.value));
  document.getElementById('opacity').addEventListener('input', (event) => {
    choice.opacity = event.target.value / 100;
    showOpacity();
    refreshPictures();
  });
  document.getElementById('only-missed').addEventListener('change', (event) => { choice.onlyMissed = event.target.checked; renderTable(); });
  document.getElementById('zoom-in').addEventListener('click', () => zoomBy(0.6));
  document.getElementById('zoom-out').addEventListener('click', () => zoomBy(1 / 0.6));
  document.getElementById('zoom-all').addEventListener('click', () => choosePlace(''));
  document.getElementById('save').addEventListener('click', savePicture);
  startTools();
  if (typeof startBasemap === 'function') startBasemap();
  document.getElementById('print').addEventListener('click', () => window.print());
  window.addEventListener('beforeprint', fitPaper);
  window.addEventListener('afterprint', leavePaper);
  if (window.matchMedia('(max-width: 900px)').matches) document.getElementById('overlay-box').open = false;
  await startMap();
  await refreshLabels();
  await refreshLayer();
  refreshNames(true);
  if (choice.place) await showPlace(choice.place);
  if (asked.view) await zoomTo(boxAround(...asked.view));
  if (asked.at) await pick(...asked.at);
  document.body.dataset.ready = 'yes';
}

start();
