// The data of the page, what is chosen, the words, and the value of any layer at any point.

const DATA = JSON.parse(document.getElementById('data').textContent);
const GRID = DATA.grid;
const LAYERS = ['coverage', 'level', 'margin', 'probability', 'server'];
const OVERLAYS = ['relief', 'areas', 'boundaries', 'roads', 'sites'];

const choice = {
  lang: DATA.lang,
  state: DATA.states[DATA.states.length - 1].id,
  layer: 'coverage',
  service: Object.values(DATA.classService)[0] || DATA.services[0].id,
  direction: '',
  opacity: 0.8,
  overlays: { relief: true, areas: true, boundaries: true, roads: true, sites: true },
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

// --- planes ---------------------------------------------------------------------------------------------------

const decoded = new Map();

function plane(i) {
  if (!decoded.has(i)) {
    const text = document.getElementById('plane-' + i).textContent;
    decoded.set(i, decodePng(text, GRID.width, GRID.height));
  }
  return decoded.get(i);
}

function valueTable(ref) { // code -> value; NaN for code 0
  const values = DATA.values[ref.kind];
  return Float64Array.from({ length: 256 }, (_, c) => (c && c <= values.length ? values[c - 1] + ref.offset : NaN));
}

async function valueAt(ref, pixel) {
  if (!ref) return NaN;
  if (ref.min) {
    const pair = await Promise.all(ref.min.map((one) => valueAt(one, pixel)));
    return Math.min(pair[0], pair[1]);
  }
  return valueTable(ref)[(await plane(ref.plane))[pixel]];
}

async function serverAt(state, pixel) {
  const bytes = await Promise.all(state.planes.server.map(async (i) => (await plane(i))[pixel]));
  const index = bytes[0] + 256 * (bytes[1] || 0);
  const position = state.servers[index];
  return position === undefined ? null : state.sites[position];
}

function pixelAt(x, y) { // -1 outside the grid
  const column = Math.floor((x - GRID.x) / GRID.step);
  const row = Math.floor((GRID.y - y) / GRID.step);
  return column < 0 || row < 0 || column >= GRID.width || row >= GRID.height ? -1 : row * GRID.width + column;
}

function lonLat(x, y) { // bilinear in the table of control points
  const n = DATA.lonlat.intervals;
  const u = (n * (x - GRID.x)) / (GRID.right - GRID.x), v = (n * (GRID.y - y)) / (GRID.y - GRID.bottom);
  const i = Math.min(n - 1, Math.max(0, Math.floor(u))), j = Math.min(n - 1, Math.max(0, Math.floor(v)));
  const a = u - i, b = v - j, k = j * (n + 1) + i;
  const mix = (z) => (1 - b) * ((1 - a) * z[k] + a * z[k + 1]) + b * ((1 - a) * z[k + n + 1] + a * z[k + n + 2]);
  return [mix(DATA.lonlat.lon), mix(DATA.lonlat.lat)];
}

function lonLatWords(x, y) {
  const [lon, lat] = lonLat(x, y);
  return `${Math.abs(lat).toFixed(5)}° ${t(lat < 0 ? 'south' : 'north')}  ${Math.abs(lon).toFixed(5)}° ${t(lon < 0 ? 'west' : 'east')}`;
}

// --- layers ---------------------------------------------------------------------------------------------------

function layerRef() {
  const planes = stateOf(choice.state).planes;
  if (choice.layer === 'level') return planes.level;
  if (choice.layer === 'server') return planes.hue;
  const service = planes.services[choice.service];
  if (!service) return null;
  return service[choice.layer === 'margin' ? 'margin' : 'probability'][choice.direction] || null;
}

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

// The picture of the chosen layer as a data URI. Pixel values: 0 and 1 outside (plain and hatched), then the steps.
async function drawLayer() {
  const ref = layerRef();
  const outside = [rgba(DATA.scales.outside), rgba(DATA.scales.outside_hatch)];
  const out = new Uint8Array(GRID.width * GRID.height);
  let colours;
  if (ref === null) {
    colours = outside;
  } else if (choice.layer === 'server') {
    const codes = await plane(ref.plane);
    for (let i = 0; i < out.length; i++) out[i] = codes[i] ? codes[i] + 1 : 0;
    colours = outside.concat([rgba(DATA.scales.no_server)], DATA.scales.servers.map(rgba));
  } else {
    const steps = layerSteps();
    const refs = ref.min || [ref];
    const tables = refs.map((one) => Uint8Array.from(valueTable(one), (v) => (Number.isNaN(v) ? 0 : 2 + stepOf(steps, v))));
    const codes = await Promise.all(refs.map((one) => plane(one.plane)));
    const [first, firstTable] = [codes[0], tables[0]];
    for (let i = 0; i < out.length; i++) out[i] = firstTable[first[i]];
    if (refs.length === 2) { // steps rise with the value: the lesser step is the step of the lesser value
      const [second, secondTable] = [codes[1], tables[1]];
      for (let i = 0; i < out.length; i++) out[i] = Math.min(out[i], secondTable[second[i]]);
    }
    colours = outside.concat(steps.map((step) => rgba(step.colour)));
  }
  const period = Math.max(8, Math.round(GRID.width / 80));
  const stroke = Math.max(1, Math.round(period / 6));
  for (let y = 0, i = 0; y < GRID.height; y++) {
    for (let x = 0; x < GRID.width; x++, i++) if (out[i] === 0 && (x + y) % period < stroke) out[i] = 1;
  }
  return palettePng(out, GRID.width, GRID.height, colours);
}
