"use strict";
/* A 3D plot of points in millimeters, drawn on a plain canvas: a few hundred strokes, which take a millisecond or two
   without any help from a graphics card. Points are in the camera's frame: x right, y down, z away from the camera. In
   the plot, the camera's x goes to the right, its z into the page, and its y downwards. Nothing is mirrored by it. */
const DEGREE = Math.PI / 180;
const EYE = 5; // distance of the eye from the middle of the cube, in halves of its side
const FILL = 0.27; // half of the cube's side, as a share of the shorter side of the plot
const NEAR_PX = 12; // a joint this near to the pointer is named
const VIEWS = {
  oblique: { azimuth: 25, elevation: 20 },
  camera: { azimuth: 0, elevation: 0 },
  side: { azimuth: 90, elevation: 0 },
  top: { azimuth: 0, elevation: 90 },
};
/* The plot's axes: right, into the page, up. `axis` is the camera's axis, and `sign` is its direction. */
const AXES = [
  { axis: 0, sign: 1, title: "x, right (mm)" },
  { axis: 2, sign: 1, title: "z, away (mm)" },
  { axis: 1, sign: -1, title: "y, down (mm)" },
];

class HandPlot {
  constructor(box, tip) {
    this.box = box;
    this.tip = tip;
    this.canvas = box.querySelector("canvas");
    this.center = [0, 0, 0];
    this.half = 100;
    this.view = { ...VIEWS.oblique, zoom: 1 };
    this.bones = this.joints = this.letters = [];
    this.drawings = 0;
    this.pointers = new Map();
    this.size = { width: box.clientWidth, height: box.clientHeight };
    // The size is kept, because asking for it lays the whole page out anew.
    new ResizeObserver(() => {
      this.size = { width: box.clientWidth, height: box.clientHeight };
      this.draw();
    }).observe(box);
    this.recolor();
    this.listen();
  }

  /* bones: {a, b, color, opacity}; joints: {p, color, opacity, diamond, text}; letters: {p, text}. */
  show(content, center, half) {
    Object.assign(this, content, { center, half });
    this.draw();
  }

  /* Read the colors of the page anew, by day or by night. */
  recolor() {
    const colors = getComputedStyle(document.documentElement);
    this.colors = {};
    for (const name of ["ink", "soft", "grid", "plot"]) this.colors[name] = colors.getPropertyValue(`--${name}`).trim();
    this.draw();
  }

  look(name) {
    this.view = { ...VIEWS[name], zoom: 1 };
    this.draw();
  }

  listen() {
    const canvas = this.canvas;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, event);
      this.tip.hidden = true;
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => this.pointers.delete(event.pointerId));
    }
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerleave", () => { this.tip.hidden = true; });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-0.0015 * event.deltaY));
    }, { passive: false });
    canvas.addEventListener("dblclick", () => this.look("oblique"));
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [5, 0], ArrowRight: [-5, 0], ArrowUp: [0, -5], ArrowDown: [0, 5] }[event.key];
      if (step) this.turn(...step);
      else if ("+-".includes(event.key)) this.zoom(event.key === "+" ? 1.1 : 1 / 1.1);
      else return;
      event.preventDefault();
    });
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return this.name(event.offsetX, event.offsetY);
    const apart = () => {
      const [a, b] = [...this.pointers.values()];
      return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
    };
    if (this.pointers.size === 2) { // two fingers zoom
      const old = apart();
      this.pointers.set(event.pointerId, event);
      return this.zoom(apart() / Math.max(old, 1));
    }
    this.pointers.set(event.pointerId, event);
    this.turn(0.4 * (before.clientX - event.clientX), 0.4 * (event.clientY - before.clientY));
  }

  turn(azimuth, elevation) {
    this.view.azimuth += azimuth;
    this.view.elevation = Math.min(90, Math.max(-90, this.view.elevation + elevation));
    this.draw();
  }

  zoom(factor) {
    this.view.zoom = Math.min(12, Math.max(0.4, this.view.zoom * factor));
    this.draw();
  }

  /* Name the joint under the pointer. */
  name(x, y) {
    const near = this.joints.filter((joint) => joint.at && Math.hypot(joint.at.x - x, joint.at.y - y) < NEAR_PX);
    near.sort((a, b) => Math.hypot(a.at.x - x, a.at.y - y) - Math.hypot(b.at.x - x, b.at.y - y));
    this.tip.hidden = near.length === 0;
    if (!near.length) return;
    this.tip.textContent = near[0].text;
    const { width, height } = this.size;
    this.tip.style.left = `${Math.max(0, Math.min(near[0].at.x + 14, width - this.tip.offsetWidth - 4))}px`;
    this.tip.style.top = `${Math.max(0, Math.min(near[0].at.y + 14, height - this.tip.offsetHeight - 4))}px`;
  }

  /* Return a point of the plot's cube, from -1 to 1 along each of AXES, in px, with its distance from the eye. */
  project(n) {
    const { right, up, forward, scale, size } = this;
    const away = EYE + n[0] * forward[0] + n[1] * forward[1] + n[2] * forward[2];
    const pixels = (scale * EYE) / Math.max(away, 0.1);
    return {
      x: size.width / 2 + pixels * (n[0] * right[0] + n[1] * right[1]),
      y: size.height / 2 - pixels * (n[0] * up[0] + n[1] * up[1] + n[2] * up[2]),
      away, larger: pixels / this.scale,
    };
  }

  place(point) {
    return this.project(AXES.map(({ axis, sign }) => (sign * (point[axis] - this.center[axis])) / this.half));
  }

  prepare() {
    const ratio = window.devicePixelRatio || 1;
    const size = this.size;
    const [wide, high] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
    if (this.canvas.width !== wide || this.canvas.height !== high) Object.assign(this.canvas, { width: wide, height: high });
    const [a, e] = [this.view.azimuth * DEGREE, this.view.elevation * DEGREE];
    this.scale = FILL * Math.min(size.width, size.height) * this.view.zoom;
    this.right = [Math.cos(a), Math.sin(a), 0];
    this.forward = [-Math.cos(e) * Math.sin(a), Math.cos(e) * Math.cos(a), -Math.sin(e)];
    this.up = [-Math.sin(a) * Math.sin(e), Math.cos(a) * Math.sin(e), Math.cos(e)];
    // The option keeps the canvas in main memory. Without a graphics card this is a third faster, with one it hardly matters.
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, size.width, size.height);
    context.lineCap = "round";
    return context;
  }

  draw() {
    if (!this.size.width) return;
    const context = this.prepare();
    this.drawGrid(context);
    const strokes = this.bones.map((bone) => this.boneStroke(bone)).concat(this.joints.map((joint) => this.jointStroke(joint)));
    strokes.sort((one, other) => other.away - one.away);
    for (const stroke of strokes) stroke.draw(context);
    context.globalAlpha = 1;
    for (const letter of this.letters) {
      const at = this.place(letter.p);
      this.write(context, letter.text, at.x, at.y + 16, "700 15px system-ui, sans-serif", this.colors.ink);
    }
    this.drawings++;
  }

  boneStroke({ a, b, color, opacity }) {
    const [from, to] = [this.place(a), this.place(b)];
    return {
      away: (from.away + to.away) / 2,
      draw: (context) => {
        Object.assign(context, { globalAlpha: opacity, strokeStyle: color, lineWidth: 5 * this.widen(from) });
        context.beginPath();
        context.moveTo(from.x, from.y);
        context.lineTo(to.x, to.y);
        context.stroke();
      },
    };
  }

  jointStroke(joint) {
    const at = (joint.at = this.place(joint.p));
    const radius = 4.2 * this.widen(at);
    return {
      away: at.away - 0.02, // in front of the bones that end in it
      draw: (context) => {
        Object.assign(context, { globalAlpha: joint.opacity, fillStyle: joint.color });
        context.beginPath();
        if (joint.diamond) {
          const side = radius * 1.35;
          context.moveTo(at.x, at.y - side);
          context.lineTo(at.x + side, at.y);
          context.lineTo(at.x, at.y + side);
          context.lineTo(at.x - side, at.y);
        } else {
          context.arc(at.x, at.y, radius, 0, 2 * Math.PI);
        }
        context.fill();
      },
    };
  }

  /* Strokes grow with nearness, and a little with the zoom. */
  widen(at) {
    return at.larger * Math.sqrt(this.view.zoom);
  }

  write(context, text, x, y, font, color, angle = 0) {
    Object.assign(context, { font, fillStyle: color, textAlign: "center", textBaseline: "middle" });
    context.save();
    context.translate(x, y);
    context.rotate(angle);
    context.fillText(text, 0, 0);
    context.restore();
  }

  /* Ticks of an axis as {n: position in the cube, value: mm}, at round numbers. */
  ticks({ axis, sign }) {
    const rough = (2 * this.half) / 5;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((digit) => digit * power).find((each) => each >= rough);
    const made = [];
    for (let i = Math.ceil((this.center[axis] - this.half) / step); i * step <= this.center[axis] + this.half; i++) {
      made.push({ n: (sign * (i * step - this.center[axis])) / this.half, value: i * step });
    }
    return made;
  }

  /* The three faces of the cube behind the points, with grid lines, and the axes along its outline. */
  drawGrid(context) {
    const back = this.forward.map((part) => (part >= 0 ? 1 : -1));
    const ticks = AXES.map((axis) => this.ticks(axis));
    Object.assign(context, { globalAlpha: 1, strokeStyle: this.colors.grid, lineWidth: 1 });
    context.beginPath();
    for (const face of [0, 1, 2]) {
      for (const along of [0, 1, 2].filter((each) => each !== face)) {
        const across = 3 - face - along;
        for (const n of [-1, 1, ...ticks[along].map((tick) => tick.n)]) {
          const ends = [-1, 1].map((end) => {
            const point = [];
            [point[face], point[along], point[across]] = [back[face], n, end];
            return this.project(point);
          });
          context.moveTo(ends[0].x, ends[0].y);
          context.lineTo(ends[1].x, ends[1].y);
        }
      }
    }
    context.stroke();
    [0, 1, 2].forEach((axis) => this.labelAxis(context, axis, back, ticks[axis]));
  }

  /* Write the numbers of an axis along an edge between a face behind the points and one in front of them. */
  labelAxis(context, axis, back, ticks) {
    const [k, l] = [0, 1, 2].filter((each) => each !== axis);
    const at = (n, side) => {
      const point = [];
      [point[axis], point[k], point[l]] = [n, ...side];
      return this.project(point);
    };
    const outline = [[-1, -1], [-1, 1], [1, -1], [1, 1]].filter(([one, other]) => (one === back[k]) !== (other === back[l]));
    const [left, low] = [(side) => at(0, side).x, (side) => -at(0, side).y];
    const [edge] = outline.sort((a, b) => (axis === 2 ? left(a) - left(b) : low(a) - low(b)));
    const [from, to, middle] = [at(-1, edge), at(1, edge), at(0, edge)];
    if (Math.hypot(to.x - from.x, to.y - from.y) < 40) return; // seen from its end
    const outward = [middle.x - this.size.width / 2, middle.y - this.size.height / 2];
    const length = Math.hypot(...outward) || 1;
    const [dx, dy] = outward.map((part) => part / length);
    for (const { n, value } of ticks) {
      const spot = at(n, edge);
      this.write(context, `${value}`, spot.x + 14 * dx, spot.y + 11 * dy, "10px system-ui, sans-serif", this.colors.soft);
    }
    let angle = Math.atan2(to.y - from.y, to.x - from.x);
    if (Math.abs(angle) > Math.PI / 2) angle -= Math.sign(angle) * Math.PI;
    this.write(context, AXES[axis].title, middle.x + 36 * dx, middle.y + 30 * dy, "12px system-ui, sans-serif", this.colors.soft, angle);
  }

  /* Return the plot as a PNG with the page's background. */
  image() {
    const copy = Object.assign(document.createElement("canvas"), { width: this.canvas.width, height: this.canvas.height });
    const context = copy.getContext("2d");
    context.fillStyle = this.colors.plot;
    context.fillRect(0, 0, copy.width, copy.height);
    context.drawImage(this.canvas, 0, 0);
    return copy.toDataURL("image/png");
  }
}
