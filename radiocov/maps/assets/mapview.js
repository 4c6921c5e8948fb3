// The file's map: plotly on plain axes in the metres of the plane, the layer as one picture.

const CRISP = 1.2; // screen pixels a map pixel from which on its edges are drawn sharp

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

function setLine(role, points) { // the points of a trace that belongs to a tool
  return Plotly.restyle(plot, { x: [points.map((p) => p[0])], y: [points.map((p) => p[1])] }, traceIndices((meta) => meta.role === role));
}

function pictureOfMap(width, height) { return Plotly.toImage(plot, { format: 'png', width, height, scale: 2 }); }

async function refreshTraces() {
  hideHover();
  const all = plot.data.map((_, i) => i);
  await Plotly.restyle(plot, { visible: plot.data.map((trace) => traceShown(trace.meta || {})) }, all);
  refreshNames(true);
}

async function refreshLabels() {
  const at = traceIndices((meta) => meta.role === 'labels');
  await Plotly.restyle(plot, { text: at.map((i) => plot.data[i].meta.words[choice.lang]) }, at);
}

async function refreshLayer() {
  await whileBusy(async (overtaken) => {
    const uri = await drawLayer();
    if (overtaken()) return;
    await Plotly.relayout(plot, { 'images[1].source': uri, 'images[1].opacity': choice.opacity });
    tellLayer();
  });
}

function refreshPictures() {
  return Plotly.relayout(plot, { 'images[0].opacity': choice.overlays.relief ? (basemapOn ? 0.35 : 1) : 0, 'images[1].opacity': choice.opacity });
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

function decorate() { // scale bar, north, sharpness of the pixels
  const v = view();
  const metresPerPx = (v.x1 - v.x0) / v.w;
  plot.classList.toggle('crisp', GRID.step / metresPerPx >= CRISP);
  showScale(metresPerPx, v.w);
  const cx = (v.x0 + v.x1) / 2, cy = (v.y0 + v.y1) / 2;
  const [lon, lat] = lonLat(cx, cy), [lon2, lat2] = lonLat(cx, cy + GRID.step);
  const turn = (Math.atan2((lon2 - lon) * Math.cos((lat * Math.PI) / 180), lat2 - lat) * 180) / Math.PI;
  document.getElementById('north').style.transform = `rotate(${(-turn).toFixed(1)}deg)`;
  drawBasemap();
}

function refreshNames(force) {
  const wanted = fewInView();
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

// On paper the map gets a size of its own: the drawing does not follow the page's print layout by itself.
function fitPaper() {
  plot.parentElement.classList.add('on-paper');
  Plotly.relayout(plot, { width: plot.clientWidth, height: plot.clientHeight });
}

function leavePaper() {
  plot.parentElement.classList.remove('on-paper');
  Plotly.relayout(plot, { width: null, height: null, autosize: true });
}
