import { app as $e } from "../../scripts/app.js";
import { api as Se } from "../../scripts/api.js";
const v = $e, A = Se;
class k extends Error {
  constructor(t, n, s, i = []) {
    super(n), this.code = t, this.hint = s, this.errors = i;
  }
  code;
  hint;
  errors;
  static from({ error: t, message: n, hint: s, errors: i }, r) {
    const o = (i ?? []).map((d) => k.from(d, r));
    return new k(t ?? "server-error", n ?? r, s ?? "", o);
  }
}
function Te(e, t, n) {
  v.registerExtension({ name: "SDGen", setup: e, nodeCreated: t, refreshComboInNodes: n });
}
function M(e) {
  return e.comfyClass ?? e.type ?? "";
}
const Ee = 20;
function se(e, t, n) {
  const s = e.addDOMWidget("sdgen_panel", "sdgen_panel", t, {
    serialize: !1,
    hideOnZoom: !1,
    getValue: () => "",
    setValue: () => {
    },
    getMinHeight: () => n() + Ee
  });
  s.serialize = !1, t.addEventListener("wheel", (i) => {
    t.scrollHeight > t.clientHeight + 1 && !i.ctrlKey ? i.stopPropagation() : (i.preventDefault(), v.canvas?.processMouseWheel?.(i));
  });
}
function ie(e, t) {
  t.isConnected || e.graph !== v.canvas?.graph || document.querySelector(`[data-node-id="${e.id}"] .sdgen-panel`)?.replaceWith(t);
}
function R(e) {
  const t = e.flags?.collapsed ? 0 : e.computeSize()[1];
  e.size[1] < t && e.setSize([e.size[0], t]), e.setDirtyCanvas?.(!0, !0);
}
function j(e) {
  return e.graph !== null && e.graph !== void 0;
}
function $(e, t) {
  const n = e.widgets?.find((s) => s.name === t)?.value;
  return typeof n == "string" ? n : typeof n == "number" ? String(n) : "";
}
function oe(e, t) {
  const n = e.widgets?.find((s) => s.name === t);
  n && (n.hidden = !0, n.options && (n.options.hidden = !0));
}
function O(e, t, n) {
  const s = e.widgets?.find((r) => r.name === t);
  if (!s) return;
  s.value = n, s.callback?.(n), R(e);
  const i = v.extensionManager?.workflow?.activeWorkflow?.changeTracker;
  i?.captureCanvasState ? i.captureCanvasState() : i?.checkState?.();
}
function Ae(e, t, n) {
  const s = e.widgets?.find((i) => i.name === t);
  s?.options && (s.options.values = n);
}
function z(e, t, n) {
  t.classList.toggle("sdgen-wrong", n), e.strokeStyles && (e.strokeStyles.sdgen = () => n ? { color: "#e0443e", lineWidth: 3, padding: 8 } : void 0), e.setDirtyCanvas?.(!0, !0);
}
function E(e, t) {
  const n = e.inputs?.findIndex((i) => i.name === t) ?? -1;
  if (n < 0) return null;
  let s = H(e, n);
  for (let i = 0; s && M(s) === "Reroute" && i < 50; i++) s = H(s, 0);
  return s;
}
function H(e, t) {
  try {
    return e.getInputNode(t);
  } catch {
    return null;
  }
}
function J(e) {
  const t = e.graph?.rootGraph ?? e.graph;
  return `${t?.id ?? ""}/${e.graph === t ? "" : e.graph?.id ?? ""}/${e.id}`;
}
function Le(e, t) {
  const n = e.onExecuted;
  e.onExecuted = function(s) {
    n?.call(e, s), t(s);
  };
}
function re(e, t) {
  const n = e.onRemoved;
  e.onRemoved = function() {
    n?.call(e), t();
  };
}
function V(e) {
  return ae(e, { cache: "no-store" });
}
function _(e, t, n) {
  return ae(e, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-SDGen": "1" },
    body: JSON.stringify(t),
    ...n && { signal: n }
  });
}
async function ae(e, t) {
  const n = await A.fetchApi(e, t), s = await n.text();
  let i;
  try {
    i = JSON.parse(s);
  } catch {
    throw new k("server-error", `${n.status} ${n.statusText}`, "");
  }
  if (n.ok) return i;
  throw k.from(i, n.statusText);
}
function q(e, t) {
  A.addEventListener(e, (n) => {
    t(n.detail);
  });
}
function Me(e, t) {
  const n = A.dispatchCustomEvent?.bind(A);
  n && (A.dispatchCustomEvent = (s, i) => s === e && t(i) ? !0 : n(s, i));
}
function Ce(e) {
  const [t, n] = [v.handleFile?.bind(v), v.loadGraphData?.bind(v)];
  !t || !n || (v.handleFile = async (s, ...i) => {
    const r = await e(s);
    await (r ? n(r, !0, !0, s.name.replace(/\.\w+$/, "")) : t(s, ...i));
  });
}
function W(e, t, n) {
  v.extensionManager?.toast?.add({ severity: e, summary: t, detail: n, ...e !== "error" && { life: 8e3 } });
}
function f() {
  const e = v.extensionManager?.setting?.get("Comfy.Locale");
  return typeof e == "string" && e ? e : "en";
}
const Ie = "(the text below)", Ne = 9;
class Oe {
  /** `changed` is called when a template file is new, gone, or not what it was. */
  constructor(t) {
    this.changed = t;
  }
  changed;
  /** What the node's list offers; undefined until the server has answered. */
  files;
  version = "";
  rest = 0;
  /** Look at the folders; `always` tells of a change in any case. */
  async look(t = !1) {
    if (!(!t && this.rest-- > 0)) {
      this.rest = 0;
      try {
        const n = `/sdgen/templates?since=${encodeURIComponent(this.version)}`, { version: s, templates: i } = await V(n);
        this.version = s, i && (this.files = [Ie, ...i]), (i || t) && this.changed();
      } catch {
        this.rest = Ne;
      }
    }
  }
}
function a(e, t, ...n) {
  const s = document.createElement(e);
  s.className = t;
  for (const i of n) i != null && i !== !1 && s.append(i);
  return s;
}
function w(e, t) {
  const n = a("button", "sdgen-button", e);
  return n.setAttribute("type", "button"), n.addEventListener("pointerdown", (s) => {
    s.stopPropagation();
  }), n.addEventListener("click", (s) => {
    s.stopPropagation(), t();
  }), n;
}
class de {
  constructor(t, n, s) {
    this.lowest = n, this.highest = s, this.root.classList.add(`sdgen-${t}`), this.root.append(this.content), this.measured = n;
  }
  lowest;
  highest;
  root = a("div", "sdgen-panel");
  content = a("div", "sdgen-content");
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
class B {
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
const le = {
  images: (e) => `${c(e, "en")} ${e === 1 ? "image" : "images"}`,
  combinations: (e) => `${c(e, "en")} ${e === 1 ? "combination" : "combinations"}`,
  combinationsOf: (e, t) => `${c(e, "en")} of ${c(t, "en")} combinations`,
  selected: (e, t) => e === t ? c(e, "en") : `${c(e, "en")} of ${c(t, "en")}`,
  drawn: "drawn",
  drawnTip: "Not combined with the others: one value is drawn for each image.",
  drawnFrom: (e, t) => `${c(e, "en")} drawn from ${c(t, "en")}`,
  leftOut: "left out",
  values: "Values …",
  valuesTip: "Choose the values of each placeholder",
  valuesOf: (e) => `Values of ${e}`,
  searchValues: "Search keys and texts",
  all: "All",
  none: "None",
  allShown: (e) => `All ${c(e, "en")} found`,
  noneShown: (e) => `None of ${c(e, "en")} found`,
  invert: "Invert",
  asTemplate: "As in the template",
  drawSome: "Draw at random",
  drawSomeTip: "Draws so many of the chosen values for the session, the same ones each time it runs with the same seed.",
  nothingFound: "No value matches.",
  notThere: (e, t) => `${e}: the template has no ${t}.`,
  notRead: (e) => `“${e}” cannot be read and will be dropped.`,
  leftOutNote: (e) => `Without a value, ${e} is left out of the prompt.`,
  noPlaceholders: "This template has no placeholders.",
  apply: "Apply",
  cancel: "Cancel",
  remove: "Remove",
  theme: "Theme …",
  themeTip: "Choose a theme and a style",
  themesOf: (e) => `Themes of ${e}`,
  searchThemes: "Search themes, styles and tags",
  noTheme: "No theme",
  defaultStyle: "default style",
  noThemes: "This template has no themes.",
  readAgain: "Read the template folders again",
  problems: (e) => `${c(e, "en")} problems`,
  seeds: (e) => `${c(e, "en")} ${e === 1 ? "seed" : "seeds"}`,
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
  progress: (e, t) => `${c(e, "en")} of ${c(t, "en")} images`,
  failed: (e) => `${c(e, "en")} failed`,
  rate: (e) => `${e} a minute`,
  left: (e) => `${e} left`,
  state: { planned: "waits in line", running: "running", paused: "paused", completed: "completed", failed: "ended with errors", stopped: "stopped" },
  pause: "Pause",
  resume: "Resume",
  retry: "Retry failed",
  stop: "Stop",
  modelLoads: (e) => `${c(e, "en")} model loads`,
  takesAbout: (e, t) => `about ${e}, as session ${t} went`,
  action: {
    extended: (e) => `${c(e, "en")} ${e === 1 ? "image" : "images"} added`,
    complete: () => "All of its images are there. For another session, set “on existing” to new."
  },
  completedToast: (e) => `Session ${e} is complete`,
  failedToast: (e) => `Session ${e} ended with errors`,
  pausedToast: (e) => `Session ${e} is paused`,
  madeOf: (e, t) => `${c(e, "en")} of ${c(t, "en")} images made`,
  seconds: (e) => `${e} s`,
  minutes: (e) => `${e} min`,
  hours: (e, t) => `${e} h ${t} min`
}, De = {
  images: (e) => `${c(e, "fr")} ${e < 2 ? "image" : "images"}`,
  combinations: (e) => `${c(e, "fr")} ${e < 2 ? "combinaison" : "combinaisons"}`,
  combinationsOf: (e, t) => `${c(e, "fr")} combinaisons sur ${c(t, "fr")}`,
  selected: (e, t) => e === t ? c(e, "fr") : `${c(e, "fr")} sur ${c(t, "fr")}`,
  drawn: "tirage",
  drawnTip: "Pas combiné avec les autres : une valeur est tirée pour chaque image.",
  drawnFrom: (e, t) => `${c(e, "fr")} tirées de ${c(t, "fr")}`,
  leftOut: "omise",
  values: "Valeurs …",
  valuesTip: "Choisir les valeurs de chaque variable",
  valuesOf: (e) => `Valeurs de ${e}`,
  searchValues: "Chercher dans les clés et les textes",
  all: "Toutes",
  none: "Aucune",
  allShown: (e) => `Les ${c(e, "fr")} trouvées`,
  noneShown: (e) => `Aucune des ${c(e, "fr")} trouvées`,
  invert: "Inverser",
  asTemplate: "Comme dans le gabarit",
  drawSome: "Tirer au hasard",
  drawSomeTip: "Tire ce nombre de valeurs parmi celles choisies pour la session, les mêmes à chaque exécution avec la même graine.",
  nothingFound: "Aucune valeur ne correspond.",
  notThere: (e, t) => `${e} : le gabarit n’a pas ${t}.`,
  notRead: (e) => `« ${e} » est illisible et sera abandonné.`,
  leftOutNote: (e) => `Sans valeur, ${e} est omise du prompt.`,
  noPlaceholders: "Ce gabarit n’a pas de variables.",
  apply: "Appliquer",
  cancel: "Annuler",
  remove: "Retirer",
  theme: "Thème …",
  themeTip: "Choisir un thème et un style",
  themesOf: (e) => `Thèmes de ${e}`,
  searchThemes: "Chercher un thème, un style ou une étiquette",
  noTheme: "Aucun thème",
  defaultStyle: "style par défaut",
  noThemes: "Ce gabarit n’a pas de thèmes.",
  readAgain: "Relire les dossiers de gabarits",
  problems: (e) => `${c(e, "fr")} problèmes`,
  seeds: (e) => `${c(e, "fr")} ${e < 2 ? "graine" : "graines"}`,
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
  progress: (e, t) => `${c(e, "fr")} images sur ${c(t, "fr")}`,
  failed: (e) => `${c(e, "fr")} ${e < 2 ? "échec" : "échecs"}`,
  rate: (e) => `${e} par minute`,
  left: (e) => `encore ${e}`,
  state: { planned: "en attente", running: "en cours", paused: "en pause", completed: "terminée", failed: "terminée avec des erreurs", stopped: "arrêtée" },
  pause: "Pause",
  resume: "Reprendre",
  retry: "Refaire les échecs",
  stop: "Arrêter",
  modelLoads: (e) => `${c(e, "fr")} chargements de modèles`,
  takesAbout: (e, t) => `environ ${e}, d’après la session ${t}`,
  action: {
    extended: (e) => `${c(e, "fr")} ${e < 2 ? "image ajoutée" : "images ajoutées"}`,
    complete: () => "Toutes ses images sont là. Pour une autre session, réglez « si elle existe » sur new."
  },
  completedToast: (e) => `La session ${e} est terminée`,
  failedToast: (e) => `La session ${e} s’est terminée avec des erreurs`,
  pausedToast: (e) => `La session ${e} est en pause`,
  madeOf: (e, t) => `${c(e, "fr")} images produites sur ${c(t, "fr")}`,
  seconds: (e) => `${e} s`,
  minutes: (e) => `${e} min`,
  hours: (e, t) => `${e} h ${t} min`
}, Re = { en: le, fr: De };
function b(e) {
  return Re[e.split("-")[0] ?? ""] ?? le;
}
function c(e, t) {
  return e.toLocaleString(t, { maximumFractionDigits: 1 });
}
function ce(e, t) {
  if (e < 90) return t.seconds(Math.round(e));
  const n = Math.round(e / 60);
  return n < 90 ? t.minutes(n) : t.hours(Math.floor(n / 60), n % 60);
}
async function G(e, t) {
  return await _("/sdgen/templates/preview", e, t);
}
function Pe(e, t, n, s = {}) {
  const i = [
    a(
      "div",
      "sdgen-head",
      a("b", "sdgen-name", e.name),
      a("span", "sdgen-dim", t.mode[e.mode] ?? e.mode)
    )
  ], r = [
    ...e.placeholders.map((o) => {
      const d = a("b", "", t.selected(o.selected, o.available)), l = K(o.name, d, s, o.weight === 0 && a("i", "", t.drawn));
      return l.classList.toggle("sdgen-drawn", o.weight === 0), o.weight === 0 && (l.title = t.drawnTip), l;
    }),
    ...e.left_out.map((o) => K(o, a("i", "", t.leftOut), s))
  ];
  if (r.length && i.push(a("div", "sdgen-chips", ...r)), i.push(a("div", "sdgen-total", ...Ve(e, t))), e.removed.length && i.push(a("div", "sdgen-dim", t.removed(e.removed.join(", ")))), i.push(...e.warnings.map((o) => a("div", "sdgen-warning", o))), e.first.length) {
    const o = e.first.map((d, l) => ze(d, l, n, s));
    i.push(a("div", "sdgen-prompts", ...o));
  }
  return i;
}
function K(e, t, n, ...s) {
  const { choose: i, chosen: r } = n, d = i ? w("", () => {
    i?.(e);
  }) : a("span", "");
  return d.className = r?.has(e) ? "sdgen-chip sdgen-chosen" : "sdgen-chip", d.append(a("span", "", e), t, ...s.filter((l) => !!l)), d;
}
function ze(e, t, n, s) {
  const { unfolded: i, resized: r } = s, o = document.createElement("details");
  o.className = "sdgen-prompt", o.open = i?.has(t) ?? !1;
  const d = a("summary", "", a("span", "sdgen-dim", c(t + 1, n)), e.prompt);
  return d.addEventListener("pointerdown", (l) => {
    l.stopPropagation();
  }), o.append(d), e.negative && o.append(a("div", "sdgen-dim", `− ${e.negative}`)), o.addEventListener("toggle", () => {
    o.open ? i?.add(t) : i?.delete(t), r?.();
  }), o;
}
function Ve(e, t) {
  const n = a("b", "sdgen-images", t.images(e.images));
  return [`${F(e, t)} → `, n];
}
function F(e, t) {
  const n = e.seeds ?? 1, s = Math.ceil(e.images / Math.max(n, 1)), i = s < e.combinations ? t.combinationsOf(s, e.combinations) : t.combinations(e.combinations);
  return e.seeds === null || e.seeds < 2 ? i : `${i} × ${t.seeds(e.seeds)}`;
}
function U(e, t, n = 1 / 0) {
  if (!(e instanceof k)) return [a("div", "sdgen-error", t.noAnswer)];
  const s = e.errors.length ? e.errors : [e], i = /* @__PURE__ */ new Set(), r = s.slice(0, n).map((o) => {
    const d = i.has(o.hint) ? "" : o.hint;
    return i.add(o.hint), a(
      "div",
      "sdgen-error",
      a("div", "sdgen-message", o.message),
      d && a("div", "", d),
      a("div", "sdgen-dim", o.code)
    );
  });
  return s.length > 1 ? [a("div", "sdgen-dim", t.problems(s.length)), ...r] : r;
}
const L = ["planned", "running"], he = "sdgen.planners", qe = 100;
class We {
  constructor(t) {
    this.texts = t;
  }
  texts;
  known = /* @__PURE__ */ new Map();
  listeners = /* @__PURE__ */ new Set();
  /** Begin to listen; sessions that run already are asked for, so that their end is noticed. */
  start() {
    q("sdgen.session", (n) => {
      this.receive(n);
    });
    const t = () => {
      this.list();
    };
    q("reconnected", t), t();
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
      const s = await V(`/sdgen/sessions/${encodeURIComponent(t)}`);
      return this.known.set(t, s), s;
    } catch {
      return;
    }
  }
  /** Pause, resume, stop or retry a session. */
  async order(t, n) {
    try {
      this.receive(await _(`/sdgen/sessions/${encodeURIComponent(t.id)}/${n}`, {}));
    } catch (s) {
      W("error", t.name, s instanceof Error ? s.message : String(s));
    }
  }
  receive(t) {
    const n = this.known.get(t.id);
    this.known.set(t.id, t);
    const s = n && L.includes(n.state) && !L.includes(t.state) ? Ge(t, this.texts()) : void 0;
    s && W(s.severity, s.summary, s.detail);
    for (const i of this.listeners) i(t);
  }
  async list() {
    try {
      const { sessions: t } = await V("/sdgen/sessions");
      for (const n of t) (L.includes(n.state) || this.known.has(n.id)) && this.receive(n);
    } catch {
    }
  }
}
function Ge(e, t) {
  const n = t.madeOf(e.done, e.planned);
  if (e.state === "completed") return { severity: "success", summary: t.completedToast(e.name), detail: n };
  const s = [e.reason, n].filter(Boolean).join(" · ");
  if (e.state === "failed") return { severity: "error", summary: t.failedToast(e.name), detail: s };
  if (e.state === "paused") return { severity: "warn", summary: t.pausedToast(e.name), detail: s };
}
function je(e, t) {
  const n = ue();
  n.delete(e), n.set(e, t);
  try {
    localStorage.setItem(he, JSON.stringify([...n].slice(-qe)));
  } catch {
  }
}
function _e(e) {
  return ue().get(e);
}
function ue() {
  try {
    const e = JSON.parse(localStorage.getItem(he) ?? "[]");
    return new Map(Array.isArray(e) ? e : []);
  } catch {
    return /* @__PURE__ */ new Map();
  }
}
const X = /\s*([\p{L}\p{N}_]+)\[([^\]]{1,400000})\]\s*/uy, pe = /^(random|limit|keys?|index|indexes|indices|weight|range)\s*:\s*(.*)$/isu, T = /^\d{1,18}$/;
function ge(e) {
  const t = /* @__PURE__ */ new Map(), n = [];
  let s = 0;
  for (; s < e.length; )
    if (` 	\r
;|,`.includes(e.charAt(s))) s += 1;
    else {
      X.lastIndex = s;
      const i = X.exec(e), [r, o, d] = i ?? [];
      if (r && o && d && !t.has(o))
        t.set(o, d), s += r.length;
      else {
        const l = r ? s + r.length : e.indexOf(";", s);
        n.push(e.slice(s, l < 0 ? void 0 : l).trim()), s = l < 0 ? e.length : l;
      }
    }
  return { choices: t, unread: n };
}
function Be(e) {
  return [...e].map(([t, n]) => `${t}[${n}]`).join("; ");
}
function Q(e, t) {
  const n = { picked: [], draw: null, weight: null, unknown: [] };
  let s = null, i = null, r = null;
  for (let o of e.split(";").map((d) => d.trim())) {
    if (!o) continue;
    const d = pe.exec(o);
    if (d?.[1] !== void 0 && d[2] !== void 0) {
      const [g, u] = [d[1].toLowerCase(), d[2].trim()];
      if (g === "random" || g === "limit") {
        T.test(u) ? n.draw = Number(u) : n.unknown.push(o);
        continue;
      }
      if (g.startsWith("key")) {
        i = Z(u);
        continue;
      }
      o = (g === "weight" ? "$" : "#") + u;
    }
    const l = o.slice(1).trim();
    if (o.startsWith("$"))
      /^[+-]?\d{1,18}$/.test(l) && (n.weight = Math.max(0, Number(l)));
    else if (o.startsWith("#")) {
      const [g, u, ...h] = l.split("-").map((p) => p.trim()), m = l.split(",").map((p) => p.trim());
      g && u && T.test(g) && T.test(u) && !h.length && Number(g) <= Number(u) ? (s = Y(Number(g), Math.min(Number(u), t.length - 1)), s.length || n.unknown.push(o)) : m.every((p) => T.test(p)) ? (n.unknown = m.filter((p) => Number(p) >= t.length).map((p) => `#${p}`), s = m.map(Number).filter((p) => p < t.length)) : n.unknown.push(o);
    } else T.test(o) ? r = Number(o) : i = Z(o);
  }
  if (s) n.picked = s;
  else if (i) {
    const o = fe(t);
    for (const d of i) {
      const l = o.get(d);
      l === void 0 ? n.unknown.push(d) : n.picked.push(l);
    }
  } else
    n.picked = Y(0, t.length - 1), n.draw ??= r;
  return n.draw === 0 && (n.picked = []), (n.draw === 0 || (n.draw ?? 0) >= n.picked.length) && (n.draw = null), n;
}
function Fe(e, { picked: t, draw: n, weight: s }) {
  const i = t.length === e.length, r = [];
  return t.length ? i || r.push(Ue(e, t)) : r.push("0"), n !== null && n < t.length && r.push(i ? String(n) : `limit:${n}`), s !== null && r.push(`$${s}`), r.join(";");
}
function Ue(e, t) {
  const n = fe(e), s = [];
  for (const i of t) {
    const r = Je(e, i, n);
    if (r === void 0) return He(t);
    s.push(r);
  }
  return s.join(",");
}
function He(e) {
  const [t, n] = [e[0] ?? 0, e[e.length - 1] ?? 0];
  return e.length > 1 && n - t + 1 === e.length ? `#${t}-${n}` : `#${e.join(",")}`;
}
function Je(e, t, n) {
  const [s, i] = e[t] ?? ["", ""];
  return (me(s) && typeof i == "string" ? [i, s] : [s]).find((o) => Ke(o) && n.get(o) === t);
}
function me(e) {
  return /^[0-9a-f]{8}$/.test(e);
}
function Ke(e) {
  const t = e !== e.trim() || /^[\x1c-\x1f\x85]|[\x1c-\x1f\x85]$/.test(e), n = /^[#$]|^\p{Nd}+$/u.test(e) || pe.test(e);
  return e !== "" && !t && !n && !/[,;\]]/.test(e);
}
function fe(e) {
  const t = /* @__PURE__ */ new Map();
  return e.forEach(([, n], s) => {
    typeof n == "string" && !t.has(n) && t.set(n, s);
  }), e.forEach(([n], s) => t.set(n, s)), t;
}
function Z(e) {
  return e.split(",").map((t) => t.trim()).filter(Boolean);
}
function Y(e, t) {
  return Array.from({ length: Math.max(0, t - e + 1) }, (n, s) => e + s);
}
class Xe {
  constructor(t, n) {
    this.offered = t, this.name = t.name, this.values = t.values, this.own = Q(t.selector, t.values), this.kept = n;
    const s = n === void 0 ? this.own : Q(n, t.values);
    this.picked = new Set(s.picked), this.draw = s.draw, this.weight = n === void 0 ? null : s.weight, this.unknown = n === void 0 ? [] : s.unknown;
  }
  offered;
  name;
  values;
  picked;
  draw;
  /** What the text names that is not there (any more). */
  unknown;
  own;
  weight;
  kept;
  /** Whether the values are other than the template says. */
  get changed() {
    return this.selector !== void 0;
  }
  /** Choose, or take back, the values at `places`. */
  set(t, n) {
    for (const s of t)
      n(s) ? this.picked.add(s) : this.picked.delete(s);
    this.edited();
  }
  setDraw(t) {
    this.draw = t, this.edited();
  }
  /** Let the template decide. */
  reset() {
    this.picked = new Set(this.own.picked), this.draw = this.own.draw, this.weight = null, this.edited();
  }
  /** The selector to write; undefined when the template's own, or none, says the same. A row that is not touched keeps its text. */
  get selector() {
    if (this.kept !== void 0) return this.kept;
    const { weight: t } = this, n = [...this.picked].sort((r, o) => r - o), s = this.draw !== null && this.draw < n.length ? this.draw : null;
    if (!(s === this.own.draw && Qe(this.picked, this.own.picked) && t === null))
      return Fe(this.values, { picked: n, draw: s, weight: t }) || `$${this.offered.weight}`;
  }
  edited() {
    this.kept = void 0, this.unknown = [];
  }
}
function Qe(e, t) {
  return e.size === new Set(t).size && t.every((n) => e.has(n));
}
class Ze {
  rows;
  /** Choices for placeholders that the template does not have now; they stay until they are removed. */
  strangers;
  unread;
  constructor(t, n) {
    const { choices: s, unread: i } = ge(n);
    this.rows = t.map((o) => new Xe(o, s.get(o.name)));
    const r = new Set(t.map((o) => o.name));
    this.strangers = new Map([...s].filter(([o]) => !r.has(o))), this.unread = i;
  }
  /** The text for the node. */
  get text() {
    const t = this.rows.flatMap((n) => n.selector === void 0 ? [] : [[n.name, n.selector]]);
    return Be([...t, ...this.strangers]);
  }
}
const Ye = ["keydown", "keyup", "keypress", "copy", "cut", "paste", "wheel", "dragover", "drop", "contextmenu"], et = ["pointerdown", "pointermove", "pointerup", "mousedown"];
function we(e, t, n, s, i) {
  const r = document.createElement("dialog");
  r.className = `sdgen-modal sdgen-${e}`, r.setAttribute("aria-label", t);
  const o = w("✕", () => {
    r.close();
  });
  o.classList.add("sdgen-cross"), o.title = s, o.setAttribute("aria-label", s), r.append(a("div", "sdgen-modal-head", a("b", "", t), o), ...n);
  for (const d of [...Ye, ...et])
    r.addEventListener(d, (l) => {
      l.stopPropagation();
    });
  return r.addEventListener("mousedown", (d) => {
    d.target === r && !tt(r, d) && r.close();
  }), r.addEventListener("close", () => {
    r.remove(), i();
  }), document.body.append(r), r.showModal(), r;
}
function tt(e, { clientX: t, clientY: n }) {
  const { left: s, right: i, top: r, bottom: o } = e.getBoundingClientRect();
  return t >= s && t <= i && n >= r && n <= o;
}
function be(e, t) {
  const n = document.createElement("input");
  return n.type = "text", n.className = "sdgen-search", n.placeholder = e, n.setAttribute("aria-label", e), n.spellcheck = !1, n.addEventListener("input", t), n.addEventListener("keydown", (s) => {
    s.key !== "Escape" || !n.value || (s.preventDefault(), n.value = "", t());
  }), n;
}
function ve(e, t) {
  const n = e.toLocaleLowerCase();
  return t.toLocaleLowerCase().split(/\s+/).every((s) => n.includes(s));
}
function nt(e, t, n, s, i) {
  const r = a("div", "sdgen-themes"), o = e.flatMap((h) => ["", ...h.styles].map((m) => g(h, m))), d = be(s.searchThemes, u), l = we("theme-dialog", s.themesOf(t), [d, r], s.cancel, () => {
  });
  function g(h, m) {
    const p = document.createElement("button");
    p.type = "button", p.className = m ? "sdgen-theme sdgen-style" : "sdgen-theme";
    const C = m || h.name || s.noTheme, S = !m && h.title !== h.name && h.title, P = m ? "" : [S, ...h.tags].filter(Boolean).join(" · ");
    return p.append(
      a("span", "sdgen-key", C),
      a("span", "sdgen-dim", P || (h.styles.length && !m ? s.defaultStyle : ""))
    ), h.problem && !m && p.append(a("span", "sdgen-bad", h.problem)), h.name === n.theme && (m === n.style || !m && n.style === "default") && p.setAttribute("aria-current", "true"), p.addEventListener("click", () => {
      l.close(), i(h.name, m);
    }), { shown: p, words: [h.name, h.title, m, ...h.tags].join(" ") };
  }
  function u() {
    const h = d.value.trim(), m = o.filter(({ words: p }) => ve(p, h)).map(({ shown: p }) => p);
    r.replaceChildren(...m.length ? m : [a("div", "sdgen-dim", s.nothingFound)]);
  }
  return l.addEventListener("keydown", (h) => {
    const m = { ArrowDown: 1, ArrowUp: -1, Home: -1 / 0, End: 1 / 0 }, p = [...r.querySelectorAll("button")], C = p.findIndex((P) => P === h.target), S = m[h.key];
    if (h.key === "Enter" && h.target === d) p[0]?.click();
    else {
      if (S === void 0 || h.target === d && h.key !== "ArrowDown") return;
      C + S < 0 && h.key === "ArrowUp" ? d.focus() : p[Math.min(Math.max(C + S, 0), p.length - 1)]?.focus();
    }
    h.preventDefault();
  }), u(), e.length === 1 && !e[0]?.styles.length && r.append(a("div", "sdgen-dim", s.noThemes)), d.focus(), r.querySelector("[aria-current]")?.scrollIntoView({ block: "center" }), l;
}
const ee = 10;
class st {
  /**
   * Open it for a template with placeholders. `text` is what is chosen now, `start` the placeholder to begin with, `preview` what a
   * choice would make; `chosen` gets the new text when the user says yes.
   */
  constructor(t, n, s, i, r, o) {
    this.texts = i, this.chosen = o, this.choosing = new Ze(t.placeholders, n);
    const [d] = this.choosing.rows;
    if (!d) throw new Error("a template without placeholders has nothing to choose");
    this.row = this.choosing.rows.find((u) => u.name === s) ?? d, this.search = be(i.searchValues, () => {
      this.showValues();
    }), this.bulk = [
      w(i.all, () => {
        this.setShown(() => !0);
      }),
      w(i.none, () => {
        this.setShown(() => !1);
      }),
      w(i.invert, () => {
        this.setShown((u) => !this.row.picked.has(u));
      })
    ], this.reset = w(i.asTemplate, () => {
      this.row.reset(), this.showValues(), this.changed();
    }), this.latest = new B(
      r,
      (u) => {
        this.outcome(`${F(u, i)} → `, a("b", "sdgen-images", i.images(u.images)));
      },
      (u) => {
        this.outcome(...U(u, i));
      },
      200
    ), this.buildNames();
    const l = a(
      "div",
      "sdgen-modal-foot",
      this.total,
      w(i.cancel, () => {
        this.modal.close();
      }),
      this.yes()
    ), g = a("div", "sdgen-side", this.buildTools(), this.list);
    this.modal = we(
      "value-dialog",
      i.valuesOf(t.name),
      [a("div", "sdgen-modal-body", this.names, g), this.notes, l],
      i.cancel,
      () => {
        this.latest.clear();
      }
    ), this.modal.addEventListener("keydown", (u) => {
      this.pressed(u);
    }), this.show(this.row), this.radios.get(this.row)?.scrollIntoView({ block: "nearest" }), this.search.focus();
  }
  texts;
  chosen;
  choosing;
  modal;
  names = a("div", "sdgen-names");
  list = a("div", "sdgen-values");
  search;
  draw = document.createElement("input");
  drawing = document.createElement("input");
  bulk;
  reset;
  notes = a("div", "sdgen-notes");
  total = a("div", "sdgen-outcome");
  latest;
  counts = /* @__PURE__ */ new Map();
  radios = /* @__PURE__ */ new Map();
  row;
  lines = /* @__PURE__ */ new Map();
  shown = [];
  anchor = null;
  outcome(...t) {
    this.total.classList.remove("sdgen-stale"), this.total.replaceChildren(...t);
  }
  yes() {
    const t = w(this.texts.apply, () => {
      this.accept();
    });
    return t.classList.add("sdgen-main"), t;
  }
  accept() {
    const { text: t } = this.choosing;
    this.modal.close(), this.chosen(t);
  }
  buildNames() {
    this.names.setAttribute("role", "radiogroup");
    for (const t of this.choosing.rows) {
      const n = document.createElement("input");
      n.type = "radio", n.name = "sdgen-name", n.addEventListener("change", () => {
        this.show(t);
      });
      const s = a("span", "sdgen-count");
      this.names.append(a("label", "sdgen-name-row", n, a("span", "sdgen-name", t.name), s)), this.counts.set(t, s), this.radios.set(t, n);
    }
  }
  buildTools() {
    this.drawing.type = "checkbox", this.draw.type = "number", this.draw.min = "1", this.draw.setAttribute("aria-label", this.texts.drawSome), this.drawing.addEventListener("change", () => {
      this.setDraw();
    }), this.draw.addEventListener("input", () => {
      this.drawing.checked = !0, this.setDraw();
    });
    const t = a("label", "sdgen-draw", this.drawing, this.texts.drawSome, this.draw);
    return t.title = this.texts.drawSomeTip, a(
      "div",
      "sdgen-tools",
      this.search,
      a("div", "sdgen-bulk", ...this.bulk, this.reset, t)
    );
  }
  setDraw() {
    const t = Math.floor(Number(this.draw.value));
    this.row.setDraw(this.drawing.checked && t >= 1 ? t : null), this.changed();
  }
  /** Show the values of a placeholder. */
  show(t) {
    this.row = t, this.search.value = "", this.draw.value = String(t.draw ?? 1), this.draw.max = String(t.values.length), this.drawing.checked = t.draw !== null;
    const n = this.radios.get(t);
    n && (n.checked = !0), this.list.scrollTop = 0, this.showValues(), this.changed();
  }
  /** The values that match the search. */
  showValues() {
    const t = this.search.value.trim(), { row: n } = this, s = this.lines.get(n) ?? n.values.map(([d, l], g) => this.line(d, l, g));
    this.lines.set(n, s), this.anchor = null, this.shown = t ? s.filter(({ words: d }) => ve(d, t)) : s, this.shown.forEach(({ place: d, box: l }, g) => {
      l.checked = n.picked.has(d), l.tabIndex = g ? -1 : 0;
    }), this.list.replaceChildren(...this.shown.map(({ shown: d }) => d)), this.shown.length || this.list.append(a("div", "sdgen-dim", this.texts.nothingFound));
    const [i, r] = this.bulk, o = this.shown.length < s.length;
    i && (i.textContent = o ? this.texts.allShown(this.shown.length) : this.texts.all), r && (r.textContent = o ? this.texts.noneShown(this.shown.length) : this.texts.none);
  }
  line(t, n, s) {
    const i = it(n), r = document.createElement("input");
    r.type = "checkbox";
    const o = me(t) && typeof n == "string", d = a("label", "sdgen-value", r, !o && a("span", "sdgen-key", t), a("span", "sdgen-text", i));
    return d.title = o ? i : `${t}: ${i}`, r.addEventListener("click", (l) => {
      this.toggled(
        this.shown.findIndex((g) => g.box === r),
        l.shiftKey
      );
    }), { place: s, box: r, shown: d, words: o ? i : `${t} ${i}` };
  }
  /** A value was clicked; with Shift everything from the last click to here becomes as it is. */
  toggled(t, n) {
    const s = this.shown[t]?.box.checked ?? !1, i = n && this.anchor !== null ? this.anchor : t, r = this.shown.slice(Math.min(i, t), Math.max(i, t) + 1);
    this.row.set(
      r.map(({ place: o }) => o),
      () => s
    );
    for (const { box: o } of r) o.checked = s;
    this.anchor = t, this.changed();
  }
  setShown(t) {
    this.row.set(
      this.shown.map(({ place: n }) => n),
      t
    );
    for (const { place: n, box: s } of this.shown) s.checked = this.row.picked.has(n);
    this.changed();
  }
  /** Counts, remarks and the total after something was chosen. */
  changed() {
    const { texts: t } = this;
    for (const [s, i] of this.counts)
      i.textContent = ot(s, t), i.parentElement?.classList.toggle("sdgen-changed", s.changed), i.parentElement?.classList.toggle("sdgen-left-out", !s.picked.size || s.unknown.length > 0);
    this.reset.toggleAttribute("disabled", !this.row.changed), this.drawing.checked = this.row.draw !== null;
    const n = [
      ...this.choosing.rows.filter((s) => s.unknown.length).map((s) => I(t.notThere(s.name, s.unknown.join(", ")))),
      ...[...this.choosing.strangers].map(([s, i]) => this.stranger(s, i)),
      ...this.choosing.unread.map((s) => I(t.notRead(s))),
      ...this.row.picked.size || this.row.unknown.length ? [] : [I(t.leftOutNote(this.row.name))]
    ];
    this.notes.replaceChildren(...n), this.latest.update(this.choosing.text) && this.total.classList.add("sdgen-stale");
  }
  /** A choice for a placeholder that the template does not have; it can be removed. */
  stranger(t, n) {
    const s = I(this.texts.notThere(`${t}[${n}]`, t)), i = w(this.texts.remove, () => {
      this.choosing.strangers.delete(t), this.changed();
    });
    return s.append(i), s;
  }
  pressed(t) {
    const { key: n } = t, s = t.target, i = this.shown.findIndex(({ box: l }) => l === s), o = { ArrowDown: 1, ArrowUp: -1, PageDown: ee, PageUp: -ee, Home: -1 / 0, End: 1 / 0 }[n], d = s instanceof HTMLInputElement && s.type === "radio";
    if (n === "Enter" && s === this.search && this.search.value) this.focusValue(0);
    else if (n === "Enter" && s instanceof HTMLInputElement) this.accept();
    else if (i >= 0 && n === "a" && (t.ctrlKey || t.metaKey)) this.setShown(() => !0);
    else if (i >= 0 && n === "ArrowLeft") this.radios.get(this.row)?.focus();
    else if (i === 0 && n === "ArrowUp") this.search.focus();
    else if (i >= 0 && o !== void 0) this.focusValue(i + o);
    else if (s === this.search && n === "ArrowDown") this.focusValue(0);
    else if (d && n === "ArrowRight") this.focusValue(0);
    else return;
    t.preventDefault();
  }
  focusValue(t) {
    const n = this.shown[Math.min(Math.max(t, 0), this.shown.length - 1)];
    if (n) {
      for (const { box: s } of this.shown) s.tabIndex = s === n.box ? 0 : -1;
      n.box.focus(), n.box.scrollIntoView({ block: "nearest" });
    }
  }
}
function it(e) {
  return typeof e == "string" ? e : Object.entries(e).map(([t, n]) => `${t}: ${n}`).join(" · ");
}
function ot(e, t) {
  return e.picked.size ? e.draw !== null && e.draw < e.picked.size ? t.drawnFrom(e.draw, e.picked.size) : t.selected(e.picked.size, e.values.length) : e.unknown.length ? t.selected(0, e.values.length) : t.leftOut;
}
function I(e) {
  return a("div", "sdgen-warning", a("span", "", e));
}
const rt = ["file", "text", "theme", "style", "mode", "limit", "choices"];
function D(e) {
  const t = rt.find((s) => E(e, s) !== null);
  if (t) return { linked: t };
  const n = (s) => $(e, s);
  return {
    file: n("file"),
    text: n("text"),
    theme: n("theme"),
    style: n("style"),
    mode: n("mode"),
    limit: Number($(e, "limit")),
    choices: n("choices")
  };
}
class at {
  constructor(t, n) {
    this.node = t, this.readAgain = n, se(t, this.panel.root, () => this.panel.height()), this.latest = new B(
      G,
      (s) => {
        this.answered(s);
      },
      (s) => {
        this.failed(s);
      }
    ), this.show(a("div", "sdgen-dim", b(f()).askingServer));
  }
  node;
  readAgain;
  panel = new de("template", 60, 420);
  latest;
  unfolded = /* @__PURE__ */ new Set();
  open;
  linked;
  /** Look whether the widgets say something else now. */
  tick() {
    ie(this.node, this.panel.root);
    const t = D(this.node), n = "linked" in t ? t.linked : void 0;
    n !== void 0 && n !== this.linked && (this.latest.clear(), this.show(a("div", "sdgen-dim", b(f()).linkedInput(n))), z(this.node, this.panel.root, !1)), this.linked = n, !("linked" in t) && this.latest.update(t) && this.panel.root.classList.add("sdgen-stale");
  }
  /** Ask again, though the widgets say the same: a file may have changed. */
  refresh() {
    this.latest.clear();
  }
  /** Close what is open and leave nothing behind. */
  removed() {
    this.latest.clear(), this.open?.close();
  }
  answered(t) {
    const n = {
      chosen: new Set(ge($(this.node, "choices")).choices.keys()),
      choose: (s) => {
        this.chooseValues(s);
      },
      unfolded: this.unfolded,
      resized: () => {
        R(this.node);
      }
    };
    this.show(this.tools(), ...Pe(t, b(f()), f(), n)), z(this.node, this.panel.root, !1);
  }
  failed(t) {
    this.show(this.tools(), ...U(t, b(f()))), z(this.node, this.panel.root, t instanceof k);
  }
  tools() {
    const t = b(f()), n = (s, i, r) => {
      const o = w(s, r);
      return o.title = i, o.setAttribute("aria-label", i), o;
    };
    return a(
      "div",
      "sdgen-toolbar",
      n(t.values, t.valuesTip, () => {
        this.chooseValues();
      }),
      n(t.theme, t.themeTip, () => {
        this.chooseTheme();
      }),
      n("⟳", t.readAgain, this.readAgain)
    );
  }
  /** Let the user choose the values of the placeholders, beginning with `start`. */
  async chooseValues(t) {
    const n = b(f()), s = D(this.node);
    if ("linked" in s) return;
    const i = await this.ask("choices", s);
    if (!i) return;
    if (!i.placeholders.length) {
      W("info", i.name, n.noPlaceholders);
      return;
    }
    const r = new st(
      i,
      s.choices,
      t,
      n,
      (o, d) => G({ ...s, choices: o }, d),
      (o) => {
        O(this.node, "choices", o);
      }
    );
    this.opened(r.modal);
  }
  async chooseTheme() {
    const t = D(this.node);
    if ("linked" in t) return;
    const n = await this.ask("themes", t);
    if (!n) return;
    const { theme: s, style: i, file: r } = t, o = r.replace(/^.*\//, "").replace(/\.prompt\.ya?ml$/, "");
    this.opened(
      nt(n.themes, o, { theme: s.trim(), style: i.trim() }, b(f()), (d, l) => {
        O(this.node, "theme", d), O(this.node, "style", l);
      })
    );
  }
  opened(t) {
    this.open = t, t.addEventListener("close", () => {
      this.open = void 0;
    });
  }
  /** Undefined when there is no answer, or when something was opened meanwhile. */
  async ask(t, n) {
    try {
      const s = await _(`/sdgen/templates/${t}`, n);
      return this.open || !j(this.node) ? void 0 : s;
    } catch (s) {
      this.failed(s);
      return;
    }
  }
  show(...t) {
    this.panel.root.classList.remove("sdgen-stale"), this.panel.show(...t), R(this.node);
  }
}
const dt = "SDGenTemplate", lt = "SDGenSeedSweep";
function te(e) {
  if (typeof e != "string" || !e.trim()) return null;
  try {
    const { index: t, session: n } = JSON.parse(e);
    return { index: typeof t == "number" ? String(t) : "?", session: typeof n == "string" ? n : "?" };
  } catch {
    return { index: "?", session: "?" };
  }
}
class xe {
  constructor(t, n) {
    this.node = t, this.sessions = n, oe(t, "item"), se(t, this.panel.root, () => this.panel.height()), this.latest = new B(
      G,
      (i) => {
        this.expect(ct(i, b(f())));
      },
      (i) => {
        this.expect(U(i, b(f()), 1));
      }
    );
    const s = n.listen((i) => {
      i.id === this.wanted && (this.session = i, this.draw());
    });
    re(t, s), Le(t, (i) => {
      this.executed(i);
    }), this.draw();
  }
  node;
  sessions;
  panel = new de("plan", 44, 220);
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
    ie(this.node, this.panel.root), this.restore();
    const t = $(this.node, "item");
    t !== this.item && (this.item = t, this.nameItem(te(t)));
    const n = this.plan();
    if ("question" in n) {
      this.latest.update(n.question) && this.panel.root.classList.add("sdgen-stale");
      return;
    }
    this.latest.clear();
    const s = b(f()), i = "say" in n ? s[n.say] : s.linkedInput(n.linked);
    this.expected[0]?.textContent !== i && this.expect([a("div", "sdgen-dim", i)]);
  }
  refresh() {
    this.latest.clear();
  }
  plan() {
    const t = E(this.node, "template");
    if (!t) return { say: "connectTemplate" };
    if (M(t) !== dt) return { say: "otherSource" };
    const n = D(t);
    if ("linked" in n) return n;
    if (E(this.node, "count")) return { linked: "count" };
    const s = E(this.node, "sweep");
    if (s && (M(s) !== lt || E(s, "seeds"))) return { linked: "seeds" };
    const i = s ? $(s, "seeds") : "";
    return { question: { ...n, seeds: i, count: Number($(this.node, "count")) } };
  }
  expect(t) {
    this.panel.root.classList.remove("sdgen-stale"), this.expected = t, this.draw();
  }
  /** Show the session that this planner started last; the node has its final id only after it was loaded. */
  restore() {
    const t = J(this.node);
    if (t === this.place) return;
    this.place = t;
    const n = _e(t);
    n && this.follow(n);
  }
  executed(t) {
    const [n] = Array.isArray(t.sdgen) ? t.sdgen : [];
    n?.id && (this.report = n, this.wanted = n.id, je(J(this.node), n.id), this.sessions.receive(n));
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
    const t = b(f()), n = te(this.item);
    this.panel.show(
      ...n ? this.pinned(n, t) : this.expected,
      ...this.session && !n ? ut(this.session, t, f(), this.sessions) : [],
      ...this.report && !n ? ht(this.report, t) : []
    ), R(this.node);
  }
  pinned(t, n) {
    const s = this.itemSession?.name ?? t.session, i = () => {
      O(this.node, "item", "");
    };
    return [
      a("div", "sdgen-pinned", a("span", "", n.oneImage(t.index, s)), w(n.wholeSession, i))
    ];
  }
}
function ct(e, t) {
  return [
    a(
      "div",
      "sdgen-expect",
      a("b", "sdgen-images", t.ready(t.images(e.images))),
      a("span", "sdgen-dim", F(e, t))
    )
  ];
}
function ht(e, t) {
  const n = t.action[e.action], s = [
    e.model_loads && e.model_loads > 1 && t.modelLoads(e.model_loads),
    e.seconds && e.like && t.takesAbout(ce(e.seconds, t), e.like)
  ].filter(Boolean);
  return [
    ...s.length > 0 ? [a("div", "sdgen-dim", s.join(" · "))] : [],
    ...n ? [a("div", "sdgen-dim", n(e.added))] : [],
    ...e.warnings.map((i) => a("div", "sdgen-warning", i))
  ];
}
function ut(e, t, n, s) {
  const i = (h) => `${e.planned ? 100 * h / e.planned : 0}%`, r = a("div", "sdgen-bar", a("div", "sdgen-done"), a("div", "sdgen-failed")), [o, d] = r.children;
  o.style.width = i(e.done), d.style.width = i(e.failed), r.setAttribute("role", "progressbar"), r.setAttribute("aria-valuemin", "0"), r.setAttribute("aria-valuemax", String(e.planned)), r.setAttribute("aria-valuenow", String(e.done));
  const l = (h, m) => w(h, () => {
    s.order(e, m);
  }), g = a(
    "div",
    "sdgen-head",
    a("b", "sdgen-name", e.name),
    a("span", `sdgen-state sdgen-is-${e.state}`, t.state[e.state] ?? e.state),
    L.includes(e.state) && l(t.pause, "pause"),
    ["paused", "stopped"].includes(e.state) && e.left > 0 && l(t.resume, "resume"),
    (L.includes(e.state) || e.state === "paused") && l(t.stop, "stop"),
    e.state === "failed" && e.failed > 0 && l(t.retry, "retry")
  ), u = e.state !== "running" && e.state !== "failed" && e.reason;
  return [
    g,
    r,
    a("div", "sdgen-counts", pt(e, t, n)),
    ...u ? [a("div", "sdgen-warning", u)] : []
  ];
}
function pt(e, t, n) {
  return [
    t.progress(e.done, e.planned),
    e.failed > 0 && t.failed(e.failed),
    e.images_per_minute && t.rate(c(e.images_per_minute, n)),
    e.eta_seconds && t.left(ce(e.eta_seconds, t))
  ].filter(Boolean).join(" · ");
}
const ne = [137, 80, 78, 71, 13, 10, 26, 10];
function gt(e) {
  const t = new Uint8Array(e), n = /* @__PURE__ */ new Map();
  if (ne.some((i, r) => t[r] !== i)) return n;
  const s = new DataView(e);
  for (let i = ne.length; i + 12 <= t.length; ) {
    const r = s.getUint32(i), o = N(t.subarray(i + 4, i + 8)), d = t.subarray(i + 8, i + 8 + r);
    if (d.length < r || o === "IEND") break;
    const l = d.indexOf(0);
    if (l > 0 && o === "tEXt") n.set(N(d.subarray(0, l)), N(d.subarray(l + 1)));
    else if (l > 0 && o === "iTXt" && d[l + 1] === 0) {
      const g = d.indexOf(0, l + 3), u = g < 0 ? -1 : d.indexOf(0, g + 1);
      u > 0 && n.set(N(d.subarray(0, l)), new TextDecoder().decode(d.subarray(u + 1)));
    }
    i += 12 + r;
  }
  return n;
}
async function mt(e) {
  if (e.type !== "image/png") return null;
  const t = gt(await e.arrayBuffer()), n = t.get("workflow");
  if (n === void 0 || !t.has("sdgen")) return null;
  try {
    const s = JSON.parse(n);
    return typeof s == "object" ? s : null;
  } catch {
    return null;
  }
}
function N(e) {
  let t = "";
  for (let n = 0; n < e.length; n += 8192) t += String.fromCharCode(...e.subarray(n, n + 8192));
  return t;
}
const ft = ".sdgen-panel{box-sizing:border-box;overflow:hidden auto;border-radius:6px;background:var(--comfy-input-bg, #222);color:var(--input-text, #ddd);font:12px/1.45 Inter,Arial,sans-serif;text-align:left;scrollbar-width:thin}.sdgen-content{display:flex;flex-direction:column;gap:5px;padding:7px 9px}.sdgen-stale .sdgen-content{opacity:.55}.sdgen-dim{color:var(--descrip-text, #999)}.sdgen-head,.sdgen-expect,.sdgen-pinned{display:flex;align-items:center;gap:8px}.sdgen-expect{flex-wrap:wrap;gap:0 8px}.sdgen-name{flex:0 1 auto;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.sdgen-chips{display:flex;flex-wrap:wrap;gap:4px}.sdgen-chip{display:inline-flex;gap:5px;padding:0 7px;border:1px solid var(--border-color, #4e4e4e);border-radius:9px;white-space:nowrap}.sdgen-drawn{border-style:dashed}.sdgen-chip i{color:var(--descrip-text, #999)}.sdgen-prompts{display:flex;flex-direction:column;border-top:1px solid var(--border-color, #4e4e4e);padding-top:4px}.sdgen-prompt{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.sdgen-prompt .sdgen-dim{display:inline-block;min-width:14px}.sdgen-warning,.sdgen-error,.sdgen-pinned{border-left:3px solid #d9a520;padding:2px 0 2px 7px;overflow-wrap:anywhere}.sdgen-error{border-color:var(--error-text, #ff4444);background:color-mix(in srgb,var(--error-text, #ff4444) 14%,transparent)}.sdgen-error .sdgen-message{color:var(--error-text, #ff4444);font-weight:600;white-space:pre-wrap}.sdgen-pinned{flex-wrap:wrap;justify-content:space-between}.sdgen-button{flex:none;margin-left:auto;padding:0 8px;border:1px solid var(--border-color, #4e4e4e);border-radius:5px;background:var(--comfy-menu-bg, #353535);color:var(--input-text, #ddd);font:inherit;cursor:pointer}.sdgen-button:hover{filter:brightness(1.15)}.sdgen-state{flex:none;padding:0 7px;border-radius:9px;background:#5a5a5a;color:#fff;font-size:11px}.sdgen-is-running{background:#2468b4}.sdgen-is-completed{background:#2c7a3f}.sdgen-is-paused{background:#8a6410}.sdgen-is-failed{background:#a83232}.sdgen-bar{display:flex;height:6px;overflow:hidden;border-radius:3px;background:color-mix(in srgb,var(--input-text, #ddd) 18%,transparent)}.sdgen-bar .sdgen-done{background:#3fa05a;transition:width .2s linear}.sdgen-bar .sdgen-failed{background:#d04848}.sdgen-toolbar{display:flex;gap:6px}.sdgen-toolbar .sdgen-button{margin:0}.sdgen-toolbar .sdgen-button:last-child{margin-left:auto}button.sdgen-chip{background:none;color:inherit;font:inherit;line-height:inherit;cursor:pointer}button.sdgen-chip:hover{border-color:var(--input-text, #ddd)}.sdgen-chosen{border-color:#4a90d9;background:color-mix(in srgb,#4a90d9 22%,transparent)!important}.sdgen-prompt summary{cursor:pointer;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;list-style:none}.sdgen-prompt[open]{white-space:normal}.sdgen-prompt[open] summary{overflow-wrap:anywhere;white-space:normal}[data-node-id]:has(.sdgen-panel.sdgen-wrong){outline:2px solid #e0443e;outline-offset:4px;border-radius:16px}.sdgen-modal{box-sizing:border-box;width:min(880px,94vw);height:min(640px,88vh);margin:auto;padding:0;border:1px solid var(--border-color, #4e4e4e);border-radius:10px;background:var(--comfy-menu-bg, #353535);color:var(--input-text, #ddd);box-shadow:0 12px 40px #00000073;font:13px/1.45 Inter,Arial,sans-serif}.sdgen-modal[open]{display:flex;flex-direction:column}.sdgen-modal::backdrop{background:#00000073}.sdgen-modal-head,.sdgen-modal-foot{display:flex;flex:none;align-items:center;gap:8px;padding:10px 14px}.sdgen-modal-head b{overflow:hidden;font-size:14px;text-overflow:ellipsis;white-space:nowrap}.sdgen-modal-foot{border-top:1px solid var(--border-color, #4e4e4e)}.sdgen-modal .sdgen-button{margin:0;padding:3px 12px;border-radius:6px;background:var(--comfy-input-bg, #222)}.sdgen-modal .sdgen-button[disabled]{opacity:.45;cursor:default}.sdgen-modal .sdgen-cross{margin-left:auto;padding:3px 8px;border:none;background:none}.sdgen-modal .sdgen-main{border-color:#2468b4;background:#2468b4;color:#fff}.sdgen-modal :focus-visible{outline:2px solid #4a90d9;outline-offset:-1px}.sdgen-modal input[type=checkbox],.sdgen-modal input[type=radio]{flex:none;width:14px;height:14px;margin:0;accent-color:#2f7fd6}.sdgen-modal-body{display:flex;flex:1;min-height:0;border-top:1px solid var(--border-color, #4e4e4e)}.sdgen-names{flex:0 0 230px;overflow:hidden auto;padding:6px;border-right:1px solid var(--border-color, #4e4e4e);scrollbar-width:thin}.sdgen-name-row{display:flex;align-items:center;gap:8px;padding:5px 8px;border-radius:6px;cursor:pointer}.sdgen-name-row:hover,.sdgen-value:hover,.sdgen-theme:hover{background:color-mix(in srgb,var(--input-text, #ddd) 9%,transparent)}.sdgen-name-row:has(:checked){background:color-mix(in srgb,#4a90d9 30%,transparent)}.sdgen-name-row:has(:focus-visible){outline:2px solid #4a90d9;outline-offset:-2px}.sdgen-name-row input{position:absolute;opacity:0;pointer-events:none}.sdgen-name-row .sdgen-name{flex:1}.sdgen-count{flex:none;color:var(--descrip-text, #999);font-size:12px}.sdgen-changed .sdgen-count{color:var(--input-text, #ddd);font-weight:600}.sdgen-left-out .sdgen-count{color:color-mix(in srgb,#d99a10 72%,var(--input-text, #ddd))}.sdgen-side{display:flex;flex:1;flex-direction:column;min-width:0}.sdgen-tools{display:flex;flex:none;flex-direction:column;gap:8px;padding:10px;border-bottom:1px solid var(--border-color, #4e4e4e)}.sdgen-bulk{display:flex;flex-wrap:wrap;align-items:center;gap:6px}.sdgen-search,.sdgen-draw input[type=number]{box-sizing:border-box;padding:5px 9px;border:1px solid var(--border-color, #4e4e4e);border-radius:6px;background:var(--comfy-input-bg, #222);color:var(--input-text, #ddd);font:inherit}.sdgen-search{width:100%}.sdgen-draw{display:flex;align-items:center;gap:6px;margin-left:auto}.sdgen-draw input[type=number]{width:62px;padding:2px 6px}.sdgen-values,.sdgen-themes{flex:1;overflow:hidden auto;min-height:0;padding:6px;scrollbar-width:thin}.sdgen-value{display:flex;align-items:center;gap:9px;min-height:26px;padding:0 8px;border-radius:6px;content-visibility:auto;contain-intrinsic-size:auto 26px;cursor:pointer;user-select:none}.sdgen-value:has(:focus-visible){background:color-mix(in srgb,#4a90d9 30%,transparent)}.sdgen-key{flex:0 0 auto;overflow:hidden;max-width:45%;text-overflow:ellipsis;white-space:nowrap}.sdgen-key+.sdgen-text{color:var(--descrip-text, #999)}.sdgen-text{overflow:hidden;min-width:0;text-overflow:ellipsis;white-space:nowrap}.sdgen-notes{display:flex;flex:none;flex-direction:column;gap:4px;overflow:hidden auto;max-height:136px;padding:0 14px;border-top:1px solid var(--border-color, #4e4e4e)}.sdgen-notes:empty{display:none}.sdgen-notes>:first-child{margin-top:8px}.sdgen-notes>:last-child{margin-bottom:8px}.sdgen-notes .sdgen-warning{display:flex;align-items:center;gap:8px}.sdgen-outcome{flex:1;overflow:hidden auto;max-height:96px}.sdgen-outcome.sdgen-stale{opacity:.55}.sdgen-theme-dialog{width:min(560px,94vw);height:fit-content;max-height:88vh}.sdgen-theme-dialog>.sdgen-search{flex:none;width:auto;margin:0 14px 8px}.sdgen-themes{border-top:1px solid var(--border-color, #4e4e4e)}.sdgen-theme{display:flex;align-items:baseline;gap:10px;width:100%;min-height:28px;padding:3px 10px;border:none;border-radius:6px;background:none;color:inherit;font:inherit;text-align:left;cursor:pointer}.sdgen-style{padding-left:30px}.sdgen-theme[aria-current]{background:color-mix(in srgb,#4a90d9 30%,transparent)}.sdgen-theme .sdgen-dim{overflow:hidden;font-size:12px;text-overflow:ellipsis;white-space:nowrap}.sdgen-bad{color:var(--error-text, #ff4444);font-size:12px}", wt = 150, bt = 3e3, ye = new We(() => b(f())), x = /* @__PURE__ */ new Map(), y = new Oe(() => {
  for (const [e, t] of x)
    ke(e), t.refresh();
});
function ke(e) {
  y.files && M(e) === "SDGenTemplate" && Ae(e, "file", y.files);
}
function vt() {
  if (!document.hidden)
    for (const [e, t] of x) j(e) && t.tick();
}
function xt(e) {
  const t = M(e);
  if (t === "SDGenTemplate")
    x.set(e, new at(e, () => {
      y.look(!0);
    })), ke(e);
  else if (t === "SDGenSessionPlan") x.set(e, new xe(e, ye));
  else {
    t === "SDGenSessionSave" && oe(e, "item");
    return;
  }
  re(e, () => {
    x.get(e)?.removed?.(), x.delete(e);
  });
}
function yt() {
  const e = document.createElement("style");
  e.dataset.sdgen = "", e.textContent = ft, document.head.append(e), ye.start(), Ce(mt), setInterval(vt, wt), setInterval(() => {
    !document.hidden && [...x.keys()].some(j) && y.look();
  }, bt), q("reconnected", () => {
    y.look(!0);
  }), window.addEventListener("focus", () => {
    y.look(!0);
  }), Me("progress_text", (t) => {
    const n = t?.nodeId ?? "";
    return [...x].some(([s, i]) => i instanceof xe && (n === String(s.id) || n.endsWith(`:${s.id}`)));
  });
}
Te(yt, xt, () => y.look(!0));
