import { app as K } from "../../scripts/app.js";
import { api as Q } from "../../scripts/api.js";
const p = K, w = Q;
class S extends Error {
  constructor(t, n, s) {
    super(n), this.code = t, this.hint = s;
  }
  code;
  hint;
}
function Y(e, t) {
  p.registerExtension({ name: "SDGen", setup: e, nodeCreated: t });
}
function x(e) {
  return e.comfyClass ?? e.type ?? "";
}
const Z = 20;
function D(e, t, n) {
  const s = e.addDOMWidget("sdgen_panel", "sdgen_panel", t, {
    serialize: !1,
    hideOnZoom: !1,
    getValue: () => "",
    setValue: () => {
    },
    getMinHeight: () => n() + Z
  });
  s.serialize = !1, t.addEventListener("wheel", (i) => {
    t.scrollHeight > t.clientHeight + 1 && !i.ctrlKey ? i.stopPropagation() : (i.preventDefault(), p.canvas?.processMouseWheel?.(i));
  });
}
function k(e) {
  const t = e.flags?.collapsed ? 0 : e.computeSize()[1];
  e.size[1] < t && e.setSize([e.size[0], t]), e.setDirtyCanvas?.(!0, !0);
}
function ee(e) {
  return e.graph !== null && e.graph !== void 0;
}
function b(e, t) {
  const n = e.widgets?.find((s) => s.name === t)?.value;
  return typeof n == "string" ? n : typeof n == "number" ? String(n) : "";
}
function O(e, t) {
  const n = e.widgets?.find((s) => s.name === t);
  n && (n.hidden = !0, n.options && (n.options.hidden = !0));
}
function te(e, t, n) {
  const s = e.widgets?.find((i) => i.name === t);
  s && (s.value = n, s.callback?.(n), k(e));
}
function m(e, t) {
  const n = e.inputs?.findIndex((i) => i.name === t) ?? -1;
  if (n < 0) return null;
  let s = E(e, n);
  for (let i = 0; s && x(s) === "Reroute" && i < 50; i++) s = E(s, 0);
  return s;
}
function E(e, t) {
  try {
    return e.getInputNode(t);
  } catch {
    return null;
  }
}
function T(e) {
  const t = e.graph?.rootGraph ?? e.graph;
  return `${t?.id ?? ""}/${e.graph === t ? "" : e.graph?.id ?? ""}/${e.id}`;
}
function ne(e, t) {
  const n = e.onExecuted;
  e.onExecuted = function(s) {
    n?.call(e, s), t(s);
  };
}
function C(e, t) {
  const n = e.onRemoved;
  e.onRemoved = function() {
    n?.call(e), t();
  };
}
function M(e) {
  return G(e, { cache: "no-store" });
}
function P(e, t, n) {
  return G(e, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-SDGen": "1" },
    body: JSON.stringify(t),
    ...n && { signal: n }
  });
}
async function G(e, t) {
  const n = await w.fetchApi(e, t), s = await n.text();
  let i;
  try {
    i = JSON.parse(s);
  } catch {
    throw new S("server-error", `${n.status} ${n.statusText}`, "");
  }
  if (n.ok) return i;
  const { error: a, message: u, hint: d } = i;
  throw new S(a ?? "server-error", u ?? n.statusText, d ?? "");
}
function I(e, t) {
  w.addEventListener(e, (n) => {
    t(n.detail);
  });
}
function se(e, t) {
  const n = w.dispatchCustomEvent?.bind(w);
  n && (w.dispatchCustomEvent = (s, i) => s === e && t(i) ? !0 : n(s, i));
}
function ie(e) {
  const [t, n] = [p.handleFile?.bind(p), p.loadGraphData?.bind(p)];
  !t || !n || (p.handleFile = async (s, ...i) => {
    const a = await e(s);
    await (a ? n(a, !0, !0, s.name.replace(/\.\w+$/, "")) : t(s, ...i));
  });
}
function A(e, t, n) {
  p.extensionManager?.toast?.add({ severity: e, summary: t, detail: n, ...e !== "error" && { life: 8e3 } });
}
function l() {
  const e = p.extensionManager?.setting?.get("Comfy.Locale");
  return typeof e == "string" && e ? e : "en";
}
function r(e, t, ...n) {
  const s = document.createElement(e);
  s.className = t;
  for (const i of n) i != null && i !== !1 && s.append(i);
  return s;
}
function N(e, t) {
  const n = r("button", "sdgen-button", e);
  return n.setAttribute("type", "button"), n.addEventListener("pointerdown", (s) => {
    s.stopPropagation();
  }), n.addEventListener("click", (s) => {
    s.stopPropagation(), t();
  }), n;
}
class _ {
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
class q {
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
const z = {
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
}, re = {
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
}, oe = { en: z, fr: re };
function h(e) {
  return oe[e.split("-")[0] ?? ""] ?? z;
}
function o(e, t) {
  return e.toLocaleString(t, { maximumFractionDigits: 1 });
}
function ae(e, t) {
  if (e < 90) return t.seconds(Math.round(e));
  const n = Math.round(e / 60);
  return n < 90 ? t.minutes(n) : t.hours(Math.floor(n / 60), n % 60);
}
async function W(e, t) {
  return await P("/sdgen/templates/preview", e, t);
}
function de(e, t, n) {
  const s = [
    r(
      "div",
      "sdgen-head",
      r("b", "sdgen-name", e.name),
      r("span", "sdgen-dim", t.mode[e.mode] ?? e.mode)
    )
  ];
  if (e.placeholders.length && s.push(r("div", "sdgen-chips", ...e.placeholders.map((i) => ce(i, t)))), s.push(r("div", "sdgen-total", ...le(e, t))), e.removed.length && s.push(r("div", "sdgen-dim", t.removed(e.removed.join(", ")))), s.push(...e.warnings.map((i) => r("div", "sdgen-warning", i))), e.first.length) {
    const i = e.first.map((a, u) => {
      const d = r("div", "sdgen-prompt", r("span", "sdgen-dim", o(u + 1, n)), a.prompt);
      return d.title = a.negative ? `${a.prompt}

− ${a.negative}` : a.prompt, d;
    });
    s.push(r("div", "sdgen-prompts", ...i));
  }
  return s;
}
function ce(e, t) {
  const n = r(
    "span",
    e.weight === 0 ? "sdgen-chip sdgen-drawn" : "sdgen-chip",
    r("span", "", e.name),
    r("b", "", t.selected(e.selected, e.available)),
    e.weight === 0 && r("i", "", t.drawn)
  );
  return e.weight === 0 && (n.title = t.drawnTip), n;
}
function le(e, t) {
  const n = r("b", "sdgen-images", t.images(e.images));
  return [`${j(e, t)} → `, n];
}
function j(e, t) {
  const n = e.seeds ?? 1, s = Math.ceil(e.images / Math.max(n, 1)), i = s < e.combinations ? t.combinationsOf(s, e.combinations) : t.combinations(e.combinations);
  return e.seeds === null || e.seeds < 2 ? i : `${i} × ${t.seeds(e.seeds)}`;
}
function J(e, t) {
  return e instanceof S ? [
    r("div", "sdgen-error", r("div", "sdgen-message", e.message), e.hint && r("div", "", e.hint)),
    r("div", "sdgen-dim", e.code)
  ] : [r("div", "sdgen-error", t.noAnswer)];
}
const U = "sdgen.planners", ue = 100;
class pe {
  constructor(t) {
    this.texts = t;
  }
  texts;
  known = /* @__PURE__ */ new Map();
  listeners = /* @__PURE__ */ new Set();
  /** Begin to listen; sessions that run already are asked for, so that their end is noticed. */
  start() {
    I("sdgen.session", (n) => {
      this.receive(n);
    });
    const t = () => {
      this.list();
    };
    I("reconnected", t), t();
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
      const s = await M(`/sdgen/sessions/${encodeURIComponent(t)}`);
      return this.known.set(t, s), s;
    } catch {
      return;
    }
  }
  /** Pause, resume or retry a session. */
  async order(t, n) {
    try {
      this.receive(await P(`/sdgen/sessions/${encodeURIComponent(t.id)}/${n}`, {}));
    } catch (s) {
      A("error", t.name, s instanceof Error ? s.message : String(s));
    }
  }
  receive(t) {
    const n = this.known.get(t.id);
    this.known.set(t.id, t);
    const s = n?.state === "running" && t.state !== "running" ? he(t, this.texts()) : void 0;
    s && A(s.severity, s.summary, s.detail);
    for (const i of this.listeners) i(t);
  }
  async list() {
    try {
      const { sessions: t } = await M("/sdgen/sessions");
      for (const n of t) (n.state === "running" || this.known.has(n.id)) && this.receive(n);
    } catch {
    }
  }
}
function he(e, t) {
  const n = t.madeOf(e.done, e.planned);
  if (e.state === "completed") return { severity: "success", summary: t.completedToast(e.name), detail: n };
  const s = [e.reason, n].filter(Boolean).join(" · ");
  if (e.state === "failed") return { severity: "error", summary: t.failedToast(e.name), detail: s };
  if (e.state === "paused") return { severity: "warn", summary: t.pausedToast(e.name), detail: s };
}
function fe(e, t) {
  const n = B();
  n.delete(e), n.set(e, t);
  try {
    localStorage.setItem(U, JSON.stringify([...n].slice(-ue)));
  } catch {
  }
}
function ge(e) {
  return B().get(e);
}
function B() {
  try {
    const e = JSON.parse(localStorage.getItem(U) ?? "[]");
    return new Map(Array.isArray(e) ? e : []);
  } catch {
    return /* @__PURE__ */ new Map();
  }
}
const me = ["file", "text", "theme", "style", "mode", "limit"];
function F(e) {
  const t = me.find((s) => m(e, s) !== null);
  if (t) return { linked: t };
  const n = (s) => b(e, s);
  return {
    file: n("file"),
    text: n("text"),
    theme: n("theme"),
    style: n("style"),
    mode: n("mode"),
    limit: Number(b(e, "limit"))
  };
}
class we {
  constructor(t) {
    this.node = t, D(t, this.panel.root, () => this.panel.height()), this.latest = new q(
      W,
      (n) => {
        this.show(...de(n, h(l()), l()));
      },
      (n) => {
        this.show(...J(n, h(l())));
      }
    ), this.show(r("div", "sdgen-dim", h(l()).askingServer));
  }
  node;
  panel = new _("template", 60, 340);
  latest;
  /** Look whether the widgets say something else now. */
  tick() {
    const t = F(this.node);
    "linked" in t ? (this.latest.clear(), this.show(r("div", "sdgen-dim", h(l()).linkedInput(t.linked)))) : this.latest.update(t) && this.panel.root.classList.add("sdgen-stale");
  }
  /** Ask again, though the widgets say the same: a file may have changed. */
  refresh() {
    this.latest.clear();
  }
  show(...t) {
    this.panel.root.classList.remove("sdgen-stale"), this.panel.show(...t), k(this.node);
  }
}
const be = "SDGenTemplate", ve = "SDGenSeedSweep";
function L(e) {
  if (typeof e != "string" || !e.trim()) return null;
  try {
    const { index: t, session: n } = JSON.parse(e);
    return { index: typeof t == "number" ? String(t) : "?", session: typeof n == "string" ? n : "?" };
  } catch {
    return { index: "?", session: "?" };
  }
}
class H {
  constructor(t, n) {
    this.node = t, this.sessions = n, O(t, "item"), D(t, this.panel.root, () => this.panel.height()), this.latest = new q(
      W,
      (i) => {
        this.expect(ye(i, h(l())));
      },
      (i) => {
        this.expect(J(i, h(l())));
      }
    );
    const s = n.listen((i) => {
      i.id === this.wanted && (this.session = i, this.draw());
    });
    C(t, s), ne(t, (i) => {
      this.executed(i);
    }), this.draw();
  }
  node;
  sessions;
  panel = new _("plan", 44, 220);
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
    const t = b(this.node, "item");
    t !== this.item && (this.item = t, this.nameItem(L(t)));
    const n = this.plan();
    if ("question" in n) {
      this.latest.update(n.question) && this.panel.root.classList.add("sdgen-stale");
      return;
    }
    this.latest.clear();
    const s = h(l()), i = "say" in n ? s[n.say] : s.linkedInput(n.linked);
    this.expected[0]?.textContent !== i && this.expect([r("div", "sdgen-dim", i)]);
  }
  refresh() {
    this.latest.clear();
  }
  plan() {
    const t = m(this.node, "template");
    if (!t) return { say: "connectTemplate" };
    if (x(t) !== be) return { say: "otherSource" };
    const n = F(t);
    if ("linked" in n) return n;
    if (m(this.node, "count")) return { linked: "count" };
    const s = m(this.node, "sweep");
    if (s && (x(s) !== ve || m(s, "seeds"))) return { linked: "seeds" };
    const i = s ? b(s, "seeds") : "";
    return { question: { ...n, seeds: i, count: Number(b(this.node, "count")) } };
  }
  expect(t) {
    this.panel.root.classList.remove("sdgen-stale"), this.expected = t, this.draw();
  }
  /** Show the session that this planner started last; the node has its final id only after it was loaded. */
  restore() {
    const t = T(this.node);
    if (t === this.place) return;
    this.place = t;
    const n = ge(t);
    n && this.follow(n);
  }
  executed(t) {
    const [n] = Array.isArray(t.sdgen) ? t.sdgen : [];
    n?.id && (this.report = n, this.wanted = n.id, fe(T(this.node), n.id), this.sessions.receive(n));
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
    const t = h(l()), n = L(this.item);
    this.panel.show(
      ...n ? this.pinned(n, t) : this.expected,
      ...this.session && !n ? $e(this.session, t, l(), this.sessions) : [],
      ...this.report && !n ? xe(this.report, t) : []
    ), k(this.node);
  }
  pinned(t, n) {
    const s = this.itemSession?.name ?? t.session, i = () => {
      te(this.node, "item", "");
    };
    return [
      r("div", "sdgen-pinned", r("span", "", n.oneImage(t.index, s)), N(n.wholeSession, i))
    ];
  }
}
function ye(e, t) {
  return [
    r(
      "div",
      "sdgen-expect",
      r("b", "sdgen-images", t.ready(t.images(e.images))),
      r("span", "sdgen-dim", j(e, t))
    )
  ];
}
function xe(e, t) {
  const n = t.action[e.action];
  return [
    ...n ? [r("div", "sdgen-dim", n(e.added))] : [],
    ...e.warnings.map((s) => r("div", "sdgen-warning", s))
  ];
}
function $e(e, t, n, s) {
  const i = ($) => `${e.planned ? 100 * $ / e.planned : 0}%`, a = r("div", "sdgen-bar", r("div", "sdgen-done"), r("div", "sdgen-failed")), [u, d] = a.children;
  u.style.width = i(e.done), d.style.width = i(e.failed), a.setAttribute("role", "progressbar"), a.setAttribute("aria-valuemin", "0"), a.setAttribute("aria-valuemax", String(e.planned)), a.setAttribute("aria-valuenow", String(e.done));
  const c = ($, X) => N($, () => {
    s.order(e, X);
  }), v = r(
    "div",
    "sdgen-head",
    r("b", "sdgen-name", e.name),
    r("span", `sdgen-state sdgen-is-${e.state}`, t.state[e.state] ?? e.state),
    e.state === "running" && c(t.pause, "pause"),
    e.state === "paused" && e.left > 0 && c(t.resume, "resume"),
    e.state === "failed" && e.failed > 0 && c(t.retry, "retry")
  ), g = e.state !== "running" && e.state !== "failed" && e.reason;
  return [
    v,
    a,
    r("div", "sdgen-counts", Se(e, t, n)),
    ...g ? [r("div", "sdgen-warning", g)] : []
  ];
}
function Se(e, t, n) {
  return [
    t.progress(e.done, e.planned),
    e.failed > 0 && t.failed(e.failed),
    e.images_per_minute && t.rate(o(e.images_per_minute, n)),
    e.eta_seconds && t.left(ae(e.eta_seconds, t))
  ].filter(Boolean).join(" · ");
}
const R = [137, 80, 78, 71, 13, 10, 26, 10];
function ke(e) {
  const t = new Uint8Array(e), n = /* @__PURE__ */ new Map();
  if (R.some((i, a) => t[a] !== i)) return n;
  const s = new DataView(e);
  for (let i = R.length; i + 12 <= t.length; ) {
    const a = s.getUint32(i), u = y(t.subarray(i + 4, i + 8)), d = t.subarray(i + 8, i + 8 + a);
    if (d.length < a || u === "IEND") break;
    const c = d.indexOf(0);
    if (c > 0 && u === "tEXt") n.set(y(d.subarray(0, c)), y(d.subarray(c + 1)));
    else if (c > 0 && u === "iTXt" && d[c + 1] === 0) {
      const v = d.indexOf(0, c + 3), g = v < 0 ? -1 : d.indexOf(0, v + 1);
      g > 0 && n.set(y(d.subarray(0, c)), new TextDecoder().decode(d.subarray(g + 1)));
    }
    i += 12 + a;
  }
  return n;
}
async function Ee(e) {
  if (e.type !== "image/png") return null;
  const t = ke(await e.arrayBuffer()), n = t.get("workflow");
  if (n === void 0 || !t.has("sdgen")) return null;
  try {
    const s = JSON.parse(n);
    return typeof s == "object" ? s : null;
  } catch {
    return null;
  }
}
function y(e) {
  let t = "";
  for (let n = 0; n < e.length; n += 8192) t += String.fromCharCode(...e.subarray(n, n + 8192));
  return t;
}
const Te = ".sdgen-panel{box-sizing:border-box;overflow:hidden auto;border-radius:6px;background:var(--comfy-input-bg, #222);color:var(--input-text, #ddd);font:12px/1.45 Inter,Arial,sans-serif;text-align:left;scrollbar-width:thin}.sdgen-content{display:flex;flex-direction:column;gap:5px;padding:7px 9px}.sdgen-stale .sdgen-content{opacity:.55}.sdgen-dim{color:var(--descrip-text, #999)}.sdgen-head,.sdgen-expect,.sdgen-pinned{display:flex;align-items:center;gap:8px}.sdgen-expect{flex-wrap:wrap;gap:0 8px}.sdgen-name{flex:0 1 auto;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.sdgen-chips{display:flex;flex-wrap:wrap;gap:4px}.sdgen-chip{display:inline-flex;gap:5px;padding:0 7px;border:1px solid var(--border-color, #4e4e4e);border-radius:9px;white-space:nowrap}.sdgen-drawn{border-style:dashed}.sdgen-chip i{color:var(--descrip-text, #999)}.sdgen-prompts{display:flex;flex-direction:column;border-top:1px solid var(--border-color, #4e4e4e);padding-top:4px}.sdgen-prompt{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.sdgen-prompt .sdgen-dim{display:inline-block;min-width:14px}.sdgen-warning,.sdgen-error,.sdgen-pinned{border-left:3px solid #d9a520;padding:2px 0 2px 7px;overflow-wrap:anywhere}.sdgen-error{border-color:var(--error-text, #ff4444);background:color-mix(in srgb,var(--error-text, #ff4444) 14%,transparent)}.sdgen-error .sdgen-message{color:var(--error-text, #ff4444);font-weight:600;white-space:pre-wrap}.sdgen-pinned{flex-wrap:wrap;justify-content:space-between}.sdgen-button{flex:none;margin-left:auto;padding:0 8px;border:1px solid var(--border-color, #4e4e4e);border-radius:5px;background:var(--comfy-menu-bg, #353535);color:var(--input-text, #ddd);font:inherit;cursor:pointer}.sdgen-button:hover{filter:brightness(1.15)}.sdgen-state{flex:none;padding:0 7px;border-radius:9px;background:#5a5a5a;color:#fff;font-size:11px}.sdgen-is-running{background:#2468b4}.sdgen-is-completed{background:#2c7a3f}.sdgen-is-paused{background:#8a6410}.sdgen-is-failed{background:#a83232}.sdgen-bar{display:flex;height:6px;overflow:hidden;border-radius:3px;background:color-mix(in srgb,var(--input-text, #ddd) 18%,transparent)}.sdgen-bar .sdgen-done{background:#3fa05a;transition:width .2s linear}.sdgen-bar .sdgen-failed{background:#d04848}", Me = 150, V = new pe(() => h(l())), f = /* @__PURE__ */ new Map();
function Ie() {
  if (!document.hidden)
    for (const [e, t] of f) ee(e) && t.tick();
}
function Ae(e) {
  const t = x(e);
  if (t === "SDGenTemplate") f.set(e, new we(e));
  else if (t === "SDGenSessionPlan") f.set(e, new H(e, V));
  else {
    t === "SDGenSessionSave" && O(e, "item");
    return;
  }
  C(e, () => f.delete(e));
}
function Le() {
  const e = document.createElement("style");
  e.dataset.sdgen = "", e.textContent = Te, document.head.append(e), V.start(), ie(Ee), setInterval(Ie, Me), window.addEventListener("focus", () => {
    for (const t of f.values()) t.refresh();
  }), se("progress_text", (t) => {
    const n = t?.nodeId ?? "";
    return [...f].some(([s, i]) => i instanceof H && (n === String(s.id) || n.endsWith(`:${s.id}`)));
  });
}
Y(Le, Ae);
