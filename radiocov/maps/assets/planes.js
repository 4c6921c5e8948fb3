// The file's rasters: values of any layer at any point, the picture of a layer, the ground under a line.

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

// --- pictures -------------------------------------------------------------------------------------------------

function layerRef() {
  const planes = stateOf(choice.state).planes;
  if (choice.layer === 'level') return planes.level;
  if (choice.layer === 'server') return planes.hue;
  const service = planes.services[choice.service];
  if (!service) return null;
  return service[choice.layer === 'margin' ? 'margin' : 'probability'][choice.direction] || null;
}

// The picture of the chosen layer as a data URI. Pixel values: 0 and 1 outside (plain and hatched), then the steps.
async function drawLayer() {
  if (choice.layer === 'change') return drawChange();
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
  return hatched(out, colours);
}

function hatched(out, colours) { // the picture as a data URI, what is outside hatched
  const period = Math.max(8, Math.round(GRID.width / 80));
  const stroke = Math.max(1, Math.round(period / 6));
  for (let y = 0, i = 0; y < GRID.height; y++) {
    for (let x = 0; x < GRID.width; x++, i++) if (out[i] === 0 && (x + y) % period < stroke) out[i] = 1;
  }
  return palettePng(out, GRID.width, GRID.height, colours);
}

async function servedCodes(state) { // 0 outside, 1 not served, 2 served, by the chosen service and direction
  const service = serviceOf(choice.service);
  const refs = state.planes.services[service.id];
  const ref = refs && refs.probability[choice.direction];
  const out = new Uint8Array(GRID.width * GRID.height);
  if (!ref) return out;
  const refsOf = ref.min || [ref];
  const tables = refsOf.map((one) => Uint8Array.from(valueTable(one), (v) => (Number.isNaN(v) ? 0 : v >= service.q - 1e-6 ? 2 : 1)));
  const codes = await Promise.all(refsOf.map((one) => plane(one.plane)));
  for (let i = 0; i < out.length; i++) {
    out[i] = tables[0][codes[0][i]];
    if (codes.length === 2) out[i] = Math.min(out[i], tables[1][codes[1][i]]);
  }
  return out;
}

async function drawChange() {
  const [before, after] = await Promise.all(changePair().map(servedCodes));
  const out = new Uint8Array(before.length);
  for (let i = 0; i < out.length; i++) { // what one of the states has not computed is not served by it
    if (before[i] || after[i]) out[i] = 2 + (before[i] === 2 ? 1 : 0) + (after[i] === 2 ? (before[i] === 2 ? 1 : 3) : 0);
  }
  const outside = [rgba(DATA.scales.outside), rgba(DATA.scales.outside_hatch)];
  return hatched(out, outside.concat(DATA.scales.change.map((step) => rgba(step.colour))));
}

// --- read-out -------------------------------------------------------------------------------------------------

// What is predicted at a point of the plane: null outside, else {level, server, services: {id: {direction: {margin, chance}}}}.
async function readPoint(state, x, y) {
  const pixel = pixelAt(x, y);
  const level = pixel < 0 ? NaN : await valueAt(state.planes.level, pixel);
  if (Number.isNaN(level)) return null;
  const services = {};
  for (const service of DATA.services) {
    const refs = state.planes.services[service.id];
    services[service.id] = {};
    for (const direction of refs ? ['talk_out', 'talk_in', 'both'] : []) {
      const [margin, chance] = await Promise.all([valueAt(refs.margin[direction], pixel), valueAt(refs.probability[direction], pixel)]);
      if (!Number.isNaN(margin) || !Number.isNaN(chance)) services[service.id][direction] = { margin, chance };
    }
  }
  return { level, server: await serverAt(state, pixel), services };
}

let groundPlanes = null;

async function groundHeights() { // a function (x, y) -> height [m], bilinear
  const { width, height, step, base } = DATA.heights;
  groundPlanes = groundPlanes || Promise.all([0, 1].map((i) => decodePng(document.getElementById('heights-' + i).textContent, width, height)));
  const [low, high] = await groundPlanes;
  const at = (column, row) => { const i = row * width + column; return base + low[i] + 256 * high[i]; };
  return (x, y) => {
    const u = Math.min(width - 1, Math.max(0, (x - GRID.x) / step - 0.5)), v = Math.min(height - 1, Math.max(0, (GRID.y - y) / step - 0.5));
    const i = Math.min(width - 2, Math.floor(u)), j = Math.min(height - 2, Math.floor(v)), a = u - i, b = v - j;
    return (1 - b) * ((1 - a) * at(i, j) + a * at(i + 1, j)) + b * ((1 - a) * at(i, j + 1) + a * at(i + 1, j + 1));
  };
}

// The ground between a site and a point: {km, ground, clutter, mast, terminal, note}, heights in m above the sea.
async function profileTo(site, x, y) {
  const height = await groundHeights();
  const km = groundDistance(site.x, site.y, x, y) / 1000;
  const points = Math.max(2, Math.min(400, Math.round((km * 1000) / DATA.heights.step) + 1));
  const along = Array.from({ length: points }, (_, i) => i / (points - 1));
  return {
    km: along.map((f) => f * km),
    ground: along.map((f) => height(site.x + f * (x - site.x), site.y + f * (y - site.y))),
    clutter: null,
    mast: site.height || 0,
    terminal: DATA.terminalHeight,
    note: t('profile_coarse', { step: Math.round(DATA.heights.step) }),
  };
}
