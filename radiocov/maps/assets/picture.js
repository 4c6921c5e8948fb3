// The picture to save: the map with what makes it readable away from the page (title, legend, where it comes from).

const SIDE_PX = 330, HEAD_PX = 74, FOOT_PX = 46;

async function savePicture() {
  const canvas = await composePicture();
  const link = el('a', { download: `radiocov-${choice.state}-${choice.layer}.png`, href: canvas.toDataURL('image/png') });
  link.click();
}

async function composePicture() {
  const { w, h } = view();
  const image = new Image();
  image.src = await pictureOfMap(w, h);
  await image.decode();
  const canvas = el('canvas', { width: 2 * (SIDE_PX + w), height: 2 * (HEAD_PX + Math.max(h, 520) + FOOT_PX) });
  const pen = canvas.getContext('2d');
  pen.scale(2, 2);
  pen.fillStyle = '#ffffff';
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(image, SIDE_PX, HEAD_PX, w, h);
  const write = (text, x, y, size, weight, width) => {
    pen.fillStyle = '#16222c';
    pen.font = `${weight || 400} ${size}px ${getComputedStyle(document.documentElement).fontFamily}`;
    let line = '', at = y;
    for (const part of text.split(/(?<=[\s·，。；])/)) {
      if (line && pen.measureText(line + part).width > width) { pen.fillText(line.trim(), x, at); at += size * 1.3; line = ''; }
      line += part;
    }
    pen.fillText(line.trim(), x, at);
    return at + size * 1.3;
  };
  write(said(DATA.title), 16, 34, 24, 650, SIDE_PX + w - 32);
  write(document.getElementById('subtitle').textContent, 16, 58, 13, 400, SIDE_PX + w - 32);
  let y = HEAD_PX + 22;
  for (const node of document.querySelectorAll('#legend h2, #legend p, #legend li')) {
    const item = node.tagName === 'LI';
    if (item) {
      const colours = [...node.querySelectorAll('.swatch')].map((swatch) => getComputedStyle(swatch).backgroundColor);
      colours.forEach((colour, i) => {
        pen.fillStyle = colour === 'rgba(0, 0, 0, 0)' ? DATA.scales.outside : colour;
        pen.fillRect(16 + (i * 30) / colours.length, y - 12, 30 / colours.length, 16);
      });
      pen.strokeStyle = '#7d8a94';
      pen.strokeRect(16, y - 12, 30, 16);
    }
    y = write(node.textContent, item ? 54 : 16, y, item ? 13 : node.tagName === 'H2' ? 17 : 12, node.tagName === 'H2' ? 650 : 400, SIDE_PX - (item ? 66 : 28)) + 6;
  }
  for (const pair of document.querySelectorAll('#overlays > div:has(input:checked) .pair:has(.dot)')) { // of measured points
    pen.fillStyle = pair.querySelector('.dot').style.background;
    pen.strokeStyle = '#16222c';
    pen.beginPath();
    pen.arc(31, y - 4, 7, 0, 2 * Math.PI);
    pen.fill();
    pen.stroke();
    y = write(pair.textContent, 54, y, 13, 400, SIDE_PX - 66) + 4;
  }
  const p = DATA.provenance;
  const foot = [said(typeof p.model === 'object' ? p.model : { en: String(p.model || '') }), said(typeof p.terrain === 'object' ? p.terrain : { en: String(p.terrain || '') }),
    p.resolution_m ? `${p.resolution_m} m` : '', p.run_date || '', `radiocov ${DATA.version}`].filter(Boolean).join(' · ');
  const bottom = HEAD_PX + Math.max(h, 520);
  if (DATA.synthetic) {
    pen.fillStyle = '#ffd84d';
    pen.fillRect(0, bottom, SIDE_PX + w, FOOT_PX);
  }
  write([DATA.synthetic ? t('synthetic') : '', foot, t('picture_predicted')].filter(Boolean).join(' · '), 16, bottom + 18, 12, DATA.synthetic ? 650 : 400, SIDE_PX + w - 32);
  return canvas;
}
