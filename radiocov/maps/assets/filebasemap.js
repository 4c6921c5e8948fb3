// A basemap below the file's map, where the file was written with one, and only once someone asks for it: tiles in Web
// Mercator, bent to the plane of the map piece by piece.

const PIECES = 12; // of the map a side, each drawn by a transform that is straight
const TILE_SIDE = 256, DEEPEST = 19, TILES_HELD = 400;
const tilePictures = new Map();
let basemapOn = false;

function mercatorOf(x, y) { // 0..1 from the west and from the north
  const [lon, lat] = lonLat(x, y);
  return [(lon + 180) / 360, 0.5 - Math.asinh(Math.tan((lat * Math.PI) / 180)) / (2 * Math.PI)];
}

function tilePicture(z, x, y) {
  const address = DATA.basemap.address.replace('{z}', z).replace('{x}', x).replace('{y}', y);
  if (!tilePictures.has(address)) {
    if (tilePictures.size > TILES_HELD) tilePictures.clear();
    const picture = new Image();
    picture.addEventListener('load', drawBasemap);
    picture.addEventListener('error', () => say(t('basemap_failed')));
    picture.src = address;
    tilePictures.set(address, picture);
  }
  return tilePictures.get(address);
}

function drawBasemap() {
  const canvas = document.getElementById('basemap-canvas');
  if (!canvas) return;
  const v = view(), { xaxis, yaxis } = plot._fullLayout;
  Object.assign(canvas, { width: v.w, height: v.h });
  Object.assign(canvas.style, { left: `${xaxis._offset}px`, top: `${yaxis._offset}px`, width: `${v.w}px`, height: `${v.h}px` });
  const brush = canvas.getContext('2d');
  const middle = (v.y0 + v.y1) / 2, across = mercatorOf(v.x1, middle)[0] - mercatorOf(v.x0, middle)[0];
  const z = Math.max(0, Math.min(DEEPEST, Math.round(Math.log2(v.w / across / TILE_SIDE))));
  const wide = v.w / PIECES, high = v.h / PIECES, n = 2 ** z;
  const source = (i, j) => mercatorOf(v.x0 + ((v.x1 - v.x0) * i) / PIECES, v.y1 - ((v.y1 - v.y0) * j) / PIECES).map((part) => part * n * TILE_SIDE);
  let drawn = 0;
  for (let i = 0; i < PIECES; i++) {
    for (let j = 0; j < PIECES; j++) {
      const corners = [source(i, j), source(i + 1, j), source(i, j + 1), source(i + 1, j + 1)];
      const [[x, y], [rx, ry], [dx, dy]] = corners;
      const [ax, ay, bx, by] = [rx - x, ry - y, dx - x, dy - y], area = ax * by - bx * ay;
      const m = [(wide * by) / area, (-high * ay) / area, (-wide * bx) / area, (high * ax) / area];
      brush.save();
      brush.beginPath();
      brush.rect(i * wide - 0.5, j * high - 0.5, wide + 1, high + 1);
      brush.clip();
      brush.setTransform(...m, i * wide - m[0] * x - m[2] * y, j * high - m[1] * x - m[3] * y);
      const [xs, ys] = [0, 1].map((k) => corners.map((corner) => Math.floor(corner[k] / TILE_SIDE)));
      for (let tx = Math.min(...xs); tx <= Math.max(...xs); tx++) {
        for (let ty = Math.max(0, Math.min(...ys)); ty <= Math.min(n - 1, Math.max(...ys)); ty++) {
          const picture = tilePicture(z, ((tx % n) + n) % n, ty);
          if (!picture.complete || !picture.naturalWidth) continue;
          brush.drawImage(picture, tx * TILE_SIDE, ty * TILE_SIDE, TILE_SIDE, TILE_SIDE);
          drawn += 1;
        }
      }
      brush.restore();
    }
  }
  canvas.dataset.drawn = drawn;
}

async function showBasemap(on) {
  basemapOn = on;
  document.getElementById('basemap-canvas')?.remove();
  document.getElementById('basemap-credit')?.remove();
  const warning = document.getElementById('basemap-warning'), shifted = SHIFTED.test(new URL(DATA.basemap.address).host);
  warning.textContent = !on ? '' : shifted ? t('basemap_shifted') : t('basemap_online');
  warning.classList.toggle('alarm', on && shifted);
  if (on) {
    plot.before(el('canvas', { id: 'basemap-canvas', style: 'position:absolute' }));
    if (DATA.basemap.credit) plot.after(el('p', { id: 'basemap-credit', class: 'small' }, DATA.basemap.credit));
  }
  await Plotly.relayout(plot, { plot_bgcolor: on ? 'rgba(0,0,0,0)' : FIGURE.layout.plot_bgcolor, paper_bgcolor: on ? 'rgba(0,0,0,0)' : FIGURE.layout.paper_bgcolor });
  await refreshPictures();
  drawBasemap();
}

function startBasemap() {
  if (!DATA.basemap) return;
  document.getElementById('basemap-box').hidden = false;
  const select = document.getElementById('basemap');
  select.replaceChildren(select.options[0], el('option', { value: 'file' }, new URL(DATA.basemap.address).host));
  select.addEventListener('change', () => showBasemap(select.value === 'file'));
}
