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
const plot = new HandPlot(byId("plot"), byId("tip"));
let current = -1;
let shown = null;
const TEXT_MS = 250;
let written = 0; // time of the last text

function showMessage(text) {
  byId("message").textContent = text;
  byId("message").hidden = false;
}

function unpack(id) {
  const text = atob(byId(id).textContent.trim());
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  byId(id).remove(); // the text is not needed any more
  return bytes;
}

/* Return what the plot draws for a frame. Hands that the network is unsure about are faint. */
function plotted(frame) {
  const content = { bones: [], joints: [], letters: [] };
  for (const hand of frame.hands) {
    for (const side of [0, 1]) {
      if (hand.presence[side] !== "no") addHand(content, hand, side);
    }
  }
  return content;
}

function addHand({ bones, joints, letters }, hand, side) {
  const unsure = hand.presence[side] === "unsure";
  const opacity = unsure ? 0.35 : 1;
  const first = side * HAND;
  const root = first + HAND - 1;
  const unit = hand.depth === "given" ? "mm" : "mm if the hand is of average size";
  for (let joint = first; joint < first + HAND; joint++) {
    const p = hand.xyz[joint];
    if (!p) continue;
    const parent = joint === root ? null : hand.xyz[(joint - first) % 4 === 3 ? root : joint + 1];
    const finger = viewer.colors[joint === root ? root : joint - ((joint - first) % 4)];
    if (parent) bones.push({ a: p, b: parent, color: finger, opacity });
    const score = hand.scores[joint] === null ? "" : `\nscore ${hand.scores[joint].toFixed(2)}`;
    const text = `${viewer.names[joint]}\nx ${p[0].toFixed(0)}, y ${p[1].toFixed(0)}, z ${p[2].toFixed(0)} ${unit}${score}`;
    joints.push({ p, color: viewer.colors[joint], opacity, diamond: side === 1, text });
  }
  if (!hand.xyz[root]) return;
  const track = hand.tracks[side] === null ? "" : ` #${hand.tracks[side]}`;
  letters.push({ p: hand.xyz[root], text: (side ? "L" : "R") + (unsure ? "?" : "") + track });
}

function draw() {
  const follow = byId("follow").checked;
  plot.show(plotted(shown), follow && shown.center ? shown.center : viewer.center, follow ? viewer.followHalf : viewer.half);
}

/* The page's video. A browser that cannot decode it plays the 3D plot alone. */
const clip = byId("clip");
let hasVideo = viewer.video;
function loadVideo() {
  if (!hasVideo) return;
  clip.addEventListener("error", () => {
    hasVideo = false;
    showMessage("This browser cannot play H.264, so the page has no images. The 3D plot works without them.");
  });
  clip.hidden = false;
  byId("image").hidden = true;
  clip.src = URL.createObjectURL(new Blob([unpack("packed-video")], { type: "video/mp4" }));
}

/* A time within a frame. The middle is safe against rounded times. */
function within(index) {
  const from = viewer.times[index];
  return index + 1 < frames.length ? (from + viewer.times[index + 1]) / 2 : from + 0.001;
}

function show(index, playing = false) {
  if (index === current) return;
  current = index;
  const frame = JSON.parse(frames[index].textContent);
  shown = frame;
  if (!viewer.video) byId("image").src = `data:image/jpeg;base64,${frame.jpeg}`;
  else if (hasVideo && !playing) clip.currentTime = within(index);
  byId("slider").value = index;
  byId("place").textContent = place(frame, index);
  byId("empty").hidden = frame.hands.some((hand) => hand.presence.some((presence) => presence !== "no"));
  const guessed = frame.hands.some((hand) => hand.depth !== "given");
  byId("scale").textContent = frame.hands.length === 0 ? "" : guessed ? `scale ${GUESSED}` : MEASURED;
  byId("scale").classList.toggle("unsure", guessed);
  draw();
  // While the video plays, nobody reads faster than this, and laying the text out takes longer than the plot.
  if (!playing || performance.now() - written > TEXT_MS) writeText();
}

function writeText() {
  written = performance.now();
  byId("crops").replaceChildren(...shown.hands.map(card));
  byId("notes").replaceChildren(...notes(shown));
}

function place(frame, index) {
  if (frames.length === 1) return "";
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

/* Playing follows the clock, which is the video's where the page has one. If drawing is slower than the video, frames are
   skipped. */
function player() {
  let started = null;
  const at = (seconds) => Math.max(0, viewer.times.findLastIndex((time) => time <= seconds + 0.001));
  const now = () => (hasVideo ? clip.currentTime : (performance.now() - started) / 1000);
  const button = byId("play");
  const stop = () => {
    if (started === null) return;
    started = null;
    writeText();
    if (hasVideo) {
      clip.pause();
      clip.currentTime = within(current); // the plot may be a frame behind
    }
    button.textContent = "\u25B6\uFE0E";
    button.setAttribute("aria-label", "Play");
  };
  function step() {
    if (started === null) return;
    const seconds = now();
    show(at(seconds), true);
    if (seconds >= viewer.times.at(-1) || (hasVideo && clip.ended)) {
      show(frames.length - 1, true);
      return stop();
    }
    requestAnimationFrame(step);
  }
  button.addEventListener("click", async () => {
    if (started !== null) return stop();
    const from = current === frames.length - 1 ? 0 : current;
    started = performance.now() - 1000 * viewer.times[from];
    button.textContent = "\u2759\u2759";
    button.setAttribute("aria-label", "Pause");
    if (hasVideo) {
      clip.currentTime = from === 0 ? 0 : within(from);
      await clip.play().catch(() => {}); // a pause during the start is no error
    }
    step();
  });
  byId("slider").addEventListener("input", (event) => { stop(); show(Number(event.target.value)); });
}

/* The other pages of a long video. Their list is a script beside the pages; without it there are no links. */
function linkPages() {
  if (viewer.page === null || typeof viewerPages === "undefined") return;
  const clock = (seconds) => `${Math.floor(seconds / 60)}:${Math.floor(seconds % 60).toString().padStart(2, "0")}`;
  const link = (text, page, rel) => {
    const made = element(page ? "a" : "span", text);
    if (page) Object.assign(made, { href: page.href, rel });
    return made;
  };
  const list = element("select");
  list.setAttribute("aria-label", "Time of the video");
  viewerPages.forEach((page, i) => list.append(new Option(`from ${clock(page.start)}`, page.href, i === viewer.page, i === viewer.page)));
  list.addEventListener("change", () => { location.href = list.value; });
  byId("pages").append(link("\u2039 previous", viewerPages[viewer.page - 1], "prev"), list,
    link("next \u203A", viewerPages[viewer.page + 1], "next"));
  byId("pages").hidden = false;
}

function start() {
  byId("summary").textContent = viewer.summary;
  linkPages();
  if (frames.length === 0) return showMessage("Nothing was added to this page.");
  byId("main").hidden = false;
  byId("slider").max = frames.length - 1;
  byId("player").hidden = byId("follow-box").hidden = frames.length === 1;
  loadVideo();
  show(0);
  player();
  for (const button of document.querySelectorAll("[data-view]")) {
    button.addEventListener("click", () => plot.look(button.dataset.view));
  }
  byId("save").addEventListener("click", () => {
    Object.assign(document.createElement("a"), { href: plot.image(), download: `${document.title}.png` }).click();
  });
  byId("follow").addEventListener("change", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot.recolor());
}
start();
