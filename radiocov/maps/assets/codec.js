// Byte planes: reads the PNGs that hold the values, writes the palette PNGs that show them.
// One byte a pixel both ways, so a pixel on the map and its read-out come from the same number.

const PNG_SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];

function bytesOfBase64(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

async function decodePng(base64, width, height) {
  if (typeof DecompressionStream === 'undefined') return decodeByCanvas(base64, width, height);
  const png = bytesOfBase64(base64);
  const view = new DataView(png.buffer);
  const parts = [];
  for (let at = 8; at < png.length;) {
    const length = view.getUint32(at);
    if (view.getUint32(at + 4) === 0x49444154) parts.push(png.subarray(at + 8, at + 8 + length)); // IDAT
    at += 12 + length;
  }
  const stream = new Blob(parts).stream().pipeThrough(new DecompressionStream('deflate'));
  return unfilter(new Uint8Array(await new Response(stream).arrayBuffer()), width, height);
}

function unfilter(rows, width, height) { // PNG specification, section 9
  const out = new Uint8Array(width * height);
  let above = new Uint8Array(width);
  for (let y = 0; y < height; y++) {
    const at = y * (width + 1);
    const filter = rows[at];
    const line = out.subarray(y * width, (y + 1) * width);
    line.set(rows.subarray(at + 1, at + 1 + width));
    if (filter === 1) {
      for (let x = 1; x < width; x++) line[x] += line[x - 1];
    } else if (filter === 2) {
      for (let x = 0; x < width; x++) line[x] += above[x];
    } else if (filter === 3) {
      for (let x = 0; x < width; x++) line[x] += ((x ? line[x - 1] : 0) + above[x]) >> 1;
    } else if (filter === 4) {
      for (let x = 0, left = 0, corner = 0; x < width; x++) {
        const up = above[x];
        const guess = left + up - corner;
        const toLeft = Math.abs(guess - left), toUp = Math.abs(guess - up), toCorner = Math.abs(guess - corner);
        left = (line[x] + (toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner)) & 255;
        line[x] = left;
        corner = up;
      }
    }
    above = line;
  }
  return out;
}

// Browsers from before 2023. Some privacy settings falsify what a canvas gives back; opaque grey must stay grey.
async function decodeByCanvas(base64, width, height) {
  const image = new Image();
  image.src = 'data:image/png;base64,' + base64;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const rgba = context.getImageData(0, 0, width, height).data;
  const out = new Uint8Array(width * height);
  for (let i = 0; i < out.length; i++) {
    if (rgba[4 * i] !== rgba[4 * i + 1] || rgba[4 * i + 3] !== 255) throw new Error('canvas falsified');
    out[i] = rgba[4 * i];
  }
  return out;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = CRC_TABLE[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function adler32(bytes) {
  let a = 1, b = 0;
  for (let start = 0; start < bytes.length; start += 3800) {
    const stop = Math.min(bytes.length, start + 3800);
    for (let i = start; i < stop; i++) { a += bytes[i]; b += a; }
    a %= 65521;
    b %= 65521;
  }
  return ((b << 16) | a) >>> 0;
}

function pngChunk(kind, body) {
  const out = new Uint8Array(12 + body.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, body.length);
  for (let i = 0; i < 4; i++) out[4 + i] = kind.charCodeAt(i);
  out.set(body, 8);
  view.setUint32(8 + body.length, crc32(out.subarray(4, 8 + body.length)));
  return out;
}

function storedZlib(bytes) { // RFC 1950 and 1951, blocks of type 0: no time is spent on packing
  const blocks = Math.max(1, Math.ceil(bytes.length / 65535));
  const out = new Uint8Array(6 + blocks * 5 + bytes.length);
  out[0] = 0x78;
  out[1] = 0x01;
  let at = 2;
  for (let block = 0; block < blocks; block++) {
    const part = bytes.subarray(block * 65535, (block + 1) * 65535);
    out[at] = block === blocks - 1 ? 1 : 0;
    out[at + 1] = part.length & 255;
    out[at + 2] = part.length >> 8;
    out[at + 3] = ~part.length & 255;
    out[at + 4] = (~part.length >> 8) & 255;
    out.set(part, at + 5);
    at += 5 + part.length;
  }
  new DataView(out.buffer).setUint32(at, adler32(bytes));
  return out;
}

// indices: (height * width) bytes; colours: [[r, g, b, a], ...]. Gives a data URI.
function palettePng(indices, width, height, colours) {
  const rows = new Uint8Array(height * (width + 1));
  for (let y = 0; y < height; y++) rows.set(indices.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header[8] = 8;
  header[9] = 3;
  const blob = new Blob([
    new Uint8Array(PNG_SIGNATURE),
    pngChunk('IHDR', header),
    pngChunk('PLTE', Uint8Array.from(colours.flatMap((c) => c.slice(0, 3)))),
    pngChunk('tRNS', Uint8Array.from(colours.map((c) => c[3]))),
    pngChunk('IDAT', storedZlib(rows)),
    pngChunk('IEND', new Uint8Array(0)),
  ], { type: 'image/png' });
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
