// Tools: search, the ruler, the address of a view, full screen.

// --- distances ------------------------------------------------------------------------------------------------

// Metres east and north on WGS 84 by the radii of curvature in the middle: within a few 1e-5 over 300 km.
function eastNorth(x0, y0, x1, y1) {
  const [lon0, lat0] = lonLat(x0, y0), [lon1, lat1] = lonLat(x1, y1);
  const middle = ((lat0 + lat1) / 2 / 180) * Math.PI;
  const w = Math.sqrt(1 - 0.00669438 * Math.sin(middle) ** 2);
  return [
    (((lon1 - lon0) * Math.PI) / 180) * (6378137 / w) * Math.cos(middle),
    (((lat1 - lat0) * Math.PI) / 180) * ((6378137 * (1 - 0.00669438)) / w ** 3),
  ];
}

function groundDistance(x0, y0, x1, y1) { return Math.hypot(...eastNorth(x0, y0, x1, y1)); }

function bearingDeg(x0, y0, x1, y1) {
  const [east, north] = eastNorth(x0, y0, x1, y1);
  return ((Math.atan2(east, north) * 180) / Math.PI + 360) % 360;
}

let ruler = null; // points of the line that is measured, null when the tool is off

function toggleRuler(on) {
  ruler = on ? [] : null;
  document.getElementById('measure').setAttribute('aria-pressed', String(on));
  plot.classList.toggle('measuring', on);
  drawRuler();
}

function measureTo(x, y) {
  ruler.push([x, y]);
  drawRuler();
}

function drawRuler() {
  setLine('measure', ruler || []);
  const card = document.getElementById('ruler');
  card.hidden = ruler === null;
  if (ruler === null) return;
  const legs = ruler.slice(1).map((point, i) => [groundDistance(...ruler[i], ...point), bearingDeg(...ruler[i], ...point)]);
  const total = legs.reduce((sum, [length]) => sum + length, 0);
  const last = legs[legs.length - 1];
  card.replaceChildren(
    legs.length ? el('strong', {}, lengthWords(total)) : el('span', {}, t('measure_start')),
    legs.length ? el('span', {}, ' ' + t('measure_leg', { length: lengthWords(last[0]), bearing: Math.round(last[1]) % 360 })) : '',
    el('button', { type: 'button', class: 'close', 'aria-label': t('close'), onclick: () => toggleRuler(false) }, '×'),
  );
  card.dataset.metres = total;
}

function lengthWords(metres) { return metres >= 10000 ? `${(metres / 1000).toFixed(1)} km` : metres >= 1000 ? `${(metres / 1000).toFixed(2)} km` : `${Math.round(metres)} m`; }

// --- search ---------------------------------------------------------------------------------------------------

const SITE_BOX_M = 6000;

function searchable() { // [{words, kind, box, site}]
  const sites = stateOf(choice.state).sites.map((site) => ({
    words: site.name && site.name !== site.id ? `${site.name} (${site.id})` : site.id, also: '', kind: 'search_site', site,
    box: [site.x - SITE_BOX_M, site.y - SITE_BOX_M, site.x + SITE_BOX_M, site.y + SITE_BOX_M],
  }));
  const places = placesOf(stateOf(choice.state)).filter((place) => place.key).map((place) => ({
    words: said(place.name), also: Object.values(place.name).join(' '), kind: 'search_place', key: place.key }));
  const others = [['search_area', DATA.areas], ['search_road', DATA.roads]].flatMap(([kind, items]) =>
    items.map((item) => ({ words: said(item.name), also: Object.values(item.name).join(' '), kind, box: item.box })));
  return [...places, ...sites, ...others];
}

function searchFor(text) {
  const wanted = text.trim().toLowerCase();
  const box = document.getElementById('found');
  const hits = !wanted ? [] : searchable().filter((item) => `${item.words} ${item.also}`.toLowerCase().includes(wanted));
  const begins = (item) => [item.words, item.also].some((text) => text.toLowerCase().startsWith(wanted));
  hits.sort((a, b) => begins(b) - begins(a)); // places stay before sites, sites before roads
  box.replaceChildren(...hits.slice(0, 8).map((item) => el('button', { type: 'button', onclick: () => goTo(item) }, [item.words, ' ', el('span', { class: 'small' }, t(item.kind))])));
  if (wanted && !hits.length) box.replaceChildren(el('p', { class: 'small', role: 'status' }, t('search_nothing')));
  box.hidden = !wanted;
}

async function goTo(item) {
  closeSearch();
  if (item.key) return choosePlace(item.key);
  await zoomTo(item.box);
  if (item.site) await pick(item.site.x, item.site.y);
}

function closeSearch() {
  document.getElementById('found').hidden = true;
  document.getElementById('search').value = '';
}

function startSearch() {
  const field = document.getElementById('search'), box = document.getElementById('found');
  field.addEventListener('input', () => searchFor(field.value));
  field.parentElement.addEventListener('keydown', (event) => {
    const all = [field, ...box.querySelectorAll('button')];
    const at = all.indexOf(document.activeElement);
    if (event.key === 'Escape') { closeSearch(); field.focus(); }
    else if (event.key === 'ArrowDown' && at + 1 < all.length) all[at + 1].focus();
    else if (event.key === 'ArrowUp' && at > 0) all[at - 1].focus();
    else if (event.key === 'Enter' && document.activeElement === field && all.length > 1) all[1].click();
    else return;
    event.preventDefault();
  });
  document.addEventListener('pointerdown', (event) => { if (!field.parentElement.contains(event.target)) box.hidden = true; });
}

// --- the address of a view ------------------------------------------------------------------------------------

function viewHash() {
  const v = view();
  const words = new URLSearchParams({
    state: choice.state, layer: choice.layer, service: choice.service, direction: choice.direction, lang: choice.lang,
    strength: Math.round(choice.opacity * 100), on: OVERLAYS.filter((id) => choice.overlays[id]).join('.'),
    view: [(v.x0 + v.x1) / 2, (v.y0 + v.y1) / 2, Math.min(v.x1 - v.x0, v.y1 - v.y0)].map(Math.round).join('_'),
  });
  if (choice.place) words.set('place', choice.place);
  if (picked) words.set('at', [picked.x, picked.y].map(Math.round).join('_'));
  return '#' + words;
}

// Takes over what an address says; what it does not know or names wrongly stays. Returns its view and point.
function readHash() {
  const words = new URLSearchParams(location.hash.slice(1));
  const take = (key, known, name) => { if (known.includes(words.get(key))) choice[name || key] = words.get(key); };
  take('state', DATA.states.map((s) => s.id));
  take('layer', LAYERS);
  take('service', DATA.services.map((s) => s.id));
  take('direction', ['talk_out', 'talk_in', 'both']);
  take('lang', Object.keys(DATA.words));
  take('place', Object.keys(DATA.extents));
  if (words.has('on')) for (const id of OVERLAYS) choice.overlays[id] = words.get('on').split('.').includes(id);
  const strength = Number(words.get('strength'));
  if (words.has('strength') && strength >= 0 && strength <= 100) choice.opacity = strength / 100;
  const numbers = (key, count) => {
    const found = (words.get(key) || '').split('_').map(Number);
    return found.length === count && words.has(key) && found.every(Number.isFinite) ? found : null;
  };
  return { view: numbers('view', 3), at: numbers('at', 2) };
}

async function copyLink() {
  const address = location.href.split('#')[0] + viewHash();
  try { history.replaceState(null, '', address); } catch { /* some browsers refuse it for files */ }
  try {
    await navigator.clipboard.writeText(address);
    say(t('link_copied'));
  } catch {
    window.prompt(t('link_here'), address);
  }
}

function say(text) { // for a moment, over the map
  const box = document.getElementById('said');
  box.textContent = text;
  box.hidden = false;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { box.hidden = true; }, 2500);
}

function toggleFullScreen() {
  const stage = plot.closest('.board');
  if (document.fullscreenElement) document.exitFullscreen();
  else if (stage.requestFullscreen) stage.requestFullscreen();
}

function startTools() {
  startSearch();
  document.getElementById('measure').addEventListener('click', () => toggleRuler(ruler === null));
  document.getElementById('link').addEventListener('click', copyLink);
  const full = document.getElementById('full');
  full.hidden = !document.fullscreenEnabled;
  full.addEventListener('click', toggleFullScreen);
}
