// The data of the page, what is chosen, the words, and the value of any layer at any point.

const DATA = JSON.parse(document.getElementById('data').textContent);
const GRID = DATA.grid;
const LAYERS = ['coverage', 'level', 'margin', 'probability', 'server'].concat(DATA.states.length > 1 ? ['change'] : []);
const OVERLAYS = ['relief', 'areas', 'boundaries', 'roads', 'sites', 'gaps'].concat(DATA.measured ? ['measured', 'residual'] : []).concat(DATA.tiled ? ['cells'] : []);

const choice = {
  lang: DATA.lang,
  state: DATA.states[DATA.states.length - 1].id,
  layer: 'coverage',
  service: Object.values(DATA.classService)[0] || DATA.services[0].id,
  direction: '',
  opacity: 0.8,
  overlays: { relief: true, areas: true, boundaries: true, roads: true, sites: true, gaps: false, measured: true, residual: false, cells: false },
  filter: '',
  onlyMissed: false,
  place: '',
};
choice.direction = serviceOf(choice.service).direction;

function t(key, params) {
  const text = DATA.words[choice.lang][key];
  if (text === undefined) throw new Error('no word for ' + key);
  return text.replace(/\{(\w+)\}/g, (_, name) => (params && params[name] !== undefined ? params[name] : ''));
}

function has(key) { return DATA.words[choice.lang][key] !== undefined; }
function said(text) { return text ? text[choice.lang] || text.en || '' : ''; }
function className(id) { return has('class_' + id) ? t('class_' + id) : id; }
function stateOf(id) { return DATA.states.find((s) => s.id === id); }
function serviceOf(id) { return DATA.services.find((s) => s.id === id); }
function judgeOf(row) { return row[row.judge]; }

// Shares are cut, not rounded up: 99.97 % must not read as 100 %.
function percent(share, digits) {
  if (share === null || share === undefined) return '–';
  const unit = 10 ** (digits === undefined ? 1 : digits);
  return (Math.floor(share * 100 * unit + 1e-5) / unit).toFixed(digits === undefined ? 1 : digits) + ' %';
}

function number(value, digits) {
  return value === null || value === undefined || value === '' ? '–' : typeof value === 'number' ? value.toFixed(digits) : String(value);
}

function signed(value) { return (value > 0 ? '+' : value < 0 ? '−' : '') + Math.abs(value).toFixed(1); }

// A layer of change compares the chosen state with the one before it; of the first state, the second with it.
function changePair() {
  const at = Math.max(1, DATA.states.findIndex((s) => s.id === choice.state));
  return [DATA.states[at - 1], DATA.states[at]];
}

function lonLat(x, y) { // Web Mercator by its formula, other planes bilinear in the table of control points
  if (GRID.crs === 'EPSG:3857') return [(x / 6378137) * (180 / Math.PI), (Math.atan(Math.sinh(y / 6378137)) * 180) / Math.PI];
  const n = DATA.lonlat.intervals;
  const u = (n * (x - GRID.x)) / (GRID.right - GRID.x), v = (n * (GRID.y - y)) / (GRID.y - GRID.bottom);
  const i = Math.min(n - 1, Math.max(0, Math.floor(u))), j = Math.min(n - 1, Math.max(0, Math.floor(v)));
  const a = u - i, b = v - j, k = j * (n + 1) + i;
  const mix = (z) => (1 - b) * ((1 - a) * z[k] + a * z[k + 1]) + b * ((1 - a) * z[k + n + 1] + a * z[k + n + 2]);
  return [mix(DATA.lonlat.lon), mix(DATA.lonlat.lat)];
}

function boxAround(x, y, side) { return [x - side / 2, y - side / 2, x + side / 2, y + side / 2]; }

function lonLatWords(x, y) {
  const [lon, lat] = lonLat(x, y);
  return `${Math.abs(lat).toFixed(5)}° ${t(lat < 0 ? 'south' : 'north')}  ${Math.abs(lon).toFixed(5)}° ${t(lon < 0 ? 'west' : 'east')}`;
}

// --- layers ---------------------------------------------------------------------------------------------------

function layerSteps() {
  const scale = DATA.scales[choice.layer];
  return choice.layer === 'probability' || choice.layer === 'coverage' ? scale[choice.service] : scale;
}

function stepOf(steps, value) { // the last step whose lower edge is reached; values and edges are sums of decimals
  let found = 0;
  for (let i = 1; i < steps.length; i++) if (value >= steps[i].min - 1e-6) found = i;
  return found;
}

function rgba(colour) {
  return [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16)).concat(255);
}
