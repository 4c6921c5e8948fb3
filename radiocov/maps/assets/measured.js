// What teams measured, in squares that the service sums up: asked for while they are shown, for what is in view.

const SILENT_COLOUR = '#3a3a3a';
let cellsAsked = 0, cellsSaid = '';

function cellSquare([lat, lon, level, samples, silent], side) {
  const high = side / 111195 / 2, wide = high / Math.cos((lat * Math.PI) / 180);
  const steps = DATA.scales.level;
  const ring = [[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]].map(([a, b]) => [lon + a * wide, lat + b * high]);
  const colour = level === null ? SILENT_COLOUR : steps[stepOf(steps, level)].colour;
  return { type: 'Feature', properties: { colour, level, samples, silent }, geometry: { type: 'Polygon', coordinates: [ring] } };
}

async function refreshCells() {
  const map = mapObject(), mine = ++cellsAsked;
  if (map.getLayer('cells')) map.setLayoutProperty('cells', 'visibility', choice.overlays.cells ? 'visible' : 'none');
  if (!choice.overlays.cells) { cellsSaid = ''; return; }
  const v = view();
  const [west, south] = lonLat(v.x0, v.y0), [east, north] = lonLat(v.x1, v.y1);
  let found;
  try {
    found = await ask('api/cells', { west, south, east, north });
  } catch (error) {
    say(t('service_silent'));
    throw error;
  }
  if (mine !== cellsAsked) return;
  const data = { type: 'FeatureCollection', features: found.cells.map((cell) => cellSquare(cell, found.side_m)) };
  if (map.getSource('cells')) map.getSource('cells').setData(data);
  else {
    const first = map.getStyle().layers.map((layer) => layer.id).find((id) => id.startsWith('plotly-'));
    map.addSource('cells', { type: 'geojson', data });
    map.addLayer({ id: 'cells', type: 'fill', source: 'cells', paint: { 'fill-color': ['get', 'colour'], 'fill-outline-color': '#ffffff' } }, first);
  }
  plot.dataset.cells = found.cells.length;
  const what = found.cells.length ? t('cells_shown', { side: found.side_m }) : t('cells_none');
  if (what === cellsSaid) return; // not at every move
  cellsSaid = what;
  say(found.held_back ? `${what} ${t('cells_held', { n: found.held_back })}` : what);
}
