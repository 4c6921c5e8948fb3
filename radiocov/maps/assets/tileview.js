// The service's map: plotly's map with tiles. The figure is the file's, in the metres of Web Mercator; here its traces
// become those of a map, whose marks can only be circles and text. Nothing is fetched from elsewhere unless asked for.

const WORLD = 2 * Math.PI * 6378137;
const GLYPHS = { 'triangle-up': ['▲', '△'], diamond: ['◆', '◇'] };
// plotly finds the place of a text from the size of its mark, and breaks without one
const BESIDE = { mode: 'markers+text', marker: { size: 14, opacity: 0 } };
const INK_COLOUR = '#16222c';
const TOOLS = { // the map's own layers for what tools draw
  highlight: [{ type: 'line', paint: { 'line-color': INK_COLOUR, 'line-width': 3.5 } }],
  measure: [
    { type: 'line', paint: { 'line-color': INK_COLOUR, 'line-width': 2.5, 'line-dasharray': [2, 1.5] } },
    { type: 'circle', filter: ['==', ['geometry-type'], 'Point'], paint: { 'circle-radius': 4, 'circle-color': '#ffffff', 'circle-stroke-color': INK_COLOUR, 'circle-stroke-width': 2.5 } },
  ],
  pick: [{ type: 'circle', paint: { 'circle-radius': 8, 'circle-color': '#ffffff', 'circle-opacity': 0.25, 'circle-stroke-color': INK_COLOUR, 'circle-stroke-width': 3 } }],
};
let basemapShown = '', coverShown = '';
const PAPER_COLOUR = '#ffffff';
let lastPointer = { clientX: 0, clientY: 0 };

function mapObject() { return plot._fullLayout.map._subplot.map; }

function onMap(trace) { // one trace of the figure as those of a map
  const { x = [], y = [], meta } = trace;
  if (!x.length) return []; // also what the tools draw on, see setLine
  const lon = [], lat = [];
  x.forEach((value, i) => {
    const [a, b] = value === null ? [null, null] : lonLat(value, y[i]);
    lon.push(a);
    lat.push(b);
  });
  const base = { type: 'scattermap', lon, lat, meta, hoverinfo: trace.hoverinfo || 'skip', customdata: trace.customdata };
  if (trace.mode === 'lines') {
    const line = { color: trace.line.color, width: trace.line.width };
    const drawn = [{ ...base, mode: 'lines', line, opacity: trace.opacity }];
    // there are no dashes: what is not covered is a hollow line
    if (meta.served === false) drawn.push({ ...base, mode: 'lines', line: { color: PAPER_COLOUR, width: line.width * 0.4 } });
    return drawn;
  }
  if (meta.role === 'labels') return [{ ...base, ...BESIDE, text: meta.words[choice.lang], textfont: trace.textfont, textposition: 'top center' }];
  const shapes = [trace.marker.symbol].flat();
  const glyphs = GLYPHS[shapes[0]];
  const marks = { ...base, mode: 'markers+text', textposition: 'middle center', marker: { size: trace.marker.size, color: PAPER_COLOUR, opacity: 0.92 } };
  if (!glyphs) {
    const ring = [trace.marker.line.color].flat();
    const rings = { ...base, mode: 'markers', hoverinfo: 'skip', marker: { size: trace.marker.size + 4, color: ring.length > 1 ? ring : ring[0] } };
    return [rings, { ...marks, text: trace.text, textfont: { size: trace.textfont.size, color: [trace.textfont.color].flat()[0] } }];
  }
  const glyph = glyphs[trace.marker.color === PAPER_COLOUR ? 1 : 0];
  const names = { ...base, ...BESIDE, text: trace.text, textposition: 'bottom center', textfont: { size: 13, color: trace.textfont.color }, hoverinfo: 'skip', meta: { ...meta, names: true, card: undefined } };
  return [{ ...marks, text: x.map(() => glyph), textfont: { size: trace.marker.size * 0.9, color: INK_COLOUR } }, names];
}

// What plotly does not offer of the map below it: marks stay where they are even when they touch, and names are legible.
// It is said as a layer is added: the map would lay out all of its texts anew for a change.
function polished(layer) {
  const i = plot._fullData.findIndex(({ uid }) => layer.id === `plotly-trace-layer-${uid}-symbol`);
  if (i < 0) return layer;
  const mark = !plot.data[i].meta.names && plot.data[i].meta.role !== 'labels';
  return {
    ...layer,
    paint: { ...layer.paint, 'text-halo-color': PAPER_COLOUR, 'text-halo-width': 1.5 },
    layout: { ...layer.layout, 'text-allow-overlap': mark, 'text-ignore-placement': mark },
  };
}

async function mapBegun() { // plotly's own, which adds its traces when it has loaded
  while (!plot._fullLayout || !plot._fullLayout.map || !plot._fullLayout.map._subplot || !mapObject()) await new Promise((go) => setTimeout(go));
  return mapObject();
}

function tileAddress() {
  const byService = choice.layer !== 'level' && choice.layer !== 'server';
  const first = choice.layer === 'change' && choice.state === DATA.states[0].id; // it has none before it
  const state = first ? DATA.states[1].id : choice.state;
  const layer = byService ? `${choice.layer}:${choice.service}:${choice.direction}` : choice.layer;
  return new URL(`tiles/${state}/${layer}/`, document.baseURI).href + '{z}/{x}/{y}.png';
}

// Below the traces: a basemap, the relief, the tiles. They are the map's own layers, because plotly would make all of
// its traces anew for each change of one.
function refreshPictures() {
  const map = mapObject();
  const tiles = (address) => ({ type: 'raster', tiles: [address], tileSize: 256, attribution: basemap.credit });
  if (map.getSource('basemap') && basemap.address !== basemapShown) {
    map.removeLayer('basemap');
    map.removeSource('basemap');
  }
  if (basemap.address && !map.getSource('basemap')) {
    map.addSource('basemap', tiles(basemap.address));
    map.addLayer({ id: 'basemap', type: 'raster', source: 'basemap' }, 'relief');
  }
  basemapShown = basemap.address;
  for (const { id, paint } of pictures()) map.setPaintProperty(id, 'raster-opacity', paint['raster-opacity']);
}

function pictures() { // layers of the map below all else; they begin to load with it, before plotly's marks are made
  const relief = choice.overlays.relief ? (basemap.address ? 0.35 : 1) : 0;
  const layer = (id, opacity) => ({ id, type: 'raster', source: id, paint: { 'raster-opacity': opacity, 'raster-resampling': 'nearest', 'raster-fade-duration': 0 } });
  return [layer('relief', relief), layer('cover', choice.opacity)];
}

function pictureSources() {
  const { x, y, right, bottom } = GRID;
  const corners = [lonLat(x, y), lonLat(right, y), lonLat(right, bottom), lonLat(x, bottom)];
  coverShown = tileAddress();
  return {
    relief: { type: 'image', url: FIGURE.layout.images[0].source, coordinates: corners },
    cover: { type: 'raster', tiles: [coverShown], tileSize: 256 },
  };
}

async function startMap() {
  const traces = FIGURE.data.flatMap(onMap);
  const few = stateOf(choice.state).sites.length <= MAX_NAMES && plot.clientWidth > 600; // all are in view
  for (const trace of traces) trace.visible = traceShown(trace.meta) && (!trace.meta.names || few);
  const paper = { id: 'paper', type: 'background', paint: { 'background-color': '#e4e8eb' } };
  const style = { version: 8, sources: pictureSources(), layers: [paper, ...pictures()] };
  const drawn = Plotly.newPlot(plot, traces, {
    margin: { l: 0, r: 0, t: 0, b: 0 }, showlegend: false, hovermode: 'closest', paper_bgcolor: '#e4e8eb',
    map: { style, ...lookAt([GRID.x, GRID.bottom, GRID.right, GRID.y]) },
  }, { displayModeBar: false, scrollZoom: true, responsive: true, showTips: false, displaylogo: false });
  const map = await mapBegun();
  const addLayer = map.addLayer.bind(map);
  map.addLayer = (layer, before) => addLayer(polished(layer), before);
  await drawn;
  map.on('moveend', afterMove);
  map.on('move', decorate);
  map.on('error', (event) => { if (event.sourceId === 'basemap') say(t('basemap_failed')); });
  plot.on('plotly_hover', (event) => showHover({ points: event.points, event: lastPointer }));
  plot.on('plotly_unhover', hideHover);
  plot.addEventListener('pointermove', (event) => { lastPointer = event; }, true);
  watchPointer();
  plot.addEventListener('keydown', onKey, true);
  decorate();
}

async function refreshLayer() {
  await whileBusy(async (overtaken) => {
    if (coverShown !== tileAddress()) mapObject().getSource('cover').setTiles([tileAddress()]);
    coverShown = tileAddress();
    refreshPictures();
    await tilesThere();
    if (!overtaken()) tellLayer();
  });
}

function tilesThere() { // until the tiles in view are drawn, or ten seconds: a lost tile must not hold up the page
  const map = mapObject();
  return new Promise((resolve) => {
    const limit = setTimeout(resolve, 10000);
    const check = () => (map.areTilesLoaded() && map.loaded() ? (clearTimeout(limit), resolve()) : map.once('idle', check));
    map.once('idle', check);
    map.triggerRepaint();
  });
}

async function refreshLabels() {
  const at = traceIndices((meta) => meta.role === 'labels').filter((i) => plot.data[i].text !== plot.data[i].meta.words[choice.lang]);
  if (at.length) await Plotly.restyle(plot, { text: at.map((i) => plot.data[i].meta.words[choice.lang]) }, at);
}

function setLine(role, points) { // what a tool draws: a line with gaps where x is null, and its points
  const places = points.map(([x, y]) => (x === null ? null : lonLat(x, y)));
  const lines = [[]];
  for (const place of places) {
    if (place) lines[lines.length - 1].push(place);
    else lines.push([]);
  }
  const feature = (type, coordinates) => ({ type: 'Feature', properties: {}, geometry: { type, coordinates } });
  const features = lines.filter((line) => line.length > 1).map((line) => feature('LineString', line));
  if (role !== 'highlight') features.push(...places.filter(Boolean).map((place) => feature('Point', place)));
  const data = { type: 'FeatureCollection', features };
  const map = mapObject();
  if (map.getSource(role)) map.getSource(role).setData(data);
  else if (features.length) {
    map.addSource(role, { type: 'geojson', data });
    TOOLS[role].forEach((layer, i) => map.addLayer({ id: `${role}-${i}`, source: role, ...layer }));
  }
}

function pictureOfMap() { // the canvas can be read only while it is drawn
  const map = mapObject();
  return new Promise((resolve) => {
    map.once('render', () => resolve(map.getCanvas().toDataURL('image/png')));
    map.triggerRepaint();
  });
}

// --- view -----------------------------------------------------------------------------------------------------

function mercator(lon, lat) {
  return [(lon * Math.PI * 6378137) / 180, 6378137 * Math.asinh(Math.tan((lat * Math.PI) / 180))];
}

function view() {
  const map = mapObject();
  const center = map.getCenter();
  const [x, y] = mercator(center.lng, center.lat);
  const w = plot.clientWidth, h = plot.clientHeight;
  const half = WORLD / 512 / 2 ** map.getZoom() / 2; // metres of the plane in half a pixel
  return { x0: x - half * w, x1: x + half * w, y0: y - half * h, y1: y + half * h, w, h };
}

function lookAt([x0, y0, x1, y1]) { // the box as large as it goes
  const [lon, lat] = lonLat((x0 + x1) / 2, (y0 + y1) / 2);
  const metresPerPx = Math.max((x1 - x0) / plot.clientWidth, (y1 - y0) / plot.clientHeight);
  return { center: { lon, lat }, zoom: Math.min(20, Math.max(0, Math.log2(WORLD / 512 / metresPerPx))) };
}

function zoomTo(box) {
  mapObject().jumpTo(lookAt(box));
}

function pointOf(event) {
  const box = plot.getBoundingClientRect();
  const v = view();
  return { x: v.x0 + ((event.clientX - box.left) / v.w) * (v.x1 - v.x0), y: v.y1 - ((event.clientY - box.top) / v.h) * (v.y1 - v.y0) };
}

function decorate() {
  const v = view();
  const [, lat] = lonLat((v.x0 + v.x1) / 2, (v.y0 + v.y1) / 2);
  showScale(((v.x1 - v.x0) / v.w) * Math.cos((lat * Math.PI) / 180), v.w);
}

function shownNow(meta) { // names of sites only while few are in view
  return traceShown(meta) && (!meta.names || fewInView());
}

async function refreshTraces() {
  hideHover();
  const changed = traceIndices(() => true).filter((i) => (plot.data[i].visible !== false) !== shownNow(plot.data[i].meta));
  if (!changed.length) return;
  await Plotly.restyle(plot, { visible: changed.map((i) => shownNow(plot.data[i].meta)) }, changed);
  keepOrder();
}

function keepOrder() { // a trace that is shown again comes to lie anywhere among the others
  const map = mapObject();
  const marks = plot._fullData.flatMap(({ uid }) => ['fill', 'line', 'circle', 'symbol'].map((kind) => `plotly-trace-layer-${uid}-${kind}`));
  const tools = Object.entries(TOOLS).flatMap(([role, layers]) => layers.map((_, i) => `${role}-${i}`));
  for (const id of marks.concat(tools)) if (map.getLayer(id)) map.moveLayer(id);
}

function refreshNames(force) {
  const wanted = fewInView();
  if (wanted === namesShown && !force) return;
  namesShown = wanted;
  refreshTraces();
}

function pixelAt(x, y) { return x >= GRID.x && x < GRID.right && y > GRID.bottom && y <= GRID.y ? 0 : -1; }

// The map's own canvas is empty on paper: what it shows is copied into one that is not.
function fitPaper() {
  const map = mapObject();
  const paper = el('canvas', { id: 'paper', width: map.getCanvas().width, height: map.getCanvas().height });
  map.redraw();
  paper.getContext('2d').drawImage(map.getCanvas(), 0, 0);
  // of the size that it has on the screen, so that the scale holds
  Object.assign(plot.parentElement.style, { width: `${plot.clientWidth}px`, height: `${plot.clientHeight}px` });
  plot.after(paper);
}

function leavePaper() {
  const paper = document.getElementById('paper');
  if (paper) paper.remove();
  Object.assign(plot.parentElement.style, { width: '', height: '' });
}
