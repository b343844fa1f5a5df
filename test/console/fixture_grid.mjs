// A synthetic grid for the tests of the console. Every name says that it is a fixture; the places are invented on a
// seeded grid over an invented extent, so that nobody takes a picture of it for a real operator.

export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const syllables = ['al', 'ber', 'cor', 'dun', 'el', 'fen', 'gar', 'hol', 'is', 'kel', 'lor', 'mar', 'nor', 'ost', 'pel', 'ros', 'sel', 'tor', 'ul', 'ver', 'wes', 'yar'];
const endings = ['burg', 'stad', 'feld', 'mont', 'port', 'dal', 'haven', 'ville', 'wick', 'berg'];
const accelerators = ['L4', 'L40S', 'A100', 'H100', 'H200'];
const models = ['fixture-8b', 'fixture-32b', 'fixture-70b', 'fixture-coder', 'fixture-embed', 'fixture-vision'];
const tenants = ['demo', 'clinic', 'bank', 'retail', 'broadcaster'];
const regions_max = 48;
const perSite = { cloud: 512, core: 96, near_edge: 16, far_edge: 4, device: 0 };

function nameMaker(next) {
  const used = new Set();
  return () => {
    for (;;) {
      const pick = (list) => list[Math.floor(next() * list.length)];
      const raw = pick(syllables) + (next() < 0.4 ? pick(syllables) : '') + pick(endings);
      const name = raw[0].toUpperCase() + raw.slice(1) + (used.has(raw) ? ` ${used.size}` : '');
      if (used.has(name)) continue;
      used.add(raw).add(name);
      return name;
    }
  };
}

const kilometres = (a, b) => {
  const rad = Math.PI / 180;
  const h =
    Math.sin(((b.latitude_deg - a.latitude_deg) * rad) / 2) ** 2 +
    Math.cos(a.latitude_deg * rad) * Math.cos(b.latitude_deg * rad) * Math.sin(((b.longitude_deg - a.longitude_deg) * rad) / 2) ** 2;
  return 12742 * Math.asin(Math.sqrt(h));
};

function makeSites(count, next) {
  const name = nameMaker(next);
  const sites = [];
  const core = Math.max(4, Math.round(count / 12));
  const near = Math.max(8, Math.round(count / 4));
  while (sites.length < count) {
    const i = sites.length;
    const tier = i === 0 ? 'cloud' : i <= core ? 'core' : i <= core + near ? 'near_edge' : next() < 0.12 ? 'device' : 'far_edge';
    // An ellipse over middle Europe, thicker towards a few centres; the cloud stands abroad.
    const angle = next() * 2 * Math.PI;
    const radius = Math.sqrt(next());
    const site = {
      latitude_deg: i === 0 ? 53.3 : 51.1 + radius * 2.7 * Math.sin(angle),
      longitude_deg: i === 0 ? -6.3 : 10.2 + radius * 3.4 * Math.cos(angle),
    };
    const apart = tier === 'core' ? 90 : 420 / Math.sqrt(count) / 2.4;
    if (sites.length < 4000 && next() < 0.97 && sites.some((s) => kilometres(s, site) < apart)) continue;
    const chips = perSite[tier] === 0 || (tier === 'far_edge' && next() < 0.35) ? 0 : Math.max(1, Math.round(perSite[tier] * (0.5 + next())));
    const id = `site-${String(i).padStart(4, '0')}`;
    const chip = accelerators[tier === 'cloud' ? 4 : tier === 'core' ? 3 : Math.floor(next() * 3)];
    sites.push({
      id,
      name: name(),
      tier,
      ...site,
      jurisdiction: i === 0 ? 'XB' : site.longitude_deg > 12.4 ? 'XC' : 'XA',
      state: 'up',
      power_limit_kw: Math.max(2, Math.round(chips * 1.1 + 4)),
      pools: chips > 0 ? [{ id: `${id}/${chip.toLowerCase()}`, accelerator: chip, count: chips }] : [],
      accelerators: chips,
    });
  }
  return sites;
}

function makeLinks(sites, count, next) {
  const links = [];
  const seen = new Set();
  const add = (a, b, capacity_gbps, again = false) => {
    const key = [a.id, b.id].sort().join();
    if (a === b || (seen.has(key) && !again)) return;
    seen.add(key);
    const length_km = kilometres(a, b) * 1.3;
    links.push({
      id: `link-${String(links.length).padStart(4, '0')}`,
      a_site: a.id,
      b_site: b.id,
      capacity_gbps,
      delay_us: Math.round(length_km * 4.9 * 10) / 10,
      length_km: Math.round(length_km * 10) / 10,
      state: 'up',
      srlgs: [`duct-${String(Math.floor(links.length / 3)).padStart(3, '0')}`],
      utilization_ab: 0,
      utilization_ba: 0,
    });
  };
  const nearest = (site, among, n) =>
    among.filter((s) => s !== site).map((s) => [kilometres(site, s), s]).sort((x, y) => x[0] - y[0]).slice(0, n).map((x) => x[1]);
  const of = (...tiers) => sites.filter((s) => tiers.includes(s.tier));
  const [core, near] = [of('core'), of('near_edge')];
  for (const site of core) for (const other of nearest(site, core, 3)) add(site, other, 400);
  for (const cloud of of('cloud')) for (const other of nearest(cloud, core, 2)) add(cloud, other, 800);
  for (const site of near) for (const other of nearest(site, [...core, ...near], 2)) add(site, other, 100);
  for (const site of of('far_edge', 'device')) add(site, nearest(site, near, 1)[0], site.tier === 'device' ? 1 : 10);
  add(core[0], nearest(core[0], core, 1)[0], 400, true);
  const outer = of('far_edge');
  const pairs = sites.length > 300 ? 6 : 3;
  for (const site of outer) for (const other of nearest(site, sites.filter((s) => s.tier !== 'cloud'), pairs)) if (links.length < count) add(site, other, 10);
  return links.slice(0, Math.max(count, 1));
}

export function makeGrid({ sites: site_count = 72, links: link_count = 130, seed = 7, simulated = true } = {}) {
  const next = random(seed);
  const sites = makeSites(site_count, next);
  const links = makeLinks(sites, link_count, next);
  for (const link of links) {
    link.base = next() ** 2 * 0.85;
    link.phase = next() * 2 * Math.PI;
  }
  const outer = sites.filter((s) => s.tier === 'far_edge' || s.tier === 'near_edge');
  const step = Math.max(1, Math.floor(outer.length / regions_max));
  const regions = outer
    .filter((_, i) => i % step === 0)
    .slice(0, regions_max)
    .map((s, i) => ({
      id: `region-${String(i).padStart(2, '0')}`,
      name: `${s.name} area`,
      latitude_deg: s.latitude_deg + (next() - 0.5) * 0.25,
      longitude_deg: s.longitude_deg + (next() - 0.5) * 0.3,
      anchors: [s.id],
      weight: 0.2 + next() ** 3 * 3,
    }));
  return { name: 'Fixture grid', simulated, sites, links, regions, models, tenants, kilometres, next };
}
