import { app as Ve } from "../../scripts/app.js";
import { api as je } from "../../scripts/api.js";
const S = Ve, C = je;
class L extends Error {
  constructor(t, n, s, i = []) {
    super(n), this.code = t, this.hint = s, this.errors = i;
  }
  code;
  hint;
  errors;
  static from({ error: t, message: n, hint: s, errors: i }, o) {
    const a = (i ?? []).map((r) => L.from(r, o));
    return new L(t ?? "server-error", n ?? o, s ?? "", a);
  }
}
function ze(e, t, n, s) {
  S.registerExtension({
    name: "SDGen",
    setup: e,
    nodeCreated: t,
    refreshComboInNodes: n,
    commands: s.map(({ id: i, label: o, icon: a, press: r }) => ({ id: i, label: o, icon: a, function: r })),
    menuCommands: [{ path: ["SDGen"], commands: s.map(({ id: i }) => i) }]
  });
}
function j(e) {
  return e.comfyClass ?? e.type ?? "";
}
const Fe = 20;
function we(e, t, n) {
  const s = e.addDOMWidget("sdgen_panel", "sdgen_panel", t, {
    serialize: !1,
    hideOnZoom: !1,
    getValue: () => "",
    setValue: () => {
    },
    getMinHeight: () => n() + Fe
  });
  s.serialize = !1, t.addEventListener("wheel", (i) => {
    t.scrollHeight > t.clientHeight + 1 && !i.ctrlKey ? i.stopPropagation() : (i.preventDefault(), S.canvas?.processMouseWheel?.(i));
  });
}
function be(e, t) {
  t.isConnected || e.graph !== S.canvas?.graph || document.querySelector(`[data-node-id="${e.id}"] .sdgen-panel`)?.replaceWith(t);
}
function U(e) {
  const t = e.flags?.collapsed ? 0 : e.computeSize()[1];
  e.size[1] < t && e.setSize([e.size[0], t]), e.setDirtyCanvas?.(!0, !0);
}
function ee(e) {
  return e.graph !== null && e.graph !== void 0;
}
function E(e, t) {
  const n = e.widgets?.find((s) => s.name === t)?.value;
  return typeof n == "string" ? n : typeof n == "number" ? String(n) : "";
}
function ve(e, t) {
  const n = e.widgets?.find((s) => s.name === t);
  n && (n.hidden = !0, n.options && (n.options.hidden = !0));
}
function G(e, t, n) {
  const s = e.widgets?.find((o) => o.name === t);
  if (!s) return;
  s.value = n, s.callback?.(n), U(e);
  const i = S.extensionManager?.workflow?.activeWorkflow?.changeTracker;
  i?.captureCanvasState ? i.captureCanvasState() : i?.checkState?.();
}
function We(e, t, n) {
  const s = e.widgets?.find((i) => i.name === t);
  s?.options && (s.options.values = n);
}
function Y(e, t, n) {
  t.classList.toggle("sdgen-wrong", n), e.strokeStyles && (e.strokeStyles.sdgen = () => n ? { color: "#e0443e", lineWidth: 3, padding: 8 } : void 0), e.setDirtyCanvas?.(!0, !0);
}
function I(e, t) {
  const n = e.inputs?.findIndex((i) => i.name === t) ?? -1;
  if (n < 0) return null;
  let s = ie(e, n);
  for (let i = 0; s && j(s) === "Reroute" && i < 50; i++) s = ie(s, 0);
  return s;
}
function ie(e, t) {
  try {
    return e.getInputNode(t);
  } catch {
    return null;
  }
}
function Ge(e) {
  const t = e.graph?.nodes?.find((n) => E(n, "ckpt_name") && !I(n, "ckpt_name"));
  return t ? E(t, "ckpt_name") : "";
}
function oe(e) {
  const t = e.graph?.rootGraph ?? e.graph;
  return `${t?.id ?? ""}/${e.graph === t ? "" : e.graph?.id ?? ""}/${e.id}`;
}
function Be(e, t) {
  const n = e.onExecuted;
  e.onExecuted = function(s) {
    n?.call(e, s), t(s);
  };
}
function xe(e, t) {
  const n = e.onRemoved;
  e.onRemoved = function() {
    n?.call(e), t();
  };
}
function P(e) {
  return ke(e, { cache: "no-store" });
}
function z(e, t, n) {
  return ke(e, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-SDGen": "1" },
    body: JSON.stringify(t),
    ...n && { signal: n }
  });
}
async function Ue(e, t) {
  const n = await C.fetchApi(e, { cache: "no-store", signal: t });
  return n.ok || await ye(n), n.blob();
}
function He(e) {
  return C.apiURL?.(e) ?? e;
}
async function ke(e, t) {
  return ye(await C.fetchApi(e, t));
}
async function ye(e) {
  const t = await e.text();
  let n;
  try {
    n = JSON.parse(t);
  } catch {
    throw new L("server-error", `${e.status} ${e.statusText}`, "");
  }
  if (e.ok) return n;
  throw L.from(n, e.statusText);
}
function H(e, t) {
  C.addEventListener(e, (n) => {
    t(n.detail);
  });
}
function Ke(e, t) {
  const n = C.dispatchCustomEvent?.bind(C);
  n && (C.dispatchCustomEvent = (s, i) => s === e && t(i) ? !0 : n(s, i));
}
function Je(e) {
  const [t, n] = [S.handleFile?.bind(S), S.loadGraphData?.bind(S)];
  !t || !n || (S.handleFile = async (s, ...i) => {
    const o = await e(s);
    await (o ? n(o, !0, !0, s.name.replace(/\.\w+$/, "")) : t(s, ...i));
  });
}
function M(e, t, n) {
  S.extensionManager?.toast?.add({ severity: e, summary: t, detail: n, ...e !== "error" && { life: 8e3 } });
}
function x() {
  const e = S.extensionManager?.setting?.get("Comfy.Locale");
  return typeof e == "string" && e ? e : "en";
}
const ae = 3, Xe = 1e4;
class Qe {
  constructor(t) {
    this.texts = t;
  }
  texts;
  asked = !1;
  said = 0;
  /** Begin to listen: what the server does by itself goes on silently. */
  start() {
    H("sdgen.import", (t) => {
      this.asked && this.hear(t);
    });
  }
  /** Have the server look through all folders. */
  async press() {
    const t = this.texts();
    this.said = Date.now(), this.asked = !0, M("info", t.importing, "");
    try {
      await z("/sdgen/import", {});
    } catch (n) {
      this.asked = !1;
      const { message: s, hint: i } = n instanceof L ? n : { message: t.noAnswer, hint: "" };
      M("error", t.importing, i ? `${s}. ${i}` : s);
    }
  }
  hear(t) {
    const n = this.texts();
    if (t.running) {
      if (Date.now() - this.said < Xe) return;
      this.said = Date.now(), M("info", n.importing, n.importProgress(t.sessions, t.total, t.images));
      return;
    }
    this.asked = !1, M("success", n.imported, n.importDone(t.sessions + t.unchanged, t.written));
    const s = t.errors.slice(0, ae).map(({ folder: i, message: o }) => `${i}: ${o}`);
    t.errors.length > ae && s.push(n.problems(t.errors.length)), s.length && M("warn", n.imported, s.join(`
`));
  }
}
const Ye = "(the text below)", Ze = 9;
class et {
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
        const n = `/sdgen/templates?since=${encodeURIComponent(this.version)}`, { version: s, templates: i } = await P(n);
        this.version = s, i && (this.files = [Ye, ...i]), (i || t) && this.changed();
      } catch {
        this.rest = Ze;
      }
    }
  }
}
function d(e, t, ...n) {
  const s = document.createElement(e);
  s.className = t;
  for (const i of n) i != null && i !== !1 && s.append(i);
  return s;
}
function v(e, t) {
  const n = d("button", "sdgen-button", e);
  return n.setAttribute("type", "button"), n.addEventListener("pointerdown", (s) => {
    s.stopPropagation();
  }), n.addEventListener("click", (s) => {
    s.stopPropagation(), t();
  }), n;
}
class $e {
  constructor(t, n, s) {
    this.lowest = n, this.highest = s, this.root.classList.add(`sdgen-${t}`), this.root.append(this.content), this.measured = n, this.root.addEventListener(
      "pointerdown",
      () => {
        this.pressed = !0, window.addEventListener("pointerup", this.released, { capture: !0, once: !0 }), window.addEventListener("pointercancel", this.released, { capture: !0, once: !0 });
      },
      { capture: !0 }
    );
  }
  lowest;
  highest;
  root = d("div", "sdgen-panel");
  content = d("div", "sdgen-content");
  measured;
  pressed = !1;
  waiting;
  /** The click comes right after the release. */
  released = () => {
    setTimeout(() => {
      this.pressed = !1;
      const t = this.waiting;
      this.waiting = void 0, t && this.show(...t);
    });
  };
  /**
   * Show `children` instead of what is there. A session that runs shows new figures many times a second: a child that would look the
   * same stays in its place with its buttons (so what they do must not depend on when they were made), a button that is being pressed
   * stays until its click has come, and the keyboard stays at the button it was at.
   */
  show(...t) {
    if (this.pressed) {
      this.waiting = t;
      return;
    }
    const n = this.content.contains(document.activeElement) ? document.activeElement?.textContent : void 0, s = [...this.content.childNodes], i = t.filter((o) => !!o).map((o) => {
      const a = typeof o == "string" ? document.createTextNode(o) : o, r = s.findIndex((l) => l.isEqualNode(a));
      return s.splice(r, r < 0 ? 0 : 1)[0] ?? a;
    });
    for (const o of s) o.remove();
    i.forEach((o, a) => {
      const r = this.content.childNodes[a];
      r !== o && this.content.insertBefore(o, r ?? null);
    }), n && [...this.content.querySelectorAll("button")].find((o) => o.textContent === n)?.focus({ preventScroll: !0 });
  }
  /** The height that the content needs, in the node's own pixels. */
  height() {
    const t = this.content.offsetHeight;
    return t > 0 && (this.measured = t), Math.min(Math.max(this.measured, this.lowest), this.highest);
  }
}
class K {
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
const Se = {
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
  importSessions: "Import new sessions",
  importing: "Looking for new sessions …",
  importProgress: (e, t, n) => `${c(e, "en")} of ${c(t, "en")} sessions, ${c(n, "en")} images`,
  imported: "Sessions imported",
  importDone: (e, t) => `${c(e, "en")} ${e === 1 ? "session" : "sessions"}, ${c(t, "en")} new or changed ${t === 1 ? "image" : "images"}`,
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
  state: { planned: "planned", running: "running", paused: "paused", completed: "completed", failed: "failed", stopped: "stopped" },
  stateTip: {
    planned: "It waits in line and starts by itself.",
    running: "Its images are being made.",
    paused: "Resume goes on with what is left.",
    completed: "All of its images are there.",
    failed: "It came to its end, but some images failed.",
    stopped: "It was ended before its end; Resume takes it up again."
  },
  between: (e, t, n) => `${c(e, "en")}–${c(t, "en")} of ${c(n, "en")}`,
  sharedBy: (e) => `Themes: ${e}`,
  skipped: (e) => `${c(e, "en")} left out`,
  more: "More …",
  moreOf: (e) => `More for session ${e}`,
  pauseFirst: "Pause the session first.",
  go: "Do it",
  extend: "Extend …",
  extendNote: "Images that are there stay as they are. Say either how many more, or which further seeds.",
  extendMore: "More images of its own plan",
  extendSeeds: "All combinations on further seeds (1-4, 7,42, 20#1000)",
  extended: (e) => `${c(e, "en")} ${e === 1 ? "image" : "images"} added`,
  shrink: "Plan fewer …",
  shrinkNote: "Keeps the first images of the plan. What is made already stays.",
  shrinkTo: "Images to keep planned",
  shrunk: (e) => `${c(e, "en")} ${e === 1 ? "image" : "images"} taken out of the plan`,
  skip: "Leave out …",
  skipNote: "Leaves out images that are still to be made or have failed. “Take back what was left out” undoes it.",
  skipItems: "Numbers of images, from 0 (5,7-9)",
  skipFailed: "Leave out failed",
  takeBack: "Take back what was left out",
  leftOutNow: (e) => `${c(e, "en")} ${e === 1 ? "image" : "images"} left out`,
  again: (e) => `${c(e, "en")} ${e === 1 ? "image" : "images"} to be made again`,
  rename: "Rename …",
  renameNote: "Its folder gets the new name too; its files keep theirs.",
  newName: "New name",
  renamed: (e) => `Renamed to ${e}`,
  move: "Move …",
  moveNote: "Moves its folder, also to another disk. The places are ComfyUI’s output and the setting session_folders.",
  moveTo: "To",
  moved: (e) => `Moved to ${e}`,
  verify: "Verify …",
  verifyNote: "Compares files, manifest and ledger.",
  verifyHashes: "Read every file and compare its hash",
  verifyRepair: "First write the manifest anew from what is there",
  agree: "Files, manifest and ledger agree.",
  disagree: "Files, manifest and ledger do not agree.",
  found: {
    missing: "missing",
    extra: "not in the manifest",
    torn: "damaged",
    mismatched: "changed",
    problems: "problems",
    done_without_file: "made, but gone"
  },
  rebuild: "Rebuild …",
  rebuildNote: "Makes its manifest and its entries in the ledger anew from the images in its folder.",
  rebuilt: (e, t) => `Rebuilt: ${c(e, "en")} of ${c(t, "en")} images found`,
  compare: "Compare …",
  across: "Across",
  down: "Down",
  openPage: "Open as a page",
  savePicture: "Save the picture",
  drawing: "Drawing the sheet …",
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
}, tt = {
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
  importSessions: "Importer les nouvelles sessions",
  importing: "Recherche de nouvelles sessions …",
  importProgress: (e, t, n) => `${c(e, "fr")} sessions sur ${c(t, "fr")}, ${c(n, "fr")} images`,
  imported: "Sessions importées",
  importDone: (e, t) => `${c(e, "fr")} ${e < 2 ? "session" : "sessions"}, ${c(t, "fr")} ${t < 2 ? "image nouvelle ou modifiée" : "images nouvelles ou modifiées"}`,
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
  state: { planned: "prévue", running: "en cours", paused: "en pause", completed: "terminée", failed: "échouée", stopped: "arrêtée" },
  stateTip: {
    planned: "Elle attend son tour et démarrera seule.",
    running: "Ses images sont en cours de production.",
    paused: "Reprendre continue avec ce qui reste.",
    completed: "Toutes ses images sont là.",
    failed: "Elle est arrivée au bout, mais des images ont échoué.",
    stopped: "Elle a été arrêtée avant la fin ; Reprendre la relance."
  },
  between: (e, t, n) => `${c(e, "fr")} à ${c(t, "fr")} sur ${c(n, "fr")}`,
  sharedBy: (e) => `Thèmes : ${e}`,
  skipped: (e) => `${c(e, "fr")} ${e < 2 ? "laissée" : "laissées"} de côté`,
  more: "Plus …",
  moreOf: (e) => `Plus pour la session ${e}`,
  pauseFirst: "Mettez d’abord la session en pause.",
  go: "Exécuter",
  extend: "Prolonger …",
  extendNote: "Les images déjà là ne changent pas. Indiquez soit leur nombre, soit d’autres graines.",
  extendMore: "Images de plus de son propre plan",
  extendSeeds: "Toutes les combinaisons avec d’autres graines (1-4, 7,42, 20#1000)",
  extended: (e) => `${c(e, "fr")} ${e < 2 ? "image ajoutée" : "images ajoutées"}`,
  shrink: "Réduire le plan …",
  shrinkNote: "Garde les premières images du plan. Ce qui est déjà produit reste.",
  shrinkTo: "Images à garder dans le plan",
  shrunk: (e) => `${c(e, "fr")} ${e < 2 ? "image retirée" : "images retirées"} du plan`,
  skip: "Laisser de côté …",
  skipNote: "Laisse de côté des images à faire ou échouées. « Reprendre les images laissées de côté » l’annule.",
  skipItems: "Numéros d’images, à partir de 0 (5,7-9)",
  skipFailed: "Laisser les échecs de côté",
  takeBack: "Reprendre les images laissées de côté",
  leftOutNow: (e) => `${c(e, "fr")} ${e < 2 ? "image laissée" : "images laissées"} de côté`,
  again: (e) => `${c(e, "fr")} ${e < 2 ? "image" : "images"} à refaire`,
  rename: "Renommer …",
  renameNote: "Son dossier prend aussi le nouveau nom ; ses fichiers gardent le leur.",
  newName: "Nouveau nom",
  renamed: (e) => `Renommée en ${e}`,
  move: "Déplacer …",
  moveNote: "Déplace son dossier, même vers un autre disque. Les lieux sont le dossier de sortie de ComfyUI et le réglage session_folders.",
  moveTo: "Vers",
  moved: (e) => `Déplacée vers ${e}`,
  verify: "Vérifier …",
  verifyNote: "Compare les fichiers, le manifeste et le registre.",
  verifyHashes: "Lire chaque fichier et comparer son empreinte",
  verifyRepair: "Réécrire d’abord le manifeste d’après ce qui est là",
  agree: "Fichiers, manifeste et registre concordent.",
  disagree: "Fichiers, manifeste et registre ne concordent pas.",
  found: {
    missing: "manquants",
    extra: "absents du manifeste",
    torn: "endommagés",
    mismatched: "modifiés",
    problems: "problèmes",
    done_without_file: "produites, mais disparues"
  },
  rebuild: "Reconstruire …",
  rebuildNote: "Refait son manifeste et ses entrées du registre d’après les images de son dossier.",
  rebuilt: (e, t) => `Reconstruite : ${c(e, "fr")} images trouvées sur ${c(t, "fr")}`,
  compare: "Comparer …",
  across: "En colonnes",
  down: "En lignes",
  openPage: "Ouvrir comme page",
  savePicture: "Enregistrer l’image",
  drawing: "Dessin de la planche …",
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
}, nt = { en: Se, fr: tt };
function y(e) {
  return nt[e.split("-")[0] ?? ""] ?? Se;
}
function c(e, t) {
  return e.toLocaleString(t, { maximumFractionDigits: 1 });
}
function Ee(e, t) {
  if (e < 90) return t.seconds(Math.round(e));
  const n = Math.round(e / 60);
  return n < 90 ? t.minutes(n) : t.hours(Math.floor(n / 60), n % 60);
}
async function Z(e, t) {
  return await z("/sdgen/templates/preview", e, t);
}
function st(e, t, n, s = {}) {
  const i = [
    d(
      "div",
      "sdgen-head",
      d("b", "sdgen-name", e.name),
      d("span", "sdgen-dim", t.mode[e.mode] ?? e.mode)
    )
  ], o = [
    ...e.placeholders.map((a) => {
      const r = a.least ?? a.selected, l = r < a.selected ? t.between(r, a.selected, a.available) : t.selected(a.selected, a.available), p = d("b", "", l), h = re(a.name, p, s, a.weight === 0 && d("i", "", t.drawn));
      return h.classList.toggle("sdgen-drawn", a.weight === 0), a.weight === 0 && (h.title = t.drawnTip), h;
    }),
    ...e.left_out.map((a) => re(a, d("i", "", t.leftOut), s))
  ];
  if (o.length && i.push(d("div", "sdgen-chips", ...o)), i.push(d("div", "sdgen-total", ...ot(e, t))), e.themes) {
    const a = e.themes.map(({ theme: r, style: l, images: p }) => {
      const h = r ?? t.noTheme;
      return `${l && l !== "default" ? `${h}/${l}` : h} ${c(p, n)}`;
    });
    i.push(d("div", "sdgen-dim", t.sharedBy(a.join(" · "))));
  }
  if (e.removed.length && i.push(d("div", "sdgen-dim", t.removed(e.removed.join(", ")))), i.push(...e.warnings.map((a) => d("div", "sdgen-warning", a))), e.first.length) {
    const a = e.first.map((r, l) => it(r, l, n, s));
    i.push(d("div", "sdgen-prompts", ...a));
  }
  return i;
}
function re(e, t, n, ...s) {
  const { choose: i, chosen: o } = n, r = i ? v("", () => {
    i?.(e);
  }) : d("span", "");
  return r.className = o?.has(e) ? "sdgen-chip sdgen-chosen" : "sdgen-chip", r.append(d("span", "", e), t, ...s.filter((l) => !!l)), r;
}
function it(e, t, n, s) {
  const { unfolded: i, resized: o } = s, a = document.createElement("details");
  a.className = "sdgen-prompt", a.open = i?.has(t) ?? !1;
  const r = d("summary", "", d("span", "sdgen-dim", c(t + 1, n)), e.prompt);
  return r.addEventListener("pointerdown", (l) => {
    l.stopPropagation();
  }), a.append(r), e.negative && a.append(d("div", "sdgen-dim", `− ${e.negative}`)), a.addEventListener("toggle", () => {
    a.open ? i?.add(t) : i?.delete(t), o?.();
  }), a;
}
function ot(e, t) {
  const n = d("b", "sdgen-images", t.images(e.images));
  return [`${te(e, t)} → `, n];
}
function te(e, t) {
  const n = e.seeds ?? 1, s = Math.ceil(e.images / Math.max(n, 1)), i = s < e.combinations ? t.combinationsOf(s, e.combinations) : t.combinations(e.combinations);
  return e.seeds === null || e.seeds < 2 ? i : `${i} × ${t.seeds(e.seeds)}`;
}
function q(e, t, n = 1 / 0) {
  if (!(e instanceof L)) return [d("div", "sdgen-error", t.noAnswer)];
  const s = e.errors.length ? e.errors : [e], i = /* @__PURE__ */ new Set(), o = s.slice(0, n).map((a) => {
    const r = i.has(a.hint) ? "" : a.hint;
    return i.add(a.hint), d(
      "div",
      "sdgen-error",
      d("div", "sdgen-message", a.message),
      r && d("div", "", r),
      d("div", "sdgen-dim", a.code)
    );
  });
  return s.length > 1 ? [d("div", "sdgen-dim", t.problems(s.length)), ...o] : o;
}
const _ = ["planned", "running"], Te = "sdgen.planners", at = 100;
function R({ id: e }) {
  return `/sdgen/sessions/${encodeURIComponent(e)}`;
}
class rt {
  constructor(t) {
    this.texts = t;
  }
  texts;
  known = /* @__PURE__ */ new Map();
  /** How often each session was heard of: what was asked for before and comes after is old. */
  heard = /* @__PURE__ */ new Map();
  listeners = /* @__PURE__ */ new Set();
  /** Begin to listen; sessions that run already are asked for, so that their end is noticed. */
  start() {
    H("sdgen.session", (n) => {
      this.receive(n);
    });
    const t = () => {
      this.list();
    };
    H("reconnected", t), t();
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
      const s = await P(R({ id: t }));
      return this.known.set(t, s), s;
    } catch {
      return;
    }
  }
  /** Do something to a session. Throws `ServerError`. */
  async act(t, n, s = {}) {
    return this.took(t.id, () => z(`${R(t)}/${n}`, s));
  }
  /** Write a session into ledger and manifest again from its folder. Throws `ServerError`. */
  async rebuild(t) {
    return this.took(t.id, () => z("/sdgen/sessions", { folder: t.folder.replace(/^.*[\\/]/, "") }));
  }
  /** Where a session may be moved to. Throws `ServerError`. */
  async places(t) {
    return (await P(R(t))).places;
  }
  /** What a press of Run reported; its messages may have overtaken it. */
  reported(t) {
    this.receive(t), this.refresh(t.id);
  }
  /** Take over the session that `ask` answers with, unless messages told of it meanwhile: then it is asked for anew. */
  async took(t, n) {
    const s = this.heard.get(t), i = await n();
    return this.heard.get(t) === s ? this.receive(i) : this.refresh(t), i;
  }
  /** Ask for a session until no message came while the answer was on its way. */
  async refresh(t) {
    for (let n = 0; n < 5; n++) {
      const s = this.heard.get(t);
      try {
        const i = await P(R({ id: t }));
        if (this.heard.get(t) !== s) continue;
        this.receive(i);
      } catch {
      }
      return;
    }
  }
  receive(t) {
    this.heard.set(t.id, (this.heard.get(t.id) ?? 0) + 1);
    const n = this.known.get(t.id);
    this.known.set(t.id, t);
    const s = n && _.includes(n.state) && !_.includes(t.state) ? dt(t, this.texts()) : void 0;
    s && M(s.severity, s.summary, s.detail);
    for (const i of this.listeners) i(t);
  }
  async list() {
    try {
      const { sessions: t } = await P("/sdgen/sessions");
      for (const n of t) (_.includes(n.state) || this.known.has(n.id)) && this.receive(n);
    } catch {
    }
  }
}
function dt(e, t) {
  const n = t.madeOf(e.done, e.planned);
  if (e.state === "completed") return { severity: "success", summary: t.completedToast(e.name), detail: n };
  const s = [e.reason, n].filter(Boolean).join(" · ");
  if (e.state === "failed") return { severity: "error", summary: t.failedToast(e.name), detail: s };
  if (e.state === "paused") return { severity: "warn", summary: t.pausedToast(e.name), detail: s };
}
function lt(e, t) {
  const n = Le();
  n.delete(e), n.set(e, t);
  try {
    localStorage.setItem(Te, JSON.stringify([...n].slice(-at)));
  } catch {
  }
}
function ct(e) {
  return Le().get(e);
}
function Le() {
  try {
    const e = JSON.parse(localStorage.getItem(Te) ?? "[]");
    return new Map(Array.isArray(e) ? e : []);
  } catch {
    return /* @__PURE__ */ new Map();
  }
}
const ht = ["keydown", "keyup", "keypress", "copy", "cut", "paste", "wheel", "dragover", "drop", "contextmenu"], ut = ["pointerdown", "pointermove", "pointerup", "mousedown"];
function J(e, t, n, s, i) {
  const o = v("✕", () => {
    a.close();
  });
  o.classList.add("sdgen-cross"), o.title = s, o.setAttribute("aria-label", s);
  const a = Ne(`sdgen-modal sdgen-${e}`, t, [d("div", "sdgen-modal-head", d("b", "", t), o), ...n], i);
  return a;
}
function Ne(e, t, n, s) {
  const i = document.createElement("dialog");
  i.className = e, i.setAttribute("aria-label", t), i.append(...n);
  for (const o of [...ht, ...ut])
    i.addEventListener(o, (a) => {
      a.stopPropagation();
    });
  return i.addEventListener("mousedown", (o) => {
    o.target === i && !pt(i, o) && i.close();
  }), i.addEventListener("close", () => {
    i.remove(), s();
  }), document.body.append(i), i.showModal(), i;
}
function pt(e, { clientX: t, clientY: n }) {
  const { left: s, right: i, top: o, bottom: a } = e.getBoundingClientRect();
  return t >= s && t <= i && n >= o && n <= a;
}
function Ae(e, t) {
  const n = document.createElement("input");
  return n.type = "text", n.className = "sdgen-search", n.placeholder = e, n.setAttribute("aria-label", e), n.spellcheck = !1, n.addEventListener("input", t), n.addEventListener("keydown", (s) => {
    s.key !== "Escape" || !n.value || (s.preventDefault(), n.value = "", t());
  }), n;
}
function Ie(e, t) {
  const n = e.toLocaleLowerCase();
  return t.toLocaleLowerCase().split(/\s+/).every((s) => n.includes(s));
}
async function mt(e, t, n) {
  const { axes: s } = await P(`${R(e)}/axes`), i = Object.keys(s).length > 0 ? Object.keys(s) : ["seed"], o = de(t.across, i, i[0]), a = de(t.down, i, i[1] ?? i[0]), r = document.createElement("img");
  r.className = "sdgen-sheet";
  const l = d("div", "sdgen-sheet-view");
  l.tabIndex = 0;
  const [p, h] = [le(t.openPage), le(t.savePicture)];
  p.target = "_blank", p.rel = "noopener";
  const m = () => {
    r.src && URL.revokeObjectURL(r.src);
  }, g = new K(
    (w, b) => Ue(`${R(e)}/sheet?${w}`, b),
    (w) => {
      m(), r.src = URL.createObjectURL(w), r.alt = `${t.compare}: ${o.select.value} × ${a.select.value}`, h.href = r.src, h.download = `${e.name}_${o.select.value}_${a.select.value}.png`, l.replaceChildren(r);
    },
    (w) => {
      l.replaceChildren(...q(w, t));
    },
    0
  ), u = () => {
    const w = new URLSearchParams({ x: o.select.value, y: a.select.value }).toString();
    p.href = He(`${R(e)}/sheet?${w}&form=html`), g.update(w) && l.replaceChildren(d("div", "sdgen-dim", t.drawing));
  };
  o.select.addEventListener("change", u), a.select.addEventListener("change", u);
  const f = J(
    "sheet-dialog",
    `${t.compare.replace(/ …$/, "")}: ${e.name}`,
    [d("div", "sdgen-sheet-axes", o.label, a.label, p, h), l],
    t.cancel,
    () => {
      g.clear(), m(), n();
    }
  );
  return u(), o.select.focus(), f;
}
function de(e, t, n = "") {
  const s = document.createElement("select");
  return s.append(...t.map((i) => new Option(i, i, i === n, i === n))), { label: d("label", "sdgen-field", d("span", "", e), s), select: s };
}
function le(e) {
  const t = document.createElement("a");
  return t.className = "sdgen-button", t.textContent = e, t;
}
function gt(e, t, n, s, i, o) {
  const a = e.closest(".sdgen-panel"), r = () => {
    a?.querySelector(".sdgen-more")?.focus({ preventScroll: !0 });
  }, l = (k) => () => {
    ft(k, s, i, o, r);
  }, p = (k, $, N) => () => {
    n.act(t, k, $).then((A) => {
      i([N(A)]);
    }, o);
  }, h = !_.includes(t.state), m = async () => {
    l($t(t, n, s, await n.places(t)))();
  }, g = [
    { label: s.compare, press: () => {
      mt(t, s, r).catch(o);
    }, can: t.done > 0 },
    { label: s.extend, press: l(vt(t, n, s)) },
    { label: s.shrink, press: l(xt(t, n, s)) },
    { label: s.skip, press: l(kt(t, n, s)) }
  ];
  if (t.failed > 0) {
    const k = ($) => s.leftOutNow($.skipped_now ?? 0);
    g.push({ label: s.skipFailed, press: p("skip", { items: "failed" }, k) });
  }
  if (t.skipped > 0) {
    const k = ($) => s.again($.retried ?? 0);
    g.push({ label: s.takeBack, press: p("retry", { skipped: !0 }, k) });
  }
  g.push(
    { label: s.verify, press: l(St(t, n, s)) },
    { label: s.rename, press: l(yt(t, n, s)), can: h },
    { label: s.move, press: () => {
      m().catch(o);
    }, can: h },
    { label: s.rebuild, press: l(Et(t, n, s)), can: h }
  );
  const u = g.map(({ label: k, press: $, can: N = !0 }) => {
    const A = v(k, () => {
      f.close(), $();
    });
    return A.setAttribute("role", "menuitem"), A.disabled = !N, !N && !h && (A.title = s.pauseFirst), A;
  }), f = Ne("sdgen-menu", s.moreOf(t.name), u, r);
  f.setAttribute("role", "menu"), f.addEventListener("keydown", (k) => {
    const $ = u.filter((Q) => !Q.disabled), N = $.findIndex((Q) => Q === document.activeElement), se = { ArrowDown: N + 1, ArrowUp: N - 1, Home: 0, End: -1 }[k.key];
    se !== void 0 && ($.at(se % $.length)?.focus(), k.preventDefault());
  });
  const w = e.getBoundingClientRect(), { offsetWidth: b, offsetHeight: X } = f;
  return f.style.left = `${Math.max(4, Math.min(w.right - b, innerWidth - b - 4))}px`, f.style.top = `${Math.max(4, Math.min(w.bottom + 2, innerHeight - X - 4))}px`, u.find((k) => !k.disabled)?.focus(), f;
}
function ft(e, t, n, s, i) {
  const o = e.fields.map((f) => [f, wt(f)]), a = o.map(([f, w]) => {
    const b = d("span", "", f.label);
    return d("label", `sdgen-field sdgen-${f.kind}`, ...f.kind === "checkbox" ? [w, b] : [b, w]);
  }), r = d("div", "sdgen-form-notes");
  r.setAttribute("role", "alert");
  const l = v(t.go, () => {
    h.requestSubmit();
  });
  l.classList.add("sdgen-main");
  const p = v(t.cancel, () => {
    u.close();
  }), h = d("form", "sdgen-form", d("div", "sdgen-dim", e.note), ...a, r);
  h.noValidate = !0, h.addEventListener("submit", (f) => {
    if (f.preventDefault(), l.disabled) return;
    l.disabled = !0;
    const w = Object.fromEntries(o.map(([b, X]) => [b.name, bt(X)]));
    e.send(w).then(
      (b) => {
        u.close(), n(e.said(b));
      },
      (b) => {
        l.disabled = !1, r.replaceChildren(...q(b, t)), s(b);
      }
    );
  });
  const m = document.createElement("input");
  m.type = "submit", m.hidden = !0, h.append(m);
  const g = d("div", "sdgen-modal-foot", d("span", "sdgen-outcome"), p, l), u = J("session-dialog", e.title, [h, g], t.cancel, i);
  return (o[0]?.[1] ?? l).focus(), u;
}
function wt(e) {
  if (e.kind === "select") {
    const n = document.createElement("select");
    return n.append(...(e.options ?? []).map((s) => new Option(s, s))), n;
  }
  const t = document.createElement("input");
  return t.type = e.kind, t.name = e.name, t.spellcheck = !1, e.kind === "number" && (t.min = "1"), e.value !== void 0 && (t.value = e.value), t;
}
function bt(e) {
  return !(e instanceof HTMLInputElement) || e.type !== "checkbox" ? e.value.trim() : e.checked ? "1" : "";
}
function D(e, t) {
  return `${e.replace(/ …$/, "")}: ${t.name}`;
}
function vt(e, t, n) {
  return {
    title: D(n.extend, e),
    note: n.extendNote,
    fields: [
      { name: "more", label: n.extendMore, kind: "number" },
      { name: "seeds", label: n.extendSeeds, kind: "text" }
    ],
    send: ({ more: s, seeds: i }) => t.act(e, "extend", { more: Number(s), seeds: i }),
    said: ({ added: s }) => [n.extended(s ?? 0)]
  };
}
function xt(e, t, n) {
  return {
    title: D(n.shrink, e),
    note: n.shrinkNote,
    fields: [{ name: "count", label: n.shrinkTo, kind: "number", value: String(e.planned) }],
    send: ({ count: s }) => t.act(e, "shrink", { count: Number(s) }),
    said: ({ removed: s }) => [n.shrunk(s ?? 0)]
  };
}
function kt(e, t, n) {
  return {
    title: D(n.skip, e),
    note: n.skipNote,
    fields: [{ name: "items", label: n.skipItems, kind: "text" }],
    send: ({ items: s }) => t.act(e, "skip", { items: s }),
    said: (s) => [n.leftOutNow(s.skipped_now ?? 0)]
  };
}
function yt(e, t, n) {
  return {
    title: D(n.rename, e),
    note: n.renameNote,
    fields: [{ name: "name", label: n.newName, kind: "text", value: e.name }],
    send: ({ name: s }) => t.act(e, "rename", { name: s }),
    said: ({ name: s }) => [n.renamed(s)]
  };
}
function $t(e, t, n, s) {
  return {
    title: D(n.move, e),
    note: n.moveNote,
    fields: [{ name: "to", label: n.moveTo, kind: "select", options: s }],
    send: ({ to: i }) => t.act(e, "move", { to: i }),
    said: ({ folder: i }) => [n.moved(i)]
  };
}
function St(e, t, n) {
  return {
    title: D(n.verify, e),
    note: n.verifyNote,
    fields: [
      { name: "hashes", label: n.verifyHashes, kind: "checkbox" },
      { name: "repair", label: n.verifyRepair, kind: "checkbox" }
    ],
    send: ({ hashes: s, repair: i }) => t.act(e, "verify", { hashes: s === "1", repair: i === "1" }),
    said: (s) => Tt(s, n)
  };
}
function Et(e, t, n) {
  return {
    title: D(n.rebuild, e),
    note: n.rebuildNote,
    fields: [],
    send: () => t.rebuild(e),
    said: ({ done: s, planned: i }) => [n.rebuilt(s, i)]
  };
}
function Tt({ verify: e }, t) {
  if (!e) return [];
  const n = Object.entries(t.found).flatMap(([s, i]) => {
    const o = e[s];
    return !Array.isArray(o) || !o.length ? [] : [`${i}: ${o.length} (${o.slice(0, 3).join(", ")}${o.length > 3 ? " …" : ""})`];
  });
  return [e.ok ? t.agree : t.disagree, ...n, ...e.advice ?? []];
}
const ce = /\s*([\p{L}\p{N}_]+)\[([^\]]{1,400000})\]\s*/uy, Me = /^(random|limit|keys?|index|indexes|indices|weight|range)\s*:\s*(.*)$/isu, V = /^\d{1,18}$/;
function Re(e) {
  const t = /* @__PURE__ */ new Map(), n = [];
  let s = 0;
  for (; s < e.length; )
    if (` 	\r
;|,`.includes(e.charAt(s))) s += 1;
    else {
      ce.lastIndex = s;
      const i = ce.exec(e), [o, a, r] = i ?? [];
      if (o && a && r && !t.has(a))
        t.set(a, r), s += o.length;
      else {
        const l = o ? s + o.length : e.indexOf(";", s);
        n.push(e.slice(s, l < 0 ? void 0 : l).trim()), s = l < 0 ? e.length : l;
      }
    }
  return { choices: t, unread: n };
}
function Lt(e) {
  return [...e].map(([t, n]) => `${t}[${n}]`).join("; ");
}
function he(e, t) {
  const n = { picked: [], draw: null, weight: null, unknown: [] };
  let s = null, i = null, o = null;
  for (let a of e.split(";").map((r) => r.trim())) {
    if (!a) continue;
    const r = Me.exec(a);
    if (r?.[1] !== void 0 && r[2] !== void 0) {
      const [p, h] = [r[1].toLowerCase(), r[2].trim()];
      if (p === "random" || p === "limit") {
        V.test(h) ? n.draw = Number(h) : n.unknown.push(a);
        continue;
      }
      if (p.startsWith("key")) {
        i = ue(h);
        continue;
      }
      a = (p === "weight" ? "$" : "#") + h;
    }
    const l = a.slice(1).trim();
    if (a.startsWith("$"))
      /^[+-]?\d{1,18}$/.test(l) && (n.weight = Math.max(0, Number(l)));
    else if (a.startsWith("#")) {
      const [p, h, ...m] = l.split("-").map((u) => u.trim()), g = l.split(",").map((u) => u.trim());
      p && h && V.test(p) && V.test(h) && !m.length && Number(p) <= Number(h) ? (s = pe(Number(p), Math.min(Number(h), t.length - 1)), s.length || n.unknown.push(a)) : g.every((u) => V.test(u)) ? (n.unknown = g.filter((u) => Number(u) >= t.length).map((u) => `#${u}`), s = g.map(Number).filter((u) => u < t.length)) : n.unknown.push(a);
    } else V.test(a) ? o = Number(a) : i = ue(a);
  }
  if (s) n.picked = s;
  else if (i) {
    const a = Oe(t);
    for (const r of i) {
      const l = a.get(r);
      l === void 0 ? n.unknown.push(r) : n.picked.push(l);
    }
  } else
    n.picked = pe(0, t.length - 1), n.draw ??= o;
  return n.draw === 0 && (n.picked = []), (n.draw === 0 || (n.draw ?? 0) >= n.picked.length) && (n.draw = null), n;
}
function Nt(e, { picked: t, draw: n, weight: s }) {
  const i = t.length === e.length, o = [];
  return t.length ? i || o.push(At(e, t)) : o.push("0"), n !== null && n < t.length && o.push(i ? String(n) : `limit:${n}`), s !== null && o.push(`$${s}`), o.join(";");
}
function At(e, t) {
  const n = Oe(e), s = [];
  for (const i of t) {
    const o = Mt(e, i, n);
    if (o === void 0) return It(t);
    s.push(o);
  }
  return s.join(",");
}
function It(e) {
  const [t, n] = [e[0] ?? 0, e[e.length - 1] ?? 0];
  return e.length > 1 && n - t + 1 === e.length ? `#${t}-${n}` : `#${e.join(",")}`;
}
function Mt(e, t, n) {
  const [s, i] = e[t] ?? ["", ""];
  return (Ce(s) && typeof i == "string" ? [i, s] : [s]).find((a) => Rt(a) && n.get(a) === t);
}
function Ce(e) {
  return /^[0-9a-f]{8}$/.test(e);
}
function Rt(e) {
  const t = e !== e.trim() || /^[\x1c-\x1f\x85]|[\x1c-\x1f\x85]$/.test(e), n = /^[#$]|^\p{Nd}+$/u.test(e) || Me.test(e);
  return e !== "" && !t && !n && !/[,;\]]/.test(e);
}
function Oe(e) {
  const t = /* @__PURE__ */ new Map();
  return e.forEach(([, n], s) => {
    typeof n == "string" && !t.has(n) && t.set(n, s);
  }), e.forEach(([n], s) => t.set(n, s)), t;
}
function ue(e) {
  return e.split(",").map((t) => t.trim()).filter(Boolean);
}
function pe(e, t) {
  return Array.from({ length: Math.max(0, t - e + 1) }, (n, s) => e + s);
}
class Ct {
  constructor(t, n) {
    this.offered = t, this.name = t.name, this.values = t.values, this.own = he(t.selector, t.values), this.kept = n;
    const s = n === void 0 ? this.own : he(n, t.values);
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
    const { weight: t } = this, n = [...this.picked].sort((o, a) => o - a), s = this.draw !== null && this.draw < n.length ? this.draw : null;
    if (!(s === this.own.draw && Ot(this.picked, this.own.picked) && t === null))
      return Nt(this.values, { picked: n, draw: s, weight: t }) || `$${this.offered.weight}`;
  }
  edited() {
    this.kept = void 0, this.unknown = [];
  }
}
function Ot(e, t) {
  return e.size === new Set(t).size && t.every((n) => e.has(n));
}
class Dt {
  rows;
  /** Choices for placeholders that the template does not have now; they stay until they are removed. */
  strangers;
  unread;
  constructor(t, n) {
    const { choices: s, unread: i } = Re(n);
    this.rows = t.map((a) => new Ct(a, s.get(a.name)));
    const o = new Set(t.map((a) => a.name));
    this.strangers = new Map([...s].filter(([a]) => !o.has(a))), this.unread = i;
  }
  /** The text for the node. */
  get text() {
    const t = this.rows.flatMap((n) => n.selector === void 0 ? [] : [[n.name, n.selector]]);
    return Lt([...t, ...this.strangers]);
  }
}
function Pt(e, t, n, s, i) {
  const o = d("div", "sdgen-themes"), a = e.flatMap((m) => ["", ...m.styles].map((g) => p(m, g))), r = Ae(s.searchThemes, h), l = J("theme-dialog", s.themesOf(t), [r, o], s.cancel, () => {
  });
  function p(m, g) {
    const u = document.createElement("button");
    u.type = "button", u.className = g ? "sdgen-theme sdgen-style" : "sdgen-theme";
    const f = g || m.name || s.noTheme, w = !g && m.title !== m.name && m.title, b = g ? "" : [w, ...m.tags].filter(Boolean).join(" · ");
    return u.append(
      d("span", "sdgen-key", f),
      d("span", "sdgen-dim", b || (m.styles.length && !g ? s.defaultStyle : ""))
    ), m.problem && !g && u.append(d("span", "sdgen-bad", m.problem)), m.name === n.theme && (g === n.style || !g && n.style === "default") && u.setAttribute("aria-current", "true"), u.addEventListener("click", () => {
      l.close(), i(m.name, g);
    }), { shown: u, words: [m.name, m.title, g, ...m.tags].join(" ") };
  }
  function h() {
    const m = r.value.trim(), g = a.filter(({ words: u }) => Ie(u, m)).map(({ shown: u }) => u);
    o.replaceChildren(...g.length ? g : [d("div", "sdgen-dim", s.nothingFound)]);
  }
  return l.addEventListener("keydown", (m) => {
    const g = { ArrowDown: 1, ArrowUp: -1, Home: -1 / 0, End: 1 / 0 }, u = [...o.querySelectorAll("button")], f = u.findIndex((b) => b === m.target), w = g[m.key];
    if (m.key === "Enter" && m.target === r) u[0]?.click();
    else {
      if (w === void 0 || m.target === r && m.key !== "ArrowDown") return;
      f + w < 0 && m.key === "ArrowUp" ? r.focus() : u[Math.min(Math.max(f + w, 0), u.length - 1)]?.focus();
    }
    m.preventDefault();
  }), h(), e.length === 1 && !e[0]?.styles.length && o.append(d("div", "sdgen-dim", s.noThemes)), r.focus(), o.querySelector("[aria-current]")?.scrollIntoView({ block: "center" }), l;
}
const me = 10;
class _t {
  /**
   * Open it for a template with placeholders. `text` is what is chosen now, `start` the placeholder to begin with, `preview` what a
   * choice would make; `chosen` gets the new text when the user says yes.
   */
  constructor(t, n, s, i, o, a) {
    this.texts = i, this.chosen = a, this.choosing = new Dt(t.placeholders, n);
    const [r] = this.choosing.rows;
    if (!r) throw new Error("a template without placeholders has nothing to choose");
    this.row = this.choosing.rows.find((h) => h.name === s) ?? r, this.search = Ae(i.searchValues, () => {
      this.showValues();
    }), this.bulk = [
      v(i.all, () => {
        this.setShown(() => !0);
      }),
      v(i.none, () => {
        this.setShown(() => !1);
      }),
      v(i.invert, () => {
        this.setShown((h) => !this.row.picked.has(h));
      })
    ], this.reset = v(i.asTemplate, () => {
      this.row.reset(), this.showValues(), this.changed();
    }), this.latest = new K(
      o,
      (h) => {
        this.outcome(`${te(h, i)} → `, d("b", "sdgen-images", i.images(h.images)));
      },
      (h) => {
        this.outcome(...q(h, i));
      },
      200
    ), this.buildNames();
    const l = d(
      "div",
      "sdgen-modal-foot",
      this.total,
      v(i.cancel, () => {
        this.modal.close();
      }),
      this.yes()
    ), p = d("div", "sdgen-side", this.buildTools(), this.list);
    this.modal = J(
      "value-dialog",
      i.valuesOf(t.name),
      [d("div", "sdgen-modal-body", this.names, p), this.notes, l],
      i.cancel,
      () => {
        this.latest.clear();
      }
    ), this.modal.addEventListener("keydown", (h) => {
      this.pressed(h);
    }), this.show(this.row), this.radios.get(this.row)?.scrollIntoView({ block: "nearest" }), this.search.focus();
  }
  texts;
  chosen;
  choosing;
  modal;
  names = d("div", "sdgen-names");
  list = d("div", "sdgen-values");
  search;
  draw = document.createElement("input");
  drawing = document.createElement("input");
  bulk;
  reset;
  notes = d("div", "sdgen-notes");
  total = d("div", "sdgen-outcome");
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
    const t = v(this.texts.apply, () => {
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
      const s = d("span", "sdgen-count");
      this.names.append(d("label", "sdgen-name-row", n, d("span", "sdgen-name", t.name), s)), this.counts.set(t, s), this.radios.set(t, n);
    }
  }
  buildTools() {
    this.drawing.type = "checkbox", this.draw.type = "number", this.draw.min = "1", this.draw.setAttribute("aria-label", this.texts.drawSome), this.drawing.addEventListener("change", () => {
      this.setDraw();
    }), this.draw.addEventListener("input", () => {
      this.drawing.checked = !0, this.setDraw();
    });
    const t = d("label", "sdgen-draw", this.drawing, this.texts.drawSome, this.draw);
    return t.title = this.texts.drawSomeTip, d(
      "div",
      "sdgen-tools",
      this.search,
      d("div", "sdgen-bulk", ...this.bulk, this.reset, t)
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
    const t = this.search.value.trim(), { row: n } = this, s = this.lines.get(n) ?? n.values.map(([r, l], p) => this.line(r, l, p));
    this.lines.set(n, s), this.anchor = null, this.shown = t ? s.filter(({ words: r }) => Ie(r, t)) : s, this.shown.forEach(({ place: r, box: l }, p) => {
      l.checked = n.picked.has(r), l.tabIndex = p ? -1 : 0;
    }), this.list.replaceChildren(...this.shown.map(({ shown: r }) => r)), this.shown.length || this.list.append(d("div", "sdgen-dim", this.texts.nothingFound));
    const [i, o] = this.bulk, a = this.shown.length < s.length;
    i && (i.textContent = a ? this.texts.allShown(this.shown.length) : this.texts.all), o && (o.textContent = a ? this.texts.noneShown(this.shown.length) : this.texts.none);
  }
  line(t, n, s) {
    const i = qt(n), o = document.createElement("input");
    o.type = "checkbox";
    const a = Ce(t) && typeof n == "string", r = d("label", "sdgen-value", o, !a && d("span", "sdgen-key", t), d("span", "sdgen-text", i));
    return r.title = a ? i : `${t}: ${i}`, o.addEventListener("click", (l) => {
      this.toggled(
        this.shown.findIndex((p) => p.box === o),
        l.shiftKey
      );
    }), { place: s, box: o, shown: r, words: a ? i : `${t} ${i}` };
  }
  /** A value was clicked; with Shift everything from the last click to here becomes as it is. */
  toggled(t, n) {
    const s = this.shown[t]?.box.checked ?? !1, i = n && this.anchor !== null ? this.anchor : t, o = this.shown.slice(Math.min(i, t), Math.max(i, t) + 1);
    this.row.set(
      o.map(({ place: a }) => a),
      () => s
    );
    for (const { box: a } of o) a.checked = s;
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
      i.textContent = Vt(s, t), i.parentElement?.classList.toggle("sdgen-changed", s.changed), i.parentElement?.classList.toggle("sdgen-left-out", !s.picked.size || s.unknown.length > 0);
    this.reset.toggleAttribute("disabled", !this.row.changed), this.drawing.checked = this.row.draw !== null;
    const n = [
      ...this.choosing.rows.filter((s) => s.unknown.length).map((s) => F(t.notThere(s.name, s.unknown.join(", ")))),
      ...[...this.choosing.strangers].map(([s, i]) => this.stranger(s, i)),
      ...this.choosing.unread.map((s) => F(t.notRead(s))),
      ...this.row.picked.size || this.row.unknown.length ? [] : [F(t.leftOutNote(this.row.name))]
    ];
    this.notes.replaceChildren(...n), this.latest.update(this.choosing.text) && this.total.classList.add("sdgen-stale");
  }
  /** A choice for a placeholder that the template does not have; it can be removed. */
  stranger(t, n) {
    const s = F(this.texts.notThere(`${t}[${n}]`, t)), i = v(this.texts.remove, () => {
      this.choosing.strangers.delete(t), this.changed();
    });
    return s.append(i), s;
  }
  pressed(t) {
    const { key: n } = t, s = t.target, i = this.shown.findIndex(({ box: l }) => l === s), a = { ArrowDown: 1, ArrowUp: -1, PageDown: me, PageUp: -me, Home: -1 / 0, End: 1 / 0 }[n], r = s instanceof HTMLInputElement && s.type === "radio";
    if (n === "Enter" && s === this.search && this.search.value) this.focusValue(0);
    else if (n === "Enter" && s instanceof HTMLInputElement) this.accept();
    else if (i >= 0 && n === "a" && (t.ctrlKey || t.metaKey)) this.setShown(() => !0);
    else if (i >= 0 && n === "ArrowLeft") this.radios.get(this.row)?.focus();
    else if (i === 0 && n === "ArrowUp") this.search.focus();
    else if (i >= 0 && a !== void 0) this.focusValue(i + a);
    else if (s === this.search && n === "ArrowDown") this.focusValue(0);
    else if (r && n === "ArrowRight") this.focusValue(0);
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
function qt(e) {
  return typeof e == "string" ? e : Object.entries(e).map(([t, n]) => `${t}: ${n}`).join(" · ");
}
function Vt(e, t) {
  return e.picked.size ? e.draw !== null && e.draw < e.picked.size ? t.drawnFrom(e.draw, e.picked.size) : t.selected(e.picked.size, e.values.length) : e.unknown.length ? t.selected(0, e.values.length) : t.leftOut;
}
function F(e) {
  return d("div", "sdgen-warning", d("span", "", e));
}
const jt = ["file", "text", "theme", "style", "mode", "limit", "choices", "distribution"];
function B(e) {
  const t = jt.find((s) => I(e, s) !== null);
  if (t) return { linked: t };
  const n = (s) => E(e, s);
  return {
    file: n("file"),
    text: n("text"),
    theme: n("theme"),
    style: n("style"),
    mode: n("mode"),
    limit: Number(E(e, "limit")),
    choices: n("choices"),
    distribution: n("distribution") || "weighted"
  };
}
class zt {
  constructor(t, n) {
    this.node = t, this.readAgain = n, we(t, this.panel.root, () => this.panel.height()), this.latest = new K(
      Z,
      (s) => {
        this.answered(s);
      },
      (s) => {
        this.failed(s);
      }
    ), this.show(d("div", "sdgen-dim", y(x()).askingServer));
  }
  node;
  readAgain;
  panel = new $e("template", 60, 420);
  latest;
  unfolded = /* @__PURE__ */ new Set();
  open;
  linked;
  /** Look whether the widgets say something else now. */
  tick() {
    be(this.node, this.panel.root);
    const t = B(this.node), n = "linked" in t ? t.linked : void 0;
    n !== void 0 && n !== this.linked && (this.latest.clear(), this.show(d("div", "sdgen-dim", y(x()).linkedInput(n))), Y(this.node, this.panel.root, !1)), this.linked = n, !("linked" in t) && this.latest.update(t) && this.panel.root.classList.add("sdgen-stale");
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
      chosen: new Set(Re(E(this.node, "choices")).choices.keys()),
      choose: (s) => {
        this.chooseValues(s);
      },
      unfolded: this.unfolded,
      resized: () => {
        U(this.node);
      }
    };
    this.show(this.tools(), ...st(t, y(x()), x(), n)), Y(this.node, this.panel.root, !1);
  }
  failed(t) {
    this.show(this.tools(), ...q(t, y(x()))), Y(this.node, this.panel.root, t instanceof L);
  }
  tools() {
    const t = y(x()), n = (s, i, o) => {
      const a = v(s, o);
      return a.title = i, a.setAttribute("aria-label", i), a;
    };
    return d(
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
    const n = y(x()), s = B(this.node);
    if ("linked" in s) return;
    const i = await this.ask("choices", s);
    if (!i) return;
    if (!i.placeholders.length) {
      M("info", i.name, n.noPlaceholders);
      return;
    }
    const o = new _t(
      i,
      s.choices,
      t,
      n,
      (a, r) => Z({ ...s, choices: a }, r),
      (a) => {
        G(this.node, "choices", a);
      }
    );
    this.opened(o.modal);
  }
  async chooseTheme() {
    const t = B(this.node);
    if ("linked" in t) return;
    const n = await this.ask("themes", t);
    if (!n) return;
    const { theme: s, style: i, file: o } = t, a = o.replace(/^.*\//, "").replace(/\.prompt\.ya?ml$/, "");
    this.opened(
      Pt(n.themes, a, { theme: s.trim(), style: i.trim() }, y(x()), (r, l) => {
        G(this.node, "theme", r), G(this.node, "style", l);
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
      const s = await z(`/sdgen/templates/${t}`, n);
      return this.open || !ee(this.node) ? void 0 : s;
    } catch (s) {
      this.failed(s);
      return;
    }
  }
  show(...t) {
    this.panel.root.classList.remove("sdgen-stale"), this.panel.show(...t), U(this.node);
  }
}
const Ft = "SDGenTemplate", Wt = "SDGenSeedSweep";
function ge(e) {
  if (typeof e != "string" || !e.trim()) return null;
  try {
    const { index: t, session: n } = JSON.parse(e);
    return { index: typeof t == "number" ? String(t) : "?", session: typeof n == "string" ? n : "?" };
  } catch {
    return { index: "?", session: "?" };
  }
}
class De {
  constructor(t, n) {
    this.node = t, this.sessions = n, ve(t, "item"), we(t, this.panel.root, () => this.panel.height()), this.latest = new K(
      Z,
      (i) => {
        this.expect(Gt(i, y(x())));
      },
      (i) => {
        this.expect(q(i, y(x()), 1));
      }
    );
    const s = n.listen((i) => {
      i.id === this.wanted && (this.session = i, this.draw());
    });
    xe(t, s), Be(t, (i) => {
      this.executed(i);
    }), this.draw();
  }
  node;
  sessions;
  panel = new $e("plan", 44, 260);
  latest;
  expected = [];
  session;
  report;
  wanted;
  item = "";
  itemSession;
  place = "";
  /** What became of the last thing that was done to the session. */
  said = [];
  /** Look whether the node, or what feeds it, says something else now. */
  tick() {
    be(this.node, this.panel.root), this.restore();
    const t = E(this.node, "item");
    t !== this.item && (this.item = t, this.nameItem(ge(t)));
    const n = this.plan();
    if ("question" in n) {
      this.latest.update(n.question) && this.panel.root.classList.add("sdgen-stale");
      return;
    }
    this.latest.clear();
    const s = y(x()), i = "say" in n ? s[n.say] : s.linkedInput(n.linked);
    this.expected[0]?.textContent !== i && this.expect([d("div", "sdgen-dim", i)]);
  }
  refresh() {
    this.latest.clear();
  }
  plan() {
    const t = I(this.node, "template");
    if (!t) return { say: "connectTemplate" };
    if (j(t) !== Ft) return { say: "otherSource" };
    const n = B(t);
    if ("linked" in n) return n;
    if (I(this.node, "count")) return { linked: "count" };
    const s = I(this.node, "sweep");
    if (s && (j(s) !== Wt || I(s, "seeds"))) return { linked: "seeds" };
    const i = s ? E(s, "seeds") : "", o = ["width", "height", "steps", "checkpoint"].some((r) => I(this.node, r)), a = Number(E(this.node, "count"));
    return { question: { ...n, seeds: i, count: a, ...!o && { planner: this.own() } } };
  }
  /** What the time of an image depends on. */
  own() {
    const t = (n) => Number(E(this.node, n));
    return {
      width: t("width"),
      height: t("height"),
      steps: t("steps"),
      checkpoint: E(this.node, "checkpoint"),
      graph_checkpoint: Ge(this.node)
    };
  }
  expect(t) {
    this.panel.root.classList.remove("sdgen-stale"), this.expected = t, this.draw();
  }
  /** Show the session that this planner started last; the node has its final id only after it was loaded. */
  restore() {
    const t = oe(this.node);
    if (t === this.place) return;
    this.place = t;
    const n = ct(t);
    n && this.follow(n);
  }
  executed(t) {
    const [n] = Array.isArray(t.sdgen) ? t.sdgen : [];
    n?.id && (this.report = n, this.said = [], this.wanted = n.id, lt(oe(this.node), n.id), this.sessions.reported(n));
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
    const t = y(x()), n = ge(this.item);
    this.panel.show(
      ...n ? this.pinned(n, t) : this.expected,
      ...this.session && !n ? Ht(this.session, t, x(), this.deeds(t)) : [],
      ...this.session && !n ? this.said : [],
      ...this.report && !n ? Ut(this.report, t) : []
    ), U(this.node);
  }
  /** What the buttons do to the session that is shown when they are pressed. */
  deeds(t) {
    return {
      act: (n) => {
        if (!this.session) return;
        this.sessions.act(this.session, n).then(({ retried: i }) => i === void 0 ? [] : [t.again(i)]).then(this.say, this.failed);
      },
      more: (n) => {
        this.session && gt(n, this.session, this.sessions, t, this.say, this.failed);
      }
    };
  }
  say = (t) => {
    this.said = t.map((n) => d("div", "sdgen-said", n)), this.draw();
  };
  failed = (t) => {
    this.said = q(t, y(x())), this.draw();
  };
  pinned(t, n) {
    const s = this.itemSession?.name ?? t.session, i = () => {
      G(this.node, "item", "");
    };
    return [
      d("div", "sdgen-pinned", d("span", "", n.oneImage(t.index, s)), v(n.wholeSession, i))
    ];
  }
}
function Gt(e, t) {
  return [
    d(
      "div",
      "sdgen-expect",
      d("b", "sdgen-images", t.ready(t.images(e.images))),
      d("span", "sdgen-dim", te(e, t))
    ),
    ...Bt(e, t)
  ];
}
function Bt(e, t) {
  const n = [
    e.model_loads && e.model_loads > 1 && t.modelLoads(e.model_loads),
    e.seconds && e.like && t.takesAbout(Ee(e.seconds, t), e.like)
  ].filter(Boolean);
  return n.length > 0 ? [d("div", "sdgen-dim", n.join(" · "))] : [];
}
function Ut(e, t) {
  const n = t.action[e.action];
  return [
    ...n ? [d("div", "sdgen-dim", n(e.added))] : [],
    ...e.warnings.map((s) => d("div", "sdgen-warning", s))
  ];
}
function Ht(e, t, n, s) {
  const i = (u) => `${e.planned ? 100 * u / e.planned : 0}%`, o = d("div", "sdgen-bar", d("div", "sdgen-done"), d("div", "sdgen-failed")), [a, r] = o.children;
  a.style.width = i(e.done), r.style.width = i(e.failed), o.setAttribute("role", "progressbar"), o.setAttribute("aria-valuemin", "0"), o.setAttribute("aria-valuemax", String(e.planned)), o.setAttribute("aria-valuenow", String(e.done));
  const l = (u, f) => v(u, () => {
    s.act(f);
  }), p = v(t.more, () => {
    s.more(p);
  });
  p.classList.add("sdgen-more"), p.setAttribute("aria-haspopup", "menu"), p.setAttribute("aria-label", t.moreOf(e.name));
  const h = d("span", `sdgen-state sdgen-is-${e.state}`, t.state[e.state] ?? e.state);
  h.title = t.stateTip[e.state] ?? "";
  const m = d(
    "div",
    "sdgen-head",
    d("b", "sdgen-name", e.name),
    h,
    _.includes(e.state) && l(t.pause, "pause"),
    ["paused", "stopped"].includes(e.state) && e.left > 0 && l(t.resume, "resume"),
    (_.includes(e.state) || e.state === "paused") && l(t.stop, "stop"),
    e.state === "failed" && e.failed > 0 && l(t.retry, "retry"),
    p
  ), g = e.state !== "running" && e.state !== "failed" && e.reason;
  return [
    m,
    o,
    d("div", "sdgen-counts", Kt(e, t, n)),
    ...g ? [d("div", "sdgen-warning", g)] : []
  ];
}
function Kt(e, t, n) {
  return [
    t.progress(e.done, e.planned),
    e.failed > 0 && t.failed(e.failed),
    e.skipped > 0 && t.skipped(e.skipped),
    e.images_per_minute && t.rate(c(e.images_per_minute, n)),
    e.eta_seconds && t.left(Ee(e.eta_seconds, t))
  ].filter(Boolean).join(" · ");
}
const fe = [137, 80, 78, 71, 13, 10, 26, 10];
function Jt(e) {
  const t = new Uint8Array(e), n = /* @__PURE__ */ new Map();
  if (fe.some((i, o) => t[o] !== i)) return n;
  const s = new DataView(e);
  for (let i = fe.length; i + 12 <= t.length; ) {
    const o = s.getUint32(i), a = W(t.subarray(i + 4, i + 8)), r = t.subarray(i + 8, i + 8 + o);
    if (r.length < o || a === "IEND") break;
    const l = r.indexOf(0);
    if (l > 0 && a === "tEXt") n.set(W(r.subarray(0, l)), W(r.subarray(l + 1)));
    else if (l > 0 && a === "iTXt" && r[l + 1] === 0) {
      const p = r.indexOf(0, l + 3), h = p < 0 ? -1 : r.indexOf(0, p + 1);
      h > 0 && n.set(W(r.subarray(0, l)), new TextDecoder().decode(r.subarray(h + 1)));
    }
    i += 12 + o;
  }
  return n;
}
async function Xt(e) {
  if (e.type !== "image/png") return null;
  const t = Jt(await e.arrayBuffer()), n = t.get("workflow");
  if (n === void 0 || !t.has("sdgen")) return null;
  try {
    const s = JSON.parse(n);
    return typeof s == "object" ? s : null;
  } catch {
    return null;
  }
}
function W(e) {
  let t = "";
  for (let n = 0; n < e.length; n += 8192) t += String.fromCharCode(...e.subarray(n, n + 8192));
  return t;
}
const Qt = ".sdgen-panel{box-sizing:border-box;overflow:hidden auto;border-radius:6px;background:var(--comfy-input-bg, #222);color:var(--input-text, #ddd);font:12px/1.45 Inter,Arial,sans-serif;text-align:left;scrollbar-width:thin}.sdgen-content{display:flex;flex-direction:column;gap:5px;padding:7px 9px}.sdgen-stale .sdgen-content{opacity:.55}.sdgen-dim{color:var(--descrip-text, #999)}.sdgen-head,.sdgen-expect,.sdgen-pinned{display:flex;align-items:center;gap:8px}.sdgen-expect{flex-wrap:wrap;gap:0 8px}.sdgen-name{flex:0 1 auto;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.sdgen-chips{display:flex;flex-wrap:wrap;gap:4px}.sdgen-chip{display:inline-flex;gap:5px;padding:0 7px;border:1px solid var(--border-color, #4e4e4e);border-radius:9px;white-space:nowrap}.sdgen-drawn{border-style:dashed}.sdgen-chip i{color:var(--descrip-text, #999)}.sdgen-prompts{display:flex;flex-direction:column;border-top:1px solid var(--border-color, #4e4e4e);padding-top:4px}.sdgen-prompt{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.sdgen-prompt .sdgen-dim{display:inline-block;min-width:14px}.sdgen-warning,.sdgen-error,.sdgen-pinned{border-left:3px solid #d9a520;padding:2px 0 2px 7px;overflow-wrap:anywhere}.sdgen-error{border-color:var(--error-text, #ff4444);background:color-mix(in srgb,var(--error-text, #ff4444) 14%,transparent)}.sdgen-error .sdgen-message{color:var(--error-text, #ff4444);font-weight:600;white-space:pre-wrap}.sdgen-pinned{flex-wrap:wrap;justify-content:space-between}.sdgen-button{flex:none;margin-left:auto;padding:0 8px;border:1px solid var(--border-color, #4e4e4e);border-radius:5px;background:var(--comfy-menu-bg, #353535);color:var(--input-text, #ddd);font:inherit;cursor:pointer}.sdgen-button:hover{filter:brightness(1.15)}.sdgen-state{flex:none;padding:0 7px;border-radius:9px;background:#5a5a5a;color:#fff;font-size:11px}.sdgen-is-running{background:#2468b4}.sdgen-is-completed{background:#2c7a3f}.sdgen-is-paused{background:#8a6410}.sdgen-is-failed{background:#a83232}.sdgen-bar{display:flex;height:6px;overflow:hidden;border-radius:3px;background:color-mix(in srgb,var(--input-text, #ddd) 18%,transparent)}.sdgen-bar .sdgen-done{background:#3fa05a;transition:width .2s linear}.sdgen-bar .sdgen-failed{background:#d04848}.sdgen-toolbar{display:flex;gap:6px}.sdgen-toolbar .sdgen-button{margin:0}.sdgen-toolbar .sdgen-button:last-child{margin-left:auto}button.sdgen-chip{background:none;color:inherit;font:inherit;line-height:inherit;cursor:pointer}button.sdgen-chip:hover{border-color:var(--input-text, #ddd)}.sdgen-chosen{border-color:#4a90d9;background:color-mix(in srgb,#4a90d9 22%,transparent)!important}.sdgen-prompt summary{cursor:pointer;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;list-style:none}.sdgen-prompt[open]{white-space:normal}.sdgen-prompt[open] summary{overflow-wrap:anywhere;white-space:normal}[data-node-id]:has(.sdgen-panel.sdgen-wrong){outline:2px solid #e0443e;outline-offset:4px;border-radius:16px}.sdgen-modal{box-sizing:border-box;width:min(880px,94vw);height:min(640px,88vh);margin:auto;padding:0;border:1px solid var(--border-color, #4e4e4e);border-radius:10px;background:var(--comfy-menu-bg, #353535);color:var(--input-text, #ddd);box-shadow:0 12px 40px #00000073;font:13px/1.45 Inter,Arial,sans-serif}.sdgen-modal[open]{display:flex;flex-direction:column}.sdgen-modal::backdrop{background:#00000073}.sdgen-modal-head,.sdgen-modal-foot{display:flex;flex:none;align-items:center;gap:8px;padding:10px 14px}.sdgen-modal-head b{overflow:hidden;font-size:14px;text-overflow:ellipsis;white-space:nowrap}.sdgen-modal-foot{border-top:1px solid var(--border-color, #4e4e4e)}.sdgen-modal .sdgen-button{margin:0;padding:3px 12px;border-radius:6px;background:var(--comfy-input-bg, #222)}.sdgen-modal .sdgen-button[disabled]{opacity:.45;cursor:default}.sdgen-modal .sdgen-cross{margin-left:auto;padding:3px 8px;border:none;background:none}.sdgen-modal .sdgen-main{border-color:#2468b4;background:#2468b4;color:#fff}.sdgen-modal :focus-visible{outline:2px solid #4a90d9;outline-offset:-1px}.sdgen-modal input[type=checkbox],.sdgen-modal input[type=radio]{flex:none;width:14px;height:14px;margin:0;accent-color:#2f7fd6}.sdgen-modal-body{display:flex;flex:1;min-height:0;border-top:1px solid var(--border-color, #4e4e4e)}.sdgen-names{flex:0 0 230px;overflow:hidden auto;padding:6px;border-right:1px solid var(--border-color, #4e4e4e);scrollbar-width:thin}.sdgen-name-row{display:flex;align-items:center;gap:8px;padding:5px 8px;border-radius:6px;cursor:pointer}.sdgen-name-row:hover,.sdgen-value:hover,.sdgen-theme:hover{background:color-mix(in srgb,var(--input-text, #ddd) 9%,transparent)}.sdgen-name-row:has(:checked){background:color-mix(in srgb,#4a90d9 30%,transparent)}.sdgen-name-row:has(:focus-visible){outline:2px solid #4a90d9;outline-offset:-2px}.sdgen-name-row input{position:absolute;opacity:0;pointer-events:none}.sdgen-name-row .sdgen-name{flex:1}.sdgen-count{flex:none;color:var(--descrip-text, #999);font-size:12px}.sdgen-changed .sdgen-count{color:var(--input-text, #ddd);font-weight:600}.sdgen-left-out .sdgen-count{color:color-mix(in srgb,#d99a10 72%,var(--input-text, #ddd))}.sdgen-side{display:flex;flex:1;flex-direction:column;min-width:0}.sdgen-tools{display:flex;flex:none;flex-direction:column;gap:8px;padding:10px;border-bottom:1px solid var(--border-color, #4e4e4e)}.sdgen-bulk{display:flex;flex-wrap:wrap;align-items:center;gap:6px}.sdgen-search,.sdgen-draw input[type=number]{box-sizing:border-box;padding:5px 9px;border:1px solid var(--border-color, #4e4e4e);border-radius:6px;background:var(--comfy-input-bg, #222);color:var(--input-text, #ddd);font:inherit}.sdgen-search{width:100%}.sdgen-draw{display:flex;align-items:center;gap:6px;margin-left:auto}.sdgen-draw input[type=number]{width:62px;padding:2px 6px}.sdgen-values,.sdgen-themes{flex:1;overflow:hidden auto;min-height:0;padding:6px;scrollbar-width:thin}.sdgen-value{display:flex;align-items:center;gap:9px;min-height:26px;padding:0 8px;border-radius:6px;content-visibility:auto;contain-intrinsic-size:auto 26px;cursor:pointer;user-select:none}.sdgen-value:has(:focus-visible){background:color-mix(in srgb,#4a90d9 30%,transparent)}.sdgen-key{flex:0 0 auto;overflow:hidden;max-width:45%;text-overflow:ellipsis;white-space:nowrap}.sdgen-key+.sdgen-text{color:var(--descrip-text, #999)}.sdgen-text{overflow:hidden;min-width:0;text-overflow:ellipsis;white-space:nowrap}.sdgen-notes{display:flex;flex:none;flex-direction:column;gap:4px;overflow:hidden auto;max-height:136px;padding:0 14px;border-top:1px solid var(--border-color, #4e4e4e)}.sdgen-notes:empty{display:none}.sdgen-notes>:first-child{margin-top:8px}.sdgen-notes>:last-child{margin-bottom:8px}.sdgen-notes .sdgen-warning{display:flex;align-items:center;gap:8px}.sdgen-outcome{flex:1;overflow:hidden auto;max-height:96px}.sdgen-outcome.sdgen-stale{opacity:.55}.sdgen-theme-dialog{width:min(560px,94vw);height:fit-content;max-height:88vh}.sdgen-theme-dialog>.sdgen-search{flex:none;width:auto;margin:0 14px 8px}.sdgen-themes{border-top:1px solid var(--border-color, #4e4e4e)}.sdgen-theme{display:flex;align-items:baseline;gap:10px;width:100%;min-height:28px;padding:3px 10px;border:none;border-radius:6px;background:none;color:inherit;font:inherit;text-align:left;cursor:pointer}.sdgen-style{padding-left:30px}.sdgen-theme[aria-current]{background:color-mix(in srgb,#4a90d9 30%,transparent)}.sdgen-theme .sdgen-dim{overflow:hidden;font-size:12px;text-overflow:ellipsis;white-space:nowrap}.sdgen-bad{color:var(--error-text, #ff4444);font-size:12px}.sdgen-head .sdgen-button+.sdgen-button{margin-left:0}.sdgen-said{border-left:3px solid #4a90d9;padding:2px 0 2px 7px;overflow-wrap:anywhere}.sdgen-panel :focus-visible{outline:2px solid #4a90d9;outline-offset:-1px}.sdgen-menu{position:fixed;box-sizing:border-box;max-width:320px;max-height:90vh;margin:0;overflow:hidden auto;padding:4px;border:1px solid var(--border-color, #4e4e4e);border-radius:8px;background:var(--comfy-menu-bg, #353535);color:var(--input-text, #ddd);box-shadow:0 8px 28px #00000073;font:13px/1.45 Inter,Arial,sans-serif}.sdgen-menu::backdrop{background:none}.sdgen-menu .sdgen-button{display:block;width:100%;margin:0;padding:4px 12px;border:none;background:none;text-align:left}.sdgen-menu .sdgen-button:hover:not([disabled]),.sdgen-menu .sdgen-button:focus{outline:none;background:color-mix(in srgb,#4a90d9 30%,transparent)}.sdgen-menu .sdgen-button[disabled]{opacity:.45;cursor:default}.sdgen-session-dialog{width:min(460px,94vw);height:fit-content;max-height:88vh}.sdgen-form{display:flex;flex-direction:column;gap:10px;overflow:hidden auto;padding:2px 14px 14px}.sdgen-field{display:flex;flex-direction:column;gap:3px}.sdgen-field.sdgen-checkbox{flex-direction:row;align-items:center;gap:8px}.sdgen-field input:not([type=checkbox]),.sdgen-field select{box-sizing:border-box;padding:5px 9px;border:1px solid var(--border-color, #4e4e4e);border-radius:6px;background:var(--comfy-input-bg, #222);color:var(--input-text, #ddd);font:inherit}.sdgen-form-notes:empty{display:none}.sdgen-sheet-dialog{width:min(1000px,94vw);height:fit-content;min-height:240px;max-height:92vh}.sdgen-sheet-axes{display:flex;flex:none;flex-wrap:wrap;align-items:center;gap:8px 14px;padding:0 14px 10px}.sdgen-sheet-axes .sdgen-field{flex-direction:row;align-items:center;gap:6px}.sdgen-sheet-axes a{text-decoration:none}.sdgen-sheet-axes a:first-of-type{margin-left:auto}.sdgen-sheet-view{flex:1;overflow:auto;min-height:0;padding:10px 14px;border-top:1px solid var(--border-color, #4e4e4e)}.sdgen-sheet{display:block;border-radius:4px}", Yt = 150, Zt = 3e3, ne = () => y(x()), Pe = new rt(ne), _e = new Qe(ne), T = /* @__PURE__ */ new Map(), O = new et(() => {
  for (const [e, t] of T)
    qe(e), t.refresh();
});
function qe(e) {
  O.files && j(e) === "SDGenTemplate" && We(e, "file", O.files);
}
function en() {
  if (!document.hidden)
    for (const [e, t] of T) ee(e) && t.tick();
}
function tn(e) {
  const t = j(e);
  if (t === "SDGenTemplate")
    T.set(e, new zt(e, () => {
      O.look(!0);
    })), qe(e);
  else if (t === "SDGenSessionPlan") T.set(e, new De(e, Pe));
  else {
    t === "SDGenSessionSave" && ve(e, "item");
    return;
  }
  xe(e, () => {
    T.get(e)?.removed?.(), T.delete(e);
  });
}
function nn() {
  const e = document.createElement("style");
  e.dataset.sdgen = "", e.textContent = Qt, document.head.append(e), Pe.start(), _e.start(), Je(Xt), setInterval(en, Yt), setInterval(() => {
    !document.hidden && [...T.keys()].some(ee) && O.look();
  }, Zt), H("reconnected", () => {
    O.look(!0);
  }), window.addEventListener("focus", () => {
    O.look(!0);
  }), Ke("progress_text", (t) => {
    const n = t?.nodeId ?? "";
    return [...T].some(([s, i]) => i instanceof De && (n === String(s.id) || n.endsWith(`:${s.id}`)));
  });
}
const sn = [
  { id: "SDGen.Import", label: () => ne().importSessions, icon: "pi pi-folder-open", press: () => {
    _e.press();
  } }
];
ze(nn, tn, () => O.look(!0), sn);
