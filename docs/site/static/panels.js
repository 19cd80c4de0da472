// Plays recorded panels: moves their controls, and shows picture and sentence of where they stand.
//
// A page holds a <figure data-panel="NAME"> (panel_page.py makes it). A script beside the pictures
// pushes the panel's index into `courseRecordings`; parts with the sentences come when they are
// needed, by <script> and not by requests for data, which pages opened from a disk may not use.
"use strict";
(() => {
  const early = window.courseRecordings || [];
  if (early.playing) return;
  const source = document.currentScript && document.currentScript.src;
  const folder = source ? new URL("panels/", source).href : "";
  const REST = 700; // milliseconds without a new sentence, before a screen reader gets it
  const KEPT = 160; // pictures that stay at hand
  const FILM = 5000; // milliseconds that a film lasts, about
  const indexes = new Map();
  const parts = new Map(); // by name: its rows, or what resolves to them
  const awaited = new Map(); // by name: what to call with the rows
  const pictures = new Map();
  const inline = {}; // by a file's name: its data, in a page that brings them along

  function receive(message) {
    if (message.files) Object.assign(inline, message.files);
    if (message.part) {
      parts.set(message.part, message.rows);
      if (awaited.has(message.part)) awaited.get(message.part)(message.rows);
    }
    if (message.panel) {
      indexes.set(message.panel, message);
      if (document.readyState !== "loading") start();
    }
  }

  function start() {
    for (const figure of document.querySelectorAll("figure[data-panel]:not([data-started])")) {
      const index = indexes.get(figure.dataset.panel);
      if (index) new Panel(figure, index);
    }
  }

  function part(name) {
    if (!parts.has(name)) {
      parts.set(name, new Promise((resolve, reject) => {
        awaited.set(name, resolve);
        const script = document.createElement("script");
        script.src = folder + name;
        script.onerror = () => { parts.delete(name); reject(new Error(name)); };
        document.head.append(script);
      }));
    }
    return parts.get(name);
  }

  // The decoded picture. The oldest ones are let go.
  function picture(name) {
    let found = pictures.get(name);
    pictures.delete(name);
    if (!found) {
      const image = new Image();
      image.src = inline[name] || folder + name;
      found = image.decode().then(() => image);
      found.catch(() => pictures.delete(name));
    }
    pictures.set(name, found);
    if (pictures.size > KEPT) pictures.delete(pictures.keys().next().value);
    return found;
  }

  class Panel {
    constructor(figure, index) {
      this.figure = figure;
      this.index = index;
      const size = index.dims.length;
      this.rows = index.codes.match(new RegExp(`.{${2 * size}}`, "g")).map((code) =>
        code.match(/../g).map((digits) => parseInt(digits, 36)));
      this.places = new Map(this.rows.map((row, at) => [row.join(), at]));
      this.frame = index.dims.findIndex((dim) => dim.film); // -1: no film
      this.at = index.start;
      this.opening = true; // nothing has been moved
      this.asked = this.drawn = 0;
      this.moved = -1;
      this.touched = index.dims.map(() => 0); // when each was moved, counted in moves
      this.run = 0;
      this.wire();
      this.find(".course-controls").disabled = false;
      figure.dataset.started = "yes";
      const hand = () => this.ahead();
      for (const sign of ["pointerenter", "focusin", "touchstart"]) {
        figure.addEventListener(sign, hand, { once: true, passive: true });
      }
      new ResizeObserver(() => this.scrolls()).observe(this.find(".course-picture"));
    }

    find(selector) { return this.figure.querySelector(selector); }

    wire() {
      this.index.dims.forEach((dim, d) => {
        const row = this.find(`[data-control="${dim.name}"]`);
        if (!row || dim.stops.length < 2) return;
        for (const input of row.querySelectorAll("input, select")) {
          input.addEventListener("input", () => {
            this.move(d, input.type === "checkbox" ? Number(input.checked) : Number(input.value));
          });
        }
        for (const button of row.querySelectorAll("button")) {
          button.addEventListener("click", () => this.move(d, Number(button.value)));
        }
      });
      for (const button of this.figure.querySelectorAll("button[data-do]")) {
        const [what, which] = button.dataset.do.split(" ");
        button.addEventListener("click", () => this[what](this.index.presets[which]));
      }
    }

    // What the buttons do.

    reset() {
      this.stop();
      this.opening = true;
      this.touched.fill(0);
      this.go(this.index.start);
    }

    preset(preset) {
      this.stop();
      this.opening = false;
      this.go(preset.at);
      if (preset.until !== undefined) this.play(preset.until);
    }

    toggle() {
      if (this.playing) { this.stop(); this.announce(); } else this.play(Infinity);
    }

    step() {
      this.stop();
      const film = this.film();
      const begun = this.opening ? 0 : film.indexOf(this.at);
      this.opening = false;
      if (begun + 1 < film.length) this.go(film[begun + 1]);
      else this.note("The recording of this run ends here.");
    }

    move(d, stop) {
      this.moved = d;
      if (d === this.frame) this.stop();
      this.opening = this.opening && d !== this.frame;
      const wanted = [...this.rows[this.at]];
      wanted[d] = stop;
      this.touched[d] = Math.max(...this.touched) + 1;
      const at = d === this.frame ? this.inFilm(stop) : this.nearest(wanted, d);
      const also = this.index.dims.filter((dim, other) =>
        other !== d && other !== this.frame && this.rows[at][other] !== wanted[other]);
      this.go(at);
      if (also.length) {
        const told = also.map((dim) =>
          `${dim.label} to ${dim.stops[this.rows[at][this.index.dims.indexOf(dim)]]}`);
        this.note(`This page holds some combinations, not all. Also changed: ${told.join(", ")}.`);
      }
    }

    // The picture of this film at this stop; where it has none, the next one on the way there.
    inFilm(stop) {
      const film = this.film();
      const on = (at) => this.rows[at][this.frame];
      if (stop > on(this.at)) return film.find((at) => on(at) >= stop) ?? film.at(-1);
      return film.filter((at) => on(at) <= stop).at(-1) ?? film[0];
    }

    price(d) { return this.touched[d] ? 10000 + 100 * this.touched[d] : 1000; }

    // The recorded row that is like `wanted`, and where dimension `held` stands as wanted. What the
    // reader moved changes after the rest, and what was moved last after all.
    nearest(wanted, held) {
      const exact = this.places.get(wanted.join());
      if (exact !== undefined) return exact;
      let best = this.at, least = Infinity;
      this.rows.forEach((row, at) => {
        let cost = 0;
        for (let d = 0; d < row.length && cost < least; d++) {
          const gap = Math.abs(row[d] - wanted[d]);
          if (gap && d === held) cost = Infinity;
          else if (gap) cost += d === this.frame ? gap / 1000 : this.price(d) + gap;
        }
        if (cost < least) [best, least] = [at, cost];
      });
      return best;
    }

    // Films: the rows that differ in the frame alone.

    film() {
      const same = this.rows[this.at];
      return this.rows.map((row, at) => at)
        .filter((at) => this.rows[at].every((stop, d) => d === this.frame || stop === same[d]))
        .sort((a, b) => this.rows[a][this.frame] - this.rows[b][this.frame]);
    }

    get playing() { return this.run % 2 === 1; }

    stop() {
      if (this.playing) this.run++;
      this.sync();
    }

    async play(until) {
      const film = this.film();
      if (this.opening || film.at(-1) === this.at) this.go(film[0]);
      this.opening = false;
      const run = ++this.run;
      this.sync();
      while (this.run === run) {
        const now = this.film(); // a control may have been moved since
        const next = now.indexOf(this.at) + 1;
        if (next >= now.length || this.rows[now[next]][this.frame] > until) break;
        now.slice(next, next + 8).forEach((at) => this.load(at).catch(() => {}));
        const pause = Math.min(300, Math.max(60, FILM / now.length));
        await new Promise((resolve) => setTimeout(resolve, pause));
        if (this.run === run) await this.go(now[next]);
      }
      if (this.run === run) { this.stop(); this.announce(); }
    }

    // Showing a row.

    async load(at) {
      const place = this.index.ends.findIndex((end) => at < end);
      const rows = await part(this.index.parts[place]);
      const [sentence, names] = rows[at - (this.index.ends[place - 1] || 0)];
      const layers = [this.index.opening, ...names.split(" ").filter(Boolean)];
      return [sentence, await Promise.all(layers.map(picture))];
    }

    async go(at) {
      const turn = ++this.asked;
      this.at = at;
      this.note("");
      this.sync();
      try {
        const [sentence, layers] = await this.load(at);
        if (turn < this.drawn) return; // a later one was quicker
        this.drawn = turn;
        this.paint(sentence, layers);
        this.find(".course-status").textContent = "";
      } catch (error) {
        this.find(".course-status").textContent =
          `This picture could not be loaded (${error.message}). Is the connection gone?`;
      }
      if (turn === this.asked && !this.playing) this.ahead();
    }

    paint(sentence, layers) {
      let canvas = this.find("canvas");
      if (!canvas) {
        canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = this.index.size;
        canvas.setAttribute("role", "img");
        this.find(".course-picture img").replaceWith(canvas);
      }
      const context = canvas.getContext("2d");
      for (const layer of layers) context.drawImage(layer, 0, 0);
      canvas.setAttribute("aria-label", sentence);
      this.find(".course-sentence").textContent = sentence;
      this.announce();
    }

    announce() {
      clearTimeout(this.resting);
      this.resting = setTimeout(() => {
        if (!this.playing) {
          this.find(".course-news").textContent = this.find(".course-sentence").textContent;
        }
      }, REST);
    }

    note(words) {
      const note = this.find(".course-note");
      note.textContent = words;
      note.hidden = !words;
    }

    // The controls show where the panel stands.
    sync() {
      this.index.dims.forEach((dim, d) => {
        const row = this.find(`[data-control="${dim.name}"]`);
        if (!row || dim.stops.length < 2) return;
        const stop = this.rows[this.at][d];
        for (const input of row.querySelectorAll("input, select")) {
          if (input.type === "checkbox") input.checked = Boolean(stop);
          else input.value = stop;
          if (input.type === "range") input.setAttribute("aria-valuetext", dim.stops[stop]);
        }
        for (const button of row.querySelectorAll("button")) {
          button.setAttribute("aria-pressed", Number(button.value) === stop);
        }
        const output = row.querySelector("output");
        if (output) output.textContent = dim.stops[stop];
      });
      const toggle = this.find("button[data-do=toggle]");
      if (toggle) toggle.textContent = this.playing ? "Pause" : "Train";
    }

    // A picture that is wider than its place takes the focus, for the keys to scroll it.
    scrolls() {
      const place = this.find(".course-picture");
      if (place.scrollWidth > place.clientWidth) place.tabIndex = 0;
      else place.removeAttribute("tabindex");
    }

    // Load what the next move would show, further in the direction of the last one.
    ahead() {
      const now = this.rows[this.at];
      this.index.dims.forEach((dim, d) => {
        for (let by = 1; by <= (d === this.moved ? 3 : 1); by++) {
          for (const stop of [now[d] + by, now[d] - by]) {
            if (stop < 0 || stop >= dim.stops.length) continue;
            const wanted = [...now];
            wanted[d] = stop;
            this.load(this.nearest(wanted, d)).catch(() => {});
          }
        }
      });
    }
  }

  window.courseRecordings = { push: receive, playing: true };
  for (const message of early) receive(message);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
