'use strict';
/** A small map: measured points or cells over tiles of the newest coverage run, drawn on a canvas. */
const trackMap = (() => {
  const canvas = document.getElementById('track'), brush = canvas.getContext('2d');
  const CLASSES = [[-85, '#08519c'], [-95, '#31a354'], [-105, '#fdae34'], [-115, '#e6550d'], [-Infinity, '#8c1d40']];
  const SILENT = '#3a3a3a', TILE = 256;
  const tiles = new Map();
  const view = { x: 0.84, y: 0.375, zoom: 7 }; // x, y: of the middle in Web Mercator, 0..1
  let points = [], cells = null, source = '', moved = () => {};

  const toX = (lon) => (lon + 180) / 360;
  const toY = (lat) => 0.5 - Math.log(Math.tan(Math.PI / 4 + lat * Math.PI / 360)) / (2 * Math.PI);
  const toLat = (y) => Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180 / Math.PI;
  const scale = () => TILE * 2 ** view.zoom;
  const colour = (level) => level === null ? SILENT : CLASSES.find(([from]) => level >= from)[1];

  function screen(lat, lon) {
    return [(toX(lon) - view.x) * scale() + canvas.clientWidth / 2, (toY(lat) - view.y) * scale() + canvas.clientHeight / 2];
  }

  function box() {
    const w = canvas.clientWidth / 2 / scale(), h = canvas.clientHeight / 2 / scale();
    return { west: Math.max(-180, (view.x - w) * 360 - 180), east: Math.min(180, (view.x + w) * 360 - 180),
      south: toLat(Math.min(1, view.y + h)), north: toLat(Math.max(0, view.y - h)) };
  }

  function drawTiles() {
    if (!source) return;
    const z = Math.max(0, Math.min(15, Math.round(view.zoom))), n = 2 ** z, size = scale() / n;
    const x0 = Math.floor((view.x - canvas.clientWidth / 2 / scale()) * n), x1 = Math.floor((view.x + canvas.clientWidth / 2 / scale()) * n);
    const y0 = Math.floor((view.y - canvas.clientHeight / 2 / scale()) * n), y1 = Math.floor((view.y + canvas.clientHeight / 2 / scale()) * n);
    brush.globalAlpha = 0.45;
    for (let x = Math.max(0, x0); x <= Math.min(n - 1, x1); x++) {
      for (let y = Math.max(0, y0); y <= Math.min(n - 1, y1); y++) {
        const address = `${source}/${z}/${x}/${y}.png`;
        if (!tiles.has(address)) {
          const picture = new Image();
          picture.onload = draw;
          picture.src = address;
          tiles.set(address, picture);
        }
        const picture = tiles.get(address);
        if (picture.complete && picture.naturalWidth) {
          brush.drawImage(picture, (x / n - view.x) * scale() + canvas.clientWidth / 2,
            (y / n - view.y) * scale() + canvas.clientHeight / 2, size, size);
        }
      }
    }
    brush.globalAlpha = 1;
  }

  function drawCells() {
    const side = cells.side_m / 40075016.7 * scale();
    for (const [lat, lon, level] of cells.cells) {
      const [x, y] = screen(lat, lon), wide = Math.max(4, side / Math.cos(lat * Math.PI / 180));
      brush.fillStyle = colour(level);
      brush.fillRect(x - wide / 2, y - wide / 2, wide, wide);
    }
  }

  function draw() {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = canvas.clientWidth * ratio;
    canvas.height = canvas.clientHeight * ratio;
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    brush.fillStyle = '#dfe6ea';
    brush.fillRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    drawTiles();
    if (cells) drawCells();
    for (const [lat, lon, level] of points) {
      const [x, y] = screen(lat, lon);
      brush.beginPath();
      brush.arc(x, y, 4.5, 0, 2 * Math.PI);
      brush.fillStyle = colour(level);
      brush.fill();
      if (points.length > 300) continue; // rims of so many would hide the colours
      brush.lineWidth = 1;
      brush.strokeStyle = '#fff';
      brush.stroke();
    }
    canvas.dataset.drawn = String(points.length + (cells ? cells.cells.length : 0));
  }

  /** Moves so that all of some places are in sight. */
  function fit(places) {
    if (!places.length) return;
    const xs = places.map(([, lon]) => toX(lon)), ys = places.map(([lat]) => toY(lat));
    const [x0, x1] = [Math.min(...xs), Math.max(...xs)], [y0, y1] = [Math.min(...ys), Math.max(...ys)];
    view.x = (x0 + x1) / 2;
    view.y = (y0 + y1) / 2;
    const room = Math.min(canvas.clientWidth / Math.max(x1 - x0, 1e-9), canvas.clientHeight / Math.max(y1 - y0, 1e-9));
    view.zoom = Math.max(3, Math.min(16, Math.log2(room * 0.85 / TILE)));
  }

  function zoomBy(step, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
    const dx = (x - canvas.clientWidth / 2) / scale(), dy = (y - canvas.clientHeight / 2) / scale();
    const before = view.zoom;
    view.zoom = Math.max(2, Math.min(18, view.zoom + step));
    const keep = 1 - 2 ** (before - view.zoom);
    view.x += dx * keep;
    view.y += dy * keep;
    draw();
    moved();
  }

  let held = null;
  canvas.addEventListener('pointerdown', (event) => { held = [event.clientX, event.clientY]; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener('pointermove', (event) => {
    if (!held) return;
    view.x -= (event.clientX - held[0]) / scale();
    view.y -= (event.clientY - held[1]) / scale();
    held = [event.clientX, event.clientY];
    draw();
  });
  canvas.addEventListener('pointerup', () => { held = null; moved(); });
  canvas.addEventListener('wheel', (event) => { event.preventDefault(); zoomBy(event.deltaY < 0 ? 0.5 : -0.5, event.offsetX, event.offsetY); }, { passive: false });
  canvas.addEventListener('keydown', (event) => {
    const steps = { ArrowLeft: [-60, 0], ArrowRight: [60, 0], ArrowUp: [0, -60], ArrowDown: [0, 60] }[event.key];
    if (event.key === '+' || event.key === '-') zoomBy(event.key === '+' ? 0.5 : -0.5);
    else if (steps) { view.x += steps[0] / scale(); view.y += steps[1] / scale(); draw(); moved(); } else return;
    event.preventDefault();
  });
  document.getElementById('zoom-in').addEventListener('click', () => zoomBy(1));
  document.getElementById('zoom-out').addEventListener('click', () => zoomBy(-1));
  window.addEventListener('resize', draw);

  const legend = CLASSES.map(([from], i) => [from === -Infinity ? `< ${CLASSES[i - 1][0]} dBm` : `≥ ${from} dBm`, i]);
  document.getElementById('track-scale').append(...legend.map(([text, i]) => {
    const swatch = document.createElement('i');
    swatch.style.background = CLASSES[i][1];
    return make('span', '', swatch, text);
  }));

  /** Tiles of the newest run, where there is one. */
  async function useCoverage() {
    const found = await ask('GET', '/api/v1/map').catch(() => null);
    if (!found || !found.layers.length) return;
    source = `/map/${found.key}/tiles/${encodeURIComponent(found.states.at(-1))}/${encodeURIComponent(found.layers[0])}`;
    draw();
  }
  useCoverage();
  draw();
  return {
    show(places) { points = places; fit(places); draw(); },
    showCells(found) { cells = found; draw(); },
    fit(places) { fit(places); draw(); },
    box,
    onMove(doing) { moved = doing; },
    note(text) { document.getElementById('track-note').textContent = text; },
  };
})();
