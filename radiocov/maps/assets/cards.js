// Cards: of a site, an area, a gap, a measured cell under the pointer, and of a point that was clicked.

function siteRows(site) {
  const unit = (value, digits, name) => (value === null ? '–' : number(value, digits) + ' ' + name);
  return [
    ['site_status', t('site_' + site.kind)],
    ['site_in_service', number(site.in_service)],
    ['site_position', site.lat === null || site.lon === null ? lonLatWords(site.x, site.y) : `${number(site.lat, 5)}, ${number(site.lon, 5)}`],
    ['site_height', unit(site.height, 0, 'm')],
    ['site_power', unit(site.power, 1, 'dBm')],
    ['site_erp', unit(site.erp, 1, 'dBm')],
    ['site_antenna', number(site.antenna)],
    ['site_azimuth', `${unit(site.azimuth, 0, '°')} / ${unit(site.tilt, 1, '°')}`],
    ['site_share', unit(site.share_percent, 1, '%')],
    ['site_people', unit(site.people_percent === undefined ? null : site.people_percent, 1, '%')],
  ].filter(([, value]) => value !== '–' && value !== '– / –');
}

function siteCard(site) {
  return [
    el('h3', {}, site.name || site.id),
    site.name && site.name !== site.id ? el('p', { class: 'small' }, site.id) : null,
    el('dl', {}, siteRows(site).flatMap(([key, value]) => [el('dt', {}, t(key)), el('dd', {}, value)])),
  ];
}

function areaCard(area) {
  const met = area.met[choice.state];
  const share = area.share[choice.state];
  return [
    el('h3', {}, said(area.name)),
    el('dl', {}, [
      el('dt', {}, t('class')), el('dd', {}, className(area.class)),
      el('dt', {}, t('place')), el('dd', {}, [area.city, area.county].filter(Boolean).join(' · ')),
      el('dt', {}, t('share')), el('dd', {}, percent(share)),
      el('dt', {}, t('result')), el('dd', {}, verdictBadge(met)),
    ]),
  ];
}

function gapSize(gap) {
  return `${gap.size.toFixed(gap.size < 1 ? 2 : 1)} ${gap.measure === 'length' ? 'km' : 'km²'}`;
}

function gapCard(gap) {
  const rows = [
    ['class', className(gap.class)],
    ['gap_size', gapSize(gap)],
    ['service', said(serviceOf(gap.service).label)],
    ['place', [gap.city, gap.county].filter(Boolean).join(' · ')],
    ['gap_road', gap.measure === 'area' && gap.road ? `${gap.road}${gap.road_m ? `, ${gap.road_m} m` : ''}` : ''],
  ].filter(([, value]) => value);
  return [
    el('h3', {}, gap.name || t('gap')),
    el('dl', {}, rows.flatMap(([key, value]) => [el('dt', {}, t(key)), el('dd', {}, value)])),
  ];
}

function cellCard(i) { // a measured cell; what is predicted there is said by a click
  const m = DATA.measured;
  const residual = m.residual[choice.state] && m.residual[choice.state][i];
  const rows = [
    ['measured_level', m.level[i] === null ? t('measured_silent') : `${dbm(m.level[i])} (${t('measured_port', { level: dbm(m.level[i] - m.carry), terminal: said(m.terminal) })})`],
    ['measured_residual', residual === null || residual === undefined ? '–' : `${signed(residual)} dB`],
    ['measured_samples', m.silent[i] ? t('measured_counts_silent', { n: m.samples[i], silent: m.silent[i] }) : String(m.samples[i])],
    ['measured_cell', `${m.cell} m`],
  ];
  return [el('h3', {}, t('measured_here')), el('dl', {}, rows.flatMap(([key, value]) => [el('dt', {}, t(key)), el('dd', {}, value)]))];
}

function dbm(level) { return `${level.toFixed(1).replace('-', '−')} dBm`; }

const CARDS = {
  site: (i) => siteCard(stateOf(choice.state).sites[i]),
  area: (i) => areaCard(DATA.areas[i]),
  gap: (i) => gapCard(stateOf(choice.state).gaps[i]),
  cell: cellCard,
};

function showHover(event) {
  const point = event.points.find((p) => p.data.meta && p.data.meta.card);
  if (!point) return;
  const card = document.getElementById('hover');
  card.replaceChildren(...CARDS[point.data.meta.card](point.customdata).filter(Boolean));
  card.hidden = false;
  const stage = plot.parentElement.getBoundingClientRect();
  const x = event.event.clientX - stage.left, y = event.event.clientY - stage.top;
  card.style.left = (x + 18 + card.offsetWidth > stage.width ? Math.max(4, x - 18 - card.offsetWidth) : x + 18) + 'px';
  card.style.top = Math.max(4, Math.min(y + 12, stage.height - card.offsetHeight - 4)) + 'px';
}

function hideHover() { document.getElementById('hover').hidden = true; }

async function showReadout() {
  if (!picked) return;
  const { x, y } = picked;
  const box = document.getElementById('readout');
  const state = stateOf(choice.state);
  const site = nearestSite(x, y);
  const body = [el('button', { type: 'button', class: 'close', 'aria-label': t('close'), onclick: unpick }, '×')];
  if (site) body.push(...siteCard(site));
  body.push(el('h3', {}, t('here')), el('p', { class: 'small' }, lonLatWords(x, y)));
  const found = await readPoint(state, x, y);
  if (found === null) {
    body.push(el('p', { class: 'level' }, t('outside')));
    delete box.dataset.level;
  } else {
    const { level, server, second } = found;
    body.push(
      el('p', { class: 'level' }, [el('strong', {}, dbm(level)), ' ', t('readout_level')]),
      el('p', {}, `${t('best_server')}: ${server ? server.name || server.id : t('none')}`),
      second ? el('p', {}, `${t('second_server')}: ${second.name}, ${dbm(second.level)}`) : null,
      el('table', {}, [
        el('thead', {}, el('tr', {}, ['service', 'talk_out_short', 'talk_in_short', 'both_short'].map((key) => el('th', { scope: 'col' }, t(key))))),
        el('tbody', {}, DATA.services.map((service) => serviceRow(service, found.services[service.id]))),
      ]),
      el('p', { class: 'small' }, t('readout_note')),
    );
    box.dataset.level = level;
    box.dataset.server = server ? server.id : '';
  }
  if (!picked || picked.x !== x || picked.y !== y) return; // another click came first
  box.replaceChildren(...body.filter(Boolean));
  box.hidden = false;
  await showProfile(found && found.server, x, y);
}

function serviceRow(service, values) {
  const cells = ['talk_out', 'talk_in', 'both'].map((direction) => {
    const value = values && values[direction];
    if (!value) return el('td', {}, '–');
    const served = value.chance >= service.q - 1e-6;
    return el('td', { class: direction === service.direction ? 'decides' : '', 'data-margin': value.margin, 'data-probability': value.chance }, [
      el('b', {}, `${served ? '✓' : '✗'} ${(value.chance * 100).toFixed(0)} %`), el('br'), `${signed(value.margin)} dB`,
    ]);
  });
  return el('tr', { 'data-service': service.id }, [el('th', { scope: 'row' }, said(service.label)), ...cells]);
}
