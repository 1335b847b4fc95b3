"use strict";
// Draws the stars that the page holds. Everything that is not drawing or looking up was computed in Python.
(async () => {
const {figure, show} = Bokeh.Plotting;
const ARRAYS = {float32: Float32Array, uint16: Uint16Array, uint8: Uint8Array, int64: BigInt64Array};
const RADIUS = 0.15; // of the circle in which density counts, in standard deviations of the axes
const NEIGHBOURS = 8;
const REACH = 12; // furthest that a click may be from its star [pixels]
const CLIP = 0.02; // share of the stars beyond either end of a colour scale
const UNKNOWN = "#C8C8C8";
const ink = {observed: "#111111", reconstructed: "#D9740B", error: "#8A8A8A", chosen: "#D4006A"};

const held = JSON.parse(document.getElementById("content").textContent);
const {facts} = held;
const element = (id) => document.getElementById(id);

function decoded({type, data}) {
  const text = atob(data);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new ARRAYS[type](bytes.buffer);
}

const sourceId = Array.from(decoded(held.source_id), String);
const N = sourceId.length;
const K = facts.axes.length;
const flat = decoded(held.latents);
const latents = facts.axes.map((_, k) => Float64Array.from({length: N}, (_, i) => flat[i * K + k]));
const chi2 = decoded(held.chi2);
const labels = Object.fromEntries(Object.entries(held.labels).map(([name, entry]) => [name, decoded(entry)]));
const sequence = held.sequence ? decoded(held.sequence) : null;
const wavelengths = Array.from(decoded(held.wavelengths));
const spectra = Object.fromEntries(Object.entries(held.spectra).map(([name, parts]) => [
  name, Object.fromEntries(Object.entries(parts).map(([part, entry]) => [part, decoded(entry)]))]));

function spectrum(name, star) {
  const {low, step, levels} = spectra[name];
  return wavelengths.map((_, j) => low[star] + step[star] * levels[star * wavelengths.length + j]);
}

// Numbers and words

const minus = (text) => text.replace("-", "−");
const written = (value, digits) =>
  Number.isFinite(value) ? minus(value.toFixed(digits).replace(/^-(?=[0.]+$)/, "")) : "unknown";
const counted = (n) => n.toLocaleString("en-GB");
const subscript = (n) => String(n).replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]);
const superscript = (n) => String(n).replace(/[-\d]/g, (digit) => digit === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]);
const axisName = (k) => `z${subscript(k + 1)}`;
const axisTitle = (k) => axisName(k) + (facts.axes[k].traces ? ` (traces ${facts.axes[k].traces})` : "");
const labelTitle = (name) => `${facts.labels[name].name} [${facts.labels[name].unit}]`;
const shownLabel = (name, star) => written(labels[name][star], facts.labels[name].digits);

function quantile(values, share) {
  const sorted = Float64Array.from(values).filter(Number.isFinite).sort();
  if (!sorted.length) return NaN;
  const place = share * (sorted.length - 1), below = Math.floor(place);
  return sorted[below] + (place - below) * (sorted[Math.min(below + 1, sorted.length - 1)] - sorted[below]);
}

function deviation(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}

// What one may choose

const at = {horizontal: facts.first[0], vertical: facts.first[1], colour: null, star: null};
const colours = Object.keys(labels).map((name) => [name, labelTitle(name)]);
if (sequence) colours.push(["sequence", "α sequence"]);
colours.push(["chi2", "χ² per coefficient"], ["density", "Density of the stars here"]);
at.colour = colours[0][0];

function fill(id, options, chosen, change) {
  const select = element(id);
  select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  select.value = chosen;
  select.addEventListener("change", () => change(select.value));
}

const dimensions = facts.axes.map((axis, k) => [k, axisTitle(k) + (axis.dead ? " (dead: carries nothing)" : "")]);
for (const axis of ["horizontal", "vertical"]) {
  fill(axis, dimensions, at[axis], (value) => { at[axis] = Number(value); moveStars(); });
}
fill("colour", colours, at.colour, (value) => { at.colour = value; paintStars(); });

// The map of the stars

const stars = new Bokeh.ColumnDataSource({data: {x: [], y: [], fill: [], marker: []}});
const around = new Bokeh.ColumnDataSource({data: {x: [], y: [], rank: []}});
const chosen = new Bokeh.ColumnDataSource({data: {x: [], y: []}});
const limits = () => new Bokeh.Range1d({start: 0, end: 1});

function plain(plot) {
  plot.toolbar.logo = null;
  for (const axis of plot.axes) axis.axis_label_text_font_style = "normal";
  return plot;
}

const map = figure({
  title: "Latent space", height: 560, sizing_mode: "stretch_width", tools: "pan,wheel_zoom,box_select,lasso_select,reset,save",
  active_drag: "box_select", x_range: limits(), y_range: limits(), x_axis_label: " ", y_axis_label: " ",
});
plain(map);
const cloud = map.scatter({field: "x"}, {field: "y"}, {
  source: stars, size: 5, marker: {field: "marker"}, fill_color: {field: "fill"}, line_color: null, fill_alpha: 0.75,
  selection_fill_alpha: 0.95, nonselection_fill_alpha: 0.08,
});
for (const [source, size, color] of [[around, 12, "black"], [chosen, 15, ink.chosen]]) {
  for (const [line_color, line_width] of [["white", 5], [color, 2.2]]) {
    map.scatter({field: "x"}, {field: "y"}, {source, size, fill_color: null, line_color, line_width});
  }
}
map.text({field: "x"}, {field: "y"}, {field: "rank"}, {source: around, x_offset: 8, y_offset: -5, text_font_size: "12px",
  text_color: "black", text_font_style: "bold", background_fill_color: "white", background_fill_alpha: 0.75, padding: 1});
for (const tool of map.toolbar.tools) if ("renderers" in tool.properties) tool.renderers = [cloud];
const mapper = new Bokeh.LinearColorMapper({palette: facts.palette, low: 0, high: 1});
const bar = new Bokeh.ColorBar({color_mapper: mapper, title: " ", orientation: "horizontal", height: 12, padding: 4,
  title_text_font_style: "normal"});
map.add_layout(bar, "above");

function span(range, values) {
  const low = quantile(values, 0), high = quantile(values, 1), room = 0.04 * (high - low) || 1;
  range.setv({start: low - room, end: high + room, reset_start: low - room, reset_end: high + room});
}

function moveStars() {
  const x = latents[at.horizontal], y = latents[at.vertical];
  span(map.x_range, x);
  span(map.y_range, y);
  map.xaxis.axis_label = axisTitle(at.horizontal);
  map.yaxis.axis_label = axisTitle(at.vertical);
  markStar();
  paintStars();
}

// How many of the stars lie around each one, itself among them.
function density() {
  const [x, y] = [at.horizontal, at.vertical].map((k) => {
    const unit = deviation(latents[k]) * RADIUS || 1;
    return latents[k].map((value) => value / unit);
  });
  const number = new Float64Array(N).fill(1);
  for (let i = 0; i < N; i++) {
    for (let j = 0; j < i; j++) {
      if ((x[i] - x[j]) ** 2 + (y[i] - y[j]) ** 2 <= 1) { number[i]++; number[j]++; }
    }
  }
  return number;
}

function paintStars() {
  const bySequence = at.colour === "sequence";
  let fill, marker = new Array(N).fill("circle");
  bar.visible = !bySequence;
  if (bySequence) {
    fill = Array.from(sequence, (number) => facts.sequences[number].color);
    marker = Array.from(sequence, (number) => facts.sequences[number].marker);
  } else {
    const [values, title] = {
      chi2: () => [chi2.map(Math.log10), "log₁₀ χ² per coefficient"],
      density: () => [density().map(Math.log10), `log₁₀ stars within ${RADIUS} σ`],
    }[at.colour]?.() ?? [labels[at.colour], labelTitle(at.colour)];
    const low = quantile(values, CLIP), high = quantile(values, 1 - CLIP), last = facts.palette.length - 1;
    const scale = high > low ? last / (high - low) : 0;
    fill = Array.from(values, (value) => Number.isFinite(value) ?
      facts.palette[Math.round(Math.min(Math.max((value - low) * scale, 0), last))] : UNKNOWN);
    mapper.setv({low, high: high > low ? high : low + 1});
    bar.title = title;
  }
  stars.data = {x: latents[at.horizontal], y: latents[at.vertical], fill, marker};
  element("legend").innerHTML = bySequence ? facts.sequences.map(legendEntry).join("") : "";
}

function legendEntry({name, color, marker}, number) {
  const shape = {
    circle: '<circle cx="6" cy="6" r="5"/>', square: '<rect x="1" y="1" width="10" height="10"/>',
    triangle: '<path d="M6 1L11.5 11H.5z"/>',
  }[marker];
  const n = sequence.reduce((sum, one) => sum + (one === number), 0);
  return `<span><svg fill="${color}" aria-hidden="true">${shape}</svg>${name} (${counted(n)})</span>`;
}

// The brush

function summarise() {
  const brushed = stars.selected.indices, everyone = Array.from({length: N}, (_, i) => i);
  element("brush-text").innerHTML = brushed.length ?
    `<b>${counted(brushed.length)}</b> of ${counted(N)} stars. <button id="clear" class="link">Clear</button>` :
    "Drag a box over the stars, or choose the lasso beside the map. Other axes keep what is brushed.";
  element("clear")?.addEventListener("click", () => { stars.selected.indices = []; });
  const rows = Object.keys(labels).map((name) => [labelTitle(name), labels[name], facts.labels[name].digits]);
  rows.push(["χ² per coefficient", chi2, 2]);
  const median = (values, some, digits) => written(quantile(some.map((i) => values[i]), 0.5), digits);
  const lines = rows.map(([title, values, digits]) => [`Median ${title}`,
    ...[brushed, everyone].map((some) => some.length ? median(values, some, digits) : "")]);
  if (sequence) {
    facts.sequences.forEach(({name}, number) => lines.push([`${name}, stars`,
      ...[brushed, everyone].map((some) => some.length ? counted(some.filter((i) => sequence[i] === number).length) : "")]));
  }
  table("brush", ["", "Brushed", "All shown"], lines);
}

function table(id, head, lines, texts = []) {
  const cell = (tag) => (content, i) => `<${tag}${texts.includes(i) ? ' class="text"' : ""}>${content}</${tag}>`;
  element(id).innerHTML = `<thead><tr>${head.map(cell("th")).join("")}</tr></thead>` +
    `<tbody>${lines.map((line) => `<tr>${line.map(cell("td")).join("")}</tr>`).join("")}</tbody>`;
}

stars.selected.properties.indices.change.connect(summarise);

// One star

const flux = new Bokeh.ColumnDataSource();
const panel = (title, height, more) => {
  const made = figure({title, height, sizing_mode: "stretch_width", tools: "box_zoom,reset,save",
    x_axis_label: "Wavelength [nm]", y_axis_label: " ", ...more});
  return plain(made);
};
const field = (name) => ({field: name});
const upper = panel("Spectrum", 310);
const lower = panel("Observed − reconstructed", 210, {x_range: upper.x_range});
const bands = [["error", "Error of the observed, ±1 σ", 0.3], ["scatter", "Scatter of the model, ±1 σ", 0.35]];
for (const [name, legend_label, fill_alpha] of bands) {
  const fill_color = name === "error" ? ink.error : ink.reconstructed;
  upper.varea({x: field("w"), y1: field(`${name}_low`), y2: field(`${name}_high`), source: flux, fill_color, fill_alpha, legend_label});
  lower.varea({x: field("w"), y1: field(`${name}_below`), y2: field(`${name}_above`), source: flux, fill_color, fill_alpha});
}
upper.line(field("w"), field("reconstructed"), {source: flux, line_color: ink.reconstructed, line_width: 2, legend_label: "Reconstructed"});
upper.line(field("w"), field("observed"), {source: flux, line_color: ink.observed, line_width: 1.2, line_dash: [5, 2], legend_label: "Observed"});
lower.line(field("w"), field("difference"), {source: flux, line_color: ink.observed, line_width: 1.2});
lower.add_layout(new Bokeh.Span({location: 0, dimension: "width", line_color: "#666666", line_width: 0.7}));
upper.legend.setv({label_text_font_size: "11px", padding: 4, spacing: 0, background_fill_alpha: 0.8});
lower.yaxis.axis_label = "% of the largest flux";
const panels = new Bokeh.Column({children: [upper, lower], sizing_mode: "stretch_width"});

function nearest(star) {
  const distance = Float64Array.from({length: N}, (_, i) =>
    Math.sqrt(latents.reduce((sum, z) => sum + (z[i] - z[star]) ** 2, 0)));
  const order = Array.from({length: N}, (_, i) => i).filter((i) => i !== star);
  order.sort((a, b) => distance[a] - distance[b] || a - b);
  return order.slice(0, NEIGHBOURS).map((i) => [i, distance[i]]);
}

function markStar() {
  const x = latents[at.horizontal], y = latents[at.vertical];
  const near = at.star === null ? [] : nearest(at.star).map(([i]) => i);
  const one = at.star === null ? [] : [at.star];
  around.data = {x: near.map((i) => x[i]), y: near.map((i) => y[i]), rank: near.map((_, rank) => String(rank + 1))};
  chosen.data = {x: one.map((i) => x[i]), y: one.map((i) => y[i])};
}

function choose(star) {
  at.star = star;
  markStar();
  element("hint").hidden = true;
  element("details").hidden = false;
  element("not-found").textContent = "";
  element("source-id").textContent = `Gaia DR3 ${sourceId[star]}`;
  const names = Object.keys(labels);
  const head = [...names.map(labelTitle), "χ²", ...(sequence ? ["α sequence"] : [])];
  const values = (i) => [...names.map((name) => shownLabel(name, i)), written(chi2[i], 2),
    ...(sequence ? [facts.sequences[sequence[i]].name] : [])];
  table("labels", head, [values(star)]);
  table("position", latents.map((_, k) => axisName(k)), [latents.map((z) => written(z[star], 3))]);
  const near = nearest(star);
  element("neighbours-text").textContent =
    `Among the ${counted(N)} stars shown, by distance in all ${K} latents; numbered on the map.`;
  table("neighbours", ["", "source_id", "Distance", ...head], near.map(([i, distance], rank) =>
    [rank + 1, `<button class="link" data-star="${i}">${sourceId[i]}</button>`, written(distance, 3), ...values(i)]), [1]);
  drawSpectrum(star);
}

function drawSpectrum(star) {
  const found = Object.fromEntries(Object.keys(spectra).map((name) => [name, spectrum(name, star)]));
  const largest = Math.max(...found.reconstructed), power = Math.floor(Math.log10(largest));
  const unit = 10 ** power, columns = {w: wavelengths};
  const set = (name, value) => { columns[name] = wavelengths.map((_, j) => value(j)); };
  for (const name of ["observed", "reconstructed"]) set(name, (j) => found[name][j] / unit);
  for (const [name, centre] of [["error", "observed"], ["scatter", "reconstructed"]]) {
    set(`${name}_low`, (j) => (found[centre][j] - found[name][j]) / unit);
    set(`${name}_high`, (j) => (found[centre][j] + found[name][j]) / unit);
    set(`${name}_below`, (j) => -100 * found[name][j] / largest);
    set(`${name}_above`, (j) => 100 * found[name][j] / largest);
  }
  set("difference", (j) => 100 * (found.observed[j] - found.reconstructed[j]) / largest);
  flux.data = columns;
  upper.yaxis.axis_label = `Flux [10${superscript(power)} W m⁻² nm⁻¹]`;
  // the legend goes where the spectrum is not
  const half = wavelengths.length >> 1, sum = (values) => values.reduce((total, value) => total + value, 0);
  upper.legend.location = sum(columns.observed.slice(0, half)) < sum(columns.observed.slice(half)) ? "bottom_right" : "top_right";
}

// Clicks

map.on_event("tap", ({sx, sy}) => {
  const {x_scale, y_scale} = inMap.frame, x = latents[at.horizontal], y = latents[at.vertical];
  let best = null, least = REACH;
  for (let i = 0; i < N; i++) {
    const away = Math.hypot(x_scale.compute(x[i]) - sx, y_scale.compute(y[i]) - sy);
    if (away < least) [best, least] = [i, away];
  }
  if (best !== null) choose(best);
});

element("neighbours").addEventListener("click", ({target}) => {
  if (target.dataset.star) choose(Number(target.dataset.star));
});

element("find").addEventListener("submit", (event) => {
  event.preventDefault();
  const star = sourceId.indexOf(element("wanted").value.trim());
  if (star >= 0) choose(star);
  else element("not-found").textContent = "This star is not among those shown.";
});

moveStars();
summarise();
drawSpectrum(0); // hidden: the first click finds the panels laid out
const inMap = await show(map, "#map");
element("details").hidden = false;
await show(panels, "#spectrum");
element("details").hidden = true;
document.body.dataset.ready = "true";
})();
