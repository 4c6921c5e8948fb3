// What both kinds of map share: what is shown, places, pointer and keys. The map itself, `mapview.js` for the file and
// `tileview.js` for the service, knows how to draw (refreshLayer), where it looks (view, zoomTo) and pointOf an event.

const FIGURE = JSON.parse(document.getElementById('figure').textContent);
const plot = document.getElementById('map');
const MAX_NAMES = 40; // site names are written when no more sites than this are in view
// Hosts whose tiles are in GCJ-02 or BD-09: everything of ours, in WGS 84, lies 100 to 700 m off on them.
const SHIFTED = /(amap|autonavi|gaode|qq|tencent|baidu|bdimg|google\.cn|gtimg|sogou|huawei|geoq)\b/i;
let drawing = 0;
let namesShown = null;
let picked = null; // {x, y} of the last click

function traceIndices(test) {
  return plot.data.map((trace, i) => (test(trace.meta || {}) ? i : -1)).filter((i) => i >= 0);
}

function traceShown(meta) {
  const overlay = meta.role === 'labels' ? 'boundaries' : meta.role;
  if (meta.role === 'silent') return choice.overlays.measured || choice.overlays.residual;
  return choice.overlays[overlay] !== false && (meta.state === undefined || meta.state === choice.state);
}

function zoomBy(factor, dx, dy) {
  const { x0, x1, y0, y1 } = view();
  const cx = (x0 + x1) / 2 + (dx || 0) * (x1 - x0), cy = (y0 + y1) / 2 + (dy || 0) * (y1 - y0);
  const w = ((x1 - x0) * factor) / 2, h = ((y1 - y0) * factor) / 2;
  return zoomTo([cx - w, cy - h, cx + w, cy + h]);
}

function onKey(event) {
  const moves = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, 0.15], ArrowDown: [0, -0.15] };
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (moves[event.key]) zoomBy(1, ...moves[event.key]);
  else if (event.key === '+' || event.key === '=') zoomBy(0.6);
  else if (event.key === '-') zoomBy(1 / 0.6);
  else if (event.key === '0' || event.key === 'Home') zoomAll();
  else if (event.key === 'Enter') { const v = view(); (ruler ? measureTo : pick)((v.x0 + v.x1) / 2, (v.y0 + v.y1) / 2); }
  else if (event.key === 'Escape') { if (ruler) toggleRuler(false); else unpick(); }
  else return;
  event.preventDefault();
}

async function pick(x, y) {
  picked = { x, y };
  await setLine('pick', [[x, y]]);
  await showReadout();
}

function unpick() {
  picked = null;
  document.getElementById('readout').hidden = true;
  document.getElementById('profile').hidden = true;
  setLine('pick', []);
}

function nearestSite(x, y) { // the site within a marker's reach of the point, or null
  const v = view();
  let best = null, reach = (12 * (v.x1 - v.x0)) / v.w;
  if (!choice.overlays.sites) return null;
  for (const site of stateOf(choice.state).sites) {
    const distance = Math.hypot(site.x - x, site.y - y);
    if (distance <= reach) { best = site; reach = distance; }
  }
  return best;
}

function watchPointer() {
  let down = null;
  plot.addEventListener('pointerdown', (event) => { down = event.isPrimary ? event : null; }, true);
  window.addEventListener('pointerup', (event) => {
    if (down && Math.hypot(event.clientX - down.clientX, event.clientY - down.clientY) < 6) {
      const { x, y } = pointOf(event);
      if (ruler) measureTo(x, y);
      else pick(x, y);
    }
    down = null;
  }, true);
  plot.addEventListener('pointermove', async (event) => {
    const { x, y } = pointOf(event);
    document.getElementById('status').textContent = pixelAt(x, y) < 0 ? '' : lonLatWords(x, y);
  });
}

function zoomAll() { return zoomTo([GRID.x, GRID.bottom, GRID.right, GRID.y]); }

function afterMove() {
  decorate();
  refreshNames(false);
  if (choice.overlays.cells) refreshCells();
}

function showScale(metresPerPx, width) {
  const most = metresPerPx * Math.min(160, width / 3);
  const unit = 10 ** Math.floor(Math.log10(most));
  const length = [5, 2, 1].map((k) => k * unit).find((l) => l <= most);
  const bar = document.getElementById('scale');
  bar.querySelector('i').style.width = length / metresPerPx + 'px';
  bar.querySelector('span').textContent = length >= 1000 ? length / 1000 + ' km' : length + ' m';
}

async function whileBusy(work) { // says so where it takes long; `overtaken` tells that a later choice came
  const mine = ++drawing;
  const overtaken = () => mine !== drawing;
  const busy = document.getElementById('busy');
  const slow = setTimeout(() => { busy.hidden = false; }, 150);
  try {
    await work(overtaken);
  } catch (error) {
    showBand('warn', t('cannot_draw'));
    throw error;
  } finally {
    clearTimeout(slow);
    if (!overtaken()) busy.hidden = true;
  }
}

function tellLayer() { plot.dataset.layer = [choice.state, choice.layer, choice.service, choice.direction].join(' '); }

function fewInView() { // whether so few sites are in view that their names can stand beside them
  const v = view();
  const sites = stateOf(choice.state).sites;
  return v.w > 600 && sites.filter((s) => s.x >= v.x0 && s.x <= v.x1 && s.y >= v.y0 && s.y <= v.y1).length <= MAX_NAMES;
}

async function showPlace(key) { // "city|county", "city|", or "" for everything
  choice.place = key;
  const outlines = FIGURE.data.find((trace) => trace.meta && trace.meta.slices);
  const points = [];
  for (const [place, [start, stop]] of Object.entries(outlines.meta.slices)) {
    const exact = place === key, inside = key.endsWith('|') && place.startsWith(key);
    if (key && (exact || (inside && !(key in outlines.meta.slices)))) {
      for (let i = start; i < stop; i++) points.push([outlines.x[i], outlines.y[i]]);
    }
  }
  await setLine('highlight', points);
  await (DATA.extents[key] ? zoomTo(DATA.extents[key]) : zoomAll());
}
