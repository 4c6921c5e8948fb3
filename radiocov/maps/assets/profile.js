// The profile between a site and a point as a picture: ground over the curved Earth, the straight line between the
// antennas and the first Fresnel zone around it.

const PROFILE = { width: 400, height: 125, left: 34, right: 8, top: 8, bottom: 20 };

function svg(name, attributes, children) {
  const node = document.createElementNS(document.getElementById('north').namespaceURI, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...[].concat(children || []));
  return node;
}

async function showProfile(site, x, y) {
  const box = document.getElementById('profile');
  box.hidden = !site || Math.hypot(site.x - x, site.y - y) < 1;
  if (box.hidden) return;
  box.replaceChildren(el('p', { class: 'small' }, t('profile_wait')));
  let content;
  try {
    content = drawProfile(site, x, y, await profileTo(site, x, y));
  } catch {
    content = [el('p', { class: 'small' }, t('profile_none'))];
  }
  if (picked && picked.x === x && picked.y === y) box.replaceChildren(...content);
}

function drawProfile(site, x, y, { km, ground, clutter, mast, terminal, note }) {
  const last = km.length - 1, length = km[last];
  const bulge = km.map((d) => (500 * d * (length - d)) / DATA.earthRadius); // m
  const from = ground[0] + mast, to = ground[last] + terminal;
  const ray = km.map((d) => from + ((to - from) * d) / length);
  const top = ground.map((h, i) => h + bulge[i] + (clutter && i && i < last ? clutter[i] : 0));
  const frequency = Number(DATA.provenance.frequency_mhz) || 358;
  const fresnel = km.map((d) => 547.7 * Math.sqrt(Math.max(0, (d * (length - d)) / (frequency * length)))); // m, first zone
  let worst = -1;
  for (let i = 1; i < last; i++) if (worst < 0 || top[i] - ray[i] > top[worst] - ray[worst]) worst = i;
  const over = worst < 0 ? -1 : top[worst] - ray[worst];

  const low = Math.min(...ground.map((h, i) => h + bulge[i])), high = Math.max(...ray.map((h, i) => Math.max(h + fresnel[i], top[i])));
  const { width, height, left, right, top: head, bottom } = PROFILE;
  const px = (d) => left + (d / length) * (width - left - right);
  const py = (h) => head + ((high - h) / Math.max(1, high - low)) * (height - head - bottom);
  const path = (values) => values.map((h, i) => `${i ? 'L' : 'M'}${px(km[i]).toFixed(1)} ${py(h).toFixed(1)}`).join('');
  const solid = (values) => `${path(values)}L${px(length)} ${height - bottom}L${px(0)} ${height - bottom}Z`;
  const zone = path(ray.map((h, i) => h + fresnel[i])) + [...km.keys()].reverse().map((i) => `L${px(km[i]).toFixed(1)} ${py(ray[i] - fresnel[i]).toFixed(1)}`).join('') + 'Z';
  const write = (x, y, text, anchor) => svg('text', { x, y, 'text-anchor': anchor }, text);
  const words = worst < 0 || over <= 0 ? t('profile_clear') : t('profile_blocked', { over: Math.ceil(over), at: km[worst].toFixed(1) });
  const bearing = bearingDeg(site.x, site.y, x, y);
  const picture = svg('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `${t('profile')}: ${words}` }, [
    ...(clutter ? [svg('path', { d: solid(top), class: 'clutter' })] : []),
    svg('path', { d: solid(ground.map((h, i) => h + bulge[i])), class: 'ground' }),
    svg('path', { d: zone, class: 'zone' }),
    svg('path', { d: path(ray), class: 'ray' }),
    svg('path', { d: `M${px(0)} ${py(ground[0])}V${py(from)}M${px(length)} ${py(ground[last])}V${py(to)}`, class: 'mast' }),
    write(left - 3, py(high) + 8, Math.round(high), 'end'), write(left - 3, py(low), Math.round(low), 'end'), write(left - 3, (py(high) + py(low)) / 2 + 4, 'm', 'end'),
    write(px(0), height - 7, '0', 'start'), write(px(length), height - 7, `${length.toFixed(1)} km`, 'end'),
  ]);
  return [
    el('h3', {}, t('profile_to', { site: site.name || site.id, km: length.toFixed(1), bearing: Math.round(bearing) })),
    picture, el('p', {}, [el('b', {}, words), ' ', el('span', { class: 'small' }, note)]),
  ];
}
