// The page of one module: passes, their IR, where its lines come from and what became of them.

const page = JSON.parse(document.getElementById("page").textContent);
const $ = (id) => document.getElementById(id);
const buttons = [...document.querySelectorAll("[data-step]")];
const documents = [];
const state = { step: 0, shown: -1, diff: false, listing: 0, query: null, leaves: [], places: new Set(), related: [], chosen: false };
let table, left, right;

async function unpacked(id) {
  const raw = atob($(id).textContent), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

function sums(numbers) {
  for (let i = 1; i < numbers.length; i++) numbers[i] += numbers[i - 1];
  return numbers;
}

async function load(number) {
  documents[number] ??= unpacked(`document${number}`).then((buffer) => {
    const all = new Int32Array(buffer), count = all[0], end = 2 + 2 * count;
    const lines = sums(all.subarray(2, 2 + count)), origins = sums(all.subarray(2 + count, end));
    let width = 0;
    for (const id of lines) width = Math.max(width, table[id].length);
    return { number, lines, origins, changes: all.subarray(end), width };
  });
  return documents[number];
}

const lines = (count) => `${count.toLocaleString("en")} line${count === 1 ? "" : "s"}`;

// ---- passes

async function showStep(number, row = 0) {
  const step = page.steps[number];
  state.step = number;
  buttons.forEach((button, i) => button.setAttribute("aria-current", String(i === number)));
  buttons[number].scrollIntoView({ block: "nearest" });
  history.replaceState(null, "", `#${step.pipeline}/${encodeURIComponent(step.name)}`);
  $("title").textContent = step.name;
  $("does").textContent = step.does;
  $("size").textContent = `${lines(step.lines)}, ${(step.size / 1024).toFixed(0)} KiB`;
  $("whole").setAttribute("aria-pressed", String(!state.diff));
  $("diff").setAttribute("aria-pressed", String(state.diff));
  showLegend(step, page.steps[number - 1] ?? step);
  document.querySelector("#timeline .cursor").setAttribute("x", number);
  const after = await load(step.document);
  const before = number && step.changed ? await load(page.steps[number - 1].document) : null;
  if (state.step !== number) return; // another was chosen meanwhile
  const same = { ...after, changes: after.changes.subarray(0, 0) };
  left.show(state.diff ? Runs.diff(before ?? after, before ? after : same) : Runs.whole(after), "mlir", row);
  state.shown = number;
  if (state.query && !row) match(true, false);
}

const move = (by) => showStep(Math.min(Math.max(state.step + by, 0), page.steps.length - 1));

function showDiff(diff) {
  state.diff = diff;
  return showStep(state.step);
}

// ---- the timeline: operations by dialect above, as high as the root of their number; time below

const dialects = [...new Set(page.steps.flatMap((step) => Object.keys(step.ops)))];
const colour = (name) => `hsl(${(dialects.indexOf(name) * 137.5) % 360} 55% var(--light))`;

function drawTimeline() {
  const total = (step) => Object.values(step.ops).reduce((a, b) => a + b, 0);
  const most = Math.max(1, ...page.steps.map(total)), slowest = Math.max(1e-9, ...page.steps.map((step) => step.ms));
  const paths = dialects.map(() => "");
  let times = "";
  page.steps.forEach((step, x) => {
    let y = 50;
    for (const [name, count] of Object.entries(step.ops)) {
      const high = 50 * Math.sqrt(total(step) / most) * (count / total(step));
      paths[dialects.indexOf(name)] += `M${x} ${y}v${-high}h.94v${high}z`;
      y -= high;
    }
    times += `M${x} 76v${(-24 * step.ms) / slowest}h.94V76z`;
  });
  const svg = $("timeline");
  svg.setAttribute("viewBox", `0 0 ${page.steps.length} 76`);
  svg.innerHTML = `${dialects.map((name, i) => `<path d="${paths[i]}" style="fill:${colour(name)}"><title>${name}</title></path>`).join("")}
    <path class="time" d="${times}"/><rect class="cursor" width="1" height="76"/>`;
  svg.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect();
    const at = Math.floor(((event.clientX - box.left) / box.width) * page.steps.length);
    showStep(Math.min(Math.max(at, 0), page.steps.length - 1));
  });
}

function showLegend(step, before) {
  const names = dialects.filter((name) => step.ops[name] || before.ops[name]);
  $("legend").innerHTML = names
    .map((name) => {
      const now = step.ops[name] ?? 0, by = now - (before.ops[name] ?? 0);
      const change = by ? ` <span class="${by > 0 ? "plus" : "minus"}">${by > 0 ? "+" : "−"}${Math.abs(by)}</span>` : "";
      return `<span><i style="background:${colour(name)}"></i>${escaped(name)} ${now}${change}</span>`;
    })
    .join("");
}

// ---- where lines come from, and what became of them

const place = (file, line) => `${file}:${line}`;
const sources = new Map(page.listings.filter((listing) => listing.source).map((listing) => [listing.document, listing]));

/** Whether a line is of the chosen origin. */
function akin({ document, line, origin }) {
  const source = sources.get(document.number);
  return source ? state.places.has(place(source.name, line + 1)) : state.related[origin] === 1;
}

async function choose(found) {
  const source = sources.get(found.document.number), leaves = page.leaves.map(([, file, line]) => place(file, line));
  const chosen = source ? [place(source.name, found.line + 1)] : page.origins[found.origin].map((leaf) => leaves[leaf]);
  state.places = new Set(chosen);
  state.leaves = source ? [...leaves.keys()].filter((leaf) => state.places.has(leaves[leaf])) : page.origins[found.origin];
  state.related = Uint8Array.from(page.origins, (origin) => Number(origin.some((leaf) => state.leaves.includes(leaf))));
  state.chosen = true;
  await describe();
  const from = found.document.number === page.listings[state.listing]?.document ? right : left;
  if (from === left) {
    await showListing(listingFor());
    right.at = -1;
  }
  step(from === left ? right : left, true);
  from.draw();
}

/** The listing to look at: the code that is shown, or else the source that the chosen line comes from. */
function listingFor() {
  const files = new Set(state.leaves.map((leaf) => page.leaves[leaf][1]));
  const index = page.listings.findIndex((listing) => listing.source && files.has(listing.name));
  return page.listings[state.listing]?.source && index >= 0 ? index : state.listing;
}

async function count(number) {
  const it = await load(number);
  let found = 0;
  for (let line = 0; line < it.lines.length; line++) found += akin({ document: it, line, origin: it.origins[line] });
  return found;
}

async function describe() {
  const leaves = state.leaves.map((leaf) => page.leaves[leaf]);
  const nodes = [...new Set(leaves.map(([node]) => node).filter(Boolean))];
  const parts = [`<strong>${nodes.length ? escaped(nodes.join(", ")) : "origin unknown"}</strong>`];
  for (const where of [...state.places].slice(0, 4)) {
    const [, file, line] = /^(.*):(\d+)$/.exec(where);
    const index = page.listings.findIndex((listing) => listing.source && listing.name === file);
    if (index >= 0) parts.push(`<a href="#" data-listing="${index}" data-line="${line}"><code>${escaped(where)}</code></a>`);
    else if (file) parts.push(`<code>${escaped(where)}</code>`);
  }
  parts.push(`<span>${lines(await count(page.steps[state.step].document))} of this IR</span>`);
  for (const [index, listing] of page.listings.entries()) {
    if (listing.source) continue;
    const said = `${listing.name}: ${lines(await count(listing.document))}`;
    parts.push(`<a href="#" data-listing="${index}">${escaped(said)}</a>`);
  }
  $("origin").innerHTML = parts.join("");
}

async function showListing(number) {
  if (!page.listings[number]) return;
  const listing = page.listings[number], it = await load(listing.document), other = state.listing !== number;
  state.listing = number;
  $("listing").value = String(number);
  const language = listing.source ? "python" : listing.name === "assembly" ? "assembly" : "llvm";
  if (other || !right.runs.count) right.show(Runs.whole(it), language);
  else right.draw();
  $("akin").textContent = state.chosen ? `${lines(await count(listing.document))} of the chosen origin` : "";
}

function step(viewer, forward) {
  const row = viewer.find(akin, forward);
  if (row >= 0) viewer.reveal(row);
  else viewer.draw();
}

// ---- search

function patternOf(text) {
  if (!text) return null;
  const regular = /^\/(.+)\/$/.exec(text);
  return new RegExp(regular ? regular[1] : text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "gi");
}

const pause = () => new Promise((done) => setTimeout(done));

async function search(text) {
  let pattern;
  try {
    pattern = patternOf(text);
  } catch (error) {
    $("found").textContent = "not a regular expression";
    return;
  }
  const query = (state.query = pattern && { pattern, hits: new Uint8Array(table.length) });
  left.pattern = right.pattern = pattern;
  const test = pattern && new RegExp(pattern.source, "i");
  for (let id = 0; query && id < table.length; id++) {
    if (id % 20000 === 19999) await pause();
    if (state.query !== query) return;
    query.hits[id] = Number(test.test(table[id]));
  }
  const counts = new Map();
  for (let number = 0; query && page.steps.length && $(`document${number}`); number++) {
    const it = await load(number);
    if (state.query !== query) return;
    let hits = 0;
    for (const id of it.lines) hits += query.hits[id];
    counts.set(number, hits);
  }
  buttons.forEach((button, i) => {
    const hits = counts.get(page.steps[i].document);
    button.querySelector(".hits").textContent = hits ? hits.toLocaleString("en") : "";
  });
  [...$("listing").options].forEach((option, i) => {
    const hits = counts.get(page.listings[i].document);
    option.textContent = page.listings[i].name + (hits ? ` (${hits.toLocaleString("en")} found)` : "");
  });
  if (!query) $("found").textContent = "";
  else report(page.steps.filter((step) => counts.get(step.document)).length);
  right.draw();
  left.draw();
  if (query && counts.get(page.steps[state.step].document)) match(true, false);
}

function report(passes) {
  const here = Number(buttons[state.step].querySelector(".hits").textContent.replaceAll(",", ""));
  $("found").textContent = passes ? `${lines(here)} here, found after ${passes} pass${passes === 1 ? "" : "es"}` : "not found";
}

/** Go to the next match, here or else in the next pass that has one. */
async function match(forward, onward = true) {
  if (!state.query) return;
  const test = (found) => state.query.hits[found.id];
  const before = left.at, row = left.find(test, forward);
  const around = row < 0 || (before >= 0 && (forward ? row <= before : row >= before));
  if (onward && around) {
    const count = page.steps.length;
    for (let by = 1; by < count; by++) {
      const number = (state.step + (forward ? by : count - by)) % count;
      if (page.steps[number].changed && buttons[number].querySelector(".hits").textContent) return showStep(number);
    }
  }
  if (row >= 0) left.reveal(row);
}

// ---- what people do

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select")) {
    if (event.key === "Escape") event.target.blur();
    if (event.key === "Enter" && event.target.id === "search") match(!event.shiftKey);
    return;
  }
  const scrolls = event.target.closest(".view") && event.key.startsWith("Arrow");
  const actions = {
    j: () => move(1), k: () => move(-1), ArrowDown: () => move(1), ArrowUp: () => move(-1),
    ArrowRight: () => move(1), ArrowLeft: () => move(-1), d: () => showDiff(!state.diff),
    n: () => match(true), N: () => match(false), "/": () => $("search").select(),
  };
  if (scrolls || !actions[event.key]) return;
  event.preventDefault();
  actions[event.key]();
}

function listen() {
  document.addEventListener("keydown", keys);
  buttons.forEach((button, i) => button.addEventListener("click", () => showStep(i)));
  $("whole").addEventListener("click", () => showDiff(false));
  $("diff").addEventListener("click", () => showDiff(true));
  $("next").addEventListener("click", () => match(true));
  $("previous").addEventListener("click", () => match(false));
  $("up").addEventListener("click", () => step(right, false));
  $("down").addEventListener("click", () => step(right, true));
  $("listing").addEventListener("change", async (event) => {
    await showListing(Number(event.target.value));
    right.at = -1;
    step(right, true);
  });
  let waiting;
  $("search").addEventListener("input", (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => search(event.target.value), 150);
  });
  $("origin").addEventListener("click", async (event) => {
    const link = event.target.closest("a");
    if (!link) return;
    event.preventDefault();
    await showListing(Number(link.dataset.listing));
    right.at = -1;
    if (link.dataset.line) right.reveal(Number(link.dataset.line) - 1);
    else step(right, true);
    $("right").scrollIntoView({ block: "nearest" });
  });
}

async function start() {
  table = new TextDecoder().decode(await unpacked("table")).split("\n");
  left = new Viewer(document.querySelector("#left .view"), table, choose);
  right = new Viewer(document.querySelector("#right .view"), table, choose);
  left.akin = right.akin = akin;
  drawTimeline();
  listen();
  const wanted = decodeURIComponent(location.hash.slice(1));
  const at = page.steps.findIndex((step) => `${step.pipeline}/${step.name}` === wanted);
  await showStep(Math.max(at, 0));
  await showListing(Math.max(page.listings.findIndex((listing) => listing.source), 0));
  document.documentElement.dataset.ready = "yes";
}

start();
