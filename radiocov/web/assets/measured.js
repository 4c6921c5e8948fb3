'use strict';
let asked = 0;

async function load() {
  const number = ++asked;
  const found = await ask('GET', `/api/v1/cells?${new URLSearchParams(trackMap.box())}`);
  if (number === asked) trackMap.showCells(found);
  return found;
}

trackMap.onMove(() => load().catch((error) => problem(error.message)));
(async () => {
  const whole = await ask('GET', '/api/v1/cells?west=-180&south=-85&east=180&north=85');
  trackMap.fit(whole.cells);
  await load();
})().catch((error) => problem(error.message));
