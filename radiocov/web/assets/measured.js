'use strict';
let asked = 0;

async function load() {
  const number = ++asked;
  const found = await ask('GET', `/api/v1/cells?${new URLSearchParams(trackMap.box())}`);
  if (number === asked) trackMap.showCells(found);
  return found;
}

trackMap.onMove(() => load().catch((error) => problem(error.message)));
/** Closer and closer, because the whole world comes as a few large cells. */
async function begin() {
  let found = await ask('GET', '/api/v1/cells?west=-180&south=-85&east=180&north=85');
  let before = Infinity;
  while (found.cells.length && found.side_m < before) {
    before = found.side_m;
    const half = found.side_m / 111195 / 2;
    trackMap.fit(found.cells.flatMap(([lat, lon]) => [[lat - half, lon - half], [lat + half, lon + half]]));
    found = await load();
  }
}
begin().catch((error) => problem(error.message));
