// The map itself: plotly draws; this shows and hides, zooms, and answers where the pointer is.

const FIGURE = JSON.parse(document.getElementById('figure').textContent);
const plot = document.getElementById('map');
const CRISP = 1.2; // screen pixels a map pixel from which on its edges are drawn sharp
const MAX_NAMES = 40; // site names are written when no more sites than this are in view
let drawing = 0;
let namesShown = null;
let picked = null; // {x, y} of the last click

function traceIndices(test) {
  return plot.data.map((trace, i) => (test(trace.meta || {}) ? i : -1)).filter((i) => i >= 0);
}

async function startMap() {
  for (const trace of FIGURE.data) trace.visible = traceShown(trace.meta || {});
  await Plotly.newPlot(plot, FIGURE.data, FIGURE.layout, {
    displayModeBar: false, scrollZoom: true, responsive: true, doubleClick: false, showTips: false, displaylogo: false,
  });
  zoomTo([GRID.x, GRID.bottom, GRID.right, GRID.y]);
  plot.on('plotly_relayout', afterMove);
  plot.on('plotly_relayouting', decorate);
  plot.on('plotly_hover', (event) => showHover(event));
  plot.on('plotly_unhover', hideHover);
  watchPointer();
  plot.addEventListener('keydown', onKey);
}

function traceShown(meta) {
  const overlay = meta.role === 'labels' ? 'boundaries' : meta.role;
  if (meta.role === 'silent') return choice.overlays.measured || choice.overlays.residual;
  return choice.overlays[overlay] !== false && (meta.state === undefined || meta.state === choice.state);
}

async function refreshTraces() {
  hideHover();
  const all = plot.data.map((_, i) => i);
  await Plotly.restyle(plot, { visible: plot.data.map((trace) => traceShown(trace.meta || {})) }, all);
  refreshNames(true);
}

function setLine(role, points) { // the points of a trace that belongs to a tool
  return Plotly.restyle(plot, { x: [points.map((p) => p[0])], y: [points.map((p) => p[1])] }, traceIndices((meta) => meta.role === role));
}

function pictureOfMap(width, height) { return Plotly.toImage(plot, { format: 'png', width, height, scale: 2 }); }

async function refreshLabels() {
  const at = traceIndices((meta) => meta.role === 'labels');
  await Plotly.restyle(plot, { text: at.map((i) => plot.data[i].meta.words[choice.lang]) }, at);
}

async function refreshLayer() {
  const mine = ++drawing;
  const busy = document.getElementById('busy');
  const slow = setTimeout(() => { busy.hidden = false; }, 150);
  try {
    const uri = await drawLayer();
    if (mine !== drawing) return; // a later choice has overtaken this one
    await Plotly.relayout(plot, { 'images[1].source': uri, 'images[1].opacity': choice.opacity });
    plot.dataset.layer = [choice.state, choice.layer, choice.service, choice.direction].join(' ');
  } catch (error) {
    showBand('warn', t('cannot_draw'));
    throw error;
  } finally {
    clearTimeout(slow);
    if (mine === drawing) busy.hidden = true;
  }
}

function refreshPictures() {
  return Plotly.relayout(plot, { 'images[0].opacity': choice.overlays.relief ? 1 : 0, 'images[1].opacity': choice.opacity });
}

// --- view -----------------------------------------------------------------------------------------------------

function view() {
  const { xaxis, yaxis, _size } = plot._fullLayout;
  return { x0: xaxis.range[0], x1: xaxis.range[1], y0: yaxis.range[0], y1: yaxis.range[1], w: _size.w, h: _size.h };
}

function zoomTo([x0, y0, x1, y1]) { // the box as large as it goes, at equal scale both ways
  const { w, h } = view();
  const scale = Math.max((x1 - x0) / w, (y1 - y0) / h);
  const cx = (x0 + x1) / 2, cy = (y0 + y1) / 2;
  return Plotly.relayout(plot, {
    'xaxis.range': [cx - (scale * w) / 2, cx + (scale * w) / 2],
    'yaxis.range': [cy - (scale * h) / 2, cy + (scale * h) / 2],
  });
}

function zoomBy(factor, dx, dy) {
  const { x0, x1, y0, y1 } = view();
  const cx = (x0 + x1) / 2 + (dx || 0) * (x1 - x0), cy = (y0 + y1) / 2 + (dy || 0) * (y1 - y0);
  const w = ((x1 - x0) * factor) / 2, h = ((y1 - y0) * factor) / 2;
  return zoomTo([cx - w, cy - h, cx + w, cy + h]);
}

function zoomAll() { return zoomTo([GRID.x, GRID.bottom, GRID.right, GRID.y]); }

async function showPlace(key) { // "city|county", "city|", or "" for everything
  choice.place = key;
  const outlines = plot.data.find((trace) => trace.meta && trace.meta.slices);
  const x = [], y = [];
  for (const [place, [start, stop]] of Object.entries(outlines.meta.slices)) {
    const exact = place === key, inside = key.endsWith('|') && place.startsWith(key);
    if (key && (exact || (inside && !(key in outlines.meta.slices)))) {
      x.push(...outlines.x.slice(start, stop));
      y.push(...outlines.y.slice(start, stop));
    }
  }
  await Plotly.restyle(plot, { x: [x], y: [y] }, traceIndices((meta) => meta.role === 'highlight'));
  await (DATA.extents[key] ? zoomTo(DATA.extents[key]) : zoomAll());
}

function afterMove() {
  decorate();
  refreshNames(false);
}

function decorate() { // scale bar, north, sharpness of the pixels
  const v = view();
  const metresPerPx = (v.x1 - v.x0) / v.w;
  plot.classList.toggle('crisp', GRID.step / metresPerPx >= CRISP);
  const most = metresPerPx * Math.min(160, v.w / 3);
  const unit = 10 ** Math.floor(Math.log10(most));
  const length = [5, 2, 1].map((k) => k * unit).find((l) => l <= most);
  const bar = document.getElementById('scale');
  bar.querySelector('i').style.width = length / metresPerPx + 'px';
  bar.querySelector('span').textContent = length >= 1000 ? length / 1000 + ' km' : length + ' m';
  const cx = (v.x0 + v.x1) / 2, cy = (v.y0 + v.y1) / 2;
  const [lon, lat] = lonLat(cx, cy), [lon2, lat2] = lonLat(cx, cy + GRID.step);
  const turn = (Math.atan2((lon2 - lon) * Math.cos((lat * Math.PI) / 180), lat2 - lat) * 180) / Math.PI;
  document.getElementById('north').style.transform = `rotate(${(-turn).toFixed(1)}deg)`;
}

function refreshNames(force) {
  const v = view();
  const sites = stateOf(choice.state).sites;
  const inView = sites.filter((s) => s.x >= v.x0 && s.x <= v.x1 && s.y >= v.y0 && s.y <= v.y1).length;
  const wanted = inView <= MAX_NAMES && v.w > 600;
  if (wanted === namesShown && !force) return;
  namesShown = wanted;
  Plotly.restyle(plot, { mode: wanted ? 'markers+text' : 'markers' }, traceIndices((meta) => meta.role === 'sites'));
}

// --- pointer and keys -----------------------------------------------------------------------------------------

function pointOf(event) { // plane coordinates [m] of a pointer event
  const box = plot.getBoundingClientRect();
  const { xaxis, yaxis } = plot._fullLayout;
  return {
    x: xaxis.p2d(event.clientX - box.left - xaxis._offset),
    y: yaxis.p2d(event.clientY - box.top - yaxis._offset),
  };
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
