// The service's map: plotly's map with tiles. The figure is the file's, in the metres of Web Mercator; here its traces
// become those of a map, whose marks can only be circles and text. Nothing is fetched from elsewhere unless asked for.

const WORLD = 2 * Math.PI * 6378137;
const GLYPHS = { 'triangle-up': ['▲', '△'], diamond: ['◆', '◇'] };
// plotly finds the place of a text from the size of its mark, and breaks without one
const BESIDE = { mode: 'markers+text', marker: { size: 14, opacity: 0 } };
const PAPER_COLOUR = '#ffffff';
let lastPointer = { clientX: 0, clientY: 0 };

function mapObject() { return plot._fullLayout.map._subplot.map; }

function onMap(trace) { // one trace of the figure as those of a map
  const { x = [], y = [], meta } = trace;
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
  if (meta.role === 'measure') return [{ ...base, mode: 'lines+markers', line: { color: trace.line.color, width: 2.5 }, marker: { size: 9, color: trace.line.color } }];
  if (meta.role === 'pick') return [{ ...base, ...BESIDE, text: x.map(() => '✛'), textposition: 'middle center', textfont: { size: 26, color: trace.marker.line.color } }];
  if (meta.role === 'labels') return [{ ...base, ...BESIDE, text: trace.text, textfont: trace.textfont, textposition: 'top center' }];
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
  return [{ ...marks, text: x.map(() => glyph), textfont: { size: trace.marker.size * 0.9, color: '#16222c' } }, names];
}

// What plotly does not offer of the map below it: marks stay where they are even when they touch, and names are legible.
function polishTexts() {
  const map = mapObject();
  for (const [i, trace] of plot.data.entries()) {
    const id = `plotly-trace-layer-${plot._fullData[i].uid}-symbol`;
    if (!map.getLayer(id) || map.getPaintProperty(id, 'text-halo-width') === 1.5) continue;
    map.setPaintProperty(id, 'text-halo-color', PAPER_COLOUR);
    map.setPaintProperty(id, 'text-halo-width', 1.5);
    const mark = !trace.meta.names && trace.meta.role !== 'labels';
    map.setLayoutProperty(id, 'text-allow-overlap', mark);
    map.setLayoutProperty(id, 'text-ignore-placement', mark);
  }
}

function tileAddress() {
  const byService = choice.layer !== 'level' && choice.layer !== 'server';
  const first = choice.layer === 'change' && choice.state === DATA.states[0].id; // it has none before it
  const state = first ? DATA.states[1].id : choice.state;
  const layer = byService ? `${choice.layer}:${choice.service}:${choice.direction}` : choice.layer;
  return new URL(`tiles/${state}/${layer}/`, document.baseURI).href + '{z}/{x}/{y}.png';
}

function mapLayers() {
  const raster = (source, opacity) => ({ sourcetype: 'raster', source: [source], below: 'traces', opacity });
  const corner = (x, y) => lonLat(x, y);
  const layers = [];
  if (basemap.address) layers.push({ ...raster(basemap.address, 1), sourceattribution: basemap.credit });
  if (choice.overlays.relief) {
    const { x, y, right, bottom } = GRID;
    layers.push({
      sourcetype: 'image', source: FIGURE.layout.images[0].source, below: 'traces', opacity: basemap.address ? 0.35 : 1,
      coordinates: [corner(x, y), corner(right, y), corner(right, bottom), corner(x, bottom)],
    });
  }
  layers.push(raster(tileAddress(), choice.opacity));
  return layers;
}

async function startMap() {
  const traces = FIGURE.data.flatMap(onMap);
  for (const trace of traces) trace.visible = traceShown(trace.meta) && !trace.meta.names;
  const style = { version: 8, sources: {}, layers: [{ id: 'paper', type: 'background', paint: { 'background-color': '#e4e8eb' } }] };
  await Plotly.newPlot(plot, traces, {
    margin: { l: 0, r: 0, t: 0, b: 0 }, showlegend: false, hovermode: 'closest', paper_bgcolor: '#e4e8eb',
    map: { style, ...lookAt([GRID.x, GRID.bottom, GRID.right, GRID.y]), layers: mapLayers() },
  }, { displayModeBar: false, scrollZoom: true, responsive: true, showTips: false, displaylogo: false });
  mapObject().on('styledata', polishTexts);
  polishTexts();
  plot.on('plotly_relayout', afterMove);
  plot.on('plotly_relayouting', decorate);
  plot.on('plotly_hover', (event) => showHover({ points: event.points, event: lastPointer }));
  plot.on('plotly_unhover', hideHover);
  plot.addEventListener('pointermove', (event) => { lastPointer = event; }, true);
  watchPointer();
  plot.addEventListener('keydown', onKey, true);
  decorate();
}

async function refreshLayer() {
  await whileBusy(async (overtaken) => {
    await Plotly.relayout(plot, { 'map.layers': mapLayers() });
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

function refreshPictures() { return Plotly.relayout(plot, { 'map.layers': mapLayers() }); }

async function refreshLabels() {
  const at = traceIndices((meta) => meta.role === 'labels');
  await Plotly.restyle(plot, { text: at.map((i) => plot.data[i].meta.words[choice.lang]) }, at);
}

function setLine(role, points) {
  const places = points.map(([x, y]) => (x === null ? [null, null] : lonLat(x, y)));
  const found = { lon: [places.map((p) => p[0])], lat: [places.map((p) => p[1])] };
  if (role === 'pick') found.text = [places.map(() => '✛')];
  return Plotly.restyle(plot, found, traceIndices((meta) => meta.role === role));
}

function pictureOfMap(width, height) { return Plotly.toImage(plot, { format: 'png', width, height, scale: 2 }); }

// --- view -----------------------------------------------------------------------------------------------------

function mercator(lon, lat) {
  return [(lon * Math.PI * 6378137) / 180, 6378137 * Math.asinh(Math.tan((lat * Math.PI) / 180))];
}

function view() {
  const { center, zoom } = plot._fullLayout.map;
  const [x, y] = mercator(center.lon, center.lat);
  const w = plot.clientWidth, h = plot.clientHeight;
  const half = WORLD / 512 / 2 ** zoom / 2; // metres of the plane in half a pixel
  return { x0: x - half * w, x1: x + half * w, y0: y - half * h, y1: y + half * h, w, h };
}

function lookAt([x0, y0, x1, y1]) { // the box as large as it goes
  const [lon, lat] = lonLat((x0 + x1) / 2, (y0 + y1) / 2);
  const metresPerPx = Math.max((x1 - x0) / plot.clientWidth, (y1 - y0) / plot.clientHeight);
  return { center: { lon, lat }, zoom: Math.min(20, Math.max(0, Math.log2(WORLD / 512 / metresPerPx))) };
}

function zoomTo(box) {
  const { center, zoom } = lookAt(box);
  return Plotly.relayout(plot, { 'map.center': center, 'map.zoom': zoom });
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

function refreshNames(force) {
  const wanted = fewInView() && choice.overlays.sites;
  if (wanted === namesShown && !force) return;
  namesShown = wanted;
  Plotly.restyle(plot, { visible: plot.data.filter((trace) => trace.meta.names).map((trace) => wanted && traceShown(trace.meta)) }, traceIndices((meta) => meta.names));
}

function pixelAt(x, y) { return x >= GRID.x && x < GRID.right && y > GRID.bottom && y <= GRID.y ? 0 : -1; }
