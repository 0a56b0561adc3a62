import { app as Pe } from "../../scripts/app.js";
import { api as _e } from "../../scripts/api.js";
const S = Pe, I = _e;
class R extends Error {
  constructor(t, n, s, i = []) {
    super(n), this.code = t, this.hint = s, this.errors = i;
  }
  code;
  hint;
  errors;
  static from({ error: t, message: n, hint: s, errors: i }, o) {
    const a = (i ?? []).map((r) => R.from(r, o));
    return new R(t ?? "server-error", n ?? o, s ?? "", a);
  }
}
function qe(e, t, n) {
  S.registerExtension({ name: "SDGen", setup: e, nodeCreated: t, refreshComboInNodes: n });
}
function z(e) {
  return e.comfyClass ?? e.type ?? "";
}
const ze = 20;
function me(e, t, n) {
  const s = e.addDOMWidget("sdgen_panel", "sdgen_panel", t, {
    serialize: !1,
    hideOnZoom: !1,
    getValue: () => "",
    setValue: () => {
    },
    getMinHeight: () => n() + ze
  });
  s.serialize = !1, t.addEventListener("wheel", (i) => {
    t.scrollHeight > t.clientHeight + 1 && !i.ctrlKey ? i.stopPropagation() : (i.preventDefault(), S.canvas?.processMouseWheel?.(i));
  });
}
function ge(e, t) {
  t.isConnected || e.graph !== S.canvas?.graph || document.querySelector(`[data-node-id="${e.id}"] .sdgen-panel`)?.replaceWith(t);
}
function B(e) {
  const t = e.flags?.collapsed ? 0 : e.computeSize()[1];
  e.size[1] < t && e.setSize([e.size[0], t]), e.setDirtyCanvas?.(!0, !0);
}
function Y(e) {
  return e.graph !== null && e.graph !== void 0;
}
function E(e, t) {
  const n = e.widgets?.find((s) => s.name === t)?.value;
  return typeof n == "string" ? n : typeof n == "number" ? String(n) : "";
}
function fe(e, t) {
  const n = e.widgets?.find((s) => s.name === t);
  n && (n.hidden = !0, n.options && (n.options.hidden = !0));
}
function F(e, t, n) {
  const s = e.widgets?.find((o) => o.name === t);
  if (!s) return;
  s.value = n, s.callback?.(n), B(e);
  const i = S.extensionManager?.workflow?.activeWorkflow?.changeTracker;
  i?.captureCanvasState ? i.captureCanvasState() : i?.checkState?.();
}
function Ve(e, t, n) {
  const s = e.widgets?.find((i) => i.name === t);
  s?.options && (s.options.values = n);
}
function X(e, t, n) {
  t.classList.toggle("sdgen-wrong", n), e.strokeStyles && (e.strokeStyles.sdgen = () => n ? { color: "#e0443e", lineWidth: 3, padding: 8 } : void 0), e.setDirtyCanvas?.(!0, !0);
}
function A(e, t) {
  const n = e.inputs?.findIndex((i) => i.name === t) ?? -1;
  if (n < 0) return null;
  let s = ne(e, n);
  for (let i = 0; s && z(s) === "Reroute" && i < 50; i++) s = ne(s, 0);
  return s;
}
function ne(e, t) {
  try {
    return e.getInputNode(t);
  } catch {
    return null;
  }
}
function je(e) {
  const t = e.graph?.nodes?.find((n) => E(n, "ckpt_name") && !A(n, "ckpt_name"));
  return t ? E(t, "ckpt_name") : "";
}
function se(e) {
  const t = e.graph?.rootGraph ?? e.graph;
  return `${t?.id ?? ""}/${e.graph === t ? "" : e.graph?.id ?? ""}/${e.id}`;
}
function Fe(e, t) {
  const n = e.onExecuted;
  e.onExecuted = function(s) {
    n?.call(e, s), t(s);
  };
}
function we(e, t) {
  const n = e.onRemoved;
  e.onRemoved = function() {
    n?.call(e), t();
  };
}
function D(e) {
  return be(e, { cache: "no-store" });
}
function U(e, t, n) {
  return be(e, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-SDGen": "1" },
    body: JSON.stringify(t),
    ...n && { signal: n }
  });
}
async function We(e, t) {
  const n = await I.fetchApi(e, { cache: "no-store", signal: t });
  return n.ok || await ve(n), n.blob();
}
function Be(e) {
  return I.apiURL?.(e) ?? e;
}
async function be(e, t) {
  return ve(await I.fetchApi(e, t));
}
async function ve(e) {
  const t = await e.text();
  let n;
  try {
    n = JSON.parse(t);
  } catch {
    throw new R("server-error", `${e.status} ${e.statusText}`, "");
  }
  if (e.ok) return n;
  throw R.from(n, e.statusText);
}
function Q(e, t) {
  I.addEventListener(e, (n) => {
    t(n.detail);
  });
}
function Ue(e, t) {
  const n = I.dispatchCustomEvent?.bind(I);
  n && (I.dispatchCustomEvent = (s, i) => s === e && t(i) ? !0 : n(s, i));
}
function Ge(e) {
  const [t, n] = [S.handleFile?.bind(S), S.loadGraphData?.bind(S)];
  !t || !n || (S.handleFile = async (s, ...i) => {
    const o = await e(s);
    await (o ? n(o, !0, !0, s.name.replace(/\.\w+$/, "")) : t(s, ...i));
  });
}
function xe(e, t, n) {
  S.extensionManager?.toast?.add({ severity: e, summary: t, detail: n, ...e !== "error" && { life: 8e3 } });
}
function x() {
  const e = S.extensionManager?.setting?.get("Comfy.Locale");
  return typeof e == "string" && e ? e : "en";
}
const He = "(the text below)", Ke = 9;
class Je {
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
        const n = `/sdgen/templates?since=${encodeURIComponent(this.version)}`, { version: s, templates: i } = await D(n);
        this.version = s, i && (this.files = [He, ...i]), (i || t) && this.changed();
      } catch {
        this.rest = Ke;
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
class ke {
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
class G {
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
const ye = {
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
}, Xe = {
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
}, Qe = { en: ye, fr: Xe };
function y(e) {
  return Qe[e.split("-")[0] ?? ""] ?? ye;
}
function c(e, t) {
  return e.toLocaleString(t, { maximumFractionDigits: 1 });
}
function $e(e, t) {
  if (e < 90) return t.seconds(Math.round(e));
  const n = Math.round(e / 60);
  return n < 90 ? t.minutes(n) : t.hours(Math.floor(n / 60), n % 60);
}
async function Z(e, t) {
  return await U("/sdgen/templates/preview", e, t);
}
function Ze(e, t, n, s = {}) {
  const i = [
    d(
      "div",
      "sdgen-head",
      d("b", "sdgen-name", e.name),
      d("span", "sdgen-dim", t.mode[e.mode] ?? e.mode)
    )
  ], o = [
    ...e.placeholders.map((a) => {
      const r = a.least ?? a.selected, l = r < a.selected ? t.between(r, a.selected, a.available) : t.selected(a.selected, a.available), p = d("b", "", l), h = ie(a.name, p, s, a.weight === 0 && d("i", "", t.drawn));
      return h.classList.toggle("sdgen-drawn", a.weight === 0), a.weight === 0 && (h.title = t.drawnTip), h;
    }),
    ...e.left_out.map((a) => ie(a, d("i", "", t.leftOut), s))
  ];
  if (o.length && i.push(d("div", "sdgen-chips", ...o)), i.push(d("div", "sdgen-total", ...et(e, t))), e.themes) {
    const a = e.themes.map(({ theme: r, style: l, images: p }) => {
      const h = r ?? t.noTheme;
      return `${l && l !== "default" ? `${h}/${l}` : h} ${c(p, n)}`;
    });
    i.push(d("div", "sdgen-dim", t.sharedBy(a.join(" · "))));
  }
  if (e.removed.length && i.push(d("div", "sdgen-dim", t.removed(e.removed.join(", ")))), i.push(...e.warnings.map((a) => d("div", "sdgen-warning", a))), e.first.length) {
    const a = e.first.map((r, l) => Ye(r, l, n, s));
    i.push(d("div", "sdgen-prompts", ...a));
  }
  return i;
}
function ie(e, t, n, ...s) {
  const { choose: i, chosen: o } = n, r = i ? v("", () => {
    i?.(e);
  }) : d("span", "");
  return r.className = o?.has(e) ? "sdgen-chip sdgen-chosen" : "sdgen-chip", r.append(d("span", "", e), t, ...s.filter((l) => !!l)), r;
}
function Ye(e, t, n, s) {
  const { unfolded: i, resized: o } = s, a = document.createElement("details");
  a.className = "sdgen-prompt", a.open = i?.has(t) ?? !1;
  const r = d("summary", "", d("span", "sdgen-dim", c(t + 1, n)), e.prompt);
  return r.addEventListener("pointerdown", (l) => {
    l.stopPropagation();
  }), a.append(r), e.negative && a.append(d("div", "sdgen-dim", `− ${e.negative}`)), a.addEventListener("toggle", () => {
    a.open ? i?.add(t) : i?.delete(t), o?.();
  }), a;
}
function et(e, t) {
  const n = d("b", "sdgen-images", t.images(e.images));
  return [`${ee(e, t)} → `, n];
}
function ee(e, t) {
  const n = e.seeds ?? 1, s = Math.ceil(e.images / Math.max(n, 1)), i = s < e.combinations ? t.combinationsOf(s, e.combinations) : t.combinations(e.combinations);
  return e.seeds === null || e.seeds < 2 ? i : `${i} × ${t.seeds(e.seeds)}`;
}
function _(e, t, n = 1 / 0) {
  if (!(e instanceof R)) return [d("div", "sdgen-error", t.noAnswer)];
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
const P = ["planned", "running"], Se = "sdgen.planners", tt = 100;
function M({ id: e }) {
  return `/sdgen/sessions/${encodeURIComponent(e)}`;
}
class nt {
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
    Q("sdgen.session", (n) => {
      this.receive(n);
    });
    const t = () => {
      this.list();
    };
    Q("reconnected", t), t();
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
      const s = await D(M({ id: t }));
      return this.known.set(t, s), s;
    } catch {
      return;
    }
  }
  /** Do something to a session. Throws `ServerError`. */
  async act(t, n, s = {}) {
    return this.took(t.id, () => U(`${M(t)}/${n}`, s));
  }
  /** Write a session into ledger and manifest again from its folder. Throws `ServerError`. */
  async rebuild(t) {
    return this.took(t.id, () => U("/sdgen/sessions", { folder: t.folder.replace(/^.*[\\/]/, "") }));
  }
  /** Where a session may be moved to. Throws `ServerError`. */
  async places(t) {
    return (await D(M(t))).places;
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
        const i = await D(M({ id: t }));
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
    const s = n && P.includes(n.state) && !P.includes(t.state) ? st(t, this.texts()) : void 0;
    s && xe(s.severity, s.summary, s.detail);
    for (const i of this.listeners) i(t);
  }
  async list() {
    try {
      const { sessions: t } = await D("/sdgen/sessions");
      for (const n of t) (P.includes(n.state) || this.known.has(n.id)) && this.receive(n);
    } catch {
    }
  }
}
function st(e, t) {
  const n = t.madeOf(e.done, e.planned);
  if (e.state === "completed") return { severity: "success", summary: t.completedToast(e.name), detail: n };
  const s = [e.reason, n].filter(Boolean).join(" · ");
  if (e.state === "failed") return { severity: "error", summary: t.failedToast(e.name), detail: s };
  if (e.state === "paused") return { severity: "warn", summary: t.pausedToast(e.name), detail: s };
}
function it(e, t) {
  const n = Ee();
  n.delete(e), n.set(e, t);
  try {
    localStorage.setItem(Se, JSON.stringify([...n].slice(-tt)));
  } catch {
  }
}
function ot(e) {
  return Ee().get(e);
}
function Ee() {
  try {
    const e = JSON.parse(localStorage.getItem(Se) ?? "[]");
    return new Map(Array.isArray(e) ? e : []);
  } catch {
    return /* @__PURE__ */ new Map();
  }
}
const at = ["keydown", "keyup", "keypress", "copy", "cut", "paste", "wheel", "dragover", "drop", "contextmenu"], rt = ["pointerdown", "pointermove", "pointerup", "mousedown"];
function H(e, t, n, s, i) {
  const o = v("✕", () => {
    a.close();
  });
  o.classList.add("sdgen-cross"), o.title = s, o.setAttribute("aria-label", s);
  const a = Te(`sdgen-modal sdgen-${e}`, t, [d("div", "sdgen-modal-head", d("b", "", t), o), ...n], i);
  return a;
}
function Te(e, t, n, s) {
  const i = document.createElement("dialog");
  i.className = e, i.setAttribute("aria-label", t), i.append(...n);
  for (const o of [...at, ...rt])
    i.addEventListener(o, (a) => {
      a.stopPropagation();
    });
  return i.addEventListener("mousedown", (o) => {
    o.target === i && !dt(i, o) && i.close();
  }), i.addEventListener("close", () => {
    i.remove(), s();
  }), document.body.append(i), i.showModal(), i;
}
function dt(e, { clientX: t, clientY: n }) {
  const { left: s, right: i, top: o, bottom: a } = e.getBoundingClientRect();
  return t >= s && t <= i && n >= o && n <= a;
}
function Le(e, t) {
  const n = document.createElement("input");
  return n.type = "text", n.className = "sdgen-search", n.placeholder = e, n.setAttribute("aria-label", e), n.spellcheck = !1, n.addEventListener("input", t), n.addEventListener("keydown", (s) => {
    s.key !== "Escape" || !n.value || (s.preventDefault(), n.value = "", t());
  }), n;
}
function Ne(e, t) {
  const n = e.toLocaleLowerCase();
  return t.toLocaleLowerCase().split(/\s+/).every((s) => n.includes(s));
}
async function lt(e, t, n) {
  const { axes: s } = await D(`${M(e)}/axes`), i = Object.keys(s).length > 0 ? Object.keys(s) : ["seed"], o = oe(t.across, i, i[0]), a = oe(t.down, i, i[1] ?? i[0]), r = document.createElement("img");
  r.className = "sdgen-sheet";
  const l = d("div", "sdgen-sheet-view");
  l.tabIndex = 0;
  const [p, h] = [ae(t.openPage), ae(t.savePicture)];
  p.target = "_blank", p.rel = "noopener";
  const m = () => {
    r.src && URL.revokeObjectURL(r.src);
  }, g = new G(
    (w, b) => We(`${M(e)}/sheet?${w}`, b),
    (w) => {
      m(), r.src = URL.createObjectURL(w), r.alt = `${t.compare}: ${o.select.value} × ${a.select.value}`, h.href = r.src, h.download = `${e.name}_${o.select.value}_${a.select.value}.png`, l.replaceChildren(r);
    },
    (w) => {
      l.replaceChildren(..._(w, t));
    },
    0
  ), u = () => {
    const w = new URLSearchParams({ x: o.select.value, y: a.select.value }).toString();
    p.href = Be(`${M(e)}/sheet?${w}&form=html`), g.update(w) && l.replaceChildren(d("div", "sdgen-dim", t.drawing));
  };
  o.select.addEventListener("change", u), a.select.addEventListener("change", u);
  const f = H(
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
function oe(e, t, n = "") {
  const s = document.createElement("select");
  return s.append(...t.map((i) => new Option(i, i, i === n, i === n))), { label: d("label", "sdgen-field", d("span", "", e), s), select: s };
}
function ae(e) {
  const t = document.createElement("a");
  return t.className = "sdgen-button", t.textContent = e, t;
}
function ct(e, t, n, s, i, o) {
  const a = e.closest(".sdgen-panel"), r = () => {
    a?.querySelector(".sdgen-more")?.focus({ preventScroll: !0 });
  }, l = (k) => () => {
    ht(k, s, i, o, r);
  }, p = (k, $, L) => () => {
    n.act(t, k, $).then((N) => {
      i([L(N)]);
    }, o);
  }, h = !P.includes(t.state), m = async () => {
    l(bt(t, n, s, await n.places(t)))();
  }, g = [
    { label: s.compare, press: () => {
      lt(t, s, r).catch(o);
    }, can: t.done > 0 },
    { label: s.extend, press: l(mt(t, n, s)) },
    { label: s.shrink, press: l(gt(t, n, s)) },
    { label: s.skip, press: l(ft(t, n, s)) }
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
    { label: s.verify, press: l(vt(t, n, s)) },
    { label: s.rename, press: l(wt(t, n, s)), can: h },
    { label: s.move, press: () => {
      m().catch(o);
    }, can: h },
    { label: s.rebuild, press: l(xt(t, n, s)), can: h }
  );
  const u = g.map(({ label: k, press: $, can: L = !0 }) => {
    const N = v(k, () => {
      f.close(), $();
    });
    return N.setAttribute("role", "menuitem"), N.disabled = !L, !L && !h && (N.title = s.pauseFirst), N;
  }), f = Te("sdgen-menu", s.moreOf(t.name), u, r);
  f.setAttribute("role", "menu"), f.addEventListener("keydown", (k) => {
    const $ = u.filter((J) => !J.disabled), L = $.findIndex((J) => J === document.activeElement), te = { ArrowDown: L + 1, ArrowUp: L - 1, Home: 0, End: -1 }[k.key];
    te !== void 0 && ($.at(te % $.length)?.focus(), k.preventDefault());
  });
  const w = e.getBoundingClientRect(), { offsetWidth: b, offsetHeight: K } = f;
  return f.style.left = `${Math.max(4, Math.min(w.right - b, innerWidth - b - 4))}px`, f.style.top = `${Math.max(4, Math.min(w.bottom + 2, innerHeight - K - 4))}px`, u.find((k) => !k.disabled)?.focus(), f;
}
function ht(e, t, n, s, i) {
  const o = e.fields.map((f) => [f, ut(f)]), a = o.map(([f, w]) => {
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
    const w = Object.fromEntries(o.map(([b, K]) => [b.name, pt(K)]));
    e.send(w).then(
      (b) => {
        u.close(), n(e.said(b));
      },
      (b) => {
        l.disabled = !1, r.replaceChildren(..._(b, t)), s(b);
      }
    );
  });
  const m = document.createElement("input");
  m.type = "submit", m.hidden = !0, h.append(m);
  const g = d("div", "sdgen-modal-foot", d("span", "sdgen-outcome"), p, l), u = H("session-dialog", e.title, [h, g], t.cancel, i);
  return (o[0]?.[1] ?? l).focus(), u;
}
function ut(e) {
  if (e.kind === "select") {
    const n = document.createElement("select");
    return n.append(...(e.options ?? []).map((s) => new Option(s, s))), n;
  }
  const t = document.createElement("input");
  return t.type = e.kind, t.name = e.name, t.spellcheck = !1, e.kind === "number" && (t.min = "1"), e.value !== void 0 && (t.value = e.value), t;
}
function pt(e) {
  return !(e instanceof HTMLInputElement) || e.type !== "checkbox" ? e.value.trim() : e.checked ? "1" : "";
}
function O(e, t) {
  return `${e.replace(/ …$/, "")}: ${t.name}`;
}
function mt(e, t, n) {
  return {
    title: O(n.extend, e),
    note: n.extendNote,
    fields: [
      { name: "more", label: n.extendMore, kind: "number" },
      { name: "seeds", label: n.extendSeeds, kind: "text" }
    ],
    send: ({ more: s, seeds: i }) => t.act(e, "extend", { more: Number(s), seeds: i }),
    said: ({ added: s }) => [n.extended(s ?? 0)]
  };
}
function gt(e, t, n) {
  return {
    title: O(n.shrink, e),
    note: n.shrinkNote,
    fields: [{ name: "count", label: n.shrinkTo, kind: "number", value: String(e.planned) }],
    send: ({ count: s }) => t.act(e, "shrink", { count: Number(s) }),
    said: ({ removed: s }) => [n.shrunk(s ?? 0)]
  };
}
function ft(e, t, n) {
  return {
    title: O(n.skip, e),
    note: n.skipNote,
    fields: [{ name: "items", label: n.skipItems, kind: "text" }],
    send: ({ items: s }) => t.act(e, "skip", { items: s }),
    said: (s) => [n.leftOutNow(s.skipped_now ?? 0)]
  };
}
function wt(e, t, n) {
  return {
    title: O(n.rename, e),
    note: n.renameNote,
    fields: [{ name: "name", label: n.newName, kind: "text", value: e.name }],
    send: ({ name: s }) => t.act(e, "rename", { name: s }),
    said: ({ name: s }) => [n.renamed(s)]
  };
}
function bt(e, t, n, s) {
  return {
    title: O(n.move, e),
    note: n.moveNote,
    fields: [{ name: "to", label: n.moveTo, kind: "select", options: s }],
    send: ({ to: i }) => t.act(e, "move", { to: i }),
    said: ({ folder: i }) => [n.moved(i)]
  };
}
function vt(e, t, n) {
  return {
    title: O(n.verify, e),
    note: n.verifyNote,
    fields: [
      { name: "hashes", label: n.verifyHashes, kind: "checkbox" },
      { name: "repair", label: n.verifyRepair, kind: "checkbox" }
    ],
    send: ({ hashes: s, repair: i }) => t.act(e, "verify", { hashes: s === "1", repair: i === "1" }),
    said: (s) => kt(s, n)
  };
}
function xt(e, t, n) {
  return {
    title: O(n.rebuild, e),
    note: n.rebuildNote,
    fields: [],
    send: () => t.rebuild(e),
    said: ({ done: s, planned: i }) => [n.rebuilt(s, i)]
  };
}
function kt({ verify: e }, t) {
  if (!e) return [];
  const n = Object.entries(t.found).flatMap(([s, i]) => {
    const o = e[s];
    return !Array.isArray(o) || !o.length ? [] : [`${i}: ${o.length} (${o.slice(0, 3).join(", ")}${o.length > 3 ? " …" : ""})`];
  });
  return [e.ok ? t.agree : t.disagree, ...n, ...e.advice ?? []];
}
const re = /\s*([\p{L}\p{N}_]+)\[([^\]]{1,400000})\]\s*/uy, Ae = /^(random|limit|keys?|index|indexes|indices|weight|range)\s*:\s*(.*)$/isu, q = /^\d{1,18}$/;
function Me(e) {
  const t = /* @__PURE__ */ new Map(), n = [];
  let s = 0;
  for (; s < e.length; )
    if (` 	\r
;|,`.includes(e.charAt(s))) s += 1;
    else {
      re.lastIndex = s;
      const i = re.exec(e), [o, a, r] = i ?? [];
      if (o && a && r && !t.has(a))
        t.set(a, r), s += o.length;
      else {
        const l = o ? s + o.length : e.indexOf(";", s);
        n.push(e.slice(s, l < 0 ? void 0 : l).trim()), s = l < 0 ? e.length : l;
      }
    }
  return { choices: t, unread: n };
}
function yt(e) {
  return [...e].map(([t, n]) => `${t}[${n}]`).join("; ");
}
function de(e, t) {
  const n = { picked: [], draw: null, weight: null, unknown: [] };
  let s = null, i = null, o = null;
  for (let a of e.split(";").map((r) => r.trim())) {
    if (!a) continue;
    const r = Ae.exec(a);
    if (r?.[1] !== void 0 && r[2] !== void 0) {
      const [p, h] = [r[1].toLowerCase(), r[2].trim()];
      if (p === "random" || p === "limit") {
        q.test(h) ? n.draw = Number(h) : n.unknown.push(a);
        continue;
      }
      if (p.startsWith("key")) {
        i = le(h);
        continue;
      }
      a = (p === "weight" ? "$" : "#") + h;
    }
    const l = a.slice(1).trim();
    if (a.startsWith("$"))
      /^[+-]?\d{1,18}$/.test(l) && (n.weight = Math.max(0, Number(l)));
    else if (a.startsWith("#")) {
      const [p, h, ...m] = l.split("-").map((u) => u.trim()), g = l.split(",").map((u) => u.trim());
      p && h && q.test(p) && q.test(h) && !m.length && Number(p) <= Number(h) ? (s = ce(Number(p), Math.min(Number(h), t.length - 1)), s.length || n.unknown.push(a)) : g.every((u) => q.test(u)) ? (n.unknown = g.filter((u) => Number(u) >= t.length).map((u) => `#${u}`), s = g.map(Number).filter((u) => u < t.length)) : n.unknown.push(a);
    } else q.test(a) ? o = Number(a) : i = le(a);
  }
  if (s) n.picked = s;
  else if (i) {
    const a = Ce(t);
    for (const r of i) {
      const l = a.get(r);
      l === void 0 ? n.unknown.push(r) : n.picked.push(l);
    }
  } else
    n.picked = ce(0, t.length - 1), n.draw ??= o;
  return n.draw === 0 && (n.picked = []), (n.draw === 0 || (n.draw ?? 0) >= n.picked.length) && (n.draw = null), n;
}
function $t(e, { picked: t, draw: n, weight: s }) {
  const i = t.length === e.length, o = [];
  return t.length ? i || o.push(St(e, t)) : o.push("0"), n !== null && n < t.length && o.push(i ? String(n) : `limit:${n}`), s !== null && o.push(`$${s}`), o.join(";");
}
function St(e, t) {
  const n = Ce(e), s = [];
  for (const i of t) {
    const o = Tt(e, i, n);
    if (o === void 0) return Et(t);
    s.push(o);
  }
  return s.join(",");
}
function Et(e) {
  const [t, n] = [e[0] ?? 0, e[e.length - 1] ?? 0];
  return e.length > 1 && n - t + 1 === e.length ? `#${t}-${n}` : `#${e.join(",")}`;
}
function Tt(e, t, n) {
  const [s, i] = e[t] ?? ["", ""];
  return (Ie(s) && typeof i == "string" ? [i, s] : [s]).find((a) => Lt(a) && n.get(a) === t);
}
function Ie(e) {
  return /^[0-9a-f]{8}$/.test(e);
}
function Lt(e) {
  const t = e !== e.trim() || /^[\x1c-\x1f\x85]|[\x1c-\x1f\x85]$/.test(e), n = /^[#$]|^\p{Nd}+$/u.test(e) || Ae.test(e);
  return e !== "" && !t && !n && !/[,;\]]/.test(e);
}
function Ce(e) {
  const t = /* @__PURE__ */ new Map();
  return e.forEach(([, n], s) => {
    typeof n == "string" && !t.has(n) && t.set(n, s);
  }), e.forEach(([n], s) => t.set(n, s)), t;
}
function le(e) {
  return e.split(",").map((t) => t.trim()).filter(Boolean);
}
function ce(e, t) {
  return Array.from({ length: Math.max(0, t - e + 1) }, (n, s) => e + s);
}
class Nt {
  constructor(t, n) {
    this.offered = t, this.name = t.name, this.values = t.values, this.own = de(t.selector, t.values), this.kept = n;
    const s = n === void 0 ? this.own : de(n, t.values);
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
    if (!(s === this.own.draw && At(this.picked, this.own.picked) && t === null))
      return $t(this.values, { picked: n, draw: s, weight: t }) || `$${this.offered.weight}`;
  }
  edited() {
    this.kept = void 0, this.unknown = [];
  }
}
function At(e, t) {
  return e.size === new Set(t).size && t.every((n) => e.has(n));
}
class Mt {
  rows;
  /** Choices for placeholders that the template does not have now; they stay until they are removed. */
  strangers;
  unread;
  constructor(t, n) {
    const { choices: s, unread: i } = Me(n);
    this.rows = t.map((a) => new Nt(a, s.get(a.name)));
    const o = new Set(t.map((a) => a.name));
    this.strangers = new Map([...s].filter(([a]) => !o.has(a))), this.unread = i;
  }
  /** The text for the node. */
  get text() {
    const t = this.rows.flatMap((n) => n.selector === void 0 ? [] : [[n.name, n.selector]]);
    return yt([...t, ...this.strangers]);
  }
}
function It(e, t, n, s, i) {
  const o = d("div", "sdgen-themes"), a = e.flatMap((m) => ["", ...m.styles].map((g) => p(m, g))), r = Le(s.searchThemes, h), l = H("theme-dialog", s.themesOf(t), [r, o], s.cancel, () => {
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
    const m = r.value.trim(), g = a.filter(({ words: u }) => Ne(u, m)).map(({ shown: u }) => u);
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
const he = 10;
class Ct {
  /**
   * Open it for a template with placeholders. `text` is what is chosen now, `start` the placeholder to begin with, `preview` what a
   * choice would make; `chosen` gets the new text when the user says yes.
   */
  constructor(t, n, s, i, o, a) {
    this.texts = i, this.chosen = a, this.choosing = new Mt(t.placeholders, n);
    const [r] = this.choosing.rows;
    if (!r) throw new Error("a template without placeholders has nothing to choose");
    this.row = this.choosing.rows.find((h) => h.name === s) ?? r, this.search = Le(i.searchValues, () => {
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
    }), this.latest = new G(
      o,
      (h) => {
        this.outcome(`${ee(h, i)} → `, d("b", "sdgen-images", i.images(h.images)));
      },
      (h) => {
        this.outcome(..._(h, i));
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
    this.modal = H(
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
    this.lines.set(n, s), this.anchor = null, this.shown = t ? s.filter(({ words: r }) => Ne(r, t)) : s, this.shown.forEach(({ place: r, box: l }, p) => {
      l.checked = n.picked.has(r), l.tabIndex = p ? -1 : 0;
    }), this.list.replaceChildren(...this.shown.map(({ shown: r }) => r)), this.shown.length || this.list.append(d("div", "sdgen-dim", this.texts.nothingFound));
    const [i, o] = this.bulk, a = this.shown.length < s.length;
    i && (i.textContent = a ? this.texts.allShown(this.shown.length) : this.texts.all), o && (o.textContent = a ? this.texts.noneShown(this.shown.length) : this.texts.none);
  }
  line(t, n, s) {
    const i = Rt(n), o = document.createElement("input");
    o.type = "checkbox";
    const a = Ie(t) && typeof n == "string", r = d("label", "sdgen-value", o, !a && d("span", "sdgen-key", t), d("span", "sdgen-text", i));
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
      i.textContent = Ot(s, t), i.parentElement?.classList.toggle("sdgen-changed", s.changed), i.parentElement?.classList.toggle("sdgen-left-out", !s.picked.size || s.unknown.length > 0);
    this.reset.toggleAttribute("disabled", !this.row.changed), this.drawing.checked = this.row.draw !== null;
    const n = [
      ...this.choosing.rows.filter((s) => s.unknown.length).map((s) => V(t.notThere(s.name, s.unknown.join(", ")))),
      ...[...this.choosing.strangers].map(([s, i]) => this.stranger(s, i)),
      ...this.choosing.unread.map((s) => V(t.notRead(s))),
      ...this.row.picked.size || this.row.unknown.length ? [] : [V(t.leftOutNote(this.row.name))]
    ];
    this.notes.replaceChildren(...n), this.latest.update(this.choosing.text) && this.total.classList.add("sdgen-stale");
  }
  /** A choice for a placeholder that the template does not have; it can be removed. */
  stranger(t, n) {
    const s = V(this.texts.notThere(`${t}[${n}]`, t)), i = v(this.texts.remove, () => {
      this.choosing.strangers.delete(t), this.changed();
    });
    return s.append(i), s;
  }
  pressed(t) {
    const { key: n } = t, s = t.target, i = this.shown.findIndex(({ box: l }) => l === s), a = { ArrowDown: 1, ArrowUp: -1, PageDown: he, PageUp: -he, Home: -1 / 0, End: 1 / 0 }[n], r = s instanceof HTMLInputElement && s.type === "radio";
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
function Rt(e) {
  return typeof e == "string" ? e : Object.entries(e).map(([t, n]) => `${t}: ${n}`).join(" · ");
}
function Ot(e, t) {
  return e.picked.size ? e.draw !== null && e.draw < e.picked.size ? t.drawnFrom(e.draw, e.picked.size) : t.selected(e.picked.size, e.values.length) : e.unknown.length ? t.selected(0, e.values.length) : t.leftOut;
}
function V(e) {
  return d("div", "sdgen-warning", d("span", "", e));
}
const Dt = ["file", "text", "theme", "style", "mode", "limit", "choices", "distribution"];
function W(e) {
  const t = Dt.find((s) => A(e, s) !== null);
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
class Pt {
  constructor(t, n) {
    this.node = t, this.readAgain = n, me(t, this.panel.root, () => this.panel.height()), this.latest = new G(
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
  panel = new ke("template", 60, 420);
  latest;
  unfolded = /* @__PURE__ */ new Set();
  open;
  linked;
  /** Look whether the widgets say something else now. */
  tick() {
    ge(this.node, this.panel.root);
    const t = W(this.node), n = "linked" in t ? t.linked : void 0;
    n !== void 0 && n !== this.linked && (this.latest.clear(), this.show(d("div", "sdgen-dim", y(x()).linkedInput(n))), X(this.node, this.panel.root, !1)), this.linked = n, !("linked" in t) && this.latest.update(t) && this.panel.root.classList.add("sdgen-stale");
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
      chosen: new Set(Me(E(this.node, "choices")).choices.keys()),
      choose: (s) => {
        this.chooseValues(s);
      },
      unfolded: this.unfolded,
      resized: () => {
        B(this.node);
      }
    };
    this.show(this.tools(), ...Ze(t, y(x()), x(), n)), X(this.node, this.panel.root, !1);
  }
  failed(t) {
    this.show(this.tools(), ..._(t, y(x()))), X(this.node, this.panel.root, t instanceof R);
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
    const n = y(x()), s = W(this.node);
    if ("linked" in s) return;
    const i = await this.ask("choices", s);
    if (!i) return;
    if (!i.placeholders.length) {
      xe("info", i.name, n.noPlaceholders);
      return;
    }
    const o = new Ct(
      i,
      s.choices,
      t,
      n,
      (a, r) => Z({ ...s, choices: a }, r),
      (a) => {
        F(this.node, "choices", a);
      }
    );
    this.opened(o.modal);
  }
  async chooseTheme() {
    const t = W(this.node);
    if ("linked" in t) return;
    const n = await this.ask("themes", t);
    if (!n) return;
    const { theme: s, style: i, file: o } = t, a = o.replace(/^.*\//, "").replace(/\.prompt\.ya?ml$/, "");
    this.opened(
      It(n.themes, a, { theme: s.trim(), style: i.trim() }, y(x()), (r, l) => {
        F(this.node, "theme", r), F(this.node, "style", l);
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
      const s = await U(`/sdgen/templates/${t}`, n);
      return this.open || !Y(this.node) ? void 0 : s;
    } catch (s) {
      this.failed(s);
      return;
    }
  }
  show(...t) {
    this.panel.root.classList.remove("sdgen-stale"), this.panel.show(...t), B(this.node);
  }
}
const _t = "SDGenTemplate", qt = "SDGenSeedSweep";
function ue(e) {
  if (typeof e != "string" || !e.trim()) return null;
  try {
    const { index: t, session: n } = JSON.parse(e);
    return { index: typeof t == "number" ? String(t) : "?", session: typeof n == "string" ? n : "?" };
  } catch {
    return { index: "?", session: "?" };
  }
}
class Re {
  constructor(t, n) {
    this.node = t, this.sessions = n, fe(t, "item"), me(t, this.panel.root, () => this.panel.height()), this.latest = new G(
      Z,
      (i) => {
        this.expect(zt(i, y(x())));
      },
      (i) => {
        this.expect(_(i, y(x()), 1));
      }
    );
    const s = n.listen((i) => {
      i.id === this.wanted && (this.session = i, this.draw());
    });
    we(t, s), Fe(t, (i) => {
      this.executed(i);
    }), this.draw();
  }
  node;
  sessions;
  panel = new ke("plan", 44, 260);
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
    ge(this.node, this.panel.root), this.restore();
    const t = E(this.node, "item");
    t !== this.item && (this.item = t, this.nameItem(ue(t)));
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
    const t = A(this.node, "template");
    if (!t) return { say: "connectTemplate" };
    if (z(t) !== _t) return { say: "otherSource" };
    const n = W(t);
    if ("linked" in n) return n;
    if (A(this.node, "count")) return { linked: "count" };
    const s = A(this.node, "sweep");
    if (s && (z(s) !== qt || A(s, "seeds"))) return { linked: "seeds" };
    const i = s ? E(s, "seeds") : "", o = ["width", "height", "steps", "checkpoint"].some((r) => A(this.node, r)), a = Number(E(this.node, "count"));
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
      graph_checkpoint: je(this.node)
    };
  }
  expect(t) {
    this.panel.root.classList.remove("sdgen-stale"), this.expected = t, this.draw();
  }
  /** Show the session that this planner started last; the node has its final id only after it was loaded. */
  restore() {
    const t = se(this.node);
    if (t === this.place) return;
    this.place = t;
    const n = ot(t);
    n && this.follow(n);
  }
  executed(t) {
    const [n] = Array.isArray(t.sdgen) ? t.sdgen : [];
    n?.id && (this.report = n, this.said = [], this.wanted = n.id, it(se(this.node), n.id), this.sessions.reported(n));
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
    const t = y(x()), n = ue(this.item);
    this.panel.show(
      ...n ? this.pinned(n, t) : this.expected,
      ...this.session && !n ? Ft(this.session, t, x(), this.deeds(t)) : [],
      ...this.session && !n ? this.said : [],
      ...this.report && !n ? jt(this.report, t) : []
    ), B(this.node);
  }
  /** What the buttons do to the session that is shown when they are pressed. */
  deeds(t) {
    return {
      act: (n) => {
        if (!this.session) return;
        this.sessions.act(this.session, n).then(({ retried: i }) => i === void 0 ? [] : [t.again(i)]).then(this.say, this.failed);
      },
      more: (n) => {
        this.session && ct(n, this.session, this.sessions, t, this.say, this.failed);
      }
    };
  }
  say = (t) => {
    this.said = t.map((n) => d("div", "sdgen-said", n)), this.draw();
  };
  failed = (t) => {
    this.said = _(t, y(x())), this.draw();
  };
  pinned(t, n) {
    const s = this.itemSession?.name ?? t.session, i = () => {
      F(this.node, "item", "");
    };
    return [
      d("div", "sdgen-pinned", d("span", "", n.oneImage(t.index, s)), v(n.wholeSession, i))
    ];
  }
}
function zt(e, t) {
  return [
    d(
      "div",
      "sdgen-expect",
      d("b", "sdgen-images", t.ready(t.images(e.images))),
      d("span", "sdgen-dim", ee(e, t))
    ),
    ...Vt(e, t)
  ];
}
function Vt(e, t) {
  const n = [
    e.model_loads && e.model_loads > 1 && t.modelLoads(e.model_loads),
    e.seconds && e.like && t.takesAbout($e(e.seconds, t), e.like)
  ].filter(Boolean);
  return n.length > 0 ? [d("div", "sdgen-dim", n.join(" · "))] : [];
}
function jt(e, t) {
  const n = t.action[e.action];
  return [
    ...n ? [d("div", "sdgen-dim", n(e.added))] : [],
    ...e.warnings.map((s) => d("div", "sdgen-warning", s))
  ];
}
function Ft(e, t, n, s) {
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
    P.includes(e.state) && l(t.pause, "pause"),
    ["paused", "stopped"].includes(e.state) && e.left > 0 && l(t.resume, "resume"),
    (P.includes(e.state) || e.state === "paused") && l(t.stop, "stop"),
    e.state === "failed" && e.failed > 0 && l(t.retry, "retry"),
    p
  ), g = e.state !== "running" && e.state !== "failed" && e.reason;
  return [
    m,
    o,
    d("div", "sdgen-counts", Wt(e, t, n)),
    ...g ? [d("div", "sdgen-warning", g)] : []
  ];
}
function Wt(e, t, n) {
  return [
    t.progress(e.done, e.planned),
    e.failed > 0 && t.failed(e.failed),
    e.skipped > 0 && t.skipped(e.skipped),
    e.images_per_minute && t.rate(c(e.images_per_minute, n)),
    e.eta_seconds && t.left($e(e.eta_seconds, t))
  ].filter(Boolean).join(" · ");
}
const pe = [137, 80, 78, 71, 13, 10, 26, 10];
function Bt(e) {
  const t = new Uint8Array(e), n = /* @__PURE__ */ new Map();
  if (pe.some((i, o) => t[o] !== i)) return n;
  const s = new DataView(e);
  for (let i = pe.length; i + 12 <= t.length; ) {
    const o = s.getUint32(i), a = j(t.subarray(i + 4, i + 8)), r = t.subarray(i + 8, i + 8 + o);
    if (r.length < o || a === "IEND") break;
    const l = r.indexOf(0);
    if (l > 0 && a === "tEXt") n.set(j(r.subarray(0, l)), j(r.subarray(l + 1)));
    else if (l > 0 && a === "iTXt" && r[l + 1] === 0) {
      const p = r.indexOf(0, l + 3), h = p < 0 ? -1 : r.indexOf(0, p + 1);
      h > 0 && n.set(j(r.subarray(0, l)), new TextDecoder().decode(r.subarray(h + 1)));
    }
    i += 12 + o;
  }
  return n;
}
async function Ut(e) {
  if (e.type !== "image/png") return null;
  const t = Bt(await e.arrayBuffer()), n = t.get("workflow");
  if (n === void 0 || !t.has("sdgen")) return null;
  try {
    const s = JSON.parse(n);
    return typeof s == "object" ? s : null;
  } catch {
    return null;
  }
}
function j(e) {
  let t = "";
  for (let n = 0; n < e.length; n += 8192) t += String.fromCharCode(...e.subarray(n, n + 8192));
  return t;
}
const Gt = ".sdgen-panel{box-sizing:border-box;overflow:hidden auto;border-radius:6px;background:var(--comfy-input-bg, #222);color:var(--input-text, #ddd);font:12px/1.45 Inter,Arial,sans-serif;text-align:left;scrollbar-width:thin}.sdgen-content{display:flex;flex-direction:column;gap:5px;padding:7px 9px}.sdgen-stale .sdgen-content{opacity:.55}.sdgen-dim{color:var(--descrip-text, #999)}.sdgen-head,.sdgen-expect,.sdgen-pinned{display:flex;align-items:center;gap:8px}.sdgen-expect{flex-wrap:wrap;gap:0 8px}.sdgen-name{flex:0 1 auto;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.sdgen-chips{display:flex;flex-wrap:wrap;gap:4px}.sdgen-chip{display:inline-flex;gap:5px;padding:0 7px;border:1px solid var(--border-color, #4e4e4e);border-radius:9px;white-space:nowrap}.sdgen-drawn{border-style:dashed}.sdgen-chip i{color:var(--descrip-text, #999)}.sdgen-prompts{display:flex;flex-direction:column;border-top:1px solid var(--border-color, #4e4e4e);padding-top:4px}.sdgen-prompt{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.sdgen-prompt .sdgen-dim{display:inline-block;min-width:14px}.sdgen-warning,.sdgen-error,.sdgen-pinned{border-left:3px solid #d9a520;padding:2px 0 2px 7px;overflow-wrap:anywhere}.sdgen-error{border-color:var(--error-text, #ff4444);background:color-mix(in srgb,var(--error-text, #ff4444) 14%,transparent)}.sdgen-error .sdgen-message{color:var(--error-text, #ff4444);font-weight:600;white-space:pre-wrap}.sdgen-pinned{flex-wrap:wrap;justify-content:space-between}.sdgen-button{flex:none;margin-left:auto;padding:0 8px;border:1px solid var(--border-color, #4e4e4e);border-radius:5px;background:var(--comfy-menu-bg, #353535);color:var(--input-text, #ddd);font:inherit;cursor:pointer}.sdgen-button:hover{filter:brightness(1.15)}.sdgen-state{flex:none;padding:0 7px;border-radius:9px;background:#5a5a5a;color:#fff;font-size:11px}.sdgen-is-running{background:#2468b4}.sdgen-is-completed{background:#2c7a3f}.sdgen-is-paused{background:#8a6410}.sdgen-is-failed{background:#a83232}.sdgen-bar{display:flex;height:6px;overflow:hidden;border-radius:3px;background:color-mix(in srgb,var(--input-text, #ddd) 18%,transparent)}.sdgen-bar .sdgen-done{background:#3fa05a;transition:width .2s linear}.sdgen-bar .sdgen-failed{background:#d04848}.sdgen-toolbar{display:flex;gap:6px}.sdgen-toolbar .sdgen-button{margin:0}.sdgen-toolbar .sdgen-button:last-child{margin-left:auto}button.sdgen-chip{background:none;color:inherit;font:inherit;line-height:inherit;cursor:pointer}button.sdgen-chip:hover{border-color:var(--input-text, #ddd)}.sdgen-chosen{border-color:#4a90d9;background:color-mix(in srgb,#4a90d9 22%,transparent)!important}.sdgen-prompt summary{cursor:pointer;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;list-style:none}.sdgen-prompt[open]{white-space:normal}.sdgen-prompt[open] summary{overflow-wrap:anywhere;white-space:normal}[data-node-id]:has(.sdgen-panel.sdgen-wrong){outline:2px solid #e0443e;outline-offset:4px;border-radius:16px}.sdgen-modal{box-sizing:border-box;width:min(880px,94vw);height:min(640px,88vh);margin:auto;padding:0;border:1px solid var(--border-color, #4e4e4e);border-radius:10px;background:var(--comfy-menu-bg, #353535);color:var(--input-text, #ddd);box-shadow:0 12px 40px #00000073;font:13px/1.45 Inter,Arial,sans-serif}.sdgen-modal[open]{display:flex;flex-direction:column}.sdgen-modal::backdrop{background:#00000073}.sdgen-modal-head,.sdgen-modal-foot{display:flex;flex:none;align-items:center;gap:8px;padding:10px 14px}.sdgen-modal-head b{overflow:hidden;font-size:14px;text-overflow:ellipsis;white-space:nowrap}.sdgen-modal-foot{border-top:1px solid var(--border-color, #4e4e4e)}.sdgen-modal .sdgen-button{margin:0;padding:3px 12px;border-radius:6px;background:var(--comfy-input-bg, #222)}.sdgen-modal .sdgen-button[disabled]{opacity:.45;cursor:default}.sdgen-modal .sdgen-cross{margin-left:auto;padding:3px 8px;border:none;background:none}.sdgen-modal .sdgen-main{border-color:#2468b4;background:#2468b4;color:#fff}.sdgen-modal :focus-visible{outline:2px solid #4a90d9;outline-offset:-1px}.sdgen-modal input[type=checkbox],.sdgen-modal input[type=radio]{flex:none;width:14px;height:14px;margin:0;accent-color:#2f7fd6}.sdgen-modal-body{display:flex;flex:1;min-height:0;border-top:1px solid var(--border-color, #4e4e4e)}.sdgen-names{flex:0 0 230px;overflow:hidden auto;padding:6px;border-right:1px solid var(--border-color, #4e4e4e);scrollbar-width:thin}.sdgen-name-row{display:flex;align-items:center;gap:8px;padding:5px 8px;border-radius:6px;cursor:pointer}.sdgen-name-row:hover,.sdgen-value:hover,.sdgen-theme:hover{background:color-mix(in srgb,var(--input-text, #ddd) 9%,transparent)}.sdgen-name-row:has(:checked){background:color-mix(in srgb,#4a90d9 30%,transparent)}.sdgen-name-row:has(:focus-visible){outline:2px solid #4a90d9;outline-offset:-2px}.sdgen-name-row input{position:absolute;opacity:0;pointer-events:none}.sdgen-name-row .sdgen-name{flex:1}.sdgen-count{flex:none;color:var(--descrip-text, #999);font-size:12px}.sdgen-changed .sdgen-count{color:var(--input-text, #ddd);font-weight:600}.sdgen-left-out .sdgen-count{color:color-mix(in srgb,#d99a10 72%,var(--input-text, #ddd))}.sdgen-side{display:flex;flex:1;flex-direction:column;min-width:0}.sdgen-tools{display:flex;flex:none;flex-direction:column;gap:8px;padding:10px;border-bottom:1px solid var(--border-color, #4e4e4e)}.sdgen-bulk{display:flex;flex-wrap:wrap;align-items:center;gap:6px}.sdgen-search,.sdgen-draw input[type=number]{box-sizing:border-box;padding:5px 9px;border:1px solid var(--border-color, #4e4e4e);border-radius:6px;background:var(--comfy-input-bg, #222);color:var(--input-text, #ddd);font:inherit}.sdgen-search{width:100%}.sdgen-draw{display:flex;align-items:center;gap:6px;margin-left:auto}.sdgen-draw input[type=number]{width:62px;padding:2px 6px}.sdgen-values,.sdgen-themes{flex:1;overflow:hidden auto;min-height:0;padding:6px;scrollbar-width:thin}.sdgen-value{display:flex;align-items:center;gap:9px;min-height:26px;padding:0 8px;border-radius:6px;content-visibility:auto;contain-intrinsic-size:auto 26px;cursor:pointer;user-select:none}.sdgen-value:has(:focus-visible){background:color-mix(in srgb,#4a90d9 30%,transparent)}.sdgen-key{flex:0 0 auto;overflow:hidden;max-width:45%;text-overflow:ellipsis;white-space:nowrap}.sdgen-key+.sdgen-text{color:var(--descrip-text, #999)}.sdgen-text{overflow:hidden;min-width:0;text-overflow:ellipsis;white-space:nowrap}.sdgen-notes{display:flex;flex:none;flex-direction:column;gap:4px;overflow:hidden auto;max-height:136px;padding:0 14px;border-top:1px solid var(--border-color, #4e4e4e)}.sdgen-notes:empty{display:none}.sdgen-notes>:first-child{margin-top:8px}.sdgen-notes>:last-child{margin-bottom:8px}.sdgen-notes .sdgen-warning{display:flex;align-items:center;gap:8px}.sdgen-outcome{flex:1;overflow:hidden auto;max-height:96px}.sdgen-outcome.sdgen-stale{opacity:.55}.sdgen-theme-dialog{width:min(560px,94vw);height:fit-content;max-height:88vh}.sdgen-theme-dialog>.sdgen-search{flex:none;width:auto;margin:0 14px 8px}.sdgen-themes{border-top:1px solid var(--border-color, #4e4e4e)}.sdgen-theme{display:flex;align-items:baseline;gap:10px;width:100%;min-height:28px;padding:3px 10px;border:none;border-radius:6px;background:none;color:inherit;font:inherit;text-align:left;cursor:pointer}.sdgen-style{padding-left:30px}.sdgen-theme[aria-current]{background:color-mix(in srgb,#4a90d9 30%,transparent)}.sdgen-theme .sdgen-dim{overflow:hidden;font-size:12px;text-overflow:ellipsis;white-space:nowrap}.sdgen-bad{color:var(--error-text, #ff4444);font-size:12px}.sdgen-head .sdgen-button+.sdgen-button{margin-left:0}.sdgen-said{border-left:3px solid #4a90d9;padding:2px 0 2px 7px;overflow-wrap:anywhere}.sdgen-panel :focus-visible{outline:2px solid #4a90d9;outline-offset:-1px}.sdgen-menu{position:fixed;box-sizing:border-box;max-width:320px;max-height:90vh;margin:0;overflow:hidden auto;padding:4px;border:1px solid var(--border-color, #4e4e4e);border-radius:8px;background:var(--comfy-menu-bg, #353535);color:var(--input-text, #ddd);box-shadow:0 8px 28px #00000073;font:13px/1.45 Inter,Arial,sans-serif}.sdgen-menu::backdrop{background:none}.sdgen-menu .sdgen-button{display:block;width:100%;margin:0;padding:4px 12px;border:none;background:none;text-align:left}.sdgen-menu .sdgen-button:hover:not([disabled]),.sdgen-menu .sdgen-button:focus{outline:none;background:color-mix(in srgb,#4a90d9 30%,transparent)}.sdgen-menu .sdgen-button[disabled]{opacity:.45;cursor:default}.sdgen-session-dialog{width:min(460px,94vw);height:fit-content;max-height:88vh}.sdgen-form{display:flex;flex-direction:column;gap:10px;overflow:hidden auto;padding:2px 14px 14px}.sdgen-field{display:flex;flex-direction:column;gap:3px}.sdgen-field.sdgen-checkbox{flex-direction:row;align-items:center;gap:8px}.sdgen-field input:not([type=checkbox]),.sdgen-field select{box-sizing:border-box;padding:5px 9px;border:1px solid var(--border-color, #4e4e4e);border-radius:6px;background:var(--comfy-input-bg, #222);color:var(--input-text, #ddd);font:inherit}.sdgen-form-notes:empty{display:none}.sdgen-sheet-dialog{width:min(1000px,94vw);height:fit-content;min-height:240px;max-height:92vh}.sdgen-sheet-axes{display:flex;flex:none;flex-wrap:wrap;align-items:center;gap:8px 14px;padding:0 14px 10px}.sdgen-sheet-axes .sdgen-field{flex-direction:row;align-items:center;gap:6px}.sdgen-sheet-axes a{text-decoration:none}.sdgen-sheet-axes a:first-of-type{margin-left:auto}.sdgen-sheet-view{flex:1;overflow:auto;min-height:0;padding:10px 14px;border-top:1px solid var(--border-color, #4e4e4e)}.sdgen-sheet{display:block;border-radius:4px}", Ht = 150, Kt = 3e3, Oe = new nt(() => y(x())), T = /* @__PURE__ */ new Map(), C = new Je(() => {
  for (const [e, t] of T)
    De(e), t.refresh();
});
function De(e) {
  C.files && z(e) === "SDGenTemplate" && Ve(e, "file", C.files);
}
function Jt() {
  if (!document.hidden)
    for (const [e, t] of T) Y(e) && t.tick();
}
function Xt(e) {
  const t = z(e);
  if (t === "SDGenTemplate")
    T.set(e, new Pt(e, () => {
      C.look(!0);
    })), De(e);
  else if (t === "SDGenSessionPlan") T.set(e, new Re(e, Oe));
  else {
    t === "SDGenSessionSave" && fe(e, "item");
    return;
  }
  we(e, () => {
    T.get(e)?.removed?.(), T.delete(e);
  });
}
function Qt() {
  const e = document.createElement("style");
  e.dataset.sdgen = "", e.textContent = Gt, document.head.append(e), Oe.start(), Ge(Ut), setInterval(Jt, Ht), setInterval(() => {
    !document.hidden && [...T.keys()].some(Y) && C.look();
  }, Kt), Q("reconnected", () => {
    C.look(!0);
  }), window.addEventListener("focus", () => {
    C.look(!0);
  }), Ue("progress_text", (t) => {
    const n = t?.nodeId ?? "";
    return [...T].some(([s, i]) => i instanceof Re && (n === String(s.id) || n.endsWith(`:${s.id}`)));
  });
}
qe(Qt, Xt, () => C.look(!0));
