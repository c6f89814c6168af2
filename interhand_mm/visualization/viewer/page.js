"use strict";
/* The page's own part: the frames lie in <script class="frame"> elements, one JSON each; `viewer` holds what is
   common to them. Points are millimeters in the camera's frame: x right, y down, z away from the camera. */
const viewer = JSON.parse(document.getElementById("viewer").textContent);
const frames = document.querySelectorAll("script.frame");
const byId = (id) => document.getElementById(id);
const HAND = 21;
const MEASURED = "camera space, mm; the depth was given";
const GUESSED = "from an average hand, not measured";
const SIDES = ["right", "left"];
/* Plotly turns about its own z axis, so that one is drawn upwards: the camera's y with its range reversed, and
   the camera's z goes into the page along plotly's y. Nothing is mirrored by it. */
const DRAWN = { x: 0, y: 2, z: 1 };
const VIEWS = {
  oblique: { eye: { x: 0.85, y: -1.85, z: 0.7 }, center: { x: 0, y: 0, z: -0.1 } },
  camera: { eye: { x: 0, y: -2, z: 0 } },
  side: { eye: { x: 2, y: 0, z: 0 } },
  top: { eye: { x: 0, y: -0.01, z: 2 } },
};
let current = -1;
let shown = null;

function showMessage(text) {
  byId("message").textContent = text;
  byId("message").hidden = false;
}

async function loadPlotly() {
  const packed = Uint8Array.from(atob(byId("plotly").textContent.trim()), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
}

/* Traces: lines and joints of each hand, once sure and once faint, then the letters at the wrists. Their number is
   the same for every frame, so that a frame changes points and nothing else. */
function traces(frame) {
  const made = [];
  for (const side of [0, 1]) {
    for (const unsure of [false, true]) {
      const line = { x: [], y: [], z: [], color: [] };
      const dots = { x: [], y: [], z: [], color: [], text: [] };
      for (const hand of frame.hands) {
        if (hand.presence[side] === "no" || (hand.presence[side] === "unsure") !== unsure) continue;
        addHand(line, dots, hand, side);
      }
      const look = { type: "scatter3d", opacity: unsure ? 0.35 : 1, showlegend: false };
      made.push({ ...look, ...xyz(line), mode: "lines", hoverinfo: "skip", line: { width: 7, color: line.color } });
      made.push({
        ...look, ...xyz(dots), mode: "markers", text: dots.text, hovertemplate: "%{text}<extra></extra>",
        marker: { size: 4.5, symbol: side ? "diamond" : "circle", color: dots.color, opacity: 1, line: { width: 0 } },
      });
    }
  }
  // A point without a letter keeps the scene, and the way it is turned, over frames without hands.
  const letters = { x: [viewer.center[0]], y: [viewer.center[2]], z: [viewer.center[1]], text: [""] };
  for (const hand of frame.hands) {
    for (const side of [0, 1]) {
      const wrist = hand.xyz[side * HAND + HAND - 1];
      if (hand.presence[side] === "no" || !wrist) continue;
      for (const axis in DRAWN) letters[axis].push(wrist[DRAWN[axis]]);
      const track = hand.tracks[side] === null ? "" : ` #${hand.tracks[side]}`;
      letters.text.push((side ? "L" : "R") + (hand.presence[side] === "unsure" ? "?" : "") + track);
    }
  }
  made.push({
    type: "scatter3d", ...xyz(letters), mode: "text", text: letters.text, hoverinfo: "skip", showlegend: false,
    textposition: "bottom center", textfont: { size: 15, color: style("--ink"), weight: 700 },
  });
  return made;
}

function addHand(line, dots, hand, side) {
  const push = (into, point, color) => {
    for (const axis in DRAWN) into[axis].push(point ? point[DRAWN[axis]] : null);
    into.color.push(color);
  };
  const first = side * HAND;
  for (let finger = 0; finger < 5; finger++) {
    const tip = first + 4 * finger;
    const chain = [first + HAND - 1, tip + 3, tip + 2, tip + 1, tip];
    for (const joint of chain) push(line, hand.xyz[joint], viewer.colors[tip]);
    push(line, null, viewer.colors[tip]);
  }
  for (let joint = first; joint < first + HAND; joint++) {
    const point = hand.xyz[joint];
    if (!point) continue;
    push(dots, point, viewer.colors[joint]);
    const unit = hand.depth === "given" ? "mm" : "mm if the hand is of average size";
    const score = hand.scores[joint] === null ? "" : `<br>score ${hand.scores[joint].toFixed(2)}`;
    dots.text.push(`<b>${viewer.names[joint]}</b><br>x ${point[0].toFixed(0)}, y ${point[1].toFixed(0)}, ` +
      `z ${point[2].toFixed(0)} ${unit}${score}`);
  }
}

const xyz = (points) => ({ x: points.x, y: points.y, z: points.z });
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function layout(frame) {
  const follow = byId("follow").checked;
  const center = follow && frame.center ? frame.center : viewer.center;
  const half = follow ? viewer.followHalf : viewer.half;
  const axis = (title, i, sign = 1) => ({
    title: { text: title, font: { size: 12 } }, range: [center[i] - sign * half, center[i] + sign * half],
    gridcolor: style("--grid"), zeroline: false, showspikes: false, showbackground: false, linecolor: style("--grid"),
    tickfont: { size: 10 }, nticks: 6, color: style("--soft"),
  });
  return {
    uirevision: "keep", margin: { l: 0, r: 0, t: 0, b: 0 }, paper_bgcolor: "rgba(0,0,0,0)", autosize: true,
    modebar: { bgcolor: "rgba(0,0,0,0)", color: style("--soft"), activecolor: style("--accent") },
    hoverlabel: { font: { size: 13 }, bgcolor: style("--card"), bordercolor: style("--line") },
    scene: {
      uirevision: "keep", dragmode: "turntable", aspectmode: "cube", camera: VIEWS.oblique,
      xaxis: axis("x, right (mm)", 0), yaxis: axis("z, away (mm)", 2), zaxis: axis("y, down (mm)", 1, -1),
    },
  };
}

async function show(index) {
  if (index === current) return;
  current = index;
  const frame = JSON.parse(frames[index].textContent);
  shown = frame;
  byId("image").src = `data:image/jpeg;base64,${frame.jpeg}`;
  byId("slider").value = index;
  byId("place").textContent = place(frame, index);
  byId("empty").hidden = frame.hands.some((hand) => hand.presence.some((presence) => presence !== "no"));
  const guessed = frame.hands.some((hand) => hand.depth !== "given");
  byId("scale").textContent = frame.hands.length === 0 ? "" : guessed ? `scale ${GUESSED}` : MEASURED;
  byId("scale").classList.toggle("unsure", guessed);
  byId("crops").replaceChildren(...frame.hands.map(card));
  byId("notes").replaceChildren(...notes(frame));
  await draw();
}

const draw = () =>
  Plotly.react("plot", traces(shown), layout(shown), { displaylogo: false, responsive: true,
    modeBarButtons: [["toImage", "resetCameraDefault3d"]] });

function place(frame, index) {
  if (viewer.seen === 1) return "";
  const time = frame.time === null ? "" : ` · ${frame.time.toFixed(2)} s`;
  return viewer.oneSource ? `frame ${frame.index}${time}` : `${index + 1} of ${frames.length} · ${frame.source}`;
}

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function card(hand, i) {
  const made = element("article", "", "crop");
  made.append(element("h2", shown.hands.length > 1 ? `Hands ${i + 1}` : "Hands"));
  const list = element("dl");
  const row = (name, value, className) => list.append(element("dt", name), element("dd", value, className));
  SIDES.forEach((side, k) => {
    // The detector found one hand, so the less probable one is not shown, however probable it is.
    const no = hand.dropped[k] ? "not shown, because one hand was detected" : "absent";
    const word = { yes: "present", unsure: "unsure, shown faint", no }[hand.presence[k]];
    const track = hand.tracks[k] === null ? "" : ` · track #${hand.tracks[k]}`;
    row(side, `${word}${track} · probability ${hand.prob[k].toFixed(2)}`, hand.presence[k]);
  });
  if (hand.root !== null) {
    const mm = Math.abs(hand.root).toFixed(0);
    row("wrists", Math.round(hand.root) === 0 ? "equally far away"
      : `the left one ${mm} mm ${hand.root > 0 ? "behind" : "in front of"} the right one`);
  }
  row("scale", hand.depth === "given" ? MEASURED : GUESSED, hand.depth === "given" ? "" : "unsure");
  row("box", hand.detected ? `detected, score ${hand.score.toFixed(2)}` : "given");
  made.append(list);
  return made;
}

function notes(frame) {
  const focal = frame.focal.map((value) => value.toFixed(0)).join(" × ");
  const sources = { user: "given", exif: "from the EXIF data of the image", assumed: "assumed, not measured" };
  const lines = [`Camera: focal length ${focal} px, ${sources[frame.intrinsics]}; image of ${frame.size.join(" × ")} px.`];
  if (frame.hands.some((hand) => hand.depth !== "given")) {
    lines.push("Millimeters are correct only if the hands have the size of an average adult's: shape and relative position " +
      "are predicted, distance and scale are guessed.");
  }
  const key = element("p", "Right: darker, round joints, dark rim. Left: lighter, diamonds, light rim. ");
  viewer.fingers.forEach((finger, i) => {
    const dot = element("span", "", "key");
    dot.style.background = viewer.colors[4 * i];
    key.append(dot, finger);
  });
  return [key, ...lines.map((line) => element("p", line))];
}

/* Playing follows the clock. If drawing is slower than the video, frames are skipped. */
function player() {
  let started = null;
  const at = (seconds) => Math.max(0, viewer.times.findLastIndex((time) => time <= seconds));
  const button = byId("play");
  const stop = () => { started = null; button.textContent = "\u25B6\uFE0E"; button.setAttribute("aria-label", "Play"); };
  async function step() {
    if (started === null) return;
    const seconds = (performance.now() - started) / 1000;
    await show(at(seconds));
    if (seconds >= viewer.times.at(-1)) return stop();
    requestAnimationFrame(step);
  }
  button.addEventListener("click", () => {
    if (started !== null) return stop();
    const from = current === frames.length - 1 ? 0 : current;
    started = performance.now() - 1000 * viewer.times[from];
    button.textContent = "\u2759\u2759";
    button.setAttribute("aria-label", "Pause");
    step();
  });
  byId("slider").addEventListener("input", (event) => { stop(); show(Number(event.target.value)); });
}

async function start() {
  byId("summary").textContent = viewer.summary;
  if (frames.length === 0) return showMessage("Nothing was added to this page.");
  try {
    await loadPlotly();
  } catch (error) {
    return showMessage(`The 3D plot cannot be unpacked (${error}); use a browser of 2023 or newer.`);
  }
  byId("main").hidden = false;
  byId("slider").max = frames.length - 1;
  byId("player").hidden = byId("follow-box").hidden = frames.length === 1;
  await show(0);
  player();
  for (const button of document.querySelectorAll("[data-view]")) {
    button.addEventListener("click", () => Plotly.relayout("plot", { "scene.camera": VIEWS[button.dataset.view] }));
  }
  byId("follow").addEventListener("change", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}
start();
