// A basemap from the internet, only when someone asks for one.

const OPEN_MAP = { address: 'https://tile.openstreetmap.org/{z}/{x}/{y}.png', credit: '© OpenStreetMap contributors' };
const basemap = { address: '', credit: '' };

async function chooseBasemap(address) {
  const known = address === OPEN_MAP.address;
  basemap.address = address;
  basemap.credit = known ? OPEN_MAP.credit : '';
  const warning = document.getElementById('basemap-warning');
  warning.textContent = !address ? '' : SHIFTED.test(address) ? t('basemap_shifted') : t('basemap_online');
  warning.classList.toggle('alarm', SHIFTED.test(address));
  await refreshPictures();
}

function startBasemap() {
  const box = document.getElementById('basemap-box'), select = document.getElementById('basemap'), own = document.getElementById('basemap-own');
  box.hidden = false;
  select.addEventListener('change', () => {
    own.hidden = select.value !== 'own';
    if (select.value === 'own') own.focus();
    else chooseBasemap(select.value === 'osm' ? OPEN_MAP.address : '');
  });
  own.addEventListener('change', () => {
    const wrong = own.value && !/^https:\/\/.*\{z\}/.test(own.value);
    own.setCustomValidity(wrong ? t('basemap_form') : '');
    if (own.reportValidity()) chooseBasemap(own.value);
  });
}
