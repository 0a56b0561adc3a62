import { app as F } from "../../scripts/app.js";
import { api as K } from "../../scripts/api.js";
const f = F, x = K;
class v extends Error {
  constructor(t, n, s) {
    super(n), this.code = t, this.hint = s;
  }
  code;
  hint;
}
function V(e, t) {
  f.registerExtension({ name: "SDGen", setup: e, nodeCreated: t });
}
function g(e) {
  return e.comfyClass ?? e.type ?? "";
}
const Q = 20;
function L(e, t, n) {
  const s = e.addDOMWidget("sdgen_panel", "sdgen_panel", t, {
    serialize: !1,
    hideOnZoom: !1,
    getValue: () => "",
    setValue: () => {
    },
    getMinHeight: () => n() + Q
  });
  s.serialize = !1, t.addEventListener("wheel", (i) => {
    t.scrollHeight > t.clientHeight + 1 && !i.ctrlKey ? i.stopPropagation() : (i.preventDefault(), f.canvas?.processMouseWheel?.(i));
  });
}
function y(e) {
  const t = e.flags?.collapsed ? 0 : e.computeSize()[1];
  e.size[1] < t && e.setSize([e.size[0], t]), e.setDirtyCanvas?.(!0, !0);
}
function X(e) {
  return e.graph !== null && e.graph !== void 0;
}
function m(e, t) {
  const n = e.widgets?.find((s) => s.name === t)?.value;
  return typeof n == "string" ? n : typeof n == "number" ? String(n) : "";
}
function Y(e, t, n) {
  const s = e.widgets?.find((i) => i.name === t);
  s && (s.value = n, s.callback?.(n), y(e));
}
function h(e, t) {
  const n = e.inputs?.findIndex((i) => i.name === t) ?? -1;
  if (n < 0) return null;
  let s = S(e, n);
  for (let i = 0; s && g(s) === "Reroute" && i < 50; i++) s = S(s, 0);
  return s;
}
function S(e, t) {
  try {
    return e.getInputNode(t);
  } catch {
    return null;
  }
}
function k(e) {
  const t = e.graph?.rootGraph ?? e.graph;
  return `${t?.id ?? ""}/${e.graph === t ? "" : e.graph?.id ?? ""}/${e.id}`;
}
function Z(e, t) {
  const n = e.onExecuted;
  e.onExecuted = function(s) {
    n?.call(e, s), t(s);
  };
}
function A(e, t) {
  const n = e.onRemoved;
  e.onRemoved = function() {
    n?.call(e), t();
  };
}
function E(e) {
  return P(e, { cache: "no-store" });
}
function R(e, t, n) {
  return P(e, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-SDGen": "1" },
    body: JSON.stringify(t),
    ...n && { signal: n }
  });
}
async function P(e, t) {
  const n = await x.fetchApi(e, t), s = await n.text();
  let i;
  try {
    i = JSON.parse(s);
  } catch {
    throw new v("server-error", `${n.status} ${n.statusText}`, "");
  }
  if (n.ok) return i;
  const { error: a, message: p, hint: l } = i;
  throw new v(a ?? "server-error", p ?? n.statusText, l ?? "");
}
function T(e, t) {
  x.addEventListener(e, (n) => {
    t(n.detail);
  });
}
function ee(e, t) {
  const n = (s) => {
    t(s.detail) && s.stopImmediatePropagation();
  };
  x.addEventListener(e, n, { capture: !0 });
}
function M(e, t, n) {
  f.extensionManager?.toast?.add({ severity: e, summary: t, detail: n, ...e !== "error" && { life: 8e3 } });
}
function d() {
  const e = f.extensionManager?.setting?.get("Comfy.Locale");
  return typeof e == "string" && e ? e : "en";
}
function r(e, t, ...n) {
  const s = document.createElement(e);
  s.className = t;
  for (const i of n) i != null && i !== !1 && s.append(i);
  return s;
}
function O(e, t) {
  const n = r("button", "sdgen-button", e);
  return n.setAttribute("type", "button"), n.addEventListener("pointerdown", (s) => {
    s.stopPropagation();
  }), n.addEventListener("click", (s) => {
    s.stopPropagation(), t();
  }), n;
}
class D {
  constructor(t, n, s) {
    this.lowest = n, this.highest = s, this.root.classList.add(`sdgen-${t}`), this.root.append(this.content), this.measured = n;
  }
  lowest;
  highest;
  root = r("div", "sdgen-panel");
  content = r("div", "sdgen-content");
  measured;
  /** Show `children` instead of what is there. */
  show(...t) {
    this.content.replaceChildren(...t.filter((n) => !!n));
  }
  /** The height that the content needs, in the node's own pixels. */
  height() {
    const t = this.content.offsetHeight;
    return t > 0 && (this.measured = t), Math.min(Math.max(this.measured, this.lowest), this.highest);
  }
}
class C {
  constructor(t, n, s, i = 300) {
    this.ask = t, this.answered = n, this.failed = s, this.quietMs = i;
  }
  ask;
  answered;
  failed;
  quietMs;
  key = "";
  timer;
  running;
  /** The question as it is now. True when it differs from the last one and will be asked. */
  update(t) {
    const n = JSON.stringify(t);
    return n === this.key ? !1 : (this.key = n, this.stop(), this.timer = setTimeout(() => {
      this.run(t);
    }, this.quietMs), !0);
  }
  /** Forget the question: nothing more is answered until the next `update`. */
  clear() {
    this.key = "", this.stop();
  }
  stop() {
    clearTimeout(this.timer), this.running?.abort(), this.running = void 0;
  }
  async run(t) {
    const n = new AbortController();
    this.running = n;
    try {
      const s = await this.ask(t, n.signal);
      this.running === n && this.answered(s);
    } catch (s) {
      this.running === n && this.failed(s);
    }
  }
}
const G = {
  images: (e) => `${o(e, "en")} ${e === 1 ? "image" : "images"}`,
  combinations: (e) => `${o(e, "en")} ${e === 1 ? "combination" : "combinations"}`,
  combinationsOf: (e, t) => `${o(e, "en")} of ${o(t, "en")} combinations`,
  selected: (e, t) => e === t ? o(e, "en") : `${o(e, "en")} of ${o(t, "en")}`,
  drawn: "drawn",
  drawnTip: "Not combined with the others: one value is drawn for each image.",
  seeds: (e) => `${o(e, "en")} ${e === 1 ? "seed" : "seeds"}`,
  mode: { combinatorial: "combinatorial", random: "random" },
  first: "The first prompts",
  removed: (e) => `Removed by the theme: ${e}`,
  askingServer: "Reading the template …",
  noAnswer: "The server does not answer",
  linkedInput: (e) => `“${e}” comes from another node, so it is known only when it runs.`,
  connectTemplate: "Connect an SDGen Template to see what will be made.",
  otherSource: "The template comes from a node that cannot be read before it runs.",
  ready: (e) => `Run makes ${e}`,
  oneImage: (e, t) => `Set to one image: #${e} of session ${t}`,
  wholeSession: "Run the whole session again",
  progress: (e, t) => `${o(e, "en")} of ${o(t, "en")} images`,
  failed: (e) => `${o(e, "en")} failed`,
  rate: (e) => `${e} a minute`,
  left: (e) => `${e} left`,
  state: { running: "running", paused: "paused", completed: "completed", failed: "ended with errors", stopped: "stopped" },
  pause: "Pause",
  resume: "Resume",
  retry: "Retry failed",
  action: {
    extended: (e) => `${o(e, "en")} ${e === 1 ? "image" : "images"} added`,
    complete: () => "All of its images are there. For another session, set “on existing” to new."
  },
  completedToast: (e) => `Session ${e} is complete`,
  failedToast: (e) => `Session ${e} ended with errors`,
  pausedToast: (e) => `Session ${e} is paused`,
  madeOf: (e, t) => `${o(e, "en")} of ${o(t, "en")} images made`,
  seconds: (e) => `${e} s`,
  minutes: (e) => `${e} min`,
  hours: (e, t) => `${e} h ${t} min`
}, te = {
  images: (e) => `${o(e, "fr")} ${e < 2 ? "image" : "images"}`,
  combinations: (e) => `${o(e, "fr")} ${e < 2 ? "combinaison" : "combinaisons"}`,
  combinationsOf: (e, t) => `${o(e, "fr")} combinaisons sur ${o(t, "fr")}`,
  selected: (e, t) => e === t ? o(e, "fr") : `${o(e, "fr")} sur ${o(t, "fr")}`,
  drawn: "tirage",
  drawnTip: "Pas combiné avec les autres : une valeur est tirée pour chaque image.",
  seeds: (e) => `${o(e, "fr")} ${e < 2 ? "graine" : "graines"}`,
  mode: { combinatorial: "combinatoire", random: "aléatoire" },
  first: "Les premiers prompts",
  removed: (e) => `Retirés par le thème : ${e}`,
  askingServer: "Lecture du gabarit …",
  noAnswer: "Le serveur ne répond pas",
  linkedInput: (e) => `« ${e} » vient d’un autre nœud et n’est connu qu’à l’exécution.`,
  connectTemplate: "Reliez un Gabarit SDGen pour voir ce qui sera produit.",
  otherSource: "Le gabarit vient d’un nœud qui ne peut pas être lu avant l’exécution.",
  ready: (e) => `Exécuter produira ${e}`,
  oneImage: (e, t) => `Réglé sur une seule image : n° ${e} de la session ${t}`,
  wholeSession: "Relancer toute la session",
  progress: (e, t) => `${o(e, "fr")} images sur ${o(t, "fr")}`,
  failed: (e) => `${o(e, "fr")} ${e < 2 ? "échec" : "échecs"}`,
  rate: (e) => `${e} par minute`,
  left: (e) => `encore ${e}`,
  state: { running: "en cours", paused: "en pause", completed: "terminée", failed: "terminée avec des erreurs", stopped: "arrêtée" },
  pause: "Pause",
  resume: "Reprendre",
  retry: "Refaire les échecs",
  action: {
    extended: (e) => `${o(e, "fr")} ${e < 2 ? "image ajoutée" : "images ajoutées"}`,
    complete: () => "Toutes ses images sont là. Pour une autre session, réglez « si elle existe » sur new."
  },
  completedToast: (e) => `La session ${e} est terminée`,
  failedToast: (e) => `La session ${e} s’est terminée avec des erreurs`,
  pausedToast: (e) => `La session ${e} est en pause`,
  madeOf: (e, t) => `${o(e, "fr")} images produites sur ${o(t, "fr")}`,
  seconds: (e) => `${e} s`,
  minutes: (e) => `${e} min`,
  hours: (e, t) => `${e} h ${t} min`
}, ne = { en: G, fr: te };
function c(e) {
  return ne[e.split("-")[0] ?? ""] ?? G;
}
function o(e, t) {
  return e.toLocaleString(t, { maximumFractionDigits: 1 });
}
function se(e, t) {
  if (e < 90) return t.seconds(Math.round(e));
  const n = Math.round(e / 60);
  return n < 90 ? t.minutes(n) : t.hours(Math.floor(n / 60), n % 60);
}
async function N(e, t) {
  return await R("/sdgen/templates/preview", e, t);
}
function ie(e, t, n) {
  const s = [
    r(
      "div",
      "sdgen-head",
      r("b", "sdgen-name", e.name),
      r("span", "sdgen-dim", t.mode[e.mode] ?? e.mode)
    )
  ];
  if (e.placeholders.length && s.push(r("div", "sdgen-chips", ...e.placeholders.map((i) => re(i, t)))), s.push(r("div", "sdgen-total", ...oe(e, t))), e.removed.length && s.push(r("div", "sdgen-dim", t.removed(e.removed.join(", ")))), s.push(...e.warnings.map((i) => r("div", "sdgen-warning", i))), e.first.length) {
    const i = e.first.map((a, p) => {
      const l = r("div", "sdgen-prompt", r("span", "sdgen-dim", o(p + 1, n)), a.prompt);
      return l.title = a.negative ? `${a.prompt}

− ${a.negative}` : a.prompt, l;
    });
    s.push(r("div", "sdgen-prompts", ...i));
  }
  return s;
}
function re(e, t) {
  const n = r(
    "span",
    e.weight === 0 ? "sdgen-chip sdgen-drawn" : "sdgen-chip",
    r("span", "", e.name),
    r("b", "", t.selected(e.selected, e.available)),
    e.weight === 0 && r("i", "", t.drawn)
  );
  return e.weight === 0 && (n.title = t.drawnTip), n;
}
function oe(e, t) {
  const n = r("b", "sdgen-images", t.images(e.images));
  return [`${_(e, t)} → `, n];
}
function _(e, t) {
  const n = e.seeds ?? 1, s = Math.ceil(e.images / Math.max(n, 1)), i = s < e.combinations ? t.combinationsOf(s, e.combinations) : t.combinations(e.combinations);
  return e.seeds === null || e.seeds < 2 ? i : `${i} × ${t.seeds(e.seeds)}`;
}
function q(e, t) {
  return e instanceof v ? [
    r("div", "sdgen-error", r("div", "sdgen-message", e.message), e.hint && r("div", "", e.hint)),
    r("div", "sdgen-dim", e.code)
  ] : [r("div", "sdgen-error", t.noAnswer)];
}
const z = "sdgen.planners", ae = 100;
class de {
  constructor(t) {
    this.texts = t;
  }
  texts;
  known = /* @__PURE__ */ new Map();
  listeners = /* @__PURE__ */ new Set();
  /** Begin to listen; sessions that run already are asked for, so that their end is noticed. */
  start() {
    T("sdgen.session", (n) => {
      this.receive(n);
    });
    const t = () => {
      this.list();
    };
    T("reconnected", t), t();
  }
  /** Call `listener` with each session that changed; gives the function that stops it. */
  listen(t) {
    return this.listeners.add(t), () => this.listeners.delete(t);
  }
  /** A session by its id; undefined when the server does not know it (any more). */
  async session(t) {
    const n = this.known.get(t);
    if (n) return n;
    try {
      const s = await E(`/sdgen/sessions/${encodeURIComponent(t)}`);
      return this.known.set(t, s), s;
    } catch {
      return;
    }
  }
  /** Pause, resume or retry a session. */
  async order(t, n) {
    try {
      this.receive(await R(`/sdgen/sessions/${encodeURIComponent(t.id)}/${n}`, {}));
    } catch (s) {
      M("error", t.name, s instanceof Error ? s.message : String(s));
    }
  }
  receive(t) {
    const n = this.known.get(t.id);
    this.known.set(t.id, t);
    const s = n?.state === "running" && t.state !== "running" ? ce(t, this.texts()) : void 0;
    s && M(s.severity, s.summary, s.detail);
    for (const i of this.listeners) i(t);
  }
  async list() {
    try {
      const { sessions: t } = await E("/sdgen/sessions");
      for (const n of t) (n.state === "running" || this.known.has(n.id)) && this.receive(n);
    } catch {
    }
  }
}
function ce(e, t) {
  const n = t.madeOf(e.done, e.planned);
  if (e.state === "completed") return { severity: "success", summary: t.completedToast(e.name), detail: n };
  const s = [e.reason, n].filter(Boolean).join(" · ");
  if (e.state === "failed") return { severity: "error", summary: t.failedToast(e.name), detail: s };
  if (e.state === "paused") return { severity: "warn", summary: t.pausedToast(e.name), detail: s };
}
function le(e, t) {
  const n = j();
  n.delete(e), n.set(e, t);
  try {
    localStorage.setItem(z, JSON.stringify([...n].slice(-ae)));
  } catch {
  }
}
function ue(e) {
  return j().get(e);
}
function j() {
  try {
    const e = JSON.parse(localStorage.getItem(z) ?? "[]");
    return new Map(Array.isArray(e) ? e : []);
  } catch {
    return /* @__PURE__ */ new Map();
  }
}
const pe = ["file", "text", "theme", "style", "mode", "limit"];
function J(e) {
  const t = pe.find((s) => h(e, s) !== null);
  if (t) return { linked: t };
  const n = (s) => m(e, s);
  return {
    file: n("file"),
    text: n("text"),
    theme: n("theme"),
    style: n("style"),
    mode: n("mode"),
    limit: Number(m(e, "limit"))
  };
}
class he {
  constructor(t) {
    this.node = t, L(t, this.panel.root, () => this.panel.height()), this.latest = new C(
      N,
      (n) => {
        this.show(...ie(n, c(d()), d()));
      },
      (n) => {
        this.show(...q(n, c(d())));
      }
    ), this.show(r("div", "sdgen-dim", c(d()).askingServer));
  }
  node;
  panel = new D("template", 60, 340);
  latest;
  /** Look whether the widgets say something else now. */
  tick() {
    const t = J(this.node);
    "linked" in t ? (this.latest.clear(), this.show(r("div", "sdgen-dim", c(d()).linkedInput(t.linked)))) : this.latest.update(t) && this.panel.root.classList.add("sdgen-stale");
  }
  /** Ask again, though the widgets say the same: a file may have changed. */
  refresh() {
    this.latest.clear();
  }
  show(...t) {
    this.panel.root.classList.remove("sdgen-stale"), this.panel.show(...t), y(this.node);
  }
}
const me = "SDGenTemplate", ge = "SDGenSeedSweep";
function I(e) {
  if (typeof e != "string" || !e.trim()) return null;
  try {
    const { index: t, session: n } = JSON.parse(e);
    return { index: typeof t == "number" ? String(t) : "?", session: typeof n == "string" ? n : "?" };
  } catch {
    return { index: "?", session: "?" };
  }
}
class W {
  constructor(t, n) {
    this.node = t, this.sessions = n, L(t, this.panel.root, () => this.panel.height()), this.latest = new C(
      N,
      (i) => {
        this.expect(fe(i, c(d())));
      },
      (i) => {
        this.expect(q(i, c(d())));
      }
    );
    const s = n.listen((i) => {
      i.id === this.wanted && (this.session = i, this.draw());
    });
    A(t, s), Z(t, (i) => {
      this.executed(i);
    }), this.draw();
  }
  node;
  sessions;
  panel = new D("plan", 44, 220);
  latest;
  expected = [];
  session;
  report;
  wanted;
  item = "";
  itemSession;
  place = "";
  /** Look whether the node, or what feeds it, says something else now. */
  tick() {
    this.restore();
    const t = m(this.node, "item");
    t !== this.item && (this.item = t, this.nameItem(I(t)));
    const n = this.plan();
    if ("question" in n) {
      this.latest.update(n.question) && this.panel.root.classList.add("sdgen-stale");
      return;
    }
    this.latest.clear();
    const s = c(d()), i = "say" in n ? s[n.say] : s.linkedInput(n.linked);
    this.expected[0]?.textContent !== i && this.expect([r("div", "sdgen-dim", i)]);
  }
  refresh() {
    this.latest.clear();
  }
  plan() {
    const t = h(this.node, "template");
    if (!t) return { say: "connectTemplate" };
    if (g(t) !== me) return { say: "otherSource" };
    const n = J(t);
    if ("linked" in n) return n;
    if (h(this.node, "count")) return { linked: "count" };
    const s = h(this.node, "sweep");
    if (s && (g(s) !== ge || h(s, "seeds"))) return { linked: "seeds" };
    const i = s ? m(s, "seeds") : "";
    return { question: { ...n, seeds: i, count: Number(m(this.node, "count")) } };
  }
  expect(t) {
    this.panel.root.classList.remove("sdgen-stale"), this.expected = t, this.draw();
  }
  /** Show the session that this planner started last; the node has its final id only after it was loaded. */
  restore() {
    const t = k(this.node);
    if (t === this.place) return;
    this.place = t;
    const n = ue(t);
    n && this.follow(n);
  }
  executed(t) {
    const [n] = Array.isArray(t.sdgen) ? t.sdgen : [];
    n?.id && (this.report = n, this.wanted = n.id, le(k(this.node), n.id), this.sessions.receive(n));
  }
  async follow(t) {
    this.wanted = t;
    const n = await this.sessions.session(t);
    n && this.wanted === t && (this.session = n, this.draw());
  }
  async nameItem(t) {
    this.itemSession = void 0, this.draw(), t && t.session !== "?" && (this.itemSession = await this.sessions.session(t.session), this.draw());
  }
  draw() {
    const t = c(d()), n = I(this.item);
    this.panel.show(
      ...n ? this.pinned(n, t) : this.expected,
      ...this.session && !n ? be(this.session, t, d(), this.sessions) : [],
      ...this.report && !n ? we(this.report, t) : []
    ), y(this.node);
  }
  pinned(t, n) {
    const s = this.itemSession?.name ?? t.session, i = () => {
      Y(this.node, "item", "");
    };
    return [
      r("div", "sdgen-pinned", r("span", "", n.oneImage(t.index, s)), O(n.wholeSession, i))
    ];
  }
}
function fe(e, t) {
  return [
    r(
      "div",
      "sdgen-expect",
      r("b", "sdgen-images", t.ready(t.images(e.images))),
      r("span", "sdgen-dim", _(e, t))
    )
  ];
}
function we(e, t) {
  const n = t.action[e.action];
  return [
    ...n ? [r("div", "sdgen-dim", n(e.added))] : [],
    ...e.warnings.map((s) => r("div", "sdgen-warning", s))
  ];
}
function be(e, t, n, s) {
  const i = (b) => `${e.planned ? 100 * b / e.planned : 0}%`, a = r("div", "sdgen-bar", r("div", "sdgen-done"), r("div", "sdgen-failed")), [p, l] = a.children;
  p.style.width = i(e.done), l.style.width = i(e.failed), a.setAttribute("role", "progressbar"), a.setAttribute("aria-valuemin", "0"), a.setAttribute("aria-valuemax", String(e.planned)), a.setAttribute("aria-valuenow", String(e.done));
  const w = (b, U) => O(b, () => {
    s.order(e, U);
  }), H = r(
    "div",
    "sdgen-head",
    r("b", "sdgen-name", e.name),
    r("span", `sdgen-state sdgen-is-${e.state}`, t.state[e.state] ?? e.state),
    e.state === "running" && w(t.pause, "pause"),
    e.state === "paused" && e.left > 0 && w(t.resume, "resume"),
    e.state === "failed" && e.failed > 0 && w(t.retry, "retry")
  ), $ = e.state !== "running" && e.state !== "failed" && e.reason;
  return [
    H,
    a,
    r("div", "sdgen-counts", ve(e, t, n)),
    ...$ ? [r("div", "sdgen-warning", $)] : []
  ];
}
function ve(e, t, n) {
  return [
    t.progress(e.done, e.planned),
    e.failed > 0 && t.failed(e.failed),
    e.images_per_minute && t.rate(o(e.images_per_minute, n)),
    e.eta_seconds && t.left(se(e.eta_seconds, t))
  ].filter(Boolean).join(" · ");
}
const xe = ".sdgen-panel{box-sizing:border-box;overflow:hidden auto;border-radius:6px;background:var(--comfy-input-bg, #222);color:var(--input-text, #ddd);font:12px/1.45 Inter,Arial,sans-serif;text-align:left;scrollbar-width:thin}.sdgen-content{display:flex;flex-direction:column;gap:5px;padding:7px 9px}.sdgen-stale .sdgen-content{opacity:.55}.sdgen-dim{color:var(--descrip-text, #999)}.sdgen-head,.sdgen-expect,.sdgen-pinned{display:flex;align-items:center;gap:8px}.sdgen-expect{flex-wrap:wrap;gap:0 8px}.sdgen-name{flex:0 1 auto;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.sdgen-chips{display:flex;flex-wrap:wrap;gap:4px}.sdgen-chip{display:inline-flex;gap:5px;padding:0 7px;border:1px solid var(--border-color, #4e4e4e);border-radius:9px;white-space:nowrap}.sdgen-drawn{border-style:dashed}.sdgen-chip i{color:var(--descrip-text, #999)}.sdgen-prompts{display:flex;flex-direction:column;border-top:1px solid var(--border-color, #4e4e4e);padding-top:4px}.sdgen-prompt{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.sdgen-prompt .sdgen-dim{display:inline-block;min-width:14px}.sdgen-warning,.sdgen-error,.sdgen-pinned{border-left:3px solid #d9a520;padding:2px 0 2px 7px;overflow-wrap:anywhere}.sdgen-error{border-color:var(--error-text, #ff4444);background:color-mix(in srgb,var(--error-text, #ff4444) 14%,transparent)}.sdgen-error .sdgen-message{color:var(--error-text, #ff4444);font-weight:600;white-space:pre-wrap}.sdgen-pinned{flex-wrap:wrap;justify-content:space-between}.sdgen-button{flex:none;margin-left:auto;padding:0 8px;border:1px solid var(--border-color, #4e4e4e);border-radius:5px;background:var(--comfy-menu-bg, #353535);color:var(--input-text, #ddd);font:inherit;cursor:pointer}.sdgen-button:hover{filter:brightness(1.15)}.sdgen-state{flex:none;padding:0 7px;border-radius:9px;background:#5a5a5a;color:#fff;font-size:11px}.sdgen-is-running{background:#2468b4}.sdgen-is-completed{background:#2c7a3f}.sdgen-is-paused{background:#8a6410}.sdgen-is-failed{background:#a83232}.sdgen-bar{display:flex;height:6px;overflow:hidden;border-radius:3px;background:color-mix(in srgb,var(--input-text, #ddd) 18%,transparent)}.sdgen-bar .sdgen-done{background:#3fa05a;transition:width .2s linear}.sdgen-bar .sdgen-failed{background:#d04848}", ye = 150, B = new de(() => c(d())), u = /* @__PURE__ */ new Map();
function $e() {
  if (!document.hidden)
    for (const [e, t] of u) X(e) && t.tick();
}
function Se(e) {
  const t = g(e);
  if (t === "SDGenTemplate") u.set(e, new he(e));
  else if (t === "SDGenSessionPlan") u.set(e, new W(e, B));
  else return;
  A(e, () => u.delete(e));
}
function ke() {
  const e = document.createElement("style");
  e.dataset.sdgen = "", e.textContent = xe, document.head.append(e), B.start(), setInterval($e, ye), window.addEventListener("focus", () => {
    for (const t of u.values()) t.refresh();
  }), ee("progress_text", (t) => {
    const n = t?.nodeId ?? "";
    return [...u].some(([s, i]) => i instanceof W && (n === String(s.id) || n.endsWith(`:${s.id}`)));
  });
}
V(ke, Se);
