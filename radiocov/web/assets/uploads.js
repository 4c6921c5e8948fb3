'use strict';
const list = document.getElementById('uploads');
let shown = '';

async function load() {
  const found = await ask('GET', '/api/v1/uploads?limit=200');
  const now = JSON.stringify(found);
  if (now !== shown) {
    shown = now;
    list.replaceChildren(...found.map((upload) => uploadItem(upload, {
      team: true,
      extra: ['refused', 'failed'].includes(upload.state) ? [button(say('retry'), act(async () => {
        await ask('POST', `/api/v1/uploads/${upload.id}/retry`);
        await load();
      }))] : [],
    })));
  }
}

(async function again() {
  await load().catch((error) => problem(error.message));
  setTimeout(again, 3000);
})();
