'use strict';
const CHUNK = 1 << 20, LOOK_EVERY_MS = 1500, LONGEST_WAIT_MS = 30000;
const list = document.getElementById('uploads');
const waiting = new Map(); // id -> item of an upload whose receipt is awaited
let queue = Promise.resolve();

const pause = (ms) => new Promise((go) => {
  const timer = setTimeout(done, ms);
  function done() { clearTimeout(timer); window.removeEventListener('online', done); go(); }
  window.addEventListener('online', done);
});

function put(upload, options = {}) {
  document.getElementById('none').hidden = true;
  const item = uploadItem(upload, options);
  const known = list.querySelector(`[data-id="${upload.id}"]`);
  if (known) known.replaceWith(item); else list.prepend(item);
  if (upload.state === 'queued') waiting.set(upload.id, item); else waiting.delete(upload.id);
  return item;
}

async function digestOf(file, progress) {
  const whole = new Sha256();
  for (let at = 0; at < file.size; at += CHUNK) {
    whole.update(new Uint8Array(await file.slice(at, at + CHUNK).arrayBuffer()));
    progress(at / file.size);
  }
  return hex(whole.digest());
}

/** Tries until it is done or refused for good: a bad link only delays. */
async function insist(doing, tell) {
  for (let failures = 0; ; failures++) {
    try {
      return await doing();
    } catch (error) {
      const passes = error.status === 0 || error.status === 408 || error.status === 429 || error.status >= 500;
      if (!passes) throw error;
      tell(say(error.status === 0 ? 'waits_link' : 'too_slow'));
      await pause(Math.max(1000 * error.wait || 0, Math.min(LONGEST_WAIT_MS, 1000 * 2 ** failures)));
      tell('');
    }
  }
}

async function sendChunk(upload, file) {
  const part = file.slice(upload.offset, upload.offset + CHUNK);
  const data = new Uint8Array(await part.arrayBuffer());
  const sum = btoa(String.fromCharCode(...new Sha256().update(data).digest()));
  try {
    return await ask('PATCH', `/api/v1/uploads/${upload.id}`, new Blob([data]), {
      'Content-Type': 'application/offset+octet-stream', 'Upload-Offset': String(upload.offset), 'Upload-Checksum': `sha256 ${sum}`,
    });
  } catch (error) {
    if (error.status !== 409) throw error;
    return ask('GET', `/api/v1/uploads/${upload.id}`); // the answer to an earlier try was lost
  }
}

async function send(file) {
  const row = make('li', '', make('div', 'head', make('strong', '', file.name)));
  const state = make('span', 'badge', say('preparing')), bar = make('progress', ''), note = make('p', 'small');
  row.firstChild.append(state);
  row.append(bar, note);
  list.prepend(row);
  document.getElementById('none').hidden = true;
  const tell = (text) => { note.textContent = text; };
  try {
    const sha256 = await digestOf(file, (share) => { bar.value = share; });
    const value = (id) => document.getElementById(id).value.trim();
    let upload = await insist(() => ask('POST', '/api/v1/uploads', {
      name: file.name, size: file.size, sha256, zone: value('zone'), datum: value('datum'), device: value('device'), format: value('format'),
    }), tell);
    const known = upload.state !== 'open';
    state.textContent = say('sending');
    while (upload.state === 'open') {
      bar.value = upload.offset / upload.size;
      upload = await insist(() => sendChunk(upload, file), tell);
    }
    row.remove();
    put(upload, known ? { note: say('known_already') } : {});
  } catch (error) {
    state.textContent = say('state_refused');
    state.className = 'badge refused';
    bar.remove();
    note.className = 'band';
    tell(error.message);
  }
}

function take(files) {
  for (const file of files) queue = queue.then(() => send(file));
}

async function look() {
  if (waiting.size) {
    const found = await ask('GET', '/api/v1/uploads?limit=200').catch(() => []);
    for (const upload of found) {
      if (waiting.has(upload.id) && upload.state !== 'queued') {
        put(upload);
        if (upload.state === 'done') showPoints(upload.id).catch(() => {});
      }
    }
  }
  setTimeout(look, LOOK_EVERY_MS);
}

const drop = document.getElementById('drop'), input = document.getElementById('files');
input.addEventListener('change', () => { take([...input.files]); input.value = ''; });
for (const name of ['dragover', 'dragenter']) drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add('over'); });
drop.addEventListener('dragleave', () => drop.classList.remove('over'));
drop.addEventListener('drop', (event) => { event.preventDefault(); drop.classList.remove('over'); take([...event.dataTransfer.files]); });

(async () => {
  const found = await ask('GET', '/api/v1/uploads?limit=100');
  for (const upload of found.reverse()) put(upload, upload.state === 'open' ? { note: say('select_again') } : {});
  const newest = found.filter((upload) => upload.state === 'done').at(-1);
  if (newest) showPoints(newest.id).catch(() => {});
  look();
})().catch((error) => problem(error.message));
