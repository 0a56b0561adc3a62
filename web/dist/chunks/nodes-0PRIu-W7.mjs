import { o as z, t as A, p as q, S as Y, g as O, b as Re, c as Oe, d as ue, l as x, k as pe, m as K, w as S, s as _, i as B, e as J, f as R, h as me, j as ge, q as Ce, n as F, u as De, v as te, x as Pe, y as qe } from "./host-CvZRTHC8.mjs";
const ne = 3, je = 1e4;
class _e {
  constructor(e) {
    this.texts = e;
  }
  texts;
  asked = !1;
  said = 0;
  /** Begin to listen: what the server does by itself goes on silently. */
  start() {
    z("sdgen.import", (e) => {
      this.asked && this.hear(e);
    });
  }
  /** Have the server look through all folders. */
  async press() {
    const e = this.texts();
    this.said = Date.now(), this.asked = !0, A("info", e.importing, "");
    try {
      await q("/sdgen/import", {});
    } catch (n) {
      this.asked = !1;
      const { message: s, hint: i } = n instanceof Y ? n : { message: e.noAnswer, hint: "" };
      A("error", e.importing, i ? `${s}. ${i}` : s);
    }
  }
  hear(e) {
    const n = this.texts();
    if (e.running) {
      if (Date.now() - this.said < je) return;
      this.said = Date.now(), A("info", n.importing, n.importProgress(e.sessions, e.total, e.images));
      return;
    }
    this.asked = !1, A("success", n.imported, n.importDone(e.sessions + e.unchanged, e.written));
    const s = e.errors.slice(0, ne).map(({ folder: i, message: a }) => `${i}: ${a}`);
    e.errors.length > ne && s.push(n.problems(e.errors.length)), s.length && A("warn", n.imported, s.join(`
`));
  }
}
const Ve = "(the text below)", ze = 9;
class Fe {
  /** `changed` is called when a template file is new, gone, or not what it was. */
  constructor(e) {
    this.changed = e;
  }
  changed;
  /** What the node's list offers; undefined until the server has answered. */
  files;
  version = "";
  rest = 0;
  /** Look at the folders; `always` tells of a change in any case. */
  async look(e = !1) {
    if (!(!e && this.rest-- > 0)) {
      this.rest = 0;
      try {
        const n = `/sdgen/templates?since=${encodeURIComponent(this.version)}`, { version: s, templates: i } = await O(n);
        this.version = s, i && (this.files = [Ve, ...i]), (i || e) && this.changed();
      } catch {
        this.rest = ze;
      }
    }
  }
}
function r(t, e, ...n) {
  const s = document.createElement(t);
  s.className = e;
  for (const i of n) i != null && i !== !1 && s.append(i);
  return s;
}
function v(t, e) {
  const n = r("button", "sdgen-button", t);
  return n.setAttribute("type", "button"), n.addEventListener("pointerdown", (s) => {
    s.stopPropagation();
  }), n.addEventListener("click", (s) => {
    s.stopPropagation(), e();
  }), n;
}
class fe {
  constructor(e, n, s) {
    this.lowest = n, this.highest = s, this.root.classList.add(`sdgen-${e}`), this.root.append(this.content), this.measured = n, this.root.addEventListener(
      "pointerdown",
      () => {
        this.pressed = !0, window.addEventListener("pointerup", this.released, { capture: !0, once: !0 }), window.addEventListener("pointercancel", this.released, { capture: !0, once: !0 });
      },
      { capture: !0 }
    );
  }
  lowest;
  highest;
  root = r("div", "sdgen-panel");
  content = r("div", "sdgen-content");
  measured;
  pressed = !1;
  waiting;
  /** The click comes right after the release. */
  released = () => {
    setTimeout(() => {
      this.pressed = !1;
      const e = this.waiting;
      this.waiting = void 0, e && this.show(...e);
    });
  };
  /**
   * Show `children` instead of what is there. A session that runs shows new figures many times a second: a child that would look the
   * same stays in its place with its buttons (so what they do must not depend on when they were made), a button that is being pressed
   * stays until its click has come, and the keyboard stays at the button it was at.
   */
  show(...e) {
    if (this.pressed) {
      this.waiting = e;
      return;
    }
    const n = this.content.contains(document.activeElement) ? document.activeElement?.textContent : void 0, s = [...this.content.childNodes], i = e.filter((a) => !!a).map((a) => {
      const o = typeof a == "string" ? document.createTextNode(a) : a, d = s.findIndex((c) => c.isEqualNode(o));
      return s.splice(d, d < 0 ? 0 : 1)[0] ?? o;
    });
    for (const a of s) a.remove();
    i.forEach((a, o) => {
      const d = this.content.childNodes[o];
      d !== a && this.content.insertBefore(a, d ?? null);
    }), n && [...this.content.querySelectorAll("button")].find((a) => a.textContent === n)?.focus({ preventScroll: !0 });
  }
  /** The height that the content needs, in the node's own pixels. */
  height() {
    const e = this.content.offsetHeight;
    return e > 0 && (this.measured = e), Math.min(Math.max(this.measured, this.lowest), this.highest);
  }
}
class U {
  constructor(e, n, s, i = 300) {
    this.ask = e, this.answered = n, this.failed = s, this.quietMs = i;
  }
  ask;
  answered;
  failed;
  quietMs;
  key = "";
  timer;
  running;
  /** The question as it is now. True when it differs from the last one and will be asked. */
  update(e) {
    const n = JSON.stringify(e);
    return n === this.key ? !1 : (this.key = n, this.stop(), this.timer = setTimeout(() => {
      this.run(e);
    }, this.quietMs), !0);
  }
  /** Forget the question: nothing more is answered until the next `update`. */
  clear() {
    this.key = "", this.stop();
  }
  stop() {
    clearTimeout(this.timer), this.running?.abort(), this.running = void 0;
  }
  async run(e) {
    const n = new AbortController();
    this.running = n;
    try {
      const s = await this.ask(e, n.signal);
      this.running === n && this.answered(s);
    } catch (s) {
      this.running === n && this.failed(s);
    }
  }
}
const we = {
  images: (t) => `${l(t, "en")} ${t === 1 ? "image" : "images"}`,
  combinations: (t) => `${l(t, "en")} ${t === 1 ? "combination" : "combinations"}`,
  combinationsOf: (t, e) => `${l(t, "en")} of ${l(e, "en")} combinations`,
  selected: (t, e) => t === e ? l(t, "en") : `${l(t, "en")} of ${l(e, "en")}`,
  drawn: "drawn",
  drawnTip: "Not combined with the others: one value is drawn for each image.",
  drawnFrom: (t, e) => `${l(t, "en")} drawn from ${l(e, "en")}`,
  leftOut: "left out",
  values: "Values …",
  valuesTip: "Choose the values of each placeholder",
  valuesOf: (t) => `Values of ${t}`,
  searchValues: "Search keys and texts",
  all: "All",
  none: "None",
  allShown: (t) => `All ${l(t, "en")} found`,
  noneShown: (t) => `None of ${l(t, "en")} found`,
  invert: "Invert",
  asTemplate: "As in the template",
  drawSome: "Draw at random",
  drawSomeTip: "Draws so many of the chosen values for the session, the same ones each time it runs with the same seed.",
  nothingFound: "No value matches.",
  notThere: (t, e) => `${t}: the template has no ${e}.`,
  notRead: (t) => `“${t}” cannot be read and will be dropped.`,
  leftOutNote: (t) => `Without a value, ${t} is left out of the prompt.`,
  noPlaceholders: "This template has no placeholders.",
  apply: "Apply",
  cancel: "Cancel",
  remove: "Remove",
  theme: "Theme …",
  themeTip: "Choose a theme and a style",
  themesOf: (t) => `Themes of ${t}`,
  searchThemes: "Search themes, styles and tags",
  noTheme: "No theme",
  defaultStyle: "default style",
  noThemes: "This template has no themes.",
  readAgain: "Read the template folders again",
  problems: (t) => `${l(t, "en")} problems`,
  importing: "Looking for new sessions …",
  importProgress: (t, e, n) => `${l(t, "en")} of ${l(e, "en")} sessions, ${l(n, "en")} images`,
  imported: "Sessions imported",
  importDone: (t, e) => `${l(t, "en")} ${t === 1 ? "session" : "sessions"}, ${l(e, "en")} new or changed ${e === 1 ? "image" : "images"}`,
  seeds: (t) => `${l(t, "en")} ${t === 1 ? "seed" : "seeds"}`,
  mode: { combinatorial: "combinatorial", random: "random" },
  first: "The first prompts",
  removed: (t) => `Removed by the theme: ${t}`,
  askingServer: "Reading the template …",
  noAnswer: "The server does not answer",
  linkedInput: (t) => `“${t}” comes from another node, so it is known only when it runs.`,
  connectTemplate: "Connect an SDGen Template to see what will be made.",
  otherSource: "The template comes from a node that cannot be read before it runs.",
  ready: (t) => `Run makes ${t}`,
  oneImage: (t, e) => `Set to one image: #${t} of session ${e}`,
  wholeSession: "Run the whole session again",
  progress: (t, e) => `${l(t, "en")} of ${l(e, "en")} images`,
  failed: (t) => `${l(t, "en")} failed`,
  rate: (t) => `${t} a minute`,
  left: (t) => `${t} left`,
  state: { planned: "planned", running: "running", paused: "paused", completed: "completed", failed: "failed", stopped: "stopped" },
  stateTip: {
    planned: "It waits in line and starts by itself.",
    running: "Its images are being made.",
    paused: "Resume goes on with what is left.",
    completed: "All of its images are there.",
    failed: "It came to its end, but some images failed.",
    stopped: "It was ended before its end; Resume takes it up again."
  },
  between: (t, e, n) => `${l(t, "en")}–${l(e, "en")} of ${l(n, "en")}`,
  sharedBy: (t) => `Themes: ${t}`,
  skipped: (t) => `${l(t, "en")} left out`,
  more: "More …",
  moreOf: (t) => `More for session ${t}`,
  pauseFirst: "Pause the session first.",
  go: "Do it",
  extend: "Extend …",
  extendNote: "Images that are there stay as they are. Say either how many more, or which further seeds.",
  extendMore: "More images of its own plan",
  extendSeeds: "All combinations on further seeds (1-4, 7,42, 20#1000)",
  extended: (t) => `${l(t, "en")} ${t === 1 ? "image" : "images"} added`,
  shrink: "Plan fewer …",
  shrinkNote: "Keeps the first images of the plan. What is made already stays.",
  shrinkTo: "Images to keep planned",
  shrunk: (t) => `${l(t, "en")} ${t === 1 ? "image" : "images"} taken out of the plan`,
  skip: "Leave out …",
  skipNote: "Leaves out images that are still to be made or have failed. “Take back what was left out” undoes it.",
  skipItems: "Numbers of images, from 0 (5,7-9)",
  skipFailed: "Leave out failed",
  takeBack: "Take back what was left out",
  leftOutNow: (t) => `${l(t, "en")} ${t === 1 ? "image" : "images"} left out`,
  again: (t) => `${l(t, "en")} ${t === 1 ? "image" : "images"} to be made again`,
  rename: "Rename …",
  renameNote: "Its folder gets the new name too; its files keep theirs.",
  newName: "New name",
  renamed: (t) => `Renamed to ${t}`,
  move: "Move …",
  moveNote: "Moves its folder, also to another disk. The places are ComfyUI’s output and the setting session_folders.",
  moveTo: "To",
  moved: (t) => `Moved to ${t}`,
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
  rebuilt: (t, e) => `Rebuilt: ${l(t, "en")} of ${l(e, "en")} images found`,
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
  modelLoads: (t) => `${l(t, "en")} model loads`,
  takesAbout: (t, e) => `about ${t}, as session ${e} went`,
  action: {
    extended: (t) => `${l(t, "en")} ${t === 1 ? "image" : "images"} added`,
    complete: () => "All of its images are there. For another session, set “on existing” to new."
  },
  completedToast: (t) => `Session ${t} is complete`,
  failedToast: (t) => `Session ${t} ended with errors`,
  pausedToast: (t) => `Session ${t} is paused`,
  madeOf: (t, e) => `${l(t, "en")} of ${l(e, "en")} images made`,
  seconds: (t) => `${t} s`,
  minutes: (t) => `${t} min`,
  hours: (t, e) => `${t} h ${e} min`
}, Be = {
  images: (t) => `${l(t, "fr")} ${t < 2 ? "image" : "images"}`,
  combinations: (t) => `${l(t, "fr")} ${t < 2 ? "combinaison" : "combinaisons"}`,
  combinationsOf: (t, e) => `${l(t, "fr")} combinaisons sur ${l(e, "fr")}`,
  selected: (t, e) => t === e ? l(t, "fr") : `${l(t, "fr")} sur ${l(e, "fr")}`,
  drawn: "tirage",
  drawnTip: "Pas combiné avec les autres : une valeur est tirée pour chaque image.",
  drawnFrom: (t, e) => `${l(t, "fr")} tirées de ${l(e, "fr")}`,
  leftOut: "omise",
  values: "Valeurs …",
  valuesTip: "Choisir les valeurs de chaque variable",
  valuesOf: (t) => `Valeurs de ${t}`,
  searchValues: "Chercher dans les clés et les textes",
  all: "Toutes",
  none: "Aucune",
  allShown: (t) => `Les ${l(t, "fr")} trouvées`,
  noneShown: (t) => `Aucune des ${l(t, "fr")} trouvées`,
  invert: "Inverser",
  asTemplate: "Comme dans le gabarit",
  drawSome: "Tirer au hasard",
  drawSomeTip: "Tire ce nombre de valeurs parmi celles choisies pour la session, les mêmes à chaque exécution avec la même graine.",
  nothingFound: "Aucune valeur ne correspond.",
  notThere: (t, e) => `${t} : le gabarit n’a pas ${e}.`,
  notRead: (t) => `« ${t} » est illisible et sera abandonné.`,
  leftOutNote: (t) => `Sans valeur, ${t} est omise du prompt.`,
  noPlaceholders: "Ce gabarit n’a pas de variables.",
  apply: "Appliquer",
  cancel: "Annuler",
  remove: "Retirer",
  theme: "Thème …",
  themeTip: "Choisir un thème et un style",
  themesOf: (t) => `Thèmes de ${t}`,
  searchThemes: "Chercher un thème, un style ou une étiquette",
  noTheme: "Aucun thème",
  defaultStyle: "style par défaut",
  noThemes: "Ce gabarit n’a pas de thèmes.",
  readAgain: "Relire les dossiers de gabarits",
  problems: (t) => `${l(t, "fr")} problèmes`,
  importing: "Recherche de nouvelles sessions …",
  importProgress: (t, e, n) => `${l(t, "fr")} sessions sur ${l(e, "fr")}, ${l(n, "fr")} images`,
  imported: "Sessions importées",
  importDone: (t, e) => `${l(t, "fr")} ${t < 2 ? "session" : "sessions"}, ${l(e, "fr")} ${e < 2 ? "image nouvelle ou modifiée" : "images nouvelles ou modifiées"}`,
  seeds: (t) => `${l(t, "fr")} ${t < 2 ? "graine" : "graines"}`,
  mode: { combinatorial: "combinatoire", random: "aléatoire" },
  first: "Les premiers prompts",
  removed: (t) => `Retirés par le thème : ${t}`,
  askingServer: "Lecture du gabarit …",
  noAnswer: "Le serveur ne répond pas",
  linkedInput: (t) => `« ${t} » vient d’un autre nœud et n’est connu qu’à l’exécution.`,
  connectTemplate: "Reliez un Gabarit SDGen pour voir ce qui sera produit.",
  otherSource: "Le gabarit vient d’un nœud qui ne peut pas être lu avant l’exécution.",
  ready: (t) => `Exécuter produira ${t}`,
  oneImage: (t, e) => `Réglé sur une seule image : n° ${t} de la session ${e}`,
  wholeSession: "Relancer toute la session",
  progress: (t, e) => `${l(t, "fr")} images sur ${l(e, "fr")}`,
  failed: (t) => `${l(t, "fr")} ${t < 2 ? "échec" : "échecs"}`,
  rate: (t) => `${t} par minute`,
  left: (t) => `encore ${t}`,
  state: { planned: "prévue", running: "en cours", paused: "en pause", completed: "terminée", failed: "échouée", stopped: "arrêtée" },
  stateTip: {
    planned: "Elle attend son tour et démarrera seule.",
    running: "Ses images sont en cours de production.",
    paused: "Reprendre continue avec ce qui reste.",
    completed: "Toutes ses images sont là.",
    failed: "Elle est arrivée au bout, mais des images ont échoué.",
    stopped: "Elle a été arrêtée avant la fin ; Reprendre la relance."
  },
  between: (t, e, n) => `${l(t, "fr")} à ${l(e, "fr")} sur ${l(n, "fr")}`,
  sharedBy: (t) => `Thèmes : ${t}`,
  skipped: (t) => `${l(t, "fr")} ${t < 2 ? "laissée" : "laissées"} de côté`,
  more: "Plus …",
  moreOf: (t) => `Plus pour la session ${t}`,
  pauseFirst: "Mettez d’abord la session en pause.",
  go: "Exécuter",
  extend: "Prolonger …",
  extendNote: "Les images déjà là ne changent pas. Indiquez soit leur nombre, soit d’autres graines.",
  extendMore: "Images de plus de son propre plan",
  extendSeeds: "Toutes les combinaisons avec d’autres graines (1-4, 7,42, 20#1000)",
  extended: (t) => `${l(t, "fr")} ${t < 2 ? "image ajoutée" : "images ajoutées"}`,
  shrink: "Réduire le plan …",
  shrinkNote: "Garde les premières images du plan. Ce qui est déjà produit reste.",
  shrinkTo: "Images à garder dans le plan",
  shrunk: (t) => `${l(t, "fr")} ${t < 2 ? "image retirée" : "images retirées"} du plan`,
  skip: "Laisser de côté …",
  skipNote: "Laisse de côté des images à faire ou échouées. « Reprendre les images laissées de côté » l’annule.",
  skipItems: "Numéros d’images, à partir de 0 (5,7-9)",
  skipFailed: "Laisser les échecs de côté",
  takeBack: "Reprendre les images laissées de côté",
  leftOutNow: (t) => `${l(t, "fr")} ${t < 2 ? "image laissée" : "images laissées"} de côté`,
  again: (t) => `${l(t, "fr")} ${t < 2 ? "image" : "images"} à refaire`,
  rename: "Renommer …",
  renameNote: "Son dossier prend aussi le nouveau nom ; ses fichiers gardent le leur.",
  newName: "Nouveau nom",
  renamed: (t) => `Renommée en ${t}`,
  move: "Déplacer …",
  moveNote: "Déplace son dossier, même vers un autre disque. Les lieux sont le dossier de sortie de ComfyUI et le réglage session_folders.",
  moveTo: "Vers",
  moved: (t) => `Déplacée vers ${t}`,
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
  rebuilt: (t, e) => `Reconstruite : ${l(t, "fr")} images trouvées sur ${l(e, "fr")}`,
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
  modelLoads: (t) => `${l(t, "fr")} chargements de modèles`,
  takesAbout: (t, e) => `environ ${t}, d’après la session ${e}`,
  action: {
    extended: (t) => `${l(t, "fr")} ${t < 2 ? "image ajoutée" : "images ajoutées"}`,
    complete: () => "Toutes ses images sont là. Pour une autre session, réglez « si elle existe » sur new."
  },
  completedToast: (t) => `La session ${t} est terminée`,
  failedToast: (t) => `La session ${t} s’est terminée avec des erreurs`,
  pausedToast: (t) => `La session ${t} est en pause`,
  madeOf: (t, e) => `${l(t, "fr")} images produites sur ${l(e, "fr")}`,
  seconds: (t) => `${t} s`,
  minutes: (t) => `${t} min`,
  hours: (t, e) => `${t} h ${e} min`
}, Ue = { en: we, fr: Be };
function y(t) {
  return Ue[t.split("-")[0] ?? ""] ?? we;
}
function l(t, e) {
  return t.toLocaleString(e, { maximumFractionDigits: 1 });
}
function be(t, e) {
  if (t < 90) return e.seconds(Math.round(t));
  const n = Math.round(t / 60);
  return n < 90 ? e.minutes(n) : e.hours(Math.floor(n / 60), n % 60);
}
async function Q(t, e) {
  return await q("/sdgen/templates/preview", t, e);
}
function We(t, e, n, s = {}) {
  const i = [
    r(
      "div",
      "sdgen-head",
      r("b", "sdgen-name", t.name),
      r("span", "sdgen-dim", e.mode[t.mode] ?? t.mode)
    )
  ], a = [
    ...t.placeholders.map((o) => {
      const d = o.least ?? o.selected, c = d < o.selected ? e.between(d, o.selected, o.available) : e.selected(o.selected, o.available), m = r("b", "", c), h = se(o.name, m, s, o.weight === 0 && r("i", "", e.drawn));
      return h.classList.toggle("sdgen-drawn", o.weight === 0), o.weight === 0 && (h.title = e.drawnTip), h;
    }),
    ...t.left_out.map((o) => se(o, r("i", "", e.leftOut), s))
  ];
  if (a.length && i.push(r("div", "sdgen-chips", ...a)), i.push(r("div", "sdgen-total", ...Ge(t, e))), t.themes) {
    const o = t.themes.map(({ theme: d, style: c, images: m }) => {
      const h = d ?? e.noTheme;
      return `${c && c !== "default" ? `${h}/${c}` : h} ${l(m, n)}`;
    });
    i.push(r("div", "sdgen-dim", e.sharedBy(o.join(" · "))));
  }
  if (t.removed.length && i.push(r("div", "sdgen-dim", e.removed(t.removed.join(", ")))), i.push(...t.warnings.map((o) => r("div", "sdgen-warning", o))), t.first.length) {
    const o = t.first.map((d, c) => He(d, c, n, s));
    i.push(r("div", "sdgen-prompts", ...o));
  }
  return i;
}
function se(t, e, n, ...s) {
  const { choose: i, chosen: a } = n, d = i ? v("", () => {
    i?.(t);
  }) : r("span", "");
  return d.className = a?.has(t) ? "sdgen-chip sdgen-chosen" : "sdgen-chip", d.append(r("span", "", t), e, ...s.filter((c) => !!c)), d;
}
function He(t, e, n, s) {
  const { unfolded: i, resized: a } = s, o = document.createElement("details");
  o.className = "sdgen-prompt", o.open = i?.has(e) ?? !1;
  const d = r("summary", "", r("span", "sdgen-dim", l(e + 1, n)), t.prompt);
  return d.addEventListener("pointerdown", (c) => {
    c.stopPropagation();
  }), o.append(d), t.negative && o.append(r("div", "sdgen-dim", `− ${t.negative}`)), o.addEventListener("toggle", () => {
    o.open ? i?.add(e) : i?.delete(e), a?.();
  }), o;
}
function Ge(t, e) {
  const n = r("b", "sdgen-images", e.images(t.images));
  return [`${X(t, e)} → `, n];
}
function X(t, e) {
  const n = t.seeds ?? 1, s = Math.ceil(t.images / Math.max(n, 1)), i = s < t.combinations ? e.combinationsOf(s, t.combinations) : e.combinations(t.combinations);
  return t.seeds === null || t.seeds < 2 ? i : `${i} × ${e.seeds(t.seeds)}`;
}
function D(t, e, n = 1 / 0) {
  if (!(t instanceof Y)) return [r("div", "sdgen-error", e.noAnswer)];
  const s = t.errors.length ? t.errors : [t], i = /* @__PURE__ */ new Set(), a = s.slice(0, n).map((o) => {
    const d = i.has(o.hint) ? "" : o.hint;
    return i.add(o.hint), r(
      "div",
      "sdgen-error",
      r("div", "sdgen-message", o.message),
      d && r("div", "", d),
      r("div", "sdgen-dim", o.code)
    );
  });
  return s.length > 1 ? [r("div", "sdgen-dim", e.problems(s.length)), ...a] : a;
}
const C = ["planned", "running"], ve = "sdgen.planners", Ke = 100;
function M({ id: t }) {
  return `/sdgen/sessions/${encodeURIComponent(t)}`;
}
class Je {
  constructor(e) {
    this.texts = e;
  }
  texts;
  known = /* @__PURE__ */ new Map();
  /** How often each session was heard of: what was asked for before and comes after is old. */
  heard = /* @__PURE__ */ new Map();
  listeners = /* @__PURE__ */ new Set();
  /** Begin to listen; sessions that run already are asked for, so that their end is noticed. */
  start() {
    z("sdgen.session", (n) => {
      this.receive(n);
    });
    const e = () => {
      this.list();
    };
    z("reconnected", e), e();
  }
  /** Call `listener` with each session that changed; gives the function that stops it. */
  listen(e) {
    return this.listeners.add(e), () => this.listeners.delete(e);
  }
  /** A session by its id; undefined when the server does not know it (any more). */
  async session(e) {
    const n = this.known.get(e);
    if (n) return n;
    try {
      const s = await O(M({ id: e }));
      return this.known.set(e, s), s;
    } catch {
      return;
    }
  }
  /** Do something to a session. Throws `ServerError`. */
  async act(e, n, s = {}) {
    return this.took(e.id, () => q(`${M(e)}/${n}`, s));
  }
  /** Write a session into ledger and manifest again from its folder. Throws `ServerError`. */
  async rebuild(e) {
    return this.took(e.id, () => q("/sdgen/sessions", { folder: e.folder.replace(/^.*[\\/]/, "") }));
  }
  /** Where a session may be moved to. Throws `ServerError`. */
  async places(e) {
    return (await O(M(e))).places;
  }
  /** What a press of Run reported; its messages may have overtaken it. */
  reported(e) {
    this.receive(e), this.refresh(e.id);
  }
  /** Take over the session that `ask` answers with, unless messages told of it meanwhile: then it is asked for anew. */
  async took(e, n) {
    const s = this.heard.get(e), i = await n();
    return this.heard.get(e) === s ? this.receive(i) : this.refresh(e), i;
  }
  /** Ask for a session until no message came while the answer was on its way. */
  async refresh(e) {
    for (let n = 0; n < 5; n++) {
      const s = this.heard.get(e);
      try {
        const i = await O(M({ id: e }));
        if (this.heard.get(e) !== s) continue;
        this.receive(i);
      } catch {
      }
      return;
    }
  }
  /** Take over what the server told of a session. */
  receive(e) {
    this.heard.set(e.id, (this.heard.get(e.id) ?? 0) + 1);
    const n = this.known.get(e.id);
    this.known.set(e.id, e);
    const s = n && C.includes(n.state) && !C.includes(e.state) ? Qe(e, this.texts()) : void 0;
    s && A(s.severity, s.summary, s.detail);
    for (const i of this.listeners) i(e);
  }
  async list() {
    try {
      const { sessions: e } = await O("/sdgen/sessions");
      for (const n of e) (C.includes(n.state) || this.known.has(n.id)) && this.receive(n);
    } catch {
    }
  }
}
function Qe(t, e) {
  const n = e.madeOf(t.done, t.planned);
  if (t.state === "completed") return { severity: "success", summary: e.completedToast(t.name), detail: n };
  const s = [t.reason, n].filter(Boolean).join(" · ");
  if (t.state === "failed") return { severity: "error", summary: e.failedToast(t.name), detail: s };
  if (t.state === "paused") return { severity: "warn", summary: e.pausedToast(t.name), detail: s };
}
function Ye(t, e) {
  const n = xe();
  n.delete(t), n.set(t, e);
  try {
    localStorage.setItem(ve, JSON.stringify([...n].slice(-Ke)));
  } catch {
  }
}
function Xe(t) {
  return xe().get(t);
}
function xe() {
  try {
    const t = JSON.parse(localStorage.getItem(ve) ?? "[]");
    return new Map(Array.isArray(t) ? t : []);
  } catch {
    return /* @__PURE__ */ new Map();
  }
}
const Ze = ["keydown", "keyup", "keypress", "copy", "cut", "paste", "wheel", "dragover", "drop", "contextmenu"], et = ["pointerdown", "pointermove", "pointerup", "mousedown"];
function W(t, e, n, s, i) {
  const a = v("✕", () => {
    o.close();
  });
  a.classList.add("sdgen-cross"), a.title = s, a.setAttribute("aria-label", s);
  const o = ke(`sdgen-modal sdgen-${t}`, e, [r("div", "sdgen-modal-head", r("b", "", e), a), ...n], i);
  return o;
}
function ke(t, e, n, s) {
  const i = document.createElement("dialog");
  i.className = t, i.setAttribute("aria-label", e), i.append(...n);
  for (const a of [...Ze, ...et])
    i.addEventListener(a, (o) => {
      o.stopPropagation();
    });
  return i.addEventListener("mousedown", (a) => {
    a.target === i && !tt(i, a) && i.close();
  }), i.addEventListener("close", () => {
    i.remove(), s();
  }), document.body.append(i), i.showModal(), i;
}
function tt(t, { clientX: e, clientY: n }) {
  const { left: s, right: i, top: a, bottom: o } = t.getBoundingClientRect();
  return e >= s && e <= i && n >= a && n <= o;
}
function ye(t, e) {
  const n = document.createElement("input");
  return n.type = "text", n.className = "sdgen-search", n.placeholder = t, n.setAttribute("aria-label", t), n.spellcheck = !1, n.addEventListener("input", e), n.addEventListener("keydown", (s) => {
    s.key !== "Escape" || !n.value || (s.preventDefault(), n.value = "", e());
  }), n;
}
function $e(t, e) {
  const n = t.toLocaleLowerCase();
  return e.toLocaleLowerCase().split(/\s+/).every((s) => n.includes(s));
}
async function nt(t, e, n) {
  const { axes: s } = await O(`${M(t)}/axes`), i = Object.keys(s).length > 0 ? Object.keys(s) : ["seed"], a = ie(e.across, i, i[0]), o = ie(e.down, i, i[1] ?? i[0]), d = document.createElement("img");
  d.className = "sdgen-sheet";
  const c = r("div", "sdgen-sheet-view");
  c.tabIndex = 0;
  const [m, h] = [oe(e.openPage), oe(e.savePicture)];
  m.target = "_blank", m.rel = "noopener";
  const p = () => {
    d.src && URL.revokeObjectURL(d.src);
  }, g = new U(
    (w, b) => Oe(`${M(t)}/sheet?${w}`, b),
    (w) => {
      p(), d.src = URL.createObjectURL(w), d.alt = `${e.compare}: ${a.select.value} × ${o.select.value}`, h.href = d.src, h.download = `${t.name}_${a.select.value}_${o.select.value}.png`, c.replaceChildren(d);
    },
    (w) => {
      c.replaceChildren(...D(w, e));
    },
    0
  ), u = () => {
    const w = new URLSearchParams({ x: a.select.value, y: o.select.value }).toString();
    m.href = Re(`${M(t)}/sheet?${w}&form=html`), g.update(w) && c.replaceChildren(r("div", "sdgen-dim", e.drawing));
  };
  a.select.addEventListener("change", u), o.select.addEventListener("change", u);
  const f = W(
    "sheet-dialog",
    `${e.compare.replace(/ …$/, "")}: ${t.name}`,
    [r("div", "sdgen-sheet-axes", a.label, o.label, m, h), c],
    e.cancel,
    () => {
      g.clear(), p(), n();
    }
  );
  return u(), a.select.focus(), f;
}
function ie(t, e, n = "") {
  const s = document.createElement("select");
  return s.append(...e.map((i) => new Option(i, i, i === n, i === n))), { label: r("label", "sdgen-field", r("span", "", t), s), select: s };
}
function oe(t) {
  const e = document.createElement("a");
  return e.className = "sdgen-button", e.textContent = t, e;
}
function st(t, e, n, s, i, a) {
  const o = t.closest(".sdgen-panel"), d = () => {
    o?.querySelector(".sdgen-more")?.focus({ preventScroll: !0 });
  }, c = (k) => () => {
    it(k, s, i, a, d);
  }, m = (k, $, L) => () => {
    n.act(e, k, $).then((N) => {
      i([L(N)]);
    }, a);
  }, h = !C.includes(e.state), p = async () => {
    c(ht(e, n, s, await n.places(e)))();
  }, g = [
    { label: s.compare, press: () => {
      nt(e, s, d).catch(a);
    }, can: e.done > 0 },
    { label: s.extend, press: c(rt(e, n, s)) },
    { label: s.shrink, press: c(dt(e, n, s)) },
    { label: s.skip, press: c(lt(e, n, s)) }
  ];
  if (e.failed > 0) {
    const k = ($) => s.leftOutNow($.skipped_now ?? 0);
    g.push({ label: s.skipFailed, press: m("skip", { items: "failed" }, k) });
  }
  if (e.skipped > 0) {
    const k = ($) => s.again($.retried ?? 0);
    g.push({ label: s.takeBack, press: m("retry", { skipped: !0 }, k) });
  }
  g.push(
    { label: s.verify, press: c(ut(e, n, s)) },
    { label: s.rename, press: c(ct(e, n, s)), can: h },
    { label: s.move, press: () => {
      p().catch(a);
    }, can: h },
    { label: s.rebuild, press: c(pt(e, n, s)), can: h }
  );
  const u = g.map(({ label: k, press: $, can: L = !0 }) => {
    const N = v(k, () => {
      f.close(), $();
    });
    return N.setAttribute("role", "menuitem"), N.disabled = !L, !L && !h && (N.title = s.pauseFirst), N;
  }), f = ke("sdgen-menu", s.moreOf(e.name), u, d);
  f.setAttribute("role", "menu"), f.addEventListener("keydown", (k) => {
    const $ = u.filter((G) => !G.disabled), L = $.findIndex((G) => G === document.activeElement), ee = { ArrowDown: L + 1, ArrowUp: L - 1, Home: 0, End: -1 }[k.key];
    ee !== void 0 && ($.at(ee % $.length)?.focus(), k.preventDefault());
  });
  const w = t.getBoundingClientRect(), { offsetWidth: b, offsetHeight: H } = f;
  return f.style.left = `${Math.max(4, Math.min(w.right - b, innerWidth - b - 4))}px`, f.style.top = `${Math.max(4, Math.min(w.bottom + 2, innerHeight - H - 4))}px`, u.find((k) => !k.disabled)?.focus(), f;
}
function it(t, e, n, s, i) {
  const a = t.fields.map((f) => [f, ot(f)]), o = a.map(([f, w]) => {
    const b = r("span", "", f.label);
    return r("label", `sdgen-field sdgen-${f.kind}`, ...f.kind === "checkbox" ? [w, b] : [b, w]);
  }), d = r("div", "sdgen-form-notes");
  d.setAttribute("role", "alert");
  const c = v(e.go, () => {
    h.requestSubmit();
  });
  c.classList.add("sdgen-main");
  const m = v(e.cancel, () => {
    u.close();
  }), h = r("form", "sdgen-form", r("div", "sdgen-dim", t.note), ...o, d);
  h.noValidate = !0, h.addEventListener("submit", (f) => {
    if (f.preventDefault(), c.disabled) return;
    c.disabled = !0;
    const w = Object.fromEntries(a.map(([b, H]) => [b.name, at(H)]));
    t.send(w).then(
      (b) => {
        u.close(), n(t.said(b));
      },
      (b) => {
        c.disabled = !1, d.replaceChildren(...D(b, e)), s(b);
      }
    );
  });
  const p = document.createElement("input");
  p.type = "submit", p.hidden = !0, h.append(p);
  const g = r("div", "sdgen-modal-foot", r("span", "sdgen-outcome"), m, c), u = W("session-dialog", t.title, [h, g], e.cancel, i);
  return (a[0]?.[1] ?? c).focus(), u;
}
function ot(t) {
  if (t.kind === "select") {
    const n = document.createElement("select");
    return n.append(...(t.options ?? []).map((s) => new Option(s, s))), n;
  }
  const e = document.createElement("input");
  return e.type = t.kind, e.name = t.name, e.spellcheck = !1, t.kind === "number" && (e.min = "1"), t.value !== void 0 && (e.value = t.value), e;
}
function at(t) {
  return !(t instanceof HTMLInputElement) || t.type !== "checkbox" ? t.value.trim() : t.checked ? "1" : "";
}
function I(t, e) {
  return `${t.replace(/ …$/, "")}: ${e.name}`;
}
function rt(t, e, n) {
  return {
    title: I(n.extend, t),
    note: n.extendNote,
    fields: [
      { name: "more", label: n.extendMore, kind: "number" },
      { name: "seeds", label: n.extendSeeds, kind: "text" }
    ],
    send: ({ more: s, seeds: i }) => e.act(t, "extend", { more: Number(s), seeds: i }),
    said: ({ added: s }) => [n.extended(s ?? 0)]
  };
}
function dt(t, e, n) {
  return {
    title: I(n.shrink, t),
    note: n.shrinkNote,
    fields: [{ name: "count", label: n.shrinkTo, kind: "number", value: String(t.planned) }],
    send: ({ count: s }) => e.act(t, "shrink", { count: Number(s) }),
    said: ({ removed: s }) => [n.shrunk(s ?? 0)]
  };
}
function lt(t, e, n) {
  return {
    title: I(n.skip, t),
    note: n.skipNote,
    fields: [{ name: "items", label: n.skipItems, kind: "text" }],
    send: ({ items: s }) => e.act(t, "skip", { items: s }),
    said: (s) => [n.leftOutNow(s.skipped_now ?? 0)]
  };
}
function ct(t, e, n) {
  return {
    title: I(n.rename, t),
    note: n.renameNote,
    fields: [{ name: "name", label: n.newName, kind: "text", value: t.name }],
    send: ({ name: s }) => e.act(t, "rename", { name: s }),
    said: ({ name: s }) => [n.renamed(s)]
  };
}
function ht(t, e, n, s) {
  return {
    title: I(n.move, t),
    note: n.moveNote,
    fields: [{ name: "to", label: n.moveTo, kind: "select", options: s }],
    send: ({ to: i }) => e.act(t, "move", { to: i }),
    said: ({ folder: i }) => [n.moved(i)]
  };
}
function ut(t, e, n) {
  return {
    title: I(n.verify, t),
    note: n.verifyNote,
    fields: [
      { name: "hashes", label: n.verifyHashes, kind: "checkbox" },
      { name: "repair", label: n.verifyRepair, kind: "checkbox" }
    ],
    send: ({ hashes: s, repair: i }) => e.act(t, "verify", { hashes: s === "1", repair: i === "1" }),
    said: (s) => mt(s, n)
  };
}
function pt(t, e, n) {
  return {
    title: I(n.rebuild, t),
    note: n.rebuildNote,
    fields: [],
    send: () => e.rebuild(t),
    said: ({ done: s, planned: i }) => [n.rebuilt(s, i)]
  };
}
function mt({ verify: t }, e) {
  if (!t) return [];
  const n = Object.entries(e.found).flatMap(([s, i]) => {
    const a = t[s];
    return !Array.isArray(a) || !a.length ? [] : [`${i}: ${a.length} (${a.slice(0, 3).join(", ")}${a.length > 3 ? " …" : ""})`];
  });
  return [t.ok ? e.agree : e.disagree, ...n, ...t.advice ?? []];
}
const ae = /\s*([\p{L}\p{N}_]+)\[([^\]]{1,400000})\]\s*/uy, Se = /^(random|limit|keys?|index|indexes|indices|weight|range)\s*:\s*(.*)$/isu, P = /^\d{1,18}$/;
function Ee(t) {
  const e = /* @__PURE__ */ new Map(), n = [];
  let s = 0;
  for (; s < t.length; )
    if (` 	\r
;|,`.includes(t.charAt(s))) s += 1;
    else {
      ae.lastIndex = s;
      const i = ae.exec(t), [a, o, d] = i ?? [];
      if (a && o && d && !e.has(o))
        e.set(o, d), s += a.length;
      else {
        const c = a ? s + a.length : t.indexOf(";", s);
        n.push(t.slice(s, c < 0 ? void 0 : c).trim()), s = c < 0 ? t.length : c;
      }
    }
  return { choices: e, unread: n };
}
function gt(t) {
  return [...t].map(([e, n]) => `${e}[${n}]`).join("; ");
}
function re(t, e) {
  const n = { picked: [], draw: null, weight: null, unknown: [] };
  let s = null, i = null, a = null;
  for (let o of t.split(";").map((d) => d.trim())) {
    if (!o) continue;
    const d = Se.exec(o);
    if (d?.[1] !== void 0 && d[2] !== void 0) {
      const [m, h] = [d[1].toLowerCase(), d[2].trim()];
      if (m === "random" || m === "limit") {
        P.test(h) ? n.draw = Number(h) : n.unknown.push(o);
        continue;
      }
      if (m.startsWith("key")) {
        i = de(h);
        continue;
      }
      o = (m === "weight" ? "$" : "#") + h;
    }
    const c = o.slice(1).trim();
    if (o.startsWith("$"))
      /^[+-]?\d{1,18}$/.test(c) && (n.weight = Math.max(0, Number(c)));
    else if (o.startsWith("#")) {
      const [m, h, ...p] = c.split("-").map((u) => u.trim()), g = c.split(",").map((u) => u.trim());
      m && h && P.test(m) && P.test(h) && !p.length && Number(m) <= Number(h) ? (s = le(Number(m), Math.min(Number(h), e.length - 1)), s.length || n.unknown.push(o)) : g.every((u) => P.test(u)) ? (n.unknown = g.filter((u) => Number(u) >= e.length).map((u) => `#${u}`), s = g.map(Number).filter((u) => u < e.length)) : n.unknown.push(o);
    } else P.test(o) ? a = Number(o) : i = de(o);
  }
  if (s) n.picked = s;
  else if (i) {
    const o = Le(e);
    for (const d of i) {
      const c = o.get(d);
      c === void 0 ? n.unknown.push(d) : n.picked.push(c);
    }
  } else
    n.picked = le(0, e.length - 1), n.draw ??= a;
  return n.draw === 0 && (n.picked = []), (n.draw === 0 || (n.draw ?? 0) >= n.picked.length) && (n.draw = null), n;
}
function ft(t, { picked: e, draw: n, weight: s }) {
  const i = e.length === t.length, a = [];
  return e.length ? i || a.push(wt(t, e)) : a.push("0"), n !== null && n < e.length && a.push(i ? String(n) : `limit:${n}`), s !== null && a.push(`$${s}`), a.join(";");
}
function wt(t, e) {
  const n = Le(t), s = [];
  for (const i of e) {
    const a = vt(t, i, n);
    if (a === void 0) return bt(e);
    s.push(a);
  }
  return s.join(",");
}
function bt(t) {
  const [e, n] = [t[0] ?? 0, t[t.length - 1] ?? 0];
  return t.length > 1 && n - e + 1 === t.length ? `#${e}-${n}` : `#${t.join(",")}`;
}
function vt(t, e, n) {
  const [s, i] = t[e] ?? ["", ""];
  return (Te(s) && typeof i == "string" ? [i, s] : [s]).find((o) => xt(o) && n.get(o) === e);
}
function Te(t) {
  return /^[0-9a-f]{8}$/.test(t);
}
function xt(t) {
  const e = t !== t.trim() || /^[\x1c-\x1f\x85]|[\x1c-\x1f\x85]$/.test(t), n = /^[#$]|^\p{Nd}+$/u.test(t) || Se.test(t);
  return t !== "" && !e && !n && !/[,;\]]/.test(t);
}
function Le(t) {
  const e = /* @__PURE__ */ new Map();
  return t.forEach(([, n], s) => {
    typeof n == "string" && !e.has(n) && e.set(n, s);
  }), t.forEach(([n], s) => e.set(n, s)), e;
}
function de(t) {
  return t.split(",").map((e) => e.trim()).filter(Boolean);
}
function le(t, e) {
  return Array.from({ length: Math.max(0, e - t + 1) }, (n, s) => t + s);
}
class kt {
  constructor(e, n) {
    this.offered = e, this.name = e.name, this.values = e.values, this.own = re(e.selector, e.values), this.kept = n;
    const s = n === void 0 ? this.own : re(n, e.values);
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
  set(e, n) {
    for (const s of e)
      n(s) ? this.picked.add(s) : this.picked.delete(s);
    this.edited();
  }
  setDraw(e) {
    this.draw = e, this.edited();
  }
  /** Let the template decide. */
  reset() {
    this.picked = new Set(this.own.picked), this.draw = this.own.draw, this.weight = null, this.edited();
  }
  /** The selector to write; undefined when the template's own, or none, says the same. A row that is not touched keeps its text. */
  get selector() {
    if (this.kept !== void 0) return this.kept;
    const { weight: e } = this, n = [...this.picked].sort((a, o) => a - o), s = this.draw !== null && this.draw < n.length ? this.draw : null;
    if (!(s === this.own.draw && yt(this.picked, this.own.picked) && e === null))
      return ft(this.values, { picked: n, draw: s, weight: e }) || `$${this.offered.weight}`;
  }
  edited() {
    this.kept = void 0, this.unknown = [];
  }
}
function yt(t, e) {
  return t.size === new Set(e).size && e.every((n) => t.has(n));
}
class $t {
  rows;
  /** Choices for placeholders that the template does not have now; they stay until they are removed. */
  strangers;
  unread;
  constructor(e, n) {
    const { choices: s, unread: i } = Ee(n);
    this.rows = e.map((o) => new kt(o, s.get(o.name)));
    const a = new Set(e.map((o) => o.name));
    this.strangers = new Map([...s].filter(([o]) => !a.has(o))), this.unread = i;
  }
  /** The text for the node. */
  get text() {
    const e = this.rows.flatMap((n) => n.selector === void 0 ? [] : [[n.name, n.selector]]);
    return gt([...e, ...this.strangers]);
  }
}
function St(t, e, n, s, i) {
  const a = r("div", "sdgen-themes"), o = t.flatMap((p) => ["", ...p.styles].map((g) => m(p, g))), d = ye(s.searchThemes, h), c = W("theme-dialog", s.themesOf(e), [d, a], s.cancel, () => {
  });
  function m(p, g) {
    const u = document.createElement("button");
    u.type = "button", u.className = g ? "sdgen-theme sdgen-style" : "sdgen-theme";
    const f = g || p.name || s.noTheme, w = !g && p.title !== p.name && p.title, b = g ? "" : [w, ...p.tags].filter(Boolean).join(" · ");
    return u.append(
      r("span", "sdgen-key", f),
      r("span", "sdgen-dim", b || (p.styles.length && !g ? s.defaultStyle : ""))
    ), p.problem && !g && u.append(r("span", "sdgen-bad", p.problem)), p.name === n.theme && (g === n.style || !g && n.style === "default") && u.setAttribute("aria-current", "true"), u.addEventListener("click", () => {
      c.close(), i(p.name, g);
    }), { shown: u, words: [p.name, p.title, g, ...p.tags].join(" ") };
  }
  function h() {
    const p = d.value.trim(), g = o.filter(({ words: u }) => $e(u, p)).map(({ shown: u }) => u);
    a.replaceChildren(...g.length ? g : [r("div", "sdgen-dim", s.nothingFound)]);
  }
  return c.addEventListener("keydown", (p) => {
    const g = { ArrowDown: 1, ArrowUp: -1, Home: -1 / 0, End: 1 / 0 }, u = [...a.querySelectorAll("button")], f = u.findIndex((b) => b === p.target), w = g[p.key];
    if (p.key === "Enter" && p.target === d) u[0]?.click();
    else {
      if (w === void 0 || p.target === d && p.key !== "ArrowDown") return;
      f + w < 0 && p.key === "ArrowUp" ? d.focus() : u[Math.min(Math.max(f + w, 0), u.length - 1)]?.focus();
    }
    p.preventDefault();
  }), h(), t.length === 1 && !t[0]?.styles.length && a.append(r("div", "sdgen-dim", s.noThemes)), d.focus(), a.querySelector("[aria-current]")?.scrollIntoView({ block: "center" }), c;
}
const ce = 10;
class Et {
  /**
   * Open it for a template with placeholders. `text` is what is chosen now, `start` the placeholder to begin with, `preview` what a
   * choice would make; `chosen` gets the new text when the user says yes.
   */
  constructor(e, n, s, i, a, o) {
    this.texts = i, this.chosen = o, this.choosing = new $t(e.placeholders, n);
    const [d] = this.choosing.rows;
    if (!d) throw new Error("a template without placeholders has nothing to choose");
    this.row = this.choosing.rows.find((h) => h.name === s) ?? d, this.search = ye(i.searchValues, () => {
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
    }), this.latest = new U(
      a,
      (h) => {
        this.outcome(`${X(h, i)} → `, r("b", "sdgen-images", i.images(h.images)));
      },
      (h) => {
        this.outcome(...D(h, i));
      },
      200
    ), this.buildNames();
    const c = r(
      "div",
      "sdgen-modal-foot",
      this.total,
      v(i.cancel, () => {
        this.modal.close();
      }),
      this.yes()
    ), m = r("div", "sdgen-side", this.buildTools(), this.list);
    this.modal = W(
      "value-dialog",
      i.valuesOf(e.name),
      [r("div", "sdgen-modal-body", this.names, m), this.notes, c],
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
  names = r("div", "sdgen-names");
  list = r("div", "sdgen-values");
  search;
  draw = document.createElement("input");
  drawing = document.createElement("input");
  bulk;
  reset;
  notes = r("div", "sdgen-notes");
  total = r("div", "sdgen-outcome");
  latest;
  counts = /* @__PURE__ */ new Map();
  radios = /* @__PURE__ */ new Map();
  row;
  lines = /* @__PURE__ */ new Map();
  shown = [];
  anchor = null;
  outcome(...e) {
    this.total.classList.remove("sdgen-stale"), this.total.replaceChildren(...e);
  }
  yes() {
    const e = v(this.texts.apply, () => {
      this.accept();
    });
    return e.classList.add("sdgen-main"), e;
  }
  accept() {
    const { text: e } = this.choosing;
    this.modal.close(), this.chosen(e);
  }
  buildNames() {
    this.names.setAttribute("role", "radiogroup");
    for (const e of this.choosing.rows) {
      const n = document.createElement("input");
      n.type = "radio", n.name = "sdgen-name", n.addEventListener("change", () => {
        this.show(e);
      });
      const s = r("span", "sdgen-count");
      this.names.append(r("label", "sdgen-name-row", n, r("span", "sdgen-name", e.name), s)), this.counts.set(e, s), this.radios.set(e, n);
    }
  }
  buildTools() {
    this.drawing.type = "checkbox", this.draw.type = "number", this.draw.min = "1", this.draw.setAttribute("aria-label", this.texts.drawSome), this.drawing.addEventListener("change", () => {
      this.setDraw();
    }), this.draw.addEventListener("input", () => {
      this.drawing.checked = !0, this.setDraw();
    });
    const e = r("label", "sdgen-draw", this.drawing, this.texts.drawSome, this.draw);
    return e.title = this.texts.drawSomeTip, r(
      "div",
      "sdgen-tools",
      this.search,
      r("div", "sdgen-bulk", ...this.bulk, this.reset, e)
    );
  }
  setDraw() {
    const e = Math.floor(Number(this.draw.value));
    this.row.setDraw(this.drawing.checked && e >= 1 ? e : null), this.changed();
  }
  /** Show the values of a placeholder. */
  show(e) {
    this.row = e, this.search.value = "", this.draw.value = String(e.draw ?? 1), this.draw.max = String(e.values.length), this.drawing.checked = e.draw !== null;
    const n = this.radios.get(e);
    n && (n.checked = !0), this.list.scrollTop = 0, this.showValues(), this.changed();
  }
  /** The values that match the search. */
  showValues() {
    const e = this.search.value.trim(), { row: n } = this, s = this.lines.get(n) ?? n.values.map(([d, c], m) => this.line(d, c, m));
    this.lines.set(n, s), this.anchor = null, this.shown = e ? s.filter(({ words: d }) => $e(d, e)) : s, this.shown.forEach(({ place: d, box: c }, m) => {
      c.checked = n.picked.has(d), c.tabIndex = m ? -1 : 0;
    }), this.list.replaceChildren(...this.shown.map(({ shown: d }) => d)), this.shown.length || this.list.append(r("div", "sdgen-dim", this.texts.nothingFound));
    const [i, a] = this.bulk, o = this.shown.length < s.length;
    i && (i.textContent = o ? this.texts.allShown(this.shown.length) : this.texts.all), a && (a.textContent = o ? this.texts.noneShown(this.shown.length) : this.texts.none);
  }
  line(e, n, s) {
    const i = Tt(n), a = document.createElement("input");
    a.type = "checkbox";
    const o = Te(e) && typeof n == "string", d = r("label", "sdgen-value", a, !o && r("span", "sdgen-key", e), r("span", "sdgen-text", i));
    return d.title = o ? i : `${e}: ${i}`, a.addEventListener("click", (c) => {
      this.toggled(
        this.shown.findIndex((m) => m.box === a),
        c.shiftKey
      );
    }), { place: s, box: a, shown: d, words: o ? i : `${e} ${i}` };
  }
  /** A value was clicked; with Shift everything from the last click to here becomes as it is. */
  toggled(e, n) {
    const s = this.shown[e]?.box.checked ?? !1, i = n && this.anchor !== null ? this.anchor : e, a = this.shown.slice(Math.min(i, e), Math.max(i, e) + 1);
    this.row.set(
      a.map(({ place: o }) => o),
      () => s
    );
    for (const { box: o } of a) o.checked = s;
    this.anchor = e, this.changed();
  }
  setShown(e) {
    this.row.set(
      this.shown.map(({ place: n }) => n),
      e
    );
    for (const { place: n, box: s } of this.shown) s.checked = this.row.picked.has(n);
    this.changed();
  }
  /** Counts, remarks and the total after something was chosen. */
  changed() {
    const { texts: e } = this;
    for (const [s, i] of this.counts)
      i.textContent = Lt(s, e), i.parentElement?.classList.toggle("sdgen-changed", s.changed), i.parentElement?.classList.toggle("sdgen-left-out", !s.picked.size || s.unknown.length > 0);
    this.reset.toggleAttribute("disabled", !this.row.changed), this.drawing.checked = this.row.draw !== null;
    const n = [
      ...this.choosing.rows.filter((s) => s.unknown.length).map((s) => j(e.notThere(s.name, s.unknown.join(", ")))),
      ...[...this.choosing.strangers].map(([s, i]) => this.stranger(s, i)),
      ...this.choosing.unread.map((s) => j(e.notRead(s))),
      ...this.row.picked.size || this.row.unknown.length ? [] : [j(e.leftOutNote(this.row.name))]
    ];
    this.notes.replaceChildren(...n), this.latest.update(this.choosing.text) && this.total.classList.add("sdgen-stale");
  }
  /** A choice for a placeholder that the template does not have; it can be removed. */
  stranger(e, n) {
    const s = j(this.texts.notThere(`${e}[${n}]`, e)), i = v(this.texts.remove, () => {
      this.choosing.strangers.delete(e), this.changed();
    });
    return s.append(i), s;
  }
  pressed(e) {
    const { key: n } = e, s = e.target, i = this.shown.findIndex(({ box: c }) => c === s), o = { ArrowDown: 1, ArrowUp: -1, PageDown: ce, PageUp: -ce, Home: -1 / 0, End: 1 / 0 }[n], d = s instanceof HTMLInputElement && s.type === "radio";
    if (n === "Enter" && s === this.search && this.search.value) this.focusValue(0);
    else if (n === "Enter" && s instanceof HTMLInputElement) this.accept();
    else if (i >= 0 && n === "a" && (e.ctrlKey || e.metaKey)) this.setShown(() => !0);
    else if (i >= 0 && n === "ArrowLeft") this.radios.get(this.row)?.focus();
    else if (i === 0 && n === "ArrowUp") this.search.focus();
    else if (i >= 0 && o !== void 0) this.focusValue(i + o);
    else if (s === this.search && n === "ArrowDown") this.focusValue(0);
    else if (d && n === "ArrowRight") this.focusValue(0);
    else return;
    e.preventDefault();
  }
  focusValue(e) {
    const n = this.shown[Math.min(Math.max(e, 0), this.shown.length - 1)];
    if (n) {
      for (const { box: s } of this.shown) s.tabIndex = s === n.box ? 0 : -1;
      n.box.focus(), n.box.scrollIntoView({ block: "nearest" });
    }
  }
}
function Tt(t) {
  return typeof t == "string" ? t : Object.entries(t).map(([e, n]) => `${e}: ${n}`).join(" · ");
}
function Lt(t, e) {
  return t.picked.size ? t.draw !== null && t.draw < t.picked.size ? e.drawnFrom(t.draw, t.picked.size) : e.selected(t.picked.size, t.values.length) : t.unknown.length ? e.selected(0, t.values.length) : e.leftOut;
}
function j(t) {
  return r("div", "sdgen-warning", r("span", "", t));
}
const Nt = ["file", "text", "theme", "style", "mode", "limit", "choices", "distribution"];
function V(t) {
  const e = Nt.find((s) => R(t, s) !== null);
  if (e) return { linked: e };
  const n = (s) => S(t, s);
  return {
    file: n("file"),
    text: n("text"),
    theme: n("theme"),
    style: n("style"),
    mode: n("mode"),
    limit: Number(S(t, "limit")),
    choices: n("choices"),
    distribution: n("distribution") || "weighted"
  };
}
class At {
  constructor(e, n) {
    this.node = e, this.readAgain = n, ue(e, this.panel.root, () => this.panel.height()), this.latest = new U(
      Q,
      (s) => {
        this.answered(s);
      },
      (s) => {
        this.failed(s);
      }
    ), this.show(r("div", "sdgen-dim", y(x()).askingServer));
  }
  node;
  readAgain;
  panel = new fe("template", 60, 420);
  latest;
  unfolded = /* @__PURE__ */ new Set();
  open;
  linked;
  /** Look whether the widgets say something else now. */
  tick() {
    pe(this.node, this.panel.root);
    const e = V(this.node), n = "linked" in e ? e.linked : void 0;
    n !== void 0 && n !== this.linked && (this.latest.clear(), this.show(r("div", "sdgen-dim", y(x()).linkedInput(n))), K(this.node, this.panel.root, !1)), this.linked = n, !("linked" in e) && this.latest.update(e) && this.panel.root.classList.add("sdgen-stale");
  }
  /** Ask again, though the widgets say the same: a file may have changed. */
  refresh() {
    this.latest.clear();
  }
  /** Close what is open and leave nothing behind. */
  removed() {
    this.latest.clear(), this.open?.close();
  }
  answered(e) {
    const n = {
      chosen: new Set(Ee(S(this.node, "choices")).choices.keys()),
      choose: (s) => {
        this.chooseValues(s);
      },
      unfolded: this.unfolded,
      resized: () => {
        J(this.node);
      }
    };
    this.show(this.tools(), ...We(e, y(x()), x(), n)), K(this.node, this.panel.root, !1);
  }
  failed(e) {
    this.show(this.tools(), ...D(e, y(x()))), K(this.node, this.panel.root, e instanceof Y);
  }
  tools() {
    const e = y(x()), n = (s, i, a) => {
      const o = v(s, a);
      return o.title = i, o.setAttribute("aria-label", i), o;
    };
    return r(
      "div",
      "sdgen-toolbar",
      n(e.values, e.valuesTip, () => {
        this.chooseValues();
      }),
      n(e.theme, e.themeTip, () => {
        this.chooseTheme();
      }),
      n("⟳", e.readAgain, this.readAgain)
    );
  }
  /** Let the user choose the values of the placeholders, beginning with `start`. */
  async chooseValues(e) {
    const n = y(x()), s = V(this.node);
    if ("linked" in s) return;
    const i = await this.ask("choices", s);
    if (!i) return;
    if (!i.placeholders.length) {
      A("info", i.name, n.noPlaceholders);
      return;
    }
    const a = new Et(
      i,
      s.choices,
      e,
      n,
      (o, d) => Q({ ...s, choices: o }, d),
      (o) => {
        _(this.node, "choices", o);
      }
    );
    this.opened(a.modal);
  }
  async chooseTheme() {
    const e = V(this.node);
    if ("linked" in e) return;
    const n = await this.ask("themes", e);
    if (!n) return;
    const { theme: s, style: i, file: a } = e, o = a.replace(/^.*\//, "").replace(/\.prompt\.ya?ml$/, "");
    this.opened(
      St(n.themes, o, { theme: s.trim(), style: i.trim() }, y(x()), (d, c) => {
        _(this.node, "theme", d), _(this.node, "style", c);
      })
    );
  }
  opened(e) {
    this.open = e, e.addEventListener("close", () => {
      this.open = void 0;
    });
  }
  /** Undefined when there is no answer, or when something was opened meanwhile. */
  async ask(e, n) {
    try {
      const s = await q(`/sdgen/templates/${e}`, n);
      return this.open || !B(this.node) ? void 0 : s;
    } catch (s) {
      this.failed(s);
      return;
    }
  }
  show(...e) {
    this.panel.root.classList.remove("sdgen-stale"), this.panel.show(...e), J(this.node);
  }
}
const Mt = "SDGenTemplate", It = "SDGenSeedSweep";
function he(t) {
  if (typeof t != "string" || !t.trim()) return null;
  try {
    const { index: e, session: n } = JSON.parse(t);
    return { index: typeof e == "number" ? String(e) : "?", session: typeof n == "string" ? n : "?" };
  } catch {
    return { index: "?", session: "?" };
  }
}
class Ne {
  constructor(e, n) {
    this.node = e, this.sessions = n, me(e, "item"), ue(e, this.panel.root, () => this.panel.height()), this.latest = new U(
      Q,
      (i) => {
        this.expect(Rt(i, y(x())));
      },
      (i) => {
        this.expect(D(i, y(x()), 1));
      }
    );
    const s = n.listen((i) => {
      i.id === this.wanted && (this.session = i, this.draw());
    });
    ge(e, s), Ce(e, (i) => {
      this.executed(i);
    }), this.draw();
  }
  node;
  sessions;
  panel = new fe("plan", 44, 260);
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
    pe(this.node, this.panel.root), this.restore();
    const e = S(this.node, "item");
    e !== this.item && (this.item = e, this.nameItem(he(e)));
    const n = this.plan();
    if ("question" in n) {
      this.latest.update(n.question) && this.panel.root.classList.add("sdgen-stale");
      return;
    }
    this.latest.clear();
    const s = y(x()), i = "say" in n ? s[n.say] : s.linkedInput(n.linked);
    this.expected[0]?.textContent !== i && this.expect([r("div", "sdgen-dim", i)]);
  }
  refresh() {
    this.latest.clear();
  }
  plan() {
    const e = R(this.node, "template");
    if (!e) return { say: "connectTemplate" };
    if (F(e) !== Mt) return { say: "otherSource" };
    const n = V(e);
    if ("linked" in n) return n;
    if (R(this.node, "count")) return { linked: "count" };
    const s = R(this.node, "sweep");
    if (s && (F(s) !== It || R(s, "seeds"))) return { linked: "seeds" };
    const i = s ? S(s, "seeds") : "", a = ["width", "height", "steps", "checkpoint"].some((d) => R(this.node, d)), o = Number(S(this.node, "count"));
    return { question: { ...n, seeds: i, count: o, ...!a && { planner: this.own() } } };
  }
  /** What the time of an image depends on. */
  own() {
    const e = (n) => Number(S(this.node, n));
    return {
      width: e("width"),
      height: e("height"),
      steps: e("steps"),
      checkpoint: S(this.node, "checkpoint"),
      graph_checkpoint: De(this.node)
    };
  }
  expect(e) {
    this.panel.root.classList.remove("sdgen-stale"), this.expected = e, this.draw();
  }
  /** Show the session that this planner started last; the node has its final id only after it was loaded. */
  restore() {
    const e = te(this.node);
    if (e === this.place) return;
    this.place = e;
    const n = Xe(e);
    n && this.follow(n);
  }
  executed(e) {
    const [n] = Array.isArray(e.sdgen) ? e.sdgen : [];
    n?.id && (this.report = n, this.said = [], this.wanted = n.id, Ye(te(this.node), n.id), this.sessions.reported(n));
  }
  async follow(e) {
    this.wanted = e;
    const n = await this.sessions.session(e);
    n && this.wanted === e && (this.session = n, this.draw());
  }
  async nameItem(e) {
    this.itemSession = void 0, this.draw(), e && e.session !== "?" && (this.itemSession = await this.sessions.session(e.session), this.draw());
  }
  draw() {
    const e = y(x()), n = he(this.item);
    this.panel.show(
      ...n ? this.pinned(n, e) : this.expected,
      ...this.session && !n ? Dt(this.session, e, x(), this.deeds(e)) : [],
      ...this.session && !n ? this.said : [],
      ...this.report && !n ? Ct(this.report, e) : []
    ), J(this.node);
  }
  /** What the buttons do to the session that is shown when they are pressed. */
  deeds(e) {
    return {
      act: (n) => {
        if (!this.session) return;
        this.sessions.act(this.session, n).then(({ retried: i }) => i === void 0 ? [] : [e.again(i)]).then(this.say, this.failed);
      },
      more: (n) => {
        this.session && st(n, this.session, this.sessions, e, this.say, this.failed);
      }
    };
  }
  say = (e) => {
    this.said = e.map((n) => r("div", "sdgen-said", n)), this.draw();
  };
  failed = (e) => {
    this.said = D(e, y(x())), this.draw();
  };
  pinned(e, n) {
    const s = this.itemSession?.name ?? e.session, i = () => {
      _(this.node, "item", "");
    };
    return [
      r("div", "sdgen-pinned", r("span", "", n.oneImage(e.index, s)), v(n.wholeSession, i))
    ];
  }
}
function Rt(t, e) {
  return [
    r(
      "div",
      "sdgen-expect",
      r("b", "sdgen-images", e.ready(e.images(t.images))),
      r("span", "sdgen-dim", X(t, e))
    ),
    ...Ot(t, e)
  ];
}
function Ot(t, e) {
  const n = [
    t.model_loads && t.model_loads > 1 && e.modelLoads(t.model_loads),
    t.seconds && t.like && e.takesAbout(be(t.seconds, e), t.like)
  ].filter(Boolean);
  return n.length > 0 ? [r("div", "sdgen-dim", n.join(" · "))] : [];
}
function Ct(t, e) {
  const n = e.action[t.action];
  return [
    ...n ? [r("div", "sdgen-dim", n(t.added))] : [],
    ...t.warnings.map((s) => r("div", "sdgen-warning", s))
  ];
}
function Dt(t, e, n, s) {
  const i = (u) => `${t.planned ? 100 * u / t.planned : 0}%`, a = r("div", "sdgen-bar", r("div", "sdgen-done"), r("div", "sdgen-failed")), [o, d] = a.children;
  o.style.width = i(t.done), d.style.width = i(t.failed), a.setAttribute("role", "progressbar"), a.setAttribute("aria-valuemin", "0"), a.setAttribute("aria-valuemax", String(t.planned)), a.setAttribute("aria-valuenow", String(t.done));
  const c = (u, f) => v(u, () => {
    s.act(f);
  }), m = v(e.more, () => {
    s.more(m);
  });
  m.classList.add("sdgen-more"), m.setAttribute("aria-haspopup", "menu"), m.setAttribute("aria-label", e.moreOf(t.name));
  const h = r("span", `sdgen-state sdgen-is-${t.state}`, e.state[t.state] ?? t.state);
  h.title = e.stateTip[t.state] ?? "";
  const p = r(
    "div",
    "sdgen-head",
    r("b", "sdgen-name", t.name),
    h,
    C.includes(t.state) && c(e.pause, "pause"),
    ["paused", "stopped"].includes(t.state) && t.left > 0 && c(e.resume, "resume"),
    (C.includes(t.state) || t.state === "paused") && c(e.stop, "stop"),
    t.state === "failed" && t.failed > 0 && c(e.retry, "retry"),
    m
  ), g = t.state !== "running" && t.state !== "failed" && t.reason;
  return [
    p,
    a,
    r("div", "sdgen-counts", Pt(t, e, n)),
    ...g ? [r("div", "sdgen-warning", g)] : []
  ];
}
function Pt(t, e, n) {
  return [
    e.progress(t.done, t.planned),
    t.failed > 0 && e.failed(t.failed),
    t.skipped > 0 && e.skipped(t.skipped),
    t.images_per_minute && e.rate(l(t.images_per_minute, n)),
    t.eta_seconds && e.left(be(t.eta_seconds, e))
  ].filter(Boolean).join(" · ");
}
const qt = ".sdgen-panel{box-sizing:border-box;overflow:hidden auto;border-radius:6px;background:var(--comfy-input-bg, #222);color:var(--input-text, #ddd);font:12px/1.45 Inter,Arial,sans-serif;text-align:left;scrollbar-width:thin}.sdgen-content{display:flex;flex-direction:column;gap:5px;padding:7px 9px}.sdgen-stale .sdgen-content{opacity:.55}.sdgen-dim{color:var(--descrip-text, #999)}.sdgen-head,.sdgen-expect,.sdgen-pinned{display:flex;align-items:center;gap:8px}.sdgen-expect{flex-wrap:wrap;gap:0 8px}.sdgen-name{flex:0 1 auto;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.sdgen-chips{display:flex;flex-wrap:wrap;gap:4px}.sdgen-chip{display:inline-flex;gap:5px;padding:0 7px;border:1px solid var(--border-color, #4e4e4e);border-radius:9px;white-space:nowrap}.sdgen-drawn{border-style:dashed}.sdgen-chip i{color:var(--descrip-text, #999)}.sdgen-prompts{display:flex;flex-direction:column;border-top:1px solid var(--border-color, #4e4e4e);padding-top:4px}.sdgen-prompt{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.sdgen-prompt .sdgen-dim{display:inline-block;min-width:14px}.sdgen-warning,.sdgen-error,.sdgen-pinned{border-left:3px solid #d9a520;padding:2px 0 2px 7px;overflow-wrap:anywhere}.sdgen-error{border-color:var(--error-text, #ff4444);background:color-mix(in srgb,var(--error-text, #ff4444) 14%,transparent)}.sdgen-error .sdgen-message{color:var(--error-text, #ff4444);font-weight:600;white-space:pre-wrap}.sdgen-pinned{flex-wrap:wrap;justify-content:space-between}.sdgen-button{flex:none;margin-left:auto;padding:0 8px;border:1px solid var(--border-color, #4e4e4e);border-radius:5px;background:var(--comfy-menu-bg, #353535);color:var(--input-text, #ddd);font:inherit;cursor:pointer}.sdgen-button:hover{filter:brightness(1.15)}.sdgen-state{flex:none;padding:0 7px;border-radius:9px;background:#5a5a5a;color:#fff;font-size:11px}.sdgen-is-running{background:#2468b4}.sdgen-is-completed{background:#2c7a3f}.sdgen-is-paused{background:#8a6410}.sdgen-is-failed{background:#a83232}.sdgen-bar{display:flex;height:6px;overflow:hidden;border-radius:3px;background:color-mix(in srgb,var(--input-text, #ddd) 18%,transparent)}.sdgen-bar .sdgen-done{background:#3fa05a;transition:width .2s linear}.sdgen-bar .sdgen-failed{background:#d04848}.sdgen-toolbar{display:flex;gap:6px}.sdgen-toolbar .sdgen-button{margin:0}.sdgen-toolbar .sdgen-button:last-child{margin-left:auto}button.sdgen-chip{background:none;color:inherit;font:inherit;line-height:inherit;cursor:pointer}button.sdgen-chip:hover{border-color:var(--input-text, #ddd)}.sdgen-chosen{border-color:#4a90d9;background:color-mix(in srgb,#4a90d9 22%,transparent)!important}.sdgen-prompt summary{cursor:pointer;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;list-style:none}.sdgen-prompt[open]{white-space:normal}.sdgen-prompt[open] summary{overflow-wrap:anywhere;white-space:normal}[data-node-id]:has(.sdgen-panel.sdgen-wrong){outline:2px solid #e0443e;outline-offset:4px;border-radius:16px}.sdgen-modal{box-sizing:border-box;width:min(880px,94vw);height:min(640px,88vh);margin:auto;padding:0;border:1px solid var(--border-color, #4e4e4e);border-radius:10px;background:var(--comfy-menu-bg, #353535);color:var(--input-text, #ddd);box-shadow:0 12px 40px #00000073;font:13px/1.45 Inter,Arial,sans-serif}.sdgen-modal[open]{display:flex;flex-direction:column}.sdgen-modal::backdrop{background:#00000073}.sdgen-modal-head,.sdgen-modal-foot{display:flex;flex:none;align-items:center;gap:8px;padding:10px 14px}.sdgen-modal-head b{overflow:hidden;font-size:14px;text-overflow:ellipsis;white-space:nowrap}.sdgen-modal-foot{border-top:1px solid var(--border-color, #4e4e4e)}.sdgen-modal .sdgen-button{margin:0;padding:3px 12px;border-radius:6px;background:var(--comfy-input-bg, #222)}.sdgen-modal .sdgen-button[disabled]{opacity:.45;cursor:default}.sdgen-modal .sdgen-cross{margin-left:auto;padding:3px 8px;border:none;background:none}.sdgen-modal .sdgen-main{border-color:#2468b4;background:#2468b4;color:#fff}.sdgen-modal :focus-visible{outline:2px solid #4a90d9;outline-offset:-1px}.sdgen-modal input[type=checkbox],.sdgen-modal input[type=radio]{flex:none;width:14px;height:14px;margin:0;accent-color:#2f7fd6}.sdgen-modal-body{display:flex;flex:1;min-height:0;border-top:1px solid var(--border-color, #4e4e4e)}.sdgen-names{flex:0 0 230px;overflow:hidden auto;padding:6px;border-right:1px solid var(--border-color, #4e4e4e);scrollbar-width:thin}.sdgen-name-row{display:flex;align-items:center;gap:8px;padding:5px 8px;border-radius:6px;cursor:pointer}.sdgen-name-row:hover,.sdgen-value:hover,.sdgen-theme:hover{background:color-mix(in srgb,var(--input-text, #ddd) 9%,transparent)}.sdgen-name-row:has(:checked){background:color-mix(in srgb,#4a90d9 30%,transparent)}.sdgen-name-row:has(:focus-visible){outline:2px solid #4a90d9;outline-offset:-2px}.sdgen-name-row input{position:absolute;opacity:0;pointer-events:none}.sdgen-name-row .sdgen-name{flex:1}.sdgen-count{flex:none;color:var(--descrip-text, #999);font-size:12px}.sdgen-changed .sdgen-count{color:var(--input-text, #ddd);font-weight:600}.sdgen-left-out .sdgen-count{color:color-mix(in srgb,#d99a10 72%,var(--input-text, #ddd))}.sdgen-side{display:flex;flex:1;flex-direction:column;min-width:0}.sdgen-tools{display:flex;flex:none;flex-direction:column;gap:8px;padding:10px;border-bottom:1px solid var(--border-color, #4e4e4e)}.sdgen-bulk{display:flex;flex-wrap:wrap;align-items:center;gap:6px}.sdgen-search,.sdgen-draw input[type=number]{box-sizing:border-box;padding:5px 9px;border:1px solid var(--border-color, #4e4e4e);border-radius:6px;background:var(--comfy-input-bg, #222);color:var(--input-text, #ddd);font:inherit}.sdgen-search{width:100%}.sdgen-draw{display:flex;align-items:center;gap:6px;margin-left:auto}.sdgen-draw input[type=number]{width:62px;padding:2px 6px}.sdgen-values,.sdgen-themes{flex:1;overflow:hidden auto;min-height:0;padding:6px;scrollbar-width:thin}.sdgen-value{display:flex;align-items:center;gap:9px;min-height:26px;padding:0 8px;border-radius:6px;content-visibility:auto;contain-intrinsic-size:auto 26px;cursor:pointer;user-select:none}.sdgen-value:has(:focus-visible){background:color-mix(in srgb,#4a90d9 30%,transparent)}.sdgen-key{flex:0 0 auto;overflow:hidden;max-width:45%;text-overflow:ellipsis;white-space:nowrap}.sdgen-key+.sdgen-text{color:var(--descrip-text, #999)}.sdgen-text{overflow:hidden;min-width:0;text-overflow:ellipsis;white-space:nowrap}.sdgen-notes{display:flex;flex:none;flex-direction:column;gap:4px;overflow:hidden auto;max-height:136px;padding:0 14px;border-top:1px solid var(--border-color, #4e4e4e)}.sdgen-notes:empty{display:none}.sdgen-notes>:first-child{margin-top:8px}.sdgen-notes>:last-child{margin-bottom:8px}.sdgen-notes .sdgen-warning{display:flex;align-items:center;gap:8px}.sdgen-outcome{flex:1;overflow:hidden auto;max-height:96px}.sdgen-outcome.sdgen-stale{opacity:.55}.sdgen-theme-dialog{width:min(560px,94vw);height:fit-content;max-height:88vh}.sdgen-theme-dialog>.sdgen-search{flex:none;width:auto;margin:0 14px 8px}.sdgen-themes{border-top:1px solid var(--border-color, #4e4e4e)}.sdgen-theme{display:flex;align-items:baseline;gap:10px;width:100%;min-height:28px;padding:3px 10px;border:none;border-radius:6px;background:none;color:inherit;font:inherit;text-align:left;cursor:pointer}.sdgen-style{padding-left:30px}.sdgen-theme[aria-current]{background:color-mix(in srgb,#4a90d9 30%,transparent)}.sdgen-theme .sdgen-dim{overflow:hidden;font-size:12px;text-overflow:ellipsis;white-space:nowrap}.sdgen-bad{color:var(--error-text, #ff4444);font-size:12px}.sdgen-head .sdgen-button+.sdgen-button{margin-left:0}.sdgen-said{border-left:3px solid #4a90d9;padding:2px 0 2px 7px;overflow-wrap:anywhere}.sdgen-panel :focus-visible{outline:2px solid #4a90d9;outline-offset:-1px}.sdgen-menu{position:fixed;box-sizing:border-box;max-width:320px;max-height:90vh;margin:0;overflow:hidden auto;padding:4px;border:1px solid var(--border-color, #4e4e4e);border-radius:8px;background:var(--comfy-menu-bg, #353535);color:var(--input-text, #ddd);box-shadow:0 8px 28px #00000073;font:13px/1.45 Inter,Arial,sans-serif}.sdgen-menu::backdrop{background:none}.sdgen-menu .sdgen-button{display:block;width:100%;margin:0;padding:4px 12px;border:none;background:none;text-align:left}.sdgen-menu .sdgen-button:hover:not([disabled]),.sdgen-menu .sdgen-button:focus{outline:none;background:color-mix(in srgb,#4a90d9 30%,transparent)}.sdgen-menu .sdgen-button[disabled]{opacity:.45;cursor:default}.sdgen-session-dialog{width:min(460px,94vw);height:fit-content;max-height:88vh}.sdgen-form{display:flex;flex-direction:column;gap:10px;overflow:hidden auto;padding:2px 14px 14px}.sdgen-field{display:flex;flex-direction:column;gap:3px}.sdgen-field.sdgen-checkbox{flex-direction:row;align-items:center;gap:8px}.sdgen-field input:not([type=checkbox]),.sdgen-field select{box-sizing:border-box;padding:5px 9px;border:1px solid var(--border-color, #4e4e4e);border-radius:6px;background:var(--comfy-input-bg, #222);color:var(--input-text, #ddd);font:inherit}.sdgen-form-notes:empty{display:none}.sdgen-sheet-dialog{width:min(1000px,94vw);height:fit-content;min-height:240px;max-height:92vh}.sdgen-sheet-axes{display:flex;flex:none;flex-wrap:wrap;align-items:center;gap:8px 14px;padding:0 14px 10px}.sdgen-sheet-axes .sdgen-field{flex-direction:row;align-items:center;gap:6px}.sdgen-sheet-axes a{text-decoration:none}.sdgen-sheet-axes a:first-of-type{margin-left:auto}.sdgen-sheet-view{flex:1;overflow:auto;min-height:0;padding:10px 14px;border-top:1px solid var(--border-color, #4e4e4e)}.sdgen-sheet{display:block;border-radius:4px}", jt = 150, _t = 3e3, Ae = () => y(x()), Z = new Je(Ae), Me = new _e(Ae), E = /* @__PURE__ */ new Map(), T = new Fe(() => {
  for (const [t, e] of E)
    Ie(t), e.refresh();
});
function Ie(t) {
  T.files && F(t) === "SDGenTemplate" && qe(t, "file", T.files);
}
function Vt() {
  if (!document.hidden)
    for (const [t, e] of E) B(t) && e.tick();
}
function Ft(t) {
  if (!B(t) && t.graph === null) return;
  const e = F(t);
  if (e === "SDGenTemplate")
    E.set(t, new At(t, () => {
      T.look(!0);
    })), Ie(t);
  else if (e === "SDGenSessionPlan") E.set(t, new Ne(t, Z));
  else {
    e === "SDGenSessionSave" && me(t, "item");
    return;
  }
  ge(t, () => {
    E.get(t)?.removed?.(), E.delete(t);
  });
}
function Bt(t) {
  Z.receive(t);
}
function Ut() {
  Me.press();
}
function Wt() {
  return T.look(!0);
}
function Ht() {
  const t = document.createElement("style");
  t.dataset.sdgen = "", t.textContent = qt, document.head.append(t), Z.start(), Me.start(), setInterval(Vt, jt), setInterval(() => {
    !document.hidden && [...E.keys()].some(B) && T.look();
  }, _t), z("reconnected", () => {
    T.look(!0);
  }), window.addEventListener("focus", () => {
    T.look(!0);
  }), Pe("progress_text", (e) => {
    const n = e?.nodeId ?? "";
    return [...E].some(([s, i]) => i instanceof Ne && (n === String(s.id) || n.endsWith(`:${s.id}`)));
  }), T.look(!0);
}
export {
  Ft as created,
  Ut as importSessions,
  Wt as refreshed,
  Bt as sessionTold,
  Ht as start
};
