'use strict';
/** An upload as an item of a list: state, receipt, what can be done with it. extra: more buttons. */
function uploadItem(upload, { team = false, extra = [], removed = () => {}, note = '' } = {}) {
  const item = make('li', '');
  item.dataset.state = upload.state;
  item.dataset.id = upload.id;
  const head = make('div', 'head', make('strong', '', upload.name), make('span', `badge ${upload.state}`, say(`state_${upload.state}`)),
    make('span', 'small', [team ? upload.team : '', when(upload.created)].filter(Boolean).join(', ')));
  item.append(head);
  if (note) item.append(make('p', 'small', note));
  if (upload.state === 'open') {
    const bar = make('progress', '');
    bar.max = upload.size;
    bar.value = upload.offset;
    item.append(bar);
  }
  if (upload.message) item.append(make('p', 'band', upload.message));
  const receipt = upload.receipt;
  if (receipt) item.append(...receiptParts(receipt));
  const buttons = make('p', 'buttons');
  if (receipt && receipt.accepted + receipt.duplicate > 0) buttons.append(button(say('show_on_map'), act(() => showPoints(upload.id))));
  if (receipt && receipt.reject_list && !receipt.repeated) {
    const link = make('a', '', say('reject_list'));
    link.href = `/api/v1/uploads/${upload.id}/rejects`;
    buttons.append(link);
  }
  if (upload.state === 'refused' || upload.state === 'open') {
    buttons.append(button(say('remove'), act(async () => {
      await ask('DELETE', `/api/v1/uploads/${upload.id}`);
      item.remove();
      removed(upload);
    })));
  }
  buttons.append(...extra);
  if (buttons.childElementCount) item.append(buttons);
  return item;
}

function receiptParts(receipt) {
  const numbers = make('p', 'numbers', ...['rows_read', 'accepted', 'duplicate', 'rejected'].map((name) => {
    const part = make('span', '', make('b', '', String(receipt[name])), ` ${say(name)}`);
    part.dataset.count = name;
    return part;
  }));
  const isChinese = document.documentElement.lang.startsWith('zh');
  const lines = [['rejected_by_reason', 'rejected'], ['flagged', 'noted'], ['skipped', 'skipped']].flatMap(([name, word]) =>
    receipt[name].map((found) => make('li', '', `${say(word)}: ${found.rows} × ${isChinese ? found.reason_zh : found.reason}`)));
  lines.push(...receipt.notes.map((text) => make('li', '', text)));
  const parts = [numbers];
  if (receipt.repeated) parts.unshift(make('p', 'small', say('repeated')));
  if (lines.length) parts.push(make('ul', 'reasons', ...lines));
  return parts;
}

async function showPoints(id) {
  const found = await ask('GET', `/api/v1/uploads/${id}/points`);
  trackMap.show(found.points);
  trackMap.note(!found.points.length ? say('no_points') : found.every > 1 ? say('outside_note', found) : '');
  document.getElementById('track').scrollIntoView({ block: 'nearest' });
}
