// Everything around the map: targets, the table of places, legend, the honesty strip. All text enters as text.

function el(name, attributes, children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === 'onclick') node.addEventListener('click', value);
    else if (key === 'style') node.style.cssText = value;
    else if (value !== null && value !== undefined && value !== '') node.setAttribute(key, value);
  }
  for (const child of [].concat(children === undefined ? [] : children)) if (child !== null) node.append(child);
  return node;
}

const TILED = Boolean(DATA.tiled); // the service's map, which knows no dashes
const SHARES = ['share_median', 'share_probable', 'share_expected'];

function verdictBadge(met, required, detail) {
  if (met === null || met === undefined) return el('span', { class: 'badge open' }, '– ' + t(required ? 'no_data' : 'no_target'));
  const words = met ? '✓ ' + t('met') : '✗ ' + t('not_met');
  return el('span', { class: 'badge ' + (met ? 'met' : 'missed') }, detail ? [words, el('span', { class: 'detail' }, ' · ' + detail)] : words);
}

function shortOf(row) { // percentage points missing, in words; rounded up, so that a gap never reads as none
  if (row.met !== false || row.required === null || judgeOf(row) === null) return '';
  return t('short_by', { points: (Math.ceil((row.required - judgeOf(row)) * 1000 - 1e-6) / 10).toFixed(1) });
}

function totalWords(row) {
  if (row.total === null) return '';
  const digits = row.total < 10 ? 1 : 0;
  return row.total.toLocaleString(t('html_lang'), { maximumFractionDigits: digits }) + (row.measure === 'length' ? ' km' : ' km²');
}

function classesOf() {
  return [...new Set(DATA.states.flatMap((s) => s.rows.map((row) => row.class)))];
}

function showBand(kind, text) {
  document.getElementById('bands').append(el('p', { class: 'band ' + kind }, text));
}

function renderHead() {
  document.documentElement.lang = t('html_lang');
  document.title = `${said(DATA.title)} – ${t('page_title')}`;
  document.getElementById('title').textContent = said(DATA.title);
  document.getElementById('subtitle').textContent = [t('page_title'), `${t('run_date')} ${DATA.provenance.run_date || '–'}`, said(DATA.note)].filter(Boolean).join(' · ');
  document.getElementById('bands').replaceChildren();
  if (DATA.synthetic) showBand('synthetic', t('synthetic'));
  if (DATA.coarse) showBand('warn', said(DATA.coarse));
  for (const node of document.querySelectorAll('[data-t]')) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll('[data-hint]')) {
    node.placeholder = t(node.dataset.hint);
    node.setAttribute('aria-label', t(node.dataset.hint));
  }
  for (const node of document.querySelectorAll('[data-label]')) {
    node.setAttribute('aria-label', t(node.dataset.label));
    if (node.tagName === 'BUTTON') node.title = t(node.dataset.label);
  }
}

function renderCards() {
  const sentences = DATA.states.map((state) => {
    const judged = state.rows.filter((row) => row.level === 'policy' && row.required !== null);
    const met = judged.filter((row) => row.met).length;
    return t(met === judged.length ? 'verdict_all' : 'verdict_some', { state: said(state.label), met, total: judged.length });
  });
  const judges = [...new Set(DATA.states.flatMap((state) => state.rows.map((row) => row.judge)))];
  document.getElementById('verdict').replaceChildren(sentences.join(t('sentence_gap')), ' ', el('span', { class: 'small' }, judges.map((judge) => t('judged_' + judge)).join(' ')));
  document.getElementById('cards').replaceChildren(...classesOf().map(targetCard).filter(Boolean));
}

function targetCard(id) {
  const rows = DATA.states.map((state) => [state, state.rows.find((row) => row.level === 'policy' && row.class === id)]);
  const known = rows.filter(([, row]) => row);
  if (!known.length) return null;
  const service = serviceOf(DATA.classService[id]);
  const chosen = choice.filter === id;
  return el('article', { class: 'target' + (chosen ? ' chosen' : '') }, [
    el('header', {}, [
      el('h2', {}, el('button', { type: 'button', 'aria-pressed': String(chosen), onclick: () => chooseClass(chosen ? '' : id) }, className(id))),
      el('p', { class: 'small' }, [totalWords(known[0][1]), service ? said(service.label) : ''].filter(Boolean).join(' · ')),
    ]),
    ...known.map(([state, row]) => targetBar(state, row)),
  ]);
}

function targetBar(state, row) {
  const share = judgeOf(row);
  const required = row.required;
  const others = SHARES.filter((key) => key !== row.judge).map((key) => `${t(key + '_short')} ${percent(row[key])}`);
  const at = (value) => `${Math.max(0, Math.min(1, value || 0)) * 100}%`;
  return el('div', { class: 'period' + (row.met === false ? ' missed' : row.met ? ' met' : '') }, [
    el('span', { class: 'when' }, said(state.label)),
    el('strong', {}, percent(share)),
    verdictBadge(row.met, row.required, shortOf(row)),
    el('div', { class: 'bar', role: 'img', 'aria-label': t('bar_label', { share: percent(share), required: percent(required) }) }, [
      el('i', { class: 'fill', style: `width:${at(share)}` }),
      required === null ? null : el('i', { class: 'need', style: `left:${at(required)}` }),
    ]),
    el('span', { class: 'needs' }, required === null ? t('no_target') : t('needs', { required: percent(required, 0) })),
    el('span', { class: 'others small' }, others.join(' · ')),
  ]);
}

// --- table ----------------------------------------------------------------------------------------------------

function placeKey(row) {
  if (row.level === 'policy' || row.level === 'member') return '';
  return row.level === 'city' ? `${row.city}|` : `${row.city}|${row.county}`;
}

function placesOf(state) { // network first, then each city followed by its counties
  const places = new Map();
  for (const row of state.rows) {
    const key = placeKey(row);
    if (!places.has(key)) places.set(key, { key, level: row.level, city: row.city || '', name: { en: row.name, zh: row.name_zh || row.name }, rows: [] });
    places.get(key).rows.push(row);
  }
  const cities = [...new Set([...places.values()].map((p) => p.city))];
  const rank = { policy: 0, member: 0, city: 1, county: 2 };
  return [...places.values()].sort((a, b) =>
    (rank[a.level] ? 1 : 0) - (rank[b.level] ? 1 : 0) || cities.indexOf(a.city) - cities.indexOf(b.city) || rank[a.level] - rank[b.level]);
}

function renderTable() {
  const state = stateOf(choice.state);
  document.getElementById('table-state').textContent = said(state.label);
  const head = el('thead', {}, el('tr', {}, [
    el('th', { scope: 'col' }, t('place_and_class')),
    ...SHARES.map((key) => el('th', { scope: 'col', class: 'n', title: t(key) }, [t(key + '_short'), el('span', { class: 'unit' }, '%')])),
    el('th', { scope: 'col', class: 'n' }, [t('required_short'), el('span', { class: 'unit' }, '%')]),
    el('th', { scope: 'col' }, t('result')),
  ]));
  const bodies = placesOf(state).map((place) => {
    const rows = place.rows.filter((row) => (!choice.filter || row.class === choice.filter) && (!choice.onlyMissed || row.met === false));
    if (!rows.length) return null;
    const words = place.level === 'policy' ? t('whole_network') : said(place.name);
    return el('tbody', { class: place.level + (choice.place === place.key ? ' chosen' : ''), 'data-key': place.key || 'all', onclick: () => choosePlace(place.key) },
      [
        el('tr', { class: 'head' }, el('th', { scope: 'rowgroup', colspan: 6 }, el('button', { type: 'button', title: t('zoom_to', { place: words }) }, words))),
        ...rows.map((row) => el('tr', {}, [
        el('td', { class: row.level }, [className(row.member || row.class), ' ', el('span', { class: 'small total' }, totalWords(row))]),
        ...SHARES.map((key) => el('td', { class: 'n' + (key === row.judge ? ' judge' : '') }, percent(row[key]).replace(' %', ''))),
        el('td', { class: 'n' }, percent(row.required, 0).replace(' %', '')),
        el('td', { title: shortOf(row) }, verdictBadge(row.met, row.required)),
        ])),
      ]);
  }).filter(Boolean);
  const empty = el('tbody', {}, el('tr', {}, el('td', { colspan: 6 }, t('no_rows'))));
  document.getElementById('table').replaceChildren(head, ...(bodies.length ? bodies : [empty]));
  document.getElementById('table-note').textContent = t('table_note');
  document.getElementById('class-filter').replaceChildren(...[''].concat(classesOf()).map((id) =>
    el('button', { type: 'button', 'aria-pressed': String(choice.filter === id), onclick: () => chooseClass(id) }, id ? className(id) : t('all_classes'))));
}

// --- gaps -----------------------------------------------------------------------------------------------------

const GAPS_LISTED = 8;

function renderGaps() { // the largest gaps of the chosen place and class
  const box = document.getElementById('gaps-box');
  const [city, county] = choice.place.split('|');
  const gaps = stateOf(choice.state).gaps.map((gap, i) => [gap, i + 1]).filter(([gap]) =>
    (!choice.filter || isOfClass(gap.class, choice.filter)) && (!choice.place || (gap.city === city && (!county || gap.county === county))));
  const place = choice.place ? said((placesOf(stateOf(choice.state)).find((p) => p.key === choice.place) || { name: { en: county || city } }).name) : t('whole_network');
  gaps.sort(([a], [b]) => (a.measure > b.measure) - (a.measure < b.measure) || b.size - a.size);
  box.hidden = false;
  document.getElementById('gaps-title').textContent = t('gaps_title', { place });
  document.getElementById('gaps').replaceChildren(...(gaps.length ? pickGaps(gaps).map(([gap, number]) =>
    el('li', {}, el('button', { type: 'button', onclick: () => chooseGap(gap) }, [
      el('i', { class: 'gap-number' }, String(number)), el('b', {}, gapSize(gap)), ' ',
      [className(gap.class), gap.name, choice.place ? '' : gap.county].filter(Boolean).join(' · '),
    ]))) : [el('li', { class: 'small' }, t('gaps_none'))]));
}

function pickGaps(gaps) { // of areas and of roads, so that neither hides the other
  const areas = gaps.filter(([gap]) => gap.measure === 'area'), roads = gaps.filter(([gap]) => gap.measure !== 'area');
  const kept = Math.max(GAPS_LISTED / 2, GAPS_LISTED - roads.length);
  return areas.slice(0, kept).concat(roads.slice(0, GAPS_LISTED - Math.min(areas.length, kept)));
}

function isOfClass(id, wanted) { // a road's own class belongs to that of the target
  return id === wanted || stateOf(choice.state).rows.some((row) => row.member === id && row.class === wanted);
}

// --- legend and foot ------------------------------------------------------------------------------------------

function stepRange(steps, i) {
  const low = steps[i].min, high = i + 1 < steps.length ? steps[i + 1].min : null;
  const chance = choice.layer === 'probability';
  const show = (v) => (chance ? String(+(v * 100).toFixed(1)) : String(+v.toFixed(1)).replace('-', '−'));
  const unit = chance ? '%' : choice.layer === 'level' ? 'dBm' : 'dB';
  if (low === null) return `< ${show(high)} ${unit}`;
  return high === null ? `≥ ${show(low)} ${unit}` : `${show(low)} … ${show(high)} ${unit}`;
}

function stepWords(step) {
  const services = (step.params.services || []).map((id) => said(serviceOf(id).label)).join(t('list_gap'));
  return t(step.words, { ...step.params, services, q: percent(serviceOf(choice.service).q, 0) });
}

function swatch(style, ...text) {
  return el('li', {}, [el('i', { class: 'swatch', style }), el('span', {}, text)]);
}

function renderLegend() {
  const service = serviceOf(choice.service);
  const byService = choice.layer !== 'level' && choice.layer !== 'server';
  const items = [];
  if (choice.layer === 'server') {
    items.push(el('li', {}, [el('span', { class: 'hues' }, DATA.scales.servers.slice(0, 8).map((c) => el('i', { class: 'swatch', style: `background:${c}` }))), el('span', {}, t('legend_servers'))]));
    items.push(swatch(`background:${DATA.scales.no_server}`, t('legend_no_server')));
  } else {
    const steps = layerSteps();
    for (let i = steps.length - 1; i >= 0; i--) {
      const range = choice.layer === 'coverage' || choice.layer === 'change' ? [] : [el('b', {}, stepRange(steps, i)), ' '];
      items.push(swatch(`background:${steps[i].colour}`, ...range, el('span', { class: 'words' }, stepWords(steps[i]))));
    }
  }
  items.push(swatch(`background:repeating-linear-gradient(135deg,${DATA.scales.outside} 0 5px,${DATA.scales.outside_hatch} 5px 7px)`, t('outside')));
  const title = [el('h2', {}, [t('layer_' + choice.layer), ' ', el('span', { class: 'tag' }, choice.layer === 'change' ? changePair().map((state) => said(state.label)).join(' → ') : said(stateOf(choice.state).label))])];
  if (byService) title.push(el('p', { class: 'small' }, `${said(service.label)} · ${t(choice.direction)} · ${said(service.threshold)}`));
  else if (choice.layer === 'level') title.push(el('p', { class: 'small' }, t('level_note')));
  document.getElementById('legend').replaceChildren(...title, el('ul', {}, items));
}

function overlaySigns(id) { // what the marks of an overlay mean, beside its switch
  const line = (colour, dash) => el('i', { class: 'stroke', style: `border-top:4px ${dash} ${colour}` });
  const frame = (colour, sign) => el('i', { class: 'frame', style: `color:${colour}` }, sign);
  const dot = (colour) => el('i', { class: 'dot', style: `background:${colour}` });
  const { served_line: good, failed_line: bad } = DATA.scales;
  if (id === 'roads') return [[line(good, 'solid'), t('road_served')], [TILED ? el('i', { class: 'hollow', style: `color:${bad}` }) : line(bad, 'dashed'), t('road_failed')]];
  if (id === 'areas') return [[frame(good, '✓'), t('area_met')], [frame(bad, '✗'), t('area_missed')]];
  if (id === 'gaps') return [[el('i', { class: 'gap-number' }, '1'), t('gap_sign')]];
  if (id === 'measured') return [[dot('#41b0c4'), t('measured_sign')], [el('i', { class: 'sign' }, '✖'), t('silent_sign')]];
  if (id === 'cells') return [[dot(DATA.scales.level.at(-1).colour), t('cells_sign')], [dot('#3a3a3a'), t('cells_silent')]];
  if (id === 'residual') {
    const unit = (step, i, steps) => (step.min === null ? `< ${signed(steps[1].min)}` : i + 1 < steps.length ? `${signed(step.min)} …` : `≥ ${signed(step.min)}`);
    return DATA.scales.residual.map((step, i, steps) => [dot(step.colour), `${unit(step, i, steps)} dB`]).concat([[el('i', { class: 'sign' }, '✖'), t('silent_sign')]]);
  }
  if (id !== 'sites') return [];
  const signs = { existing: '▲', planned: '△', idle: '◇' };
  return Object.keys(signs)
    .filter((kind) => DATA.states.some((s) => s.sites.some((site) => site.kind === kind)))
    .map((kind) => [el('i', { class: 'sign' }, signs[kind]), t('site_' + kind)]);
}

function renderFoot() {
  const shown = { ...DATA.provenance };
  const entries = [];
  const add = (label, value) => entries.push(el('div', {}, [el('dt', {}, label), el('dd', {}, value)]));
  const order = ['model', 'model_version', 'terrain', 'landcover', 'surface_rule', 'resolution_m', 'radius_km', 'frequency_mhz', 'calibration', 'run_date', 'version'];
  shown.version = shown.version || DATA.version;
  shown.calibration = shown.calibration === undefined ? null : shown.calibration;
  const units = { resolution_m: ' m', radius_km: ' km', frequency_mhz: ' MHz' };
  for (const key of order.concat(Object.keys(shown).filter((k) => !order.includes(k)))) {
    if (!(key in shown)) continue;
    const raw = shown[key];
    const text = raw !== null && typeof raw === 'object' ? said(raw) : raw === null ? (key === 'calibration' ? t('calibration_none') : '–') : String(raw) + (typeof raw === 'number' ? units[key] || '' : '');
    add(has('prov_' + key) ? t('prov_' + key) : key, text);
  }
  const every = Math.round(GRID.step / GRID.native);
  add(t('prov_display'), TILED ? t('display_tiles') : every === 1 ? t('display_full', { step: GRID.step }) : t('display_thinned', { every, step: GRID.step }));
  if (GRID.crs) add(t('prov_crs'), GRID.crs);
  if (DATA.measured) {
    const m = DATA.measured;
    const left = Object.entries(m.leftOut).map(([reason, n]) => t('left_' + reason, { n })).join(t('list_gap'));
    add(t('prov_measured'), [m.source, t('measured_how', { cell: m.cell, carry: signed(m.carry), terminal: said(m.terminal) }), left].filter(Boolean).join(t('list_gap')));
  }
  document.getElementById('honesty').replaceChildren(...entries);
  document.getElementById('limits').textContent = t('limits');
}
