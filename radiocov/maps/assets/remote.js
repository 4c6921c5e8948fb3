// The service's rasters: asked for, a point at a time.

async function ask(address, words) {
  const answer = await fetch(`${address}?${new URLSearchParams(words)}`);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return answer.json();
}

// What is predicted at a point of the plane: null outside, else {level, server, second, services}.
async function readPoint(state, x, y) {
  const [lon, lat] = lonLat(x, y);
  let found;
  try {
    found = await ask('api/point', { state: state.id, lon, lat });
  } catch (error) {
    say(t('service_silent'));
    throw error;
  }
  if (!found.computed) return null;
  const site = (id) => state.sites.find((s) => s.id === id) || (id ? { id, name: id } : null);
  const services = {};
  for (const service of found.services) {
    services[service.id] = {};
    for (const direction of ['talk_out', 'talk_in', 'both']) {
      const margin = service.margin_db[direction], chance = service.probability[direction];
      if (margin !== null && chance !== null) services[service.id][direction] = { margin, chance };
    }
  }
  const second = site(found.second_server);
  return {
    level: found.level_dbm, server: site(found.server), services,
    second: second && found.second_level_dbm !== null ? { name: second.name || second.id, level: found.second_level_dbm } : null,
  };
}

async function profileTo(site, x, y) {
  const [lon, lat] = lonLat(x, y);
  const path = await ask('api/profile', { site: site.id, lon, lat });
  return {
    km: path.profile.distance_km,
    ground: path.profile.height_m,
    clutter: path.profile.clutter_m,
    mast: path.geometry.site_antenna_m - path.geometry.site_ground_m,
    terminal: path.geometry.terminal_antenna_m - path.geometry.point_ground_m,
    note: t('profile_computed', { loss: path.basic_transmission_loss_db.toFixed(1), model: path.origin.model }),
  };
}
